//! Traces of deploys: what a collector gets, and what happens where there is none.

use std::process::Command;

use crate::support::collector::{Answer, Collector, attribute, failure};
use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway, eventually, try_run, world};

/// A gateway that sends its traces there, when it ends or when a lot has come together.
fn traced(collector: &Collector) -> Gateway {
    Gateway::with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=harbour"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ])
}

#[test]
fn each_deploy_is_a_trace_with_a_span_for_each_of_its_phases() {
    let collector = Collector::start(Answer::Taken);
    let mut gateway = traced(&collector);
    let app = App::web("one");
    app.push(&gateway).ok().says("Released v1");
    let first = app.head();
    app.write("index.html", "two");
    app.commit("second");
    app.push_as(&gateway, ADMIN, &["--push-option=dry-run", "main"]).fails().says("dry run");
    try_run(gateway.ssh(ADMIN).args(["redeploy", &app.name])).ok().says("Released v2");
    try_run(gateway.ssh(ADMIN).args(["rollback", &app.name, "v1"])).ok().says("Released v3");
    assert_eq!(collector.requests(), 0, "nothing leaves before its time");
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0));

    let pushes: Vec<_> = collector.spans().into_iter().filter(|span| span.name == "push").collect();
    let [push, dry_run] = &pushes[..] else { panic!("{pushes:#?}") };
    let release = "  release\n    record\n    rehearse\n    apply\n    rollout\n    prune";
    let preflight = "  preflight\n    lock\n    heal\n    dry-run";
    assert_eq!(collector.tree(push), format!("push\n  receive\n{preflight}\n  build\n  publish\n{release}\n  settle"));
    assert_eq!(collector.tree(dry_run), "push\n  receive\n  lock\n  build");
    assert_eq!(attribute(dry_run, "cicd.pipeline.result").unwrap(), "skip");
    let redeploy = collector.root("redeploy");
    assert_eq!(collector.tree(&redeploy), format!("redeploy\n{preflight}\n  build\n  publish\n{release}\n  settle"));
    let rollback = collector.root("rollback");
    assert_eq!(collector.tree(&rollback), format!("rollback\n  preflight\n    lock\n    heal\n{release}"));
    assert_eq!(attribute(&rollback, "slipway.revision").unwrap(), "v3");
    for (name, value) in [
        ("k8s.namespace.name", app.name.as_str()),
        ("user.name", ADMIN),
        ("client.address", "127.0.0.1"),
        ("vcs.ref.head.name", "main"),
        ("vcs.ref.head.revision", &first),
        ("slipway.revision", "v1"),
        ("cicd.pipeline.result", "success"),
    ] {
        assert_eq!(attribute(push, name).as_deref(), Some(value), "{name} in {push:#?}");
    }
    // whose they are, and nothing of anybody else's
    let resource = collector.resource();
    assert!(resource.contains("service.name=slipway") && resource.contains("deployment.environment.name=test"));
    let heads = collector.heads();
    assert!(heads.iter().all(|head| head.starts_with("post /v1/traces ") && head.contains("x-tenant: harbour")));
    let roots = collector.spans().iter().filter(|span| span.parent_span_id.is_empty()).count();
    assert_eq!(roots, 4, "{:#?}", collector.spans());
}

#[test]
fn a_span_that_failed_says_why_and_tells_no_secret() {
    let collector = Collector::start(Answer::Taken);
    let mut gateway = traced(&collector);
    let app = App::web("one");
    app.push(&gateway).ok();
    app.build_step("exit 7");
    app.push(&gateway).fails();
    app.git(&["reset", "-q", "--hard", "HEAD^"]);
    app.write("Dockerfile", &format!("FROM {}\nCMD [\"sh\", \"-c\", \"exit 3\"]\n", world::base_image()));
    app.commit("crashes");
    app.push(&gateway).fails();
    // a log line of a phase has the deploy's fields, and not the span's
    let log = gateway.log();
    let failed = log.iter().find(|line| line["message"] == "a release failed").expect("a line about the release");
    assert_eq!(failed["span"]["app"], app.name.as_str(), "{failed}");
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0));

    let pushes: Vec<_> = collector.spans().into_iter().filter(|span| span.name == "push").collect();
    let [_, build, crash] = &pushes[..] else { panic!("{pushes:#?}") };
    assert!(collector.tree(build).ends_with("  build !"), "{}", collector.tree(build));
    assert_eq!(attribute(build, "cicd.pipeline.result").unwrap(), "failure");
    assert!(failure(build).unwrap().contains('7'), "{build:#?}");
    let tree = collector.tree(crash);
    assert!(tree.contains("push !\n") && tree.contains("  release !\n") && tree.contains("    rollout !\n"), "{tree}");
    assert!(tree.contains("    undo\n"), "{tree}");
    assert!(failure(crash).unwrap().contains("exit code 3"), "{crash:#?}");
}

/// Pushes to a gateway whose traces nobody takes: the messages of its log.
fn unheard(endpoint: &str) -> Vec<String> {
    let mut gateway = Gateway::with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ]);
    let app = App::web("one");
    app.push(&gateway).ok().says("Released v1");
    let lines = |gateway: &Gateway| gateway.log().iter().map(|line| line["message"].to_string()).collect::<Vec<_>>();
    eventually("it says so", || {
        lines(&gateway).iter().any(|line| line.contains("traces cannot be sent")).then_some(())
    });
    app.write("index.html", "two");
    app.commit("second");
    app.push(&gateway).ok().says("Released v2");
    let said = lines(&gateway);
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0));
    said
}

#[test]
fn a_collector_that_is_gone_slow_or_broken_costs_spans_and_no_push() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broken = Collector::start(Answer::InternalError);
    let silent = Collector::start(Answer::Silence);
    for endpoint in [format!("http://{gone}"), broken.url(), silent.url()] {
        let said = unheard(&endpoint);
        let complaints = said.iter().filter(|line| line.contains("traces cannot be sent")).count();
        assert_eq!(complaints, 1, "{endpoint}: {said:#?}");
    }
    assert!(broken.requests() > 1 && silent.requests() > 1, "it was given up");
}

#[test]
fn an_endpoint_that_is_none_ends_the_start_with_2_and_is_not_repeated() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://hunter2 x"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ] {
        let mut slipway = Command::new(env!("CARGO_BIN_EXE_slipway"));
        slipway
            .arg("serve")
            .env("KUBECONFIG", "/nonexistent")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
            .env(name, value);
        let ended = try_run(&mut slipway).never_says("hunter2").says("OTEL_EXPORTER_OTLP_");
        assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
    }
    // other commands send nothing, and need no endpoint
    let mut version = Command::new(env!("CARGO_BIN_EXE_slipway"));
    try_run(version.arg("version").env("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")).ok();
}
