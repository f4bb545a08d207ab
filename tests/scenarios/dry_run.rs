//! `git push -o dry-run`.

use crate::support::{ADMIN, App, Gateway, assert_history};

const DRY_RUN: [&str; 2] = ["--push-option=dry-run", "main"];

#[test]
fn a_dry_run_shows_the_changes_and_makes_none() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.head();
    app.edit_dockerfile("8080", "8081");
    app.commit("another port");
    app.push_as(&gateway, ADMIN, &DRY_RUN)
        .fails()
        .prints("Building with Dockerfile")
        .prints("-        - containerPort: 8080")
        .prints("+        - containerPort: 8081")
        .prints(&format!("deployment/{} (v1)", app.name))
        .prints("dry run: nothing was deployed")
        .does_not_print("Pushing");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    assert_history(&app, &[("v1", "deployed")]);
    assert!(app.lock_holder().is_none(), "the app is still locked");
    app.push(&gateway).ok().prints("Released v2");
}

#[test]
fn a_dry_run_of_a_new_app_creates_nothing() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push_as(&gateway, ADMIN, &DRY_RUN)
        .fails()
        .prints("+kind: Deployment")
        .prints("does not exist yet")
        .prints("dry run");
    assert!(!app.namespace_exists());
    assert!(!gateway.repository_path(&app.name).exists());
    app.push(&gateway).ok().prints("Released v1");
}

#[test]
fn a_dry_run_finds_a_failing_build_and_stores_no_tag() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_build_step("false");
    app.push_as(&gateway, ADMIN, &DRY_RUN).fails().prints("the build failed").does_not_print("dry run: nothing");
    app.git(&["tag", "v1.0"]);
    app.push_as(&gateway, ADMIN, &["--push-option=dry-run", "v1.0"]).fails().prints("dry run");
    assert_eq!(app.remote_ref(&gateway, "refs/tags/v1.0"), None);
}
