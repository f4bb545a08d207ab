//! The Engine, the registry or the API server cannot be reached, before a push and during it.

use crate::support::{App, Gateway, assert_history, environment, wait_until};

#[test]
fn an_unreachable_engine_refuses_the_push() {
    let (proxy, gateway) = Gateway::with_engine_proxy();
    let app = App::web("one");
    proxy.cut();
    app.push(&gateway).fails().prints("Docker Engine");
    assert!(!app.namespace_exists());
    proxy.restore();
    app.push(&gateway).ok().prints("Released v1");
}

#[test]
fn an_engine_that_disconnects_during_the_build_fails_the_push() {
    let (proxy, gateway) = Gateway::with_engine_proxy();
    let app = App::web("one");
    let push = app.start_push_with_build_step(&gateway, "sleep 30");
    proxy.cut();
    push.wait().fails().prints("Docker Engine");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
    proxy.restore();
    app.commit_web("two");
    app.push(&gateway).ok().prints("Released v1");
}

#[test]
fn an_unreachable_registry_refuses_the_push_before_the_build() {
    let (proxy, gateway) = Gateway::with_registry_proxy();
    let app = App::web("one");
    proxy.cut();
    app.push(&gateway).fails().prints("registry").does_not_print("Building");
    proxy.restore();
    // slipway pushes to one address of the registry, and nodes pull from another one
    app.push(&gateway).ok().prints(&format!("Pushing {}/{}", proxy.registry_address(), app.name));
    let pull_address = environment::registry_address();
    assert!(app.deployment().to_string().contains(&format!("{pull_address}/{}@sha256:", app.name)));
}

#[test]
fn a_registry_that_disconnects_during_the_build_fails_the_push() {
    let (proxy, gateway) = Gateway::with_registry_proxy();
    let app = App::web("one");
    let push = app.start_push_with_build_step(&gateway, "sleep 3");
    proxy.cut();
    push.wait().fails().prints("registry");
    assert_history(&app, &[]);
    proxy.restore();
    app.push(&gateway).ok().prints("Released v1");
}

#[test]
fn a_registry_that_is_away_for_a_moment_when_the_build_ends_does_not_fail_the_push() {
    let (proxy, gateway) = Gateway::with_registry_proxy();
    let app = App::web("one");
    let push = app.start_push_with_build_step(&gateway, "sleep 3");
    proxy.cut();
    push.wait_for_output("The registry does not answer: trying again");
    proxy.restore();
    push.wait().ok().prints("Released v1");
}

#[test]
fn an_unreachable_api_server_refuses_the_push() {
    let (proxy, gateway) = Gateway::with_api_server_proxy();
    let app = App::web("one");
    proxy.cut();
    app.push(&gateway).fails().prints("Kubernetes");
    proxy.restore();
    app.push(&gateway).ok().prints("Released v1");
}

#[test]
fn an_api_server_that_disconnects_during_the_build_fails_the_push() {
    let (proxy, gateway) = Gateway::with_api_server_proxy();
    let app = App::web("one");
    let push = app.start_push_with_build_step(&gateway, "sleep 3");
    proxy.cut();
    push.wait().fails().prints(" !     ");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
    proxy.restore();
    app.wait_unlocked();
    app.push(&gateway).ok();
    app.shows("one");
}

#[test]
fn a_push_that_loses_the_api_server_during_the_rollout_is_undone_when_the_server_is_back() {
    let (proxy, gateway) = Gateway::with_api_server_proxy();
    let app = App::deployed(&gateway);
    app.write("index.html", "two");
    let second = app.commit_slow_start(5);
    let push = app.start_push(&gateway);
    push.wait_for_output("0 of 1 ready");
    proxy.cut();
    push.wait().fails().prints("Kubernetes API");
    assert_ne!(app.remote_ref(&gateway, "refs/heads/main"), Some(second));
    proxy.restore();
    // this gateway may undo it, or another test's gateway that starts now: every gateway recovers apps with an expired lock
    wait_until("the release is undone", || {
        let history = app.history();
        let is_live = history.last().is_some_and(|(_, status)| status == "deployed");
        history.contains(&(2, "failed".to_owned())) && is_live
    });
    app.shows("one");
    app.wait_unlocked();
    app.push(&gateway).ok().prints("Released v");
    app.shows("two");
}
