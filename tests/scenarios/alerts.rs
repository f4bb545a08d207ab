//! What Prometheus makes of slipway's metrics, and of the alerts in the chart: asked of its own `promtool`.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::support::process::try_run_with;
use crate::support::{App, Gateway, run, try_run};

/// The rules as the chart makes them.
fn rules() -> Value {
    let mut helm = Command::new("helm");
    helm.args(["template", "slipway", "chart", "--namespace", "slipway", "--show-only", "templates/alerts.yaml"]);
    let text = run(helm.args(["--set", "image.repository=x,metrics.rules.enabled=true,metrics.rules.labels.team=ops"]));
    let object: Value = serde_yaml::from_str(&text.stdout).unwrap();
    assert_eq!(object["metadata"]["labels"]["team"], "ops");
    object["spec"].clone()
}

/// The metrics that a text names. A histogram is named by its parts.
fn named(text: &str) -> BTreeSet<String> {
    let word = |start: &str| start.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let words = text.match_indices("slipway_").map(|(position, _)| word(&text[position..]));
    let part = |name: String| {
        ["_bucket", "_count", "_sum"].iter().find_map(|part| name.strip_suffix(part).map(str::to_owned)).unwrap_or(name)
    };
    words.map(part).collect()
}

#[test]
fn prometheus_takes_the_alerts_and_they_fire_when_they_should() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rules.json"), rules().to_string()).unwrap();
    std::fs::copy("tests/scenarios/fixtures/alerts.yaml", dir.path().join("alerts.yaml")).unwrap();
    let promtool = |arguments: &[&str]| try_run(Command::new("promtool").args(arguments).current_dir(dir.path()));
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", "rules.json"]).ok().says("6 rules found");
    promtool(&["test", "rules", "alerts.yaml"]).ok().says("SUCCESS");
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let there = named(&std::fs::read_to_string("src/domain/metric.rs").unwrap());
    assert!(there.contains("slipway_deploys_total"), "{there:?}");
    let dashboard = std::fs::read_to_string("chart/files/dashboard.json").unwrap();
    for (asker, text) in [("the dashboard", dashboard), ("an alert", rules().to_string())] {
        let asked = named(&text);
        assert!(asked.len() > 5, "{asker} asks for {asked:?}");
        let unknown: Vec<_> = asked.difference(&there).collect();
        assert!(unknown.is_empty(), "{asker} asks for {unknown:?}");
    }
}

#[test]
fn promtool_has_nothing_to_say_of_the_metrics() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let metrics = gateway.get("/metrics").ok().stdout;
    let metrics = metrics.strip_suffix("200").unwrap();
    let said = try_run_with(Command::new("promtool").args(["check", "metrics"]), metrics).ok();
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""));
    // each has its line of help, and what alerts ask for is there before anything happens
    let silent: Vec<_> =
        named(metrics).into_iter().filter(|name| !metrics.contains(&format!("# HELP {name} "))).collect();
    assert!(silent.is_empty(), "{silent:?}");
    for line in ["slipway_ready 1", "slipway_deploys_total{kind=\"rollback\",result=\"failed\"} 0"] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}
