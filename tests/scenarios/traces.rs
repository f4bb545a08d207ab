//! Traces of deploys, with and without a working collector.

use std::process::Command;

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::support::trace_collector::{CollectorResponse, TraceCollector, attribute, failure};
use crate::support::{ADMIN, App, Gateway, try_run, wait_until};

/// Starts a gateway that exports spans to the collector when it ends. Before that, it only exports a full batch.
fn start_traced_gateway(collector: &TraceCollector) -> Gateway {
    Gateway::with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=harbour"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ])
}

/// The root spans of pushes.
fn push_spans(collector: &TraceCollector) -> Vec<Span> {
    collector.spans().into_iter().filter(|span| span.name == "push").collect()
}

#[test]
fn each_deploy_is_a_trace_with_a_span_for_each_of_its_phases() {
    let collector = TraceCollector::start(CollectorResponse::Accepted);
    let mut gateway = start_traced_gateway(&collector);
    let app = App::web("one");
    app.push(&gateway).ok().prints("Released v1");
    let first = app.head();
    app.commit_page("two");
    app.push_as(&gateway, ADMIN, &["--push-option=dry-run", "main"]).fails().prints("dry run");
    gateway.run_command(&format!("redeploy {}", app.name)).ok().prints("Released v2");
    gateway.run_command(&format!("rollback {} v1", app.name)).ok().prints("Released v3");
    assert_eq!(collector.requests(), 0, "spans were exported before the end");
    gateway.stop();

    let pushes = push_spans(&collector);
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
    // the attributes and headers of the standard variables are sent, and no spans of libraries
    let resource = collector.resource_attributes();
    assert!(resource.contains("service.name=slipway") && resource.contains("deployment.environment.name=test"));
    let heads = collector.heads();
    assert!(heads.iter().all(|head| head.starts_with("post /v1/traces ") && head.contains("x-tenant: harbour")));
    let roots = collector.spans().iter().filter(|span| span.parent_span_id.is_empty()).count();
    assert_eq!(roots, 4, "{:#?}", collector.spans());
}

#[test]
fn a_failed_span_has_the_reason() {
    let collector = TraceCollector::start(CollectorResponse::Accepted);
    let mut gateway = start_traced_gateway(&collector);
    let app = App::deployed(&gateway);
    app.commit_build_step("exit 7");
    app.push(&gateway).fails();
    app.git(&["reset", "-q", "--hard", "HEAD^"]);
    app.commit_dockerfile(r#"CMD ["sh", "-c", "exit 3"]"#);
    app.push(&gateway).fails();
    // a log line of a phase has the deploy's fields, and not the trace span's
    let log = gateway.log();
    let failed = log.iter().find(|line| line["message"] == "a release failed").expect("a line about the release");
    assert_eq!(failed["span"]["app"], app.name.as_str(), "{failed}");
    gateway.stop();

    let pushes = push_spans(&collector);
    let [_, failed_build, crash] = &pushes[..] else { panic!("{pushes:#?}") };
    assert!(collector.tree(failed_build).ends_with("  build !"), "{}", collector.tree(failed_build));
    assert_eq!(attribute(failed_build, "cicd.pipeline.result").unwrap(), "failure");
    assert!(failure(failed_build).unwrap().contains('7'), "{failed_build:#?}");
    let tree = collector.tree(crash);
    assert!(tree.contains("push !\n") && tree.contains("  release !\n") && tree.contains("    rollout !\n"), "{tree}");
    assert!(tree.contains("    undo\n"), "{tree}");
    assert!(failure(crash).unwrap().contains("exit code 3"), "{crash:#?}");
}

/// Pushes twice to a gateway whose spans cannot be exported, and returns the messages of its log.
fn push_without_collector(endpoint: &str) -> Vec<String> {
    let mut gateway = Gateway::with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ]);
    let app = App::web("one");
    app.push(&gateway).ok().prints("Released v1");
    wait_until("the failed export is logged", || gateway.has_logged("traces cannot be sent"));
    app.commit_page("two");
    app.push(&gateway).ok().prints("Released v2");
    let messages = gateway.log().iter().map(|line| line["message"].to_string()).collect();
    gateway.stop();
    messages
}

#[test]
fn an_unreachable_slow_or_failing_collector_does_not_affect_pushes() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broken = TraceCollector::start(CollectorResponse::InternalError);
    let silent = TraceCollector::start(CollectorResponse::None);
    for endpoint in [format!("http://{gone}"), broken.url(), silent.url()] {
        let messages = push_without_collector(&endpoint);
        let warnings = messages.iter().filter(|line| line.contains("traces cannot be sent")).count();
        assert_eq!(warnings, 1, "{endpoint}: {messages:#?}");
    }
    assert!(broken.requests() > 1 && silent.requests() > 1, "the gateway stopped exporting");
}

#[test]
fn an_invalid_endpoint_ends_the_start_with_exit_code_2_and_is_not_printed() {
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
        let output = try_run(&mut slipway).does_not_print("hunter2").prints("OTEL_EXPORTER_OTLP_");
        assert_eq!(output.code, Some(2), "{name}: {output:?}");
    }
    // other commands export no spans, and ignore the endpoint
    let mut version = Command::new(env!("CARGO_BIN_EXE_slipway"));
    try_run(version.arg("version").env("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")).ok();
}
