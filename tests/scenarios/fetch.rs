//! Fetching from the gateway: clone and archive.

use crate::support::{ADMIN, App, Gateway, run};

#[test]
fn a_clone_returns_the_pushed_files() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let elsewhere = tempfile::tempdir().unwrap();
    run(gateway.git(ADMIN, elsewhere.path()).args(["clone", "-q", &gateway.repository_url(&app.name), "copy"]));
    let page = std::fs::read_to_string(elsewhere.path().join("copy/index.html")).unwrap();
    assert_eq!(page, "one");
}

#[test]
fn an_archive_of_a_branch_can_be_fetched() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let remote = format!("--remote={}", gateway.repository_url(&app.name));
    let output = run(gateway.git(ADMIN, app.path()).args(["archive", &remote, "--format=tar", "main"]));
    assert!(output.stdout.contains("index.html"));
}
