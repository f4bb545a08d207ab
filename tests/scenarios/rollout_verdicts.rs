//! The verdict on a rollout: how long a problem is waited out, and changes by other clients.

use crate::support::background::BackgroundCommand;
use crate::support::helm::helm;
use crate::support::tcp_proxy::TcpProxy;
use crate::support::templates::Templates;
use crate::support::{ADMIN, App, Gateway, assert_history, environment, kubectl, wait_until};

/// The built-in templates with a directory of the node in the container, which outlives the container's restarts.
fn templates_with_node_directory(path: &str) -> Templates {
    let containers = format!(
        "      volumes: [{{name: state, hostPath: {{path: {path}, type: DirectoryOrCreate}}}}]\n      containers:\n"
    );
    let mounts = "          resources: {{ process.resources | json }}\n";
    Templates::copy()
        .replace("      containers:\n", &containers)
        .replace(mounts, &format!("{mounts}          volumeMounts: [{{name: state, mountPath: /state}}]\n"))
}

/// A directory of this machine, which is the node.
fn node_directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.path(), everyone).unwrap();
    dir
}

fn kubectl_in(app: &App, arguments: &[&str]) -> String {
    kubectl(&[arguments, &["-n", &app.name]].concat())
}

fn first_container_status(app: &App) -> serde_json::Value {
    let pods = kubectl(&["get", "pods", "-n", &app.name, "-o", "json"]);
    let pods: serde_json::Value = serde_json::from_str(&pods).unwrap();
    pods["items"][0]["status"]["containerStatuses"][0].clone()
}

#[test]
fn an_app_that_starts_at_its_third_try_goes_live() {
    let state = node_directory();
    let templates = templates_with_node_directory(state.path().to_str().unwrap());
    let gateway = templates.start_gateway();
    let try_thrice = "echo try >> /state/tries; test $(wc -l < /state/tries) -ge 3 || exit 1; exec httpd -f -p 8080";
    let app = App::from_dockerfile(&format!("EXPOSE 8080\nCMD [\"sh\", \"-c\", \"{try_thrice}\"]"));
    app.push(&gateway).ok().prints_all(&["crashed (exit code 1)", "waiting for its next start", "Released v1"]);
}

#[test]
fn an_app_that_crashed_before_the_deploy_may_recover() {
    let state = node_directory();
    let database = state.path().join("database");
    std::fs::write(&database, "").unwrap();
    let templates = templates_with_node_directory(state.path().to_str().unwrap());
    let gateway = templates.start_gateway();
    let start = "test -e /state/database || { echo no database; exit 1; }; exec httpd -f -p 8080";
    let app = App::from_dockerfile(&format!("EXPOSE 8080\nCMD [\"sh\", \"-c\", \"{start}\"]"));
    app.push(&gateway).ok();
    std::fs::remove_file(&database).unwrap();
    kubectl_in(&app, &["delete", "pod", "--all", "--now"]);
    wait_until("the app is in CrashLoopBackOff", || {
        let status = first_container_status(&app);
        status["restartCount"].as_u64() >= Some(2) && status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    });
    let doctor = gateway.run_command(&format!("doctor {}", app.name));
    doctor.fails().prints_all(&["v1", "crashed (exit code 1)"]);

    let deploy = BackgroundCommand::start(gateway.ssh(ADMIN).args(["redeploy", &app.name]));
    deploy.wait_for_output("its next start");
    std::fs::write(&database, "").unwrap();
    deploy.wait().ok().prints("Released v2");
    gateway.run_command(&format!("doctor {}", app.name)).ok().prints("Nothing is wrong");
}

#[test]
fn doctor_names_an_object_that_was_deleted_by_hand() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    kubectl_in(&app, &["delete", "deployment", &app.name]);
    let doctor = format!("doctor {}", app.name);
    let deleted = format!("deployment/{} was deleted", app.name);
    gateway.run_command(&doctor).fails().prints_all(&[&deleted, &format!("redeploy {}", app.name)]);
    gateway.run_command(&format!("redeploy {}", app.name)).ok();
    gateway.run_command(&doctor).ok().prints("Nothing is wrong");
}

#[test]
fn a_rollout_may_take_longer_than_its_timeout_while_it_makes_progress() {
    let gateway = Gateway::with(&[("SLIPWAY_ROLLOUT_TIMEOUT", "20s")]);
    let app = App::deployed(&gateway);
    app.scale(4);
    app.commit_slow_start(6);
    app.push(&gateway).ok().prints_all(&["1 of 4 ready", "4 of 4 ready", "Released v2"]);
}

#[test]
fn a_whole_rollout_has_a_limit() {
    let gateway = Gateway::with(&[("SLIPWAY_ROLLOUT_TIMEOUT", "25s"), ("SLIPWAY_ROLLOUT_LIMIT", "26s")]);
    let app = App::deployed(&gateway);
    app.scale(5);
    app.commit_slow_start(8);
    app.push(&gateway).fails().prints_all(&["1 of 5 ready", "within 26 s, the limit for a whole rollout"]);
}

#[test]
fn a_paused_deployment_is_reported_at_once_and_goes_on_when_it_is_resumed() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    kubectl_in(&app, &["rollout", "pause", "deployment", &app.name]);
    app.commit_page("two");
    let push = app.start_push(&gateway);
    push.wait_for_output(&format!("kubectl rollout resume deployment/{0} -n {0}", app.name));
    kubectl_in(&app, &["rollout", "resume", "deployment", &app.name]);
    push.wait().ok().prints("Released v2");
    app.shows("two");
}

#[test]
fn pods_that_the_api_server_refuses_fail_the_rollout_before_its_timeout() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    kubectl_in(&app, &["create", "quota", "one", "--hard=pods=1"]);
    wait_until("the quota counts the pod", || {
        app.get("quota", "one").is_some_and(|quota| quota["status"]["used"]["pods"] == "1")
    });
    app.commit_page("two");
    app.push(&gateway)
        .fails()
        .prints_all(&["its pods cannot be created", "exceeded quota: one", "rolled back to v1"])
        .does_not_print("was not ready within");
    app.shows("one");
}

/// A StatefulSet has no condition for this, only events.
#[test]
fn refused_pods_of_a_stateful_set_fail_the_rollout_before_its_timeout() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let limit = format!(
        r#"{{"apiVersion": "v1", "kind": "LimitRange", "metadata": {{"name": "small", "namespace": "{}"}},
            "spec": {{"limits": [{{"type": "Container", "max": {{"memory": "600Mi"}}}}]}}}}"#,
        app.name
    );
    kubectl::apply(&limit);
    let set = include_str!("fixtures/stateful_set.yaml").replace("RESOURCES", "{limits: {memory: 700Mi}}");
    let templates = Templates::copy().with_file("set.yaml", &set);
    let mut gateway = gateway;
    gateway.restart_with(&[templates.setting()]);
    app.commit("with a StatefulSet");
    app.push(&gateway)
        .fails()
        .prints_all(&["statefulset/extra: its pods cannot be created", "maximum memory usage per Container is 600Mi"])
        .does_not_print("was not ready within");
}

#[test]
fn a_template_that_another_client_replaces_fails_the_rollout() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_slow_start(30);
    let push = app.start_push(&gateway);
    push.wait_for_output("0 of 1 ready");
    kubectl_in(&app, &["rollout", "undo", "deployment", &app.name]);
    push.wait().fails().prints_all(&["kubectl", "replaced its pod template during the rollout", "rolled back to v1"]);
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    app.shows("one");
}

#[test]
fn a_revision_that_helm_records_during_a_rollout_is_left_in_place() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_slow_start(30);
    let push = app.start_push(&gateway);
    push.wait_for_output("0 of 1 ready");
    helm(&app, &["rollback", &app.name, "1"]);
    push.wait()
        .fails()
        .prints_all(&["replaced its pod template during the rollout", "v3, which was recorded meanwhile"]);
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    app.shows("one");
}

/// As `helm rollback` to the revision that is rolled out: the pod template stays the same.
#[test]
fn a_revision_that_another_client_records_with_the_same_template_is_not_claimed() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_page("two");
    app.commit_slow_start(10);
    let push = app.start_push(&gateway);
    push.wait_for_output("0 of 1 ready");
    let mut record = app.get("secret", &app.record_name("v2")).unwrap();
    let labels = serde_json::json!({"name": app.name, "owner": "helm", "status": "deployed", "version": "3"});
    record["metadata"] = serde_json::json!({"name": app.record_name("v3"), "namespace": app.name, "labels": labels});
    kubectl::apply(&record.to_string());
    push.wait()
        .fails()
        .prints_all(&["another client released v3", "v3, which was recorded meanwhile, was left in place"])
        .does_not_print("Released v2");
    app.wait_unlocked();
    assert_history(&app, &[("v1", "deployed"), ("v2", "failed"), ("v3", "deployed")]);
    app.shows("two");
    app.push(&gateway).ok().prints("Released v4");
}

/// Before each crash the pod is ready, since no probe checks it.
#[test]
fn a_stateful_set_whose_pod_restarts_again_and_again_is_not_ready() {
    let set = include_str!("fixtures/stateful_set.yaml").replace("RESOURCES", "{}");
    let set = set.replace("exec httpd -f -p 8081", "sleep 2; exit 4");
    let templates = Templates::copy().with_file("set.yaml", &set);
    let gateway = Gateway::with(&[templates.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "15s")]);
    let app = App::web("one");
    app.push(&gateway).fails().prints("container set in pod/extra-0 crashed (exit code 4)").does_not_print("Released");
}

/// Its controller waits for the pod to become ready before it replaces the pod.
#[test]
fn a_stateful_set_whose_probe_never_passes_is_rolled_back() {
    let set = |probed_port: &str| {
        let probe = format!("          readinessProbe: {{tcpSocket: {{port: {probed_port}}}, periodSeconds: 1}}\n");
        include_str!("fixtures/stateful_set.yaml").replace("RESOURCES", "{}") + &probe
    };
    let first = Templates::copy().with_file("set.yaml", &set("8081"));
    let mut gateway = Gateway::with(&[first.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "15s")]);
    let app = App::web("one");
    app.push(&gateway).ok();
    let second = Templates::copy().with_file("set.yaml", &set("9999"));
    gateway.restart_with(&[second.setting()]);
    app.commit("second");
    app.push(&gateway).fails().prints_all(&["TCP port 9999", "pod/extra-0 removed", "rolled back to v1 (as v3)"]);
}

#[test]
fn an_app_that_is_scaled_to_nothing_is_deployed_with_advice() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.scale(0);
    app.commit_page("two");
    let advice =
        format!("deployment/{0} runs no pod: it is scaled to 0; to start one: kubectl scale deployment/{0}", app.name);
    app.push(&gateway).ok().prints(&advice).does_not_print("0 of 0 ready");
}

#[test]
fn an_app_that_listens_on_the_loopback_address_gets_a_hint() {
    let gateway = Gateway::with(&[("SLIPWAY_ROLLOUT_TIMEOUT", "20s")]);
    let app =
        App::from_dockerfile("EXPOSE 8080\nCMD [\"sh\", \"-c\", \"echo listening; exec httpd -f -p 127.0.0.1:8080\"]");
    let push = app.start_push(&gateway);
    push.wait_for_output("or on 127.0.0.1 only");
    assert!(!push.output().contains("was not ready"), "the hint comes early");
    push.wait().fails().prints_all(&[
        "| listening",
        "startup probe (TCP port 8080) does not pass",
        "connection refused",
        "the port is the lowest one that the Dockerfile EXPOSEs",
    ]);
}

#[test]
fn a_registry_that_is_away_for_a_moment_does_not_fail_the_rollout() {
    let proxy = TcpProxy::to_registry();
    let gateway = Gateway::with(&[
        ("SLIPWAY_REGISTRY_PUSH", &environment::registry_address()),
        ("SLIPWAY_REGISTRY_PULL", &proxy.registry_address()),
    ]);
    let app = App::web("one");
    proxy.cut();
    let push = app.start_push(&gateway);
    push.wait_for_output("cannot be pulled");
    proxy.restore();
    push.wait().ok().prints("Released v1");
}

#[test]
fn a_kill_by_the_kubelet_is_said() {
    let templates = Templates::copy().replace("{{ probe.failure_threshold }}", "3");
    let gateway = Gateway::with(&[templates.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "60s")]);
    let app = App::from_dockerfile("EXPOSE 8080\nSTOPSIGNAL SIGKILL\nCMD [\"sleep\", \"3600\"]");
    app.push(&gateway)
        .fails()
        .prints_all(&["was ended by the kubelet", "its probe failed", "fails the rollout at 3"])
        .does_not_print("was not ready within");
    assert_eq!(app.get("deployment", &app.name), None);
}
