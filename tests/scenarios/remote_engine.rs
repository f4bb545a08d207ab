//! An Engine on another machine, which is spoken to with TLS.

use std::path::Path;
use std::process::Command;

use crate::support::certificates::Authority;
use crate::support::engine::RemoteEngine;
use crate::support::{App, Gateway, run, try_run};

const HERE: &str = "127.0.0.1";

/// An app that any Engine can build: it starts from nothing, and runs nothing.
pub fn app_from_scratch() -> App {
    let app = App::empty();
    let busybox = run(Command::new("sh").args(["-c", "command -v busybox"])).stdout;
    std::fs::copy(busybox.trim(), app.path().join("busybox")).unwrap();
    app.write("index.html", "from afar");
    let dockerfile = "FROM scratch\nCOPY busybox /busybox\nCOPY index.html /www/\nEXPOSE 8080\nSTOPSIGNAL SIGKILL\n\
                      CMD [\"/busybox\", \"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";
    app.write("Dockerfile", dockerfile);
    app.commit("first");
    app
}

fn gateway(url: &str, tls: &Path) -> Gateway {
    Gateway::prepared(&[("SLIPWAY_ENGINE", url), ("SLIPWAY_ENGINE_TLS", tls.to_str().unwrap())])
}

#[test]
fn an_engine_elsewhere_builds_and_pushes_over_tls() {
    let authority = Authority::of_a_server_at(HERE);
    let engine = RemoteEngine::start(&authority, HERE, &[]);
    let mut gateway = gateway(&engine.url, &authority.path("client"));
    gateway.launch();
    for builder in ["buildkit", "classic"] {
        gateway.restart_with(&[("SLIPWAY_BUILDER", builder)]);
        let app = app_from_scratch();
        app.push(&gateway).ok().says("Application deployed");
        app.shows("from afar");
    }

    // whom it does not know, it does not serve, and is not trusted by
    let stranger = Authority::of_a_server_at(HERE);
    let app = app_from_scratch();
    gateway.restart_with(&[("SLIPWAY_ENGINE_TLS", stranger.path("client").to_str().unwrap())]);
    app.push(&gateway).fails().says("TLS fails: invalid peer certificate: UnknownIssuer");
    std::fs::copy(authority.path("ca.pem"), stranger.path("client/ca.pem")).unwrap();
    app.push(&gateway).fails().says("TLS fails: received fatal alert");

    // certificates are read anew for each connection, as when a Secret is renewed
    for file in ["cert.pem", "key.pem"] {
        std::fs::copy(authority.path("client").join(file), stranger.path("client").join(file)).unwrap();
    }
    app.push(&gateway).ok().says("Application deployed");
}

#[test]
fn settings_of_tls_that_cannot_work_are_refused_at_the_start() {
    let authority = Authority::of_a_server_at(HERE);
    let client = authority.path("client");
    let refused = |gateway: &Gateway, text: &str| {
        let output = try_run(&mut gateway.command());
        assert_eq!(output.code, Some(2), "{output:?}");
        output.says("--engine-tls").says(text);
    };
    for url in ["unix:///var/run/docker.sock", "http://127.0.0.1:1"] {
        refused(&gateway(url, &client), "only an Engine at tcp://HOST:PORT");
    }
    refused(&gateway("tcp://127.0.0.1:1", &authority.path("nowhere")), "ca.pem: it is missing");
    std::fs::write(client.join("cert.pem"), "canary").unwrap();
    refused(&gateway("tcp://127.0.0.1:1", &client), "cert.pem: there is no certificate in it");
}

#[test]
fn an_engine_elsewhere_without_tls_is_warned_of() {
    let gateway = Gateway::with(&[("SLIPWAY_ENGINE", "tcp://engine.invalid:2375")]);
    assert!(gateway.log().iter().any(|line| line["level"] == "WARN" && line.to_string().contains("no --engine-tls")));
    let local = Gateway::with(&[("SLIPWAY_ENGINE", "tcp://127.0.0.1:1")]);
    assert!(!local.log().iter().any(|line| line.to_string().contains("--engine-tls")));
}
