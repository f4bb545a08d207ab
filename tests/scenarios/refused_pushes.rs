//! Refused pushes: the error names the reason, and nothing is stored.

use crate::support::{ADMIN, App, Gateway, assert_history, kubectl, run, try_run};

/// Asserts that the repository of an app that was never deployed has no ref and no objects.
#[track_caller]
pub fn assert_nothing_stored(gateway: &Gateway, app: &App) {
    assert_eq!(app.remote_ref(gateway, "refs/heads/main"), None);
    let objects = gateway.repository_path(&app.name).join("objects");
    if objects.exists() {
        let files = run(std::process::Command::new("find").arg(&objects).args(["-type", "f"])).stdout;
        assert_eq!(files, "", "objects were stored");
    }
}

#[test]
fn a_tree_without_a_dockerfile_is_refused() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write("readme.txt", "nothing to build");
    app.commit("first");
    app.push(&gateway).fails().prints("Dockerfile").prints(" !     ").does_not_print("Building with");
    assert_nothing_stored(&gateway, &app);
    assert!(!app.namespace_exists());
}

#[test]
fn a_failing_build_step_refuses_the_push_with_the_steps_output() {
    let gateway = Gateway::start();
    let app = App::from_dockerfile("RUN echo about to fail && exit 7");
    app.push(&gateway).fails().prints("about to fail").prints("7").does_not_print("Releasing");
    assert_nothing_stored(&gateway, &app);
    assert_history(&app, &[]);
}

#[test]
fn a_dockerfile_with_a_syntax_error_refuses_the_push() {
    let gateway = Gateway::start();
    let app = App::from_dockerfile("FLY to the moon");
    app.push(&gateway).fails().prints(" !     ").prints("FLY");
    assert_nothing_stored(&gateway, &app);
}

#[test]
fn a_refused_upgrade_leaves_the_ref_and_the_release() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.head();
    app.commit_dockerfile("RUN exit 1");
    app.push(&gateway).fails();
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    assert_history(&app, &[("v1", "deployed")]);
    app.shows("one");
}

#[test]
fn invalid_and_reserved_app_names_are_refused_with_the_rule() {
    let gateway = Gateway::start();
    let app = App::web("x");
    let push = |url: &str| try_run(gateway.git(ADMIN, app.path()).args(["push", url, "main"])).fails();
    let long = "a".repeat(54);
    for name in
        ["Upper", "under_score", "1st", "a.b", "trailing-", "--help", "-oProxyCommand=x", "%2e%2e", "ümlaut", &long]
    {
        let output = push(&gateway.repository_url(name));
        assert!(
            output.contains("invalid app name") || output.contains("lower-case letters"),
            "{name}: {}",
            output.stderr
        );
        assert!(!gateway.repository_path(name).exists());
    }
    for name in ["kube-system", "default"] {
        push(&gateway.repository_url(name)).prints("reserved");
    }
    for path in ["../x", "a/../../x", "a/b", "~/x", "./x"] {
        push(&gateway.repository_url(path));
    }
    let repositories = std::fs::read_dir(gateway.path("data/repos")).unwrap().count();
    assert_eq!(repositories, 0);
}

#[test]
fn a_namespace_that_slipway_did_not_create_is_left_alone() {
    let gateway = Gateway::start();
    let app = App::web("x");
    kubectl(&["create", "namespace", &app.name]);
    app.push(&gateway).fails().prints("not made by slipway");
    assert_nothing_stored(&gateway, &app);
    assert!(kubectl::list(&["deployment", "-n", &app.name]).is_empty());
    // slipway's own namespace is not an app either
    let url = gateway.repository_url(&gateway.namespace);
    try_run(gateway.git(ADMIN, app.path()).args(["push", &url, "main"])).fails();
}

#[test]
fn an_unknown_push_option_is_refused_by_name() {
    let gateway = Gateway::start();
    let app = App::web("x");
    app.push_as(&gateway, ADMIN, &["--push-option=wiat", "main"]).fails().prints("wiat");
    assert_nothing_stored(&gateway, &app);
}
