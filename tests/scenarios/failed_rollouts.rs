//! Rollouts that fail, and the automatic rollback.

use crate::support::templates::Templates;
use crate::support::{App, Gateway, assert_history};

/// A container that runs and never listens.
const SILENT_APP: &str = r#"EXPOSE 8080
CMD ["sleep", "3600"]"#;

#[test]
fn a_first_deploy_that_crashes_is_explained_and_leaves_only_its_namespace() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.commit_crash();
    app.push(&gateway).fails().prints("the last words").prints("3");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
    assert_eq!(app.get("deployment", &app.name), None);
    assert_eq!(app.get("service", &app.name), None);
    assert!(app.namespace_exists());
    assert_history(&app, &[("v1", "failed")]);

    app.commit_web("repaired");
    app.push(&gateway).ok().prints("Released v2");
    app.shows("repaired");
}

#[test]
fn an_upgrade_that_crashes_is_rolled_back() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.head();
    app.commit_crash();
    app.push(&gateway).fails().prints("the last words").prints("v1");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    app.shows("one");
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);

    app.commit_web("repaired");
    app.push(&gateway).ok().prints("Released v4");
    app.shows("repaired");
}

#[test]
fn an_app_that_does_not_listen_fails_at_the_timeout_with_its_probe() {
    let gateway = Gateway::with(&[("SLIPWAY_ROLLOUT_TIMEOUT", "15s")]);
    let app = App::from_dockerfile(SILENT_APP);
    app.push(&gateway).fails().prints("probe").prints("8080");
    assert_eq!(app.get("deployment", &app.name), None);
}

#[test]
fn an_upgrade_that_does_not_listen_is_rolled_back_at_the_timeout() {
    // The Deployment's progress deadline is shorter than slipway's timeout, so that its condition is set when the rollback begins.
    let templates = Templates::copy().replace("{{ progress_deadline_seconds }}", "10");
    let gateway = Gateway::with(&[templates.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "15s")]);
    let app = App::deployed(&gateway);
    let first = app.head();
    app.commit_dockerfile(SILENT_APP);
    app.push(&gateway).fails().prints("probe").prints("rolled back to v1 (as v3)");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    app.shows("one");
}

#[test]
fn an_app_that_fits_no_node_fails_at_the_timeout_with_the_reason() {
    let selector = "      nodeSelector: {disk: floppy}\n      containers:\n";
    let templates = Templates::copy().replace("      containers:\n", selector);
    let gateway = Gateway::with(&[templates.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "10s")]);
    let app = App::web("one");
    app.push(&gateway).fails().prints("node");
    assert_eq!(app.get("deployment", &app.name), None);
}

#[test]
fn an_image_that_cannot_be_pulled_fails_the_rollout_before_its_timeout() {
    // no server listens at the registry's address for nodes
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PULL", "localhost:9"), ("SLIPWAY_ROLLOUT_TIMEOUT", "60s")]);
    let app = App::web("one");
    app.push(&gateway).fails().prints("pull").prints("localhost:9");
    assert_eq!(app.get("deployment", &app.name), None);
}
