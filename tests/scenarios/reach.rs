//! The Engine has to reach the registry, and slipway looks whether it does before a push needs it.

use crate::support::process::Output;
use crate::support::registry::{OwnRegistry, PASSWORDS, USER};
use crate::support::{Gateway, eventually, try_run, world};

/// The line in which slipway says how it is, once it knows.
fn verdict(gateway: &Gateway) -> String {
    let says = |line: &serde_json::Value, text: &str| line["message"].as_str().is_some_and(|said| said.contains(text));
    let is_verdict =
        |line: &serde_json::Value| says(line, "as it is, no push can go live") || says(line, "the Engine reaches");
    eventually("a verdict", || gateway.log().into_iter().find(is_verdict)).to_string()
}

/// As somebody who has no apps: what is found is of concern to all.
fn doctor(gateway: &Gateway) -> Output {
    try_run(gateway.ssh("bob").arg("doctor"))
}

fn gateway_with_password(registry: &OwnRegistry, password: &str) -> Gateway {
    let mut gateway = Gateway::prepared(&[]);
    let file = gateway.path("password");
    std::fs::write(&file, password).unwrap();
    gateway.set(&[
        ("SLIPWAY_REGISTRY_PUSH", &registry.local()),
        ("SLIPWAY_REGISTRY_USER", USER),
        ("SLIPWAY_REGISTRY_PASSWORD_FILE", file.to_str().unwrap()),
    ]);
    gateway.launch();
    gateway
}

#[test]
fn an_engine_that_does_not_reach_the_registry_is_named_at_the_start_and_by_doctor() {
    let plain = OwnRegistry::start(false);
    let nobody = format!("localhost:{}", world::free_port());
    let cases = [(nobody, "connection refused"), (plain.of_the_node(), "server gave HTTP response to HTTPS client")];
    let gateways = cases.each_ref().map(|(address, _)| Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", address)]));
    for (gateway, (address, reason)) in gateways.iter().zip(&cases) {
        gateway.new_user("bob");
        // it is asked while slipway still waits for the registry to come
        let named = format!("the Docker Engine cannot reach the registry {address}");
        doctor(gateway).fails().says(&named).says(reason);
    }
    for (gateway, (address, reason)) in gateways.iter().zip(&cases) {
        let verdict = verdict(gateway);
        for text in ["ERROR", "--engine, --registry-push", address, reason] {
            assert!(verdict.contains(text), "{text} is not in {verdict}");
        }
    }
}

#[test]
fn a_registry_that_comes_up_after_slipway_is_waited_for() {
    let port = world::free_port();
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", &format!("localhost:{port}"))]);
    let _registry = OwnRegistry::start_at(port, false);
    assert!(verdict(&gateway).contains("the Engine reaches the registry"));
    gateway.new_user("bob");
    doctor(&gateway).ok().says("Nothing is wrong");
}

#[test]
fn credentials_that_the_registry_refuses_are_named() {
    let registry = OwnRegistry::start(true);
    let good = gateway_with_password(&registry, PASSWORDS[0].0);
    assert!(verdict(&good).contains("the Engine reaches the registry"));
    let bad = gateway_with_password(&registry, PASSWORDS[1].0);
    let anonymous = Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", &registry.local())]);
    for gateway in [&bad, &anonymous] {
        let verdict = verdict(gateway);
        for text in ["ERROR", "--registry-user", "refuses slipway's credentials"] {
            assert!(verdict.contains(text), "{text} is not in {verdict}");
        }
        gateway.new_user("bob");
        doctor(gateway).fails().says("refuses slipway's credentials").never_says("canary");
        assert!(!gateway.log().iter().any(|line| line.to_string().contains("canary")));
    }
}
