//! The check at the start, and by `doctor`, that the Engine can push to the registry.

use serde_json::Value;

use crate::support::process::Output;
use crate::support::test_registry::TestRegistry;
use crate::support::{Gateway, environment, eventually};

/// Waits for the log line with the result of the check.
fn check_result(gateway: &Gateway) -> String {
    let contains = |line: &Value, text: &str| line["message"].as_str().is_some_and(|message| message.contains(text));
    let is_result = |line: &Value| {
        contains(line, "the Engine cannot use the registry") || contains(line, "the Engine reaches the registry")
    };
    eventually("a check of the registry", || gateway.log().into_iter().find(is_result)).to_string()
}

/// Asserts that the check has logged an error with these texts.
#[track_caller]
fn assert_check_fails(gateway: &Gateway, texts: &[&str]) {
    let result = check_result(gateway);
    for text in texts.iter().chain(&["ERROR"]) {
        assert!(result.contains(text), "{text} is not in {result}");
    }
}

#[track_caller]
fn assert_check_succeeds(gateway: &Gateway) {
    assert!(check_result(gateway).contains("the Engine reaches the registry"));
}

/// Runs `doctor` as a user without apps, who sees problems of the registry too.
fn run_doctor(gateway: &Gateway) -> Output {
    gateway.run_command_as("bob", "doctor")
}

#[test]
fn an_engine_that_cannot_reach_the_registry_is_reported_at_the_start_and_by_doctor() {
    let registry = TestRegistry::start();
    let unused_address = format!("localhost:{}", environment::free_port());
    let cases =
        [(unused_address, "connection refused"), (registry.tls_address(), "server gave HTTP response to HTTPS client")];
    let gateways = cases.each_ref().map(|(address, _)| Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", address)]));
    for (gateway, (address, reason)) in gateways.iter().zip(&cases) {
        gateway.register_user("bob");
        // at this time, the check at the start still waits for the registry
        let problem = format!("the Docker Engine cannot reach the registry {address}");
        run_doctor(gateway).fails().prints(&problem).prints(reason);
    }
    for (gateway, (address, reason)) in gateways.iter().zip(&cases) {
        assert_check_fails(gateway, &["--engine, --registry-push", address, reason]);
    }
}

#[test]
fn slipway_waits_for_a_registry_that_starts_later() {
    let port = environment::free_port();
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", &format!("localhost:{port}"))]);
    let _registry = TestRegistry::start_at(port);
    assert_check_succeeds(&gateway);
    gateway.register_user("bob");
    run_doctor(&gateway).ok().prints("Nothing is wrong");
}

#[test]
fn credentials_that_the_registry_refuses_are_reported_without_the_password() {
    let registry = TestRegistry::start_with_password();
    let mut good = registry.prepare_gateway(0);
    good.launch();
    assert_check_succeeds(&good);
    let mut bad = registry.prepare_gateway(1);
    bad.launch();
    let anonymous = Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", &registry.http_address())]);
    for gateway in [&bad, &anonymous] {
        assert_check_fails(gateway, &["--registry-user", "refuses slipway's credentials"]);
        gateway.register_user("bob");
        run_doctor(gateway).fails().prints("refuses slipway's credentials").does_not_print("canary");
        assert!(!gateway.has_logged("canary"));
    }
}
