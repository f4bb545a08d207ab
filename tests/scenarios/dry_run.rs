//! What a push would change, without deploying it.

use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway, world};

const DRY: [&str; 2] = ["--push-option=dry-run", "main"];

#[test]
fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let first = app.head();
    let dockerfile = std::fs::read_to_string(app.path().join("Dockerfile")).unwrap();
    app.write("Dockerfile", &dockerfile.replace("8080", "8081"));
    app.commit("another port");
    let output = app.push_as(&gateway, ADMIN, &DRY).fails();
    for text in [
        "Building with Dockerfile",
        "-        - containerPort: 8080",
        "+        - containerPort: 8081",
        "dry run: nothing was deployed",
    ] {
        assert!(output.contains(text), "{text}\n{}", output.stderr);
    }
    assert!(output.contains(&format!("deployment/{} (v1)", app.name)), "{}", output.stderr);
    assert!(!output.contains("Pushing"), "{}", output.stderr);
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(first));
    assert_eq!(app.releases(), [(1, "deployed".to_owned())]);
    assert!(app.lock_holder().is_none(), "the app is still locked");
    app.push(&gateway).ok().says("Released v2");
}

#[test]
fn a_dry_run_of_a_new_app_creates_nothing() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push_as(&gateway, ADMIN, &DRY).fails().says("+kind: Deployment").says("is not there yet").says("dry run");
    assert_eq!(world::object(&["namespace", &app.name]), None);
    assert!(!gateway.repository(&app.name).exists());
    app.push(&gateway).ok().says("Released v1");
}

#[test]
fn a_dry_run_finds_what_would_be_refused() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.build_step("false");
    app.push_as(&gateway, ADMIN, &DRY).fails().says("the build failed").never_says("dry run: nothing");
    app.git(&["tag", "v1.0"]);
    app.push_as(&gateway, ADMIN, &["--push-option=dry-run", "v1.0"]).fails().says("dry run");
    assert_eq!(app.deployed_ref(&gateway, "refs/tags/v1.0"), None);
}
