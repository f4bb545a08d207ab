//! Metrics, alerts and dashboard, checked with Prometheus' `promtool`.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::support::process::try_run_with_input;
use crate::support::{App, Gateway, run, try_run};

/// The alerting rules that the chart renders.
fn alerting_rules() -> Value {
    let mut helm = Command::new("helm");
    helm.args(["template", "slipway", "chart", "--namespace", "slipway", "--show-only", "templates/alerts.yaml"]);
    let text = run(helm.args(["--set", "image.repository=x,metrics.rules.enabled=true,metrics.rules.labels.team=ops"]));
    let object: Value = serde_yaml::from_str(&text.stdout).unwrap();
    assert_eq!(object["metadata"]["labels"]["team"], "ops");
    object["spec"].clone()
}

/// The names of slipway's metrics in a text. The series of a histogram are reduced to its name.
fn metric_names(text: &str) -> BTreeSet<String> {
    let word = |start: &str| start.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let words = text.match_indices("slipway_").map(|(position, _)| word(&text[position..]));
    let metric = |name: String| {
        let suffixes = ["_bucket", "_count", "_sum"];
        suffixes.iter().find_map(|suffix| name.strip_suffix(suffix).map(str::to_owned)).unwrap_or(name)
    };
    words.map(metric).collect()
}

#[test]
fn alerts_are_valid_and_fire_in_the_expected_cases() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rules.json"), alerting_rules().to_string()).unwrap();
    std::fs::copy("tests/scenarios/fixtures/alerts.yaml", dir.path().join("alerts.yaml")).unwrap();
    let promtool = |arguments: &[&str]| try_run(Command::new("promtool").args(arguments).current_dir(dir.path()));
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", "rules.json"]).ok().prints("6 rules found");
    promtool(&["test", "rules", "alerts.yaml"]).ok().prints("SUCCESS");
}

#[test]
fn alerts_and_dashboard_query_existing_metrics() {
    let existing = metric_names(&std::fs::read_to_string("src/domain/metric_names.rs").unwrap());
    assert!(existing.contains("slipway_deploys_total"), "{existing:?}");
    let dashboard = std::fs::read_to_string("chart/files/dashboard.json").unwrap();
    for (file, text) in [("the dashboard", dashboard), ("an alert", alerting_rules().to_string())] {
        let queried = metric_names(&text);
        assert!(queried.len() > 5, "{file} queries {queried:?}");
        let unknown: Vec<_> = queried.difference(&existing).collect();
        assert!(unknown.is_empty(), "{file} queries {unknown:?}");
    }
}

#[test]
fn promtool_accepts_the_metrics() {
    let gateway = Gateway::start();
    let _app = App::deployed(&gateway);
    let metrics = gateway.metrics();
    let output = try_run_with_input(Command::new("promtool").args(["check", "metrics"]), &metrics).ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    // every metric has a help line, and those that alerts query exist before their first event
    let without_help: Vec<_> =
        metric_names(&metrics).into_iter().filter(|name| !metrics.contains(&format!("# HELP {name} "))).collect();
    assert!(without_help.is_empty(), "{without_help:?}");
    for line in ["slipway_ready 1", "slipway_deploys_total{kind=\"rollback\",result=\"failed\"} 0"] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}
