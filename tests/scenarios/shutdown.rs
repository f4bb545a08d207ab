//! The end of the gateway on SIGTERM.

use crate::support::{App, Gateway, wait_until};

#[test]
fn a_terminated_gateway_becomes_unready_and_finishes_its_deploys() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    let push = app.start_push_with_build_step(&gateway, "sleep 4");
    gateway.terminate();
    wait_until("the gateway is unready", || gateway.http_get("/readyz").stdout.ends_with("503"));
    assert!(gateway.run_command("help").code != Some(0), "a draining gateway accepted a new connection");
    push.wait().ok().prints("Released v1");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn a_deploy_that_outlasts_the_drain_timeout_is_cancelled() {
    let mut gateway = Gateway::with(&[("SLIPWAY_DRAIN_TIMEOUT", "1s")]);
    let app = App::web("one");
    let push = app.start_push_with_build_step(&gateway, "sleep 600");
    gateway.terminate();
    push.wait().fails();
    assert_eq!(gateway.wait(), Some(0));
}
