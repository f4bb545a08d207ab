//! What a chart may hold beside a Deployment and a Service: made, changed, waited for, deleted.

use serde_json::Value;

use crate::support::templates::Templates;
use crate::support::{App, Gateway, eventually, world};

const KINDS: &str = include_str!("fixtures/kinds.yaml");

/// Where each kind shows its step.
const STEPS: [(&str, &str); 15] = [
    ("configmap", "/data/step"),
    ("secret", "/data/step"),
    ("serviceaccount", "/imagePullSecrets"),
    ("role", "/rules/0/resourceNames/0"),
    ("rolebinding", "/subjects/0/name"),
    ("persistentvolumeclaim", "/metadata/labels/step"),
    ("service", "/spec/ports/0/targetPort"),
    ("statefulset", "/spec/template/spec/containers/0/command/2"),
    ("daemonset", "/spec/template/spec/containers/0/command/2"),
    ("job", "/spec/template/spec/containers/0/command/1"),
    ("cronjob", "/spec/jobTemplate/spec/template/spec/containers/0/command/1"),
    ("ingress", "/spec/rules/0/http/paths/0/path"),
    ("networkpolicy", "/spec/podSelector/matchLabels/app"),
    ("poddisruptionbudget", "/spec/maxUnavailable"),
    ("horizontalpodautoscaler", "/spec/maxReplicas"),
];

fn every_kind(step: &str, number: u32) -> Templates {
    Templates::copied().with("kinds.yaml", &KINDS.replace("STEP", step).replace("NUMBER", &number.to_string()))
}

/// Only the document of one kind.
fn only(kind: &str, step: &str) -> Templates {
    let document = KINDS.split("---\n").find(|document| document.contains(&format!("kind: {kind}\n"))).unwrap();
    Templates::copied().with("kind.yaml", &document.replace("STEP", step).replace("NUMBER", "3"))
}

/// The extra object of a kind.
fn extra(app: &App, kind: &str) -> Option<Value> {
    app.object(kind, "extra")
}

#[track_caller]
fn assert_step(app: &App, step: &str, number: u32) {
    let coded = if step == "one" { "b25l" } else { "dHdv" };
    for (kind, path) in STEPS {
        let object = extra(app, kind).unwrap_or_else(|| panic!("no {kind}"));
        let value = object.pointer(path).unwrap_or_else(|| panic!("{kind} has no {path}: {object}")).to_string();
        let shown = value.contains(step) || value.contains(coded) || value == number.to_string();
        assert!(shown, "{kind}: {value}");
    }
}

/// What has to be there for an app's claim to be bound: no cluster has to make volumes by itself.
struct Volume(String);

impl Volume {
    fn for_claim_of(app: &App) -> Self {
        let name = &app.name;
        world::apply(&format!(
            "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: {name}}}, spec: {{capacity: {{storage: 1Mi}}, \
             accessModes: [ReadWriteOnce], hostPath: {{path: /tmp/{name}}}, \
             claimRef: {{namespace: {name}, name: extra}}}}}}"
        ));
        Self(name.clone())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kubectl")
            .args(["delete", "persistentvolume", &self.0, "--wait=false", "--ignore-not-found"])
            .stdout(std::process::Stdio::null())
            .status();
    }
}

#[test]
fn every_kind_is_made_changed_waited_for_and_deleted() {
    let first = every_kind("one", 3);
    let mut gateway = first.gateway();
    let app = App::web("page");
    let _volume = Volume::for_claim_of(&app);
    let push = app.start_push(&gateway, crate::support::gateway::ADMIN, &["main"]);
    push.until("waiting for service/extra: its load balancer has no address");
    let address = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}"#;
    let patch = ["patch", "service", "extra", "-n", &app.name, "--subresource=status", "--type=merge", "-p", address];
    world::kubectl(&patch);
    let pushed = push.finish().ok();
    for line in ["statefulset/extra 1 of 1 ready", "daemonset/extra 1 of 1 ready", "Released v1"] {
        assert!(pushed.contains(line), "{line} is not in {pushed:?}");
    }
    assert_step(&app, "one", 3);
    assert_eq!(extra(&app, "persistentvolumeclaim").unwrap()["status"]["phase"], "Bound");
    assert_eq!(extra(&app, "job").unwrap()["status"]["succeeded"], 1);
    assert_eq!(extra(&app, "statefulset").unwrap()["status"]["readyReplicas"], 1);
    assert_eq!(extra(&app, "daemonset").unwrap()["status"]["numberReady"], 1);

    let second = every_kind("two", 4);
    gateway.restart_with(&[second.setting()]);
    app.commit("second");
    app.push(&gateway).ok().says("Released v2");
    assert_step(&app, "two", 4);
    assert_eq!(extra(&app, "statefulset").unwrap()["status"]["updatedReplicas"], 1);
    assert_eq!(extra(&app, "daemonset").unwrap()["status"]["updatedNumberScheduled"], 1);

    let none = Templates::copied();
    gateway.restart_with(&[none.setting()]);
    app.commit("third");
    let pushed = app.push(&gateway).ok();
    for (kind, _) in STEPS {
        assert!(pushed.contains(&format!("{kind}/extra removed")), "{kind}: {pushed:?}");
        // what another controller has a hand in goes a moment later
        eventually(&format!("{kind} is gone"), || extra(&app, kind).is_none().then_some(()));
    }
    app.shows("page");
}

#[test]
fn a_stateful_set_that_crashes_is_rolled_back_although_its_controller_would_wait_for_ever() {
    let first = only("StatefulSet", "one");
    let mut gateway = first.gateway();
    let app = App::web("page");
    app.push(&gateway).ok();
    let crashing = only("StatefulSet", "crash");
    gateway.restart_with(&[crashing.setting()]);
    app.commit("second");
    let pushed = app.push(&gateway).fails();
    for line in ["| it crashes", "pod/extra-0: it crashed (exit code 4)", "removed", "v1 serves again (as v3)"] {
        assert!(pushed.contains(line), "{line} is not in {pushed:?}");
    }
    let set = extra(&app, "statefulset").unwrap();
    assert_eq!((&set["status"]["readyReplicas"], &set["status"]["updatedReplicas"]), (&1.into(), &1.into()));
}

#[test]
fn a_job_that_fails_fails_the_deploy_with_its_last_words() {
    let job = only("Job", "x");
    let job = job.replaced(r#"["echo", "x"]"#, r#"["sh", "-c", "echo no database; exit 5"]"#);
    let gateway = job.gateway();
    let app = App::web("page");
    let pushed = app.push(&gateway).fails();
    assert!(pushed.contains("| no database") && pushed.contains("it crashed (exit code 5)"), "{pushed:?}");
    assert_eq!(app.releases(), [(1, "failed".to_owned())]);
    eventually("the Job is gone", || extra(&app, "job").is_none().then_some(()));
}

#[test]
fn a_claim_that_no_volume_fits_is_named_at_the_deadline() {
    let claim = only("PersistentVolumeClaim", "one");
    let gateway = Gateway::with(&[claim.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "10s")]);
    let app = App::web("page");
    let pushed = app.push(&gateway).fails();
    let why = "persistentvolumeclaim/extra was not ready within 10 s";
    assert!(pushed.contains(why) && pushed.contains("waiting for persistentvolumeclaim/extra"), "{pushed:?}");
}

#[test]
fn a_count_of_pods_is_whose_it_was_before_the_deploy() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let count = || app.object("deployment", &app.name).unwrap()["spec"]["replicas"].clone();
    assert_eq!(count(), 1);
    world::kubectl(&["scale", "deployment", &app.name, "--replicas=2", "-n", &app.name]);
    app.write("index.html", "three");
    app.commit("third");
    app.push(&gateway).ok().says("2 of 2 ready");
    assert_eq!(count(), 2);
    crate::support::try_run(gateway.ssh(crate::support::gateway::ADMIN).arg(format!("rollback {} v1", app.name))).ok();
    assert_eq!(count(), 2);
    crate::support::run(
        std::process::Command::new("helm").args(["rollback", &app.name, "2", "-n", &app.name, "--wait"]),
    );
    assert_eq!(count(), 2);
    app.shows("two");
}

#[test]
fn an_autoscaler_keeps_its_count() {
    let autoscaler = "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: {{ app }}\nspec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ app }}}\n  minReplicas: 2\n  maxReplicas: 3\n";
    let templates = Templates::copied().with("autoscaler.yaml", autoscaler);
    let gateway = templates.gateway();
    let app = App::web("one");
    app.push(&gateway).ok();
    let deployment = || app.object("deployment", &app.name).unwrap();
    eventually("two pods", || (deployment()["status"]["readyReplicas"] == 2).then_some(()));
    let scaled = deployment()["metadata"]["generation"].as_u64().unwrap();
    app.write("index.html", "two");
    app.commit("second");
    app.push(&gateway).ok().says("2 of 2 ready");
    // one change, and it was not the count's
    let now = deployment();
    assert_eq!((&now["spec"]["replicas"], now["metadata"]["generation"].as_u64()), (&2.into(), Some(scaled + 1)));
}
