//! What helm makes of the chart.

use std::process::Command;

use serde_json::Value;

use crate::support::process::{Output, try_run_with};
use crate::support::{run, try_run};

/// With all that can be switched on, in one sort of installation and in the other.
const WITH_SIDECAR: &str = "ingress.enabled=true,ingress.host=slipway.example,networkPolicy.enabled=true,\
    metrics.serviceMonitor.enabled=true,metrics.rules.enabled=true,metrics.dashboard.enabled=true";
const OUTSIDE: &str = "builder.mode=remote,builder.remote.url=tcp://engine:2376,registry.mode=external,\
    registry.external.address=registry.example,rbac.scope=cluster";

fn template(arguments: &[&str]) -> Output {
    let mut helm = Command::new("helm");
    helm.args(["template", "slipway", "chart", "--namespace", "slipway", "--set", "image.repository=x"]);
    try_run(helm.args(arguments))
}

fn objects(arguments: &[&str]) -> Vec<Value> {
    let text = template(arguments).ok().stdout;
    let objects: Vec<Value> = serde_yaml::from_multiple(&text).unwrap();
    objects.into_iter().filter(Value::is_object).collect()
}

#[test]
fn helm_4_and_helm_3_have_nothing_against_the_chart() {
    for helm in ["helm", "helm3"] {
        for values in [WITH_SIDECAR, OUTSIDE] {
            let lint = ["lint", "chart", "--strict", "--set", "image.repository=x", "--set", values];
            run(Command::new(helm).args(lint)).says("0 chart(s) failed").never_says("[WARNING]");
        }
    }
}

#[test]
fn common_labels_and_annotations_are_on_every_object_and_its_own_count_more() {
    let common = "commonLabels.team=harbour,commonAnnotations.cost=7,service.annotations.cost=8,podLabels.zone=a";
    for values in [WITH_SIDECAR, OUTSIDE] {
        let all = objects(&["--set", values, "--set-string", common]);
        assert!(all.len() > 8, "{all:#?}");
        for object in &all {
            let (kind, metadata) = (&object["kind"], &object["metadata"]);
            assert_eq!(metadata["labels"]["team"], "harbour", "{metadata:#}");
            let cost = if kind == "Service" && metadata["name"] == "slipway" { "8" } else { "7" };
            assert_eq!(metadata["annotations"]["cost"], cost, "{kind} {metadata:#}");
        }
        let gateway = all.iter().find(|object| object["kind"] == "StatefulSet").unwrap();
        assert_eq!(gateway["spec"]["template"]["metadata"]["labels"]["zone"], "a");
        // what selects pods can never be changed: nothing of anybody's choice is in it
        assert_eq!(gateway["spec"]["selector"]["matchLabels"].as_object().unwrap().len(), 3);
        assert_eq!(gateway["spec"]["volumeClaimTemplates"][0]["metadata"].as_object().unwrap().len(), 1);
    }
    template(&["--set-json", r#"commonLabels={"app.kubernetes.io/name":"x"}"#]).fails().says("app.kubernetes.io/name");
}

#[test]
fn a_budget_for_disruptions_comes_with_the_second_gateway() {
    let budgets = |replicas: &str, more: &[&str]| {
        let replicas = format!("replicas={replicas}");
        let objects = objects(&[&["--set", &replicas], more].concat());
        objects.into_iter().filter(|object| object["kind"] == "PodDisruptionBudget").collect::<Vec<_>>()
    };
    assert!(budgets("0", &[]).is_empty() && budgets("1", &[]).is_empty());
    // today's schema keeps it at one: an app's repository has one owner at a time
    template(&["--set", "replicas=2"]).fails().says("/replicas");
    let two = budgets("2", &["--skip-schema-validation"]);
    let [budget] = &two[..] else { panic!("{two:#?}") };
    assert_eq!((&budget["apiVersion"], &budget["spec"]["maxUnavailable"]), (&"policy/v1".into(), &1.into()));
    assert_eq!(budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"], "gateway");
    let old = budgets("2", &["--skip-schema-validation", "--kube-version", "1.20.2"]);
    assert_eq!(old[0]["apiVersion"], "policy/v1beta1");
}

#[test]
fn values_that_contradict_each_other_are_refused_by_helm() {
    let template = |values: &[&str]| {
        let mut helm = Command::new("helm");
        helm.args(["template", "slipway", "chart", "--set", "image.repository=x"]);
        for value in values {
            helm.args(["--set", value]);
        }
        try_run(&mut helm)
    };
    template(&[]).ok();
    let remote = ["builder.mode=remote", "builder.remote.url=tcp://engine:2376"];
    template(&remote).fails().says("/registry/mode");
    template(&[remote[0], remote[1], "registry.mode=external", "registry.external.address=r.example"]).ok();
    template(&["builder.mode=remote", "registry.mode=external", "registry.external.address=r"])
        .fails()
        .says("/builder/remote/url");
    template(&["builder.remote.tlsSecret=5"]).fails().says("/builder/remote/tlsSecret");
    template(&["registry.mode=external"]).fails().says("/registry/external/address");
    let external = ["registry.mode=external", "registry.external.address=r.example"];
    template(&[external[0], external[1], "registry.external.user=u"]).fails().says("/passwordSecret/name");
    let pull_user = [external[0], external[1], "registry.external.pullUser=u"];
    template(&pull_user).fails().says("/pullPasswordSecret/name");
    template(&[external[0], external[1], "registry.external.pullSecret=name"]).fails().says("/external/pullSecret");
    template(&["ingress.enabled=true"]).fails().says("/ingress/host");
    template(&["rbac.scope=namespaces"]).fails().says("/rbac/namespaces");
    template(&["rbac.namespaces={one}"]).fails().says("/rbac/namespaces");
    template(&["service.type=nodeport"]).fails().says("/service/type");
    template(&["sevice.type=NodePort"]).fails().says("sevice");
    try_run(Command::new("helm").args(["template", "slipway", "chart"])).fails().says("/image/repository");
    template(&["tracing.endpoint=collector:4318"]).fails().says("/tracing/endpoint");
    template(&["service.type=LoadBalancer"]).ok();
}

/// What helm makes of the chart, without what it makes up anew each time.
fn rendered(values: &str) -> String {
    let mut helm = Command::new("helm");
    helm.args([
        "template",
        "slipway",
        "chart",
        "--namespace",
        "slipway",
        "--set",
        "image.repository=registry.example/slipway",
    ]);
    let text = run(helm.args(["--set", values])).stdout;
    let made_up = ["  password: ", "  htpasswd: ", "  http-secret: "];
    let lines = text.lines().map(|line| match made_up.iter().find(|key| line.starts_with(*key)) {
        Some(key) => format!("{key}made-up"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_charts_objects_are_these_and_an_api_server_takes_them() {
    let outside = "builder.mode=remote,builder.remote.url=tcp://engine:2376,builder.remote.tlsSecret=engine-tls,registry.mode=external,\
        registry.external.address=registry.example,registry.external.user=slipway,\
        registry.external.passwordSecret.name=registry,\
        registry.external.pullUser=nodes,registry.external.pullPasswordSecret.name=registry-pull,rbac.scope=cluster";
    let seen = "service.type=LoadBalancer,publicAddress=git.example:22,ingress.enabled=true,ingress.host=slipway.example,\
        networkPolicy.enabled=true,metrics.dashboard.enabled=true,builder.mode=dind,\
        tracing.endpoint=http://collector:4318,tracing.headersSecret.name=collector";
    let listed = "rbac.scope=namespaces,rbac.namespaces={default}";
    for (name, values) in
        [("by_default", "service.type=ClusterIP"), ("listed", listed), ("outside", outside), ("seen", seen)]
    {
        let objects = rendered(values);
        let mut apply = Command::new("kubectl");
        apply.args(["apply", "--dry-run=server", "-n", "default", "-f", "-"]);
        let objects_here = objects.replace("namespace: slipway", "namespace: default");
        try_run_with(&mut apply, &objects_here).ok();
        // the dashboard is a file of its own
        let lines = objects.lines().filter(|line| !line.starts_with("  slipway.json: "));
        insta::assert_snapshot!(name, lines.collect::<Vec<_>>().join("\n"));
    }
}
