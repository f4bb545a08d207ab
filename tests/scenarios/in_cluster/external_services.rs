//! An installation with an Engine on another machine, and an external registry with a password.

use std::process::Command;

use crate::support::certificates::CertificateAuthority;
use crate::support::process::try_run_with_input;
use crate::support::remote_engine::RemoteEngine;
use crate::support::test_registry::{PASSWORDS, TestRegistry, USER};
use crate::support::{App, Installation, environment, run};

/// Creates or updates the Secret with the registry's password, which users create themselves.
fn set_password(slipway: &Installation, index: usize) {
    let literal = format!("--from-literal=password={}", PASSWORDS[index].0);
    let secret =
        slipway.kubectl(&["create", "secret", "generic", "registry", &literal, "--dry-run=client", "-o", "yaml"]);
    try_run_with_input(Command::new("kubectl").args(["apply", "-n", &slipway.name, "-f", "-"]), &secret).ok();
}

#[test]
fn slipway_uses_an_external_engine_and_registry_and_follows_a_new_password() {
    let (node, registry) = (environment::node_address(), TestRegistry::start_with_password());
    let authority = CertificateAuthority::for_server(&node);
    let engine = RemoteEngine::start(&authority, &node, &["--insecure-registry", &registry.tls_address()]);
    let mut slipway = Installation::prepared();
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
        format!("registry.external.address={}", registry.tls_address()),
        format!("registry.external.pullAddress={}", registry.http_address()),
        "registry.external.insecure=true".to_owned(),
        format!("registry.external.user={USER}"),
        "registry.external.passwordSecret.name=registry".to_owned(),
    ]);
    slipway.start();
    let app = App::from_scratch("from afar");
    slipway.push(&app).ok().prints("Released v1");
    app.shows("from afar");
    let log = slipway.log();
    assert!(log.contains("the Engine reaches the registry"), "{log}");

    // the kubelet updates the password file of the running pod
    registry.set_password(1);
    set_password(&slipway, 1);
    app.wait_for_pull_password(1);
    app.commit_page("with another password");
    slipway.push(&app).ok().prints("Released v2");
    app.shows("with another password");
    let log = slipway.log();
    assert!(!log.contains("canary"), "{log}");
}
