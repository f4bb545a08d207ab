//! slipway as it is really run: its image in a pod, installed with helm.

use std::process::Command;

use crate::support::{App, Installed, run, try_run, world};

#[test]
fn a_first_push_from_outside_goes_live_and_nothing_is_lost_with_the_pod() {
    let slipway = Installed::prepared();
    slipway.install().ok().says("Push an app that has a Dockerfile");
    slipway.write_known_hosts();
    let app = App::web("one");
    let first = slipway.ready("");
    slipway.push(&app).ok().says("Released v1");
    app.shows("one");
    // the kubelet pulled by the cache of its node
    let cache = slipway.values.iter().find_map(|value| value.strip_prefix("cache.port=")).unwrap();
    let deployment = app.object("deployment", &app.name).unwrap().to_string();
    assert!(deployment.contains(&format!("localhost:{cache}/{}@sha256:", app.name)), "{deployment}");
    // rights where they are needed, and nowhere else
    assert!(slipway.may("list", "secrets", &app.name));
    assert!(!slipway.may("list", "secrets", "default"));
    assert!(!slipway.may("create", "deployments", "default"));

    slipway.kubectl(&["delete", "pod", &format!("{}-0", slipway.name)]);
    let second = slipway.ready(&first);
    app.write("index.html", "two");
    app.commit("second");
    // with the same host key, keys and repository
    slipway.push(&app).ok().says("Released v2");
    app.shows("two");

    // the volume of the repositories too
    slipway.lose("data");
    slipway.ready(&second);
    app.shows("two");
    app.write("index.html", "three");
    app.commit("third");
    slipway.push(&app).ok().says("Released v3");
    app.shows("three");
    let history = run(Command::new("helm").args(["history", &app.name, "-n", &app.name])).stdout;
    assert_eq!(history.lines().count(), 4, "{history}");

    // rights that somebody took away are taken again, by whatever needs them first
    world::kubectl(&["delete", "rolebinding", "slipway", "-n", &app.name]);
    slipway.tell(&format!("rollback {} v2", app.name)).ok().says("Released v4");
    app.shows("two");
    world::kubectl(&["delete", "rolebinding", "slipway", "-n", &app.name]);
    slipway.tell(&format!("apps:destroy {} --force", app.name)).ok().says("is gone");
    assert_eq!(world::object(&["namespace", &app.name]), None);
}

#[test]
fn rights_that_are_missing_are_named_at_the_start() {
    let namespace = world::unique("slipway-test");
    world::kubectl(&["create", "namespace", &namespace]);
    world::kubectl(&["create", "serviceaccount", "nobody", "-n", &namespace]);
    let token = world::kubectl(&["create", "token", "nobody", "-n", &namespace]);
    let gateway = crate::support::Gateway::prepared(&[]);
    let path = gateway.path("kubeconfig");
    std::fs::write(&path, world::kubeconfig_with_token(token.trim())).unwrap();
    let mut command = gateway.command();
    command.env("KUBECONFIG", &path).env("SLIPWAY_NAMESPACE", &namespace);
    let ended = try_run(&mut command);
    world::kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for right in
        [&format!("list configmaps in namespace {namespace}"), "create namespaces in the whole cluster", "get pods/log"]
    {
        assert!(ended.contains(right), "{right} is not in {ended:?}");
    }
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
    for (name, values) in
        [("chart_by_default", "service.type=ClusterIP"), ("chart_outside", outside), ("chart_seen", seen)]
    {
        let objects = rendered(values);
        let mut apply = Command::new("kubectl");
        apply.args(["apply", "--dry-run=server", "-n", "default", "-f", "-"]);
        let objects_here = objects.replace("namespace: slipway", "namespace: default");
        crate::support::process::try_run_with(&mut apply, &objects_here).ok();
        // the dashboard is a file of its own
        let lines = objects.lines().filter(|line| !line.starts_with("  slipway.json: "));
        insta::assert_snapshot!(name, lines.collect::<Vec<_>>().join("\n"));
    }
}
