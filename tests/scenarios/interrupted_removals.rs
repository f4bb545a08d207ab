//! A deploy that is interrupted when everything new is ready, while it removes what only the revision before had.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;

use crate::support::api_proxy::{Action, ApiProxy};
use crate::support::process::send_signal;
use crate::support::templates::Templates;
use crate::support::{App, Gateway, kubectl, wait_for_history, wait_until};

const CONFIG_MAPS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n---\n\
                           apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: further\n";

/// Kills the gateway when it deletes the first of two ConfigMaps that v2 does not have.
fn killed_while_removing() -> (ApiProxy, Gateway, App) {
    let first = Templates::copy().with_file("extra.yaml", CONFIG_MAPS);
    let (api, mut gateway) = ApiProxy::start_with_gateway(&[first.setting()]);
    let app = App::deployed(&gateway);
    app.wait_unlocked();
    let none = Templates::copy();
    gateway.restart_with(&[none.setting()]);
    let (pid, is_killed) = (gateway.pid(), Arc::new(AtomicBool::default()));
    let killed = is_killed.clone();
    api.set_rule(move |request| {
        if request.method != "DELETE" || !request.path.contains("/configmaps/") {
            return Action::Forward;
        }
        killed.store(true, Ordering::Release);
        send_signal(pid, Signal::SIGKILL);
        Action::DropRequest
    });
    app.commit_page("two");
    app.push(&gateway).fails();
    assert!(is_killed.load(Ordering::Acquire));
    gateway.kill();
    api.forward_all();
    (api, gateway, app)
}

fn has_config_map(app: &App) -> bool {
    app.get("configmap", "extra").is_some() || app.get("configmap", "further").is_some()
}

#[test]
fn a_ready_release_is_completed_by_the_next_process() {
    let (_api, mut gateway, app) = killed_while_removing();
    let none = Templates::copy();
    gateway.set(&[none.setting()]);
    assert!(has_config_map(&app));
    gateway.launch();
    wait_for_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    app.wait_unlocked();
    assert!(!has_config_map(&app));
    app.shows("two");
    gateway.run_command(&format!("releases {}", app.name)).ok().prints("completed after an interruption");
    app.push(&gateway).ok().prints("Released v3");
}

#[test]
fn a_release_that_is_ready_no_longer_is_rolled_back() {
    let (_api, mut gateway, app) = killed_while_removing();
    let none = Templates::copy();
    gateway.set(&[none.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "10s")]);
    kubectl(&["create", "quota", "none", "--hard=pods=0", "-n", &app.name]);
    kubectl(&["delete", "pod", "--all", "--now", "-n", &app.name]);
    gateway.launch();
    wait_until("v2 is given up", || app.has_revision("v2", "failed"));
    kubectl(&["delete", "quota", "none", "-n", &app.name]);
    app.wait_unlocked();
    app.push(&gateway).ok();
    app.shows("two");
}
