//! The program itself: settings, health, its end.

use std::process::Command;

use crate::support::gateway::ADMIN;
use crate::support::proxy::{self, Proxy, Target};
use crate::support::{App, Gateway, eventually, try_run, world};

#[test]
fn a_wrong_setting_is_named_and_ends_the_start_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let wrong = [
        ("SLIPWAY_SSH_LISTEN", "nowhere", "--ssh-listen"),
        ("SLIPWAY_LOGIN_GRACE", "soon", "--login-grace"),
        ("SLIPWAY_KEEPALIVE", "0s", "--keepalive"),
        ("SLIPWAY_MAX_SESSIONS", "0", "--max-sessions"),
        ("SLIPWAY_MAX_PACK", "much", "--max-pack"),
        ("SLIPWAY_APP_URL", "http://{host}", "--app-url"),
        ("SLIPWAY_NAMESPACE", "Not_A_Namespace", "--namespace"),
        ("SLIPWAY_APP_CREATION", "nobody", "--app-creation"),
        ("SLIPWAY_LOG", "loud=please=x", "--log"),
        ("SLIPWAY_ENGINE", "ftp://x", "--engine"),
        ("SLIPWAY_ADMIN_KEYS", file, "--admin-keys"),
        ("SLIPWAY_TEMPLATES", file, "--templates"),
        ("SLIPWAY_DATA_DIR", file, "--data-dir"),
        ("SLIPWAY_HTTP_LISTEN", "203.0.113.1:1", "--http-listen"),
    ];
    for (name, value, flag) in wrong {
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_slipway"));
        gateway
            .args(["serve", "--ssh-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path());
        // a flag beats its variable, so the one under test must not be given twice
        let mut gateway = match name {
            "SLIPWAY_SSH_LISTEN" | "SLIPWAY_HTTP_LISTEN" | "SLIPWAY_DATA_DIR" => {
                let mut bare = Command::new(env!("CARGO_BIN_EXE_slipway"));
                bare.arg("serve");
                bare
            }
            _ => gateway,
        };
        let output = try_run(gateway.env(name, value));
        assert_eq!(output.code, Some(2), "{name}={value}: {}", output.stderr);
        output.says(flag);
    }
}

#[test]
fn every_flag_of_serve_has_a_variable_and_a_help_line() {
    let help = try_run(Command::new(env!("CARGO_BIN_EXE_slipway")).args(["serve", "--help"])).ok().stdout;
    let flags: Vec<&str> = help.lines().filter(|line| line.starts_with("      --")).map(str::trim).collect();
    assert!(flags.len() > 20, "{help}");
    for flag in flags {
        let name = flag.trim_start_matches("--").split([' ', '=']).next().unwrap();
        let variable = format!("[env: SLIPWAY_{}=", name.to_uppercase().replace('-', "_"));
        assert!(help.contains(&variable), "{name} has no variable {variable}\n{help}");
    }
}

#[test]
fn health_is_answered_over_http() {
    let gateway = Gateway::start();
    assert_eq!(gateway.get("/healthz").ok().stdout, "ok\n200");
    eventually("it is ready", || (gateway.get("/readyz").stdout == "ready\n200").then_some(()));
}

#[test]
fn readiness_says_what_is_away_and_liveness_does_not_care() {
    let engine = Proxy::to(Target::of(&world::engine()));
    let dir = tempfile::tempdir().unwrap();
    let (api, kubeconfig) = proxy::api_server(dir.path());
    let url = format!("tcp://{}", engine.address());
    let gateway = Gateway::with(&[("SLIPWAY_ENGINE", &url), ("KUBECONFIG", &kubeconfig)]);
    eventually("it is ready", || (gateway.get("/readyz").stdout == "ready\n200").then_some(()));
    engine.cut();
    let unready = "the Docker Engine does not answer\n503";
    eventually("it is unready", || (gateway.get("/readyz").stdout == unready).then_some(()));
    assert_eq!(gateway.get("/healthz").ok().stdout, "ok\n200");
    let metrics = gateway.get("/metrics").ok().stdout;
    assert!(metrics.contains("slipway_dependency_up{dependency=\"engine\"} 0"), "{metrics}");
    assert!(metrics.contains("slipway_dependency_up{dependency=\"registry\"} 1"), "{metrics}");
    engine.mend();
    eventually("it is ready again", || (gateway.get("/readyz").stdout == "ready\n200").then_some(()));
    api.cut();
    let unready = "the Kubernetes API does not answer\n503";
    eventually("it is unready", || (gateway.get("/readyz").stdout == unready).then_some(()));
    api.mend();
    eventually("it is ready once more", || (gateway.get("/readyz").stdout == "ready\n200").then_some(()));
}

#[test]
fn a_terminated_gateway_is_unready_finishes_its_deploys_and_ends_with_0() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    app.build_step("sleep 4");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 4");
    gateway.terminate();
    eventually("it is unready", || gateway.get("/readyz").stdout.ends_with("503").then_some(()));
    assert!(try_run(gateway.ssh(ADMIN).arg("help")).code != Some(0), "a draining gateway took a new connection");
    push.finish().ok().says("Released v1");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn the_drain_is_bounded() {
    let mut gateway = Gateway::with(&[("SLIPWAY_DRAIN_TIMEOUT", "1s")]);
    let app = App::web("one");
    app.build_step("sleep 600");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 600");
    gateway.terminate();
    push.finish().fails();
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn log_lines_of_a_deploy_carry_its_fields() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let log = gateway.log();
    let line = log.iter().find(|line| line["message"] == "deployed").expect("a line about the deploy");
    let span = &line["span"];
    for field in ["deploy_id", "app", "commit", "user", "remote"] {
        assert!(span[field].is_string(), "{field} is missing in {line}");
    }
    assert_eq!(span["app"], app.name.as_str());
    assert_eq!(span["user"], ADMIN);
}

#[test]
fn what_happens_is_counted_and_told_to_the_cluster() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.build_step("exit 7");
    app.push(&gateway).fails();
    let metrics = gateway.get("/metrics").ok().stdout;
    for line in [
        "# TYPE slipway_deploys_total counter",
        "slipway_build_info{version=",
        "slipway_deploys_total{kind=\"push\",result=\"deployed\"} 1",
        "slipway_deploys_total{kind=\"push\",result=\"failed\"} 1",
        "slipway_deploys 0",
        "slipway_receives_total{result=\"deployed\"} 1",
        "slipway_receives_total{result=\"refused\"} 1",
        "slipway_deploy_phase_duration_seconds_count{phase=\"build\"} 2",
        "slipway_deploy_phase_duration_seconds_count{phase=\"release\"} 1",
        "slipway_ssh_authentications_total{result=\"accepted\"} 2",
        "slipway_kubernetes_requests_total{method=\"PATCH\",code=\"201\"}",
        "slipway_keys 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let reasons = || {
        let events = world::object(&["events", "-n", &app.name]).unwrap();
        let ours = events["items"].as_array().unwrap().iter().filter(|event| event["reportingComponent"] == "slipway");
        let mut reasons: Vec<String> = ours.map(|event| event["reason"].as_str().unwrap().to_owned()).collect();
        reasons.sort();
        reasons.dedup();
        reasons
    };
    eventually("the events", || (reasons() == ["BuildFailed", "Deployed", "PushReceived"]).then_some(()));
}
