//! The chart that installs slipway, rendered by helm.

use std::process::Command;

use serde_json::Value;

use crate::support::helm::VERSIONS;
use crate::support::process::{Output, try_run_with_input};
use crate::support::{run, try_run};

/// Every option is on, with slipway's own registry.
const OWN_REGISTRY: &str = "ingress.enabled=true,ingress.host=slipway.example,networkPolicy.enabled=true,\
    metrics.serviceMonitor.enabled=true,metrics.rules.enabled=true,metrics.dashboard.enabled=true";
/// An Engine and a registry outside of the cluster.
const EXTERNAL_SERVICES: &str = "builder.mode=remote,builder.remote.url=tcp://engine:2376,registry.mode=external,\
    registry.external.address=registry.example,rbac.scope=cluster";

fn template(arguments: &[&str]) -> Output {
    let mut helm = Command::new("helm");
    helm.args(["template", "slipway", "chart", "--namespace", "slipway", "--set", "image.repository=x"]);
    try_run(helm.args(arguments))
}

fn render_objects(arguments: &[&str]) -> Vec<Value> {
    let text = template(arguments).ok().stdout;
    let objects: Vec<Value> = serde_yaml::from_multiple(&text).unwrap();
    objects.into_iter().filter(Value::is_object).collect()
}

#[test]
fn helm_3_and_helm_4_lint_the_chart_without_warnings() {
    for helm in VERSIONS {
        for values in [OWN_REGISTRY, EXTERNAL_SERVICES] {
            let lint = ["lint", "chart", "--strict", "--set", "image.repository=x", "--set", values];
            run(Command::new(helm).args(lint)).prints("0 chart(s) failed").does_not_print("[WARNING]");
        }
    }
}

#[test]
fn mirrors_for_apps_without_a_dockerfile_become_settings() {
    let values =
        r#"builder={"stackImages":{"*":"m/hub","python":"m/py"},"stackBuildArgs":{"PIP_INDEX_URL":"https://a/b"}}"#;
    let objects = render_objects(&["--set-json", values]);
    let gateway = objects.iter().find(|object| object["kind"] == "StatefulSet").unwrap();
    let environment = gateway["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
    for expected in
        [r#""name":"SLIPWAY_STACK_IMAGES","value":"*=m/hub,python=m/py""#, r#""value":"PIP_INDEX_URL=https://a/b""#]
    {
        assert!(environment.contains(expected), "{environment}");
    }
}

#[test]
fn common_labels_and_annotations_are_on_every_object_and_specific_ones_override_them() {
    let common = "commonLabels.team=harbour,commonAnnotations.cost=7,service.annotations.cost=8,podLabels.zone=a";
    for values in [OWN_REGISTRY, EXTERNAL_SERVICES] {
        let all = render_objects(&["--set", values, "--set-string", common]);
        assert!(all.len() > 8, "{all:#?}");
        for object in &all {
            let (kind, metadata) = (&object["kind"], &object["metadata"]);
            assert_eq!(metadata["labels"]["team"], "harbour", "{metadata:#}");
            let cost = if kind == "Service" && metadata["name"] == "slipway" { "8" } else { "7" };
            assert_eq!(metadata["annotations"]["cost"], cost, "{kind} {metadata:#}");
        }
        let gateway = all.iter().find(|object| object["kind"] == "StatefulSet").unwrap();
        assert_eq!(gateway["spec"]["template"]["metadata"]["labels"]["zone"], "a");
        // selectors and volume claim templates are immutable, so that they contain no user-defined labels
        assert_eq!(gateway["spec"]["selector"]["matchLabels"].as_object().unwrap().len(), 3);
        assert_eq!(gateway["spec"]["volumeClaimTemplates"][0]["metadata"].as_object().unwrap().len(), 1);
    }
    template(&["--set-json", r#"commonLabels={"app.kubernetes.io/name":"x"}"#])
        .fails()
        .prints("app.kubernetes.io/name");
}

#[test]
fn a_second_gateway_has_a_pod_disruption_budget() {
    let budgets = |replicas: &str, more: &[&str]| {
        let replicas = format!("replicas={replicas}");
        let objects = render_objects(&[&["--set", &replicas], more].concat());
        objects.into_iter().filter(|object| object["kind"] == "PodDisruptionBudget").collect::<Vec<_>>()
    };
    assert!(budgets("0", &[]).is_empty() && budgets("1", &[]).is_empty());
    // the schema limits the gateways to one, since one gateway at a time owns an app's repository
    template(&["--set", "replicas=2"]).fails().prints("/replicas");
    let two = budgets("2", &["--skip-schema-validation"]);
    let [budget] = &two[..] else { panic!("{two:#?}") };
    assert_eq!((&budget["apiVersion"], &budget["spec"]["maxUnavailable"]), (&"policy/v1".into(), &1.into()));
    assert_eq!(budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"], "gateway");
    let old = budgets("2", &["--skip-schema-validation", "--kube-version", "1.20.2"]);
    assert_eq!(old[0]["apiVersion"], "policy/v1beta1");
}

/// `helm template` with one `--set` for each value.
fn template_with_values(values: &[&str]) -> Output {
    let arguments: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
    template(&arguments)
}

const REMOTE_BUILDER: &str = "builder.mode=remote,builder.remote.url=tcp://engine:2376";
const EXTERNAL_REGISTRY: &str = "registry.mode=external,registry.external.address=r.example";

#[test]
fn contradictory_values_are_refused_with_their_path() {
    for (values, path) in [
        (&[REMOTE_BUILDER][..], "/registry/mode"),
        (&["builder.mode=remote", EXTERNAL_REGISTRY], "/builder/remote/url"),
        (&["builder.remote.tlsSecret=5"], "/builder/remote/tlsSecret"),
        (&["registry.mode=external"], "/registry/external/address"),
        (&[EXTERNAL_REGISTRY, "registry.external.user=u"], "/passwordSecret/name"),
        (&[EXTERNAL_REGISTRY, "registry.external.pullUser=u"], "/pullPasswordSecret/name"),
        (&[EXTERNAL_REGISTRY, "registry.external.pullSecret=name"], "/external/pullSecret"),
        (&["ingress.enabled=true"], "/ingress/host"),
        (&["rbac.scope=namespaces"], "/rbac/namespaces"),
        (&["rbac.namespaces={one}"], "/rbac/namespaces"),
        (&["service.type=nodeport"], "/service/type"),
        (&["sevice.type=NodePort"], "sevice"),
        (&["tracing.endpoint=collector:4318"], "/tracing/endpoint"),
    ] {
        template_with_values(values).fails().prints(path);
    }
    try_run(Command::new("helm").args(["template", "slipway", "chart"])).fails().prints("/image/repository");
    for values in [&[][..], &[REMOTE_BUILDER, EXTERNAL_REGISTRY], &["service.type=LoadBalancer"]] {
        template_with_values(values).ok();
    }
}

/// Renders the chart, with random values replaced.
fn render_reproducibly(values: &str) -> String {
    let mut helm = Command::new("helm");
    helm.args(["template", "slipway", "chart", "--namespace", "slipway"]);
    let text = run(helm.args(["--set", "image.repository=registry.example/slipway", "--set", values])).stdout;
    let random = ["  password: ", "  htpasswd: ", "  http-secret: "];
    let lines = text.lines().map(|line| match random.iter().find(|key| line.starts_with(*key)) {
        Some(key) => format!("{key}made-up"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_rendered_objects_match_their_snapshots_and_the_api_server_accepts_them() {
    let external_services = "builder.mode=remote,builder.remote.url=tcp://engine:2376,builder.remote.tlsSecret=engine-tls,\
        registry.mode=external,registry.external.address=registry.example,registry.external.user=slipway,\
        registry.external.passwordSecret.name=registry,\
        registry.external.pullUser=nodes,registry.external.pullPasswordSecret.name=registry-pull,rbac.scope=cluster";
    let exposed = "service.type=LoadBalancer,publicAddress=git.example:22,ingress.enabled=true,ingress.host=slipway.example,\
        networkPolicy.enabled=true,metrics.dashboard.enabled=true,builder.mode=dind,\
        tracing.endpoint=http://collector:4318,tracing.headersSecret.name=collector";
    for (name, values) in [
        ("defaults", "service.type=ClusterIP"),
        ("listed_namespaces", "rbac.scope=namespaces,rbac.namespaces={default}"),
        ("external_services", external_services),
        ("exposed", exposed),
    ] {
        let objects = render_reproducibly(values);
        let mut apply = Command::new("kubectl");
        apply.args(["apply", "--dry-run=server", "-n", "default", "-f", "-"]);
        let in_existing_namespace = objects.replace("namespace: slipway", "namespace: default");
        try_run_with_input(&mut apply, &in_existing_namespace).ok();
        // the dashboard is in a file of its own, and is left out of the snapshot
        let lines = objects.lines().filter(|line| !line.starts_with("  slipway.json: "));
        insta::assert_snapshot!(name, lines.collect::<Vec<_>>().join("\n"));
    }
}
