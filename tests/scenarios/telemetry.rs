//! Logs, metrics and Kubernetes Events of deploys.

use crate::support::{ADMIN, App, Gateway, kubectl, wait_until};

#[test]
fn log_lines_of_a_deploy_have_its_fields() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
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
fn deploys_are_counted_in_metrics_and_reported_as_events() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_build_step("exit 7");
    app.push(&gateway).fails();
    let metrics = gateway.metrics();
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
    wait_until("events of both deploys", || {
        let events = kubectl::list(&["events", "-n", &app.name]);
        let ours = events.iter().filter(|event| event["reportingComponent"] == "slipway");
        let mut reasons: Vec<&str> = ours.map(|event| event["reason"].as_str().unwrap()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons == ["BuildFailed", "Deployed", "PushReceived"]
    });
}
