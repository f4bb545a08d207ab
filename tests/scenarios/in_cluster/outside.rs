//! The chart with what is outside of the cluster: an Engine on another machine, and a registry that asks for a password.

use std::process::Command;

use crate::pull_secret::until_nodes_have;
use crate::remote_engine::app_from_scratch;
use crate::support::certificates::Authority;
use crate::support::engine::RemoteEngine;
use crate::support::process::try_run_with;
use crate::support::registry::{OwnRegistry, PASSWORDS, USER};
use crate::support::{Installed, run, world};

/// What users keep in a Secret that they make themselves.
fn set_password(slipway: &Installed, number: usize) {
    let literal = format!("--from-literal=password={}", PASSWORDS[number].0);
    let secret =
        slipway.kubectl(&["create", "secret", "generic", "registry", &literal, "--dry-run=client", "-o", "yaml"]);
    try_run_with(Command::new("kubectl").args(["apply", "-n", &slipway.name, "-f", "-"]), &secret).ok();
}

#[test]
fn the_chart_uses_an_engine_and_a_registry_outside_and_follows_a_password() {
    let (node, registry) = (world::node_address(), OwnRegistry::start(true));
    let authority = Authority::of_a_server_at(&node);
    let engine = RemoteEngine::start(&authority, &node, &["--insecure-registry", &registry.of_the_node()]);
    let mut slipway = Installed::prepared();
    let certificates = authority.path("client");
    let mut secret = Command::new("kubectl");
    secret.args(["create", "secret", "generic", "engine-tls", "-n", &slipway.name]);
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        secret.arg(format!("--from-file={}", certificates.join(file).display()));
    }
    run(&mut secret);
    set_password(&slipway, 0);
    slipway.values.extend([
        "builder.mode=remote".to_owned(),
        format!("builder.remote.url={}", engine.url),
        "builder.remote.tlsSecret=engine-tls".to_owned(),
        "registry.mode=external".to_owned(),
        format!("registry.external.address={}", registry.of_the_node()),
        format!("registry.external.pullAddress={}", registry.local()),
        "registry.external.insecure=true".to_owned(),
        format!("registry.external.user={USER}"),
        "registry.external.passwordSecret.name=registry".to_owned(),
    ]);
    slipway.install().ok();
    slipway.write_known_hosts();
    slipway.ready("");
    let app = app_from_scratch();
    slipway.push(&app).ok().says("Released v1");
    app.shows("from afar");
    let log = slipway.kubectl(&["logs", &format!("{}-0", slipway.name)]);
    assert!(log.contains("the Engine reaches the registry"), "{log}");

    // the kubelet hands the new password to the running pod
    registry.set_password(1);
    set_password(&slipway, 1);
    until_nodes_have(&app, 1);
    app.write("index.html", "with another password");
    app.commit("second");
    slipway.push(&app).ok().says("Released v2");
    app.shows("with another password");
    let log = slipway.kubectl(&["logs", &format!("{}-0", slipway.name)]);
    assert!(!log.contains("canary"), "{log}");
}
