//! An Engine on another machine, which slipway connects to with TLS.

use std::path::Path;

use crate::support::certificates::CertificateAuthority;
use crate::support::remote_engine::RemoteEngine;
use crate::support::{App, Gateway, try_run};

const LOOPBACK: &str = "127.0.0.1";

/// A gateway for an Engine, with a directory of certificates.
fn prepare_gateway(engine_url: &str, certificates: &Path) -> Gateway {
    Gateway::prepared(&[("SLIPWAY_ENGINE", engine_url), ("SLIPWAY_ENGINE_TLS", certificates.to_str().unwrap())])
}

#[test]
fn a_remote_engine_builds_and_pushes_over_tls() {
    let authority = CertificateAuthority::for_server(LOOPBACK);
    let engine = RemoteEngine::start(&authority, LOOPBACK, &[]);
    let mut gateway = prepare_gateway(&engine.url, &authority.path("client"));
    gateway.launch();
    for builder in ["buildkit", "classic"] {
        gateway.restart_with(&[("SLIPWAY_BUILDER", builder)]);
        let app = App::from_scratch("from afar");
        app.push(&gateway).ok().prints("Application deployed");
        app.shows("from afar");
    }

    // slipway and the Engine refuse certificates of another authority
    let other = CertificateAuthority::for_server(LOOPBACK);
    let app = App::from_scratch("from afar");
    gateway.restart_with(&[("SLIPWAY_ENGINE_TLS", other.path("client").to_str().unwrap())]);
    app.push(&gateway).fails().prints("TLS fails: invalid peer certificate: UnknownIssuer");
    std::fs::copy(authority.path("ca.pem"), other.path("client/ca.pem")).unwrap();
    app.push(&gateway).fails().prints("TLS fails: received fatal alert");

    // certificates are read for each connection, so that a renewed Secret takes effect
    for file in ["cert.pem", "key.pem"] {
        std::fs::copy(authority.path("client").join(file), other.path("client").join(file)).unwrap();
    }
    app.push(&gateway).ok().prints("Application deployed");
}

#[test]
fn invalid_tls_settings_are_refused_at_the_start() {
    let authority = CertificateAuthority::for_server(LOOPBACK);
    let client = authority.path("client");
    let assert_refused = |gateway: &Gateway, text: &str| {
        let output = try_run(&mut gateway.serve_command());
        assert_eq!(output.code, Some(2), "{output:?}");
        output.prints("--engine-tls").prints(text);
    };
    for url in ["unix:///var/run/docker.sock", "http://127.0.0.1:1"] {
        assert_refused(&prepare_gateway(url, &client), "only an Engine at tcp://HOST:PORT");
    }
    assert_refused(&prepare_gateway("tcp://127.0.0.1:1", &authority.path("nowhere")), "ca.pem: it is missing");
    std::fs::write(client.join("cert.pem"), "canary").unwrap();
    assert_refused(&prepare_gateway("tcp://127.0.0.1:1", &client), "cert.pem: there is no certificate in it");
}

#[test]
fn a_remote_engine_without_tls_causes_a_warning() {
    let remote = Gateway::with(&[("SLIPWAY_ENGINE", "tcp://engine.invalid:2375")]);
    let log = remote.log();
    assert!(log.iter().any(|line| line["level"] == "WARN" && line.to_string().contains("has no TLS")));
    let local = Gateway::with(&[("SLIPWAY_ENGINE", "tcp://127.0.0.1:1")]);
    assert!(!local.has_logged("--engine-tls"));
}
