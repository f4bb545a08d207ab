//! All kinds that a chart may contain besides a Deployment and a Service: created, changed, waited for, deleted.

use serde_json::Value;

use crate::support::persistent_volume::PersistentVolume;
use crate::support::templates::Templates;
use crate::support::{App, Gateway, assert_history, kubectl, wait_until};

/// One object of each kind, all named `extra`.
const KINDS: &str = include_str!("fixtures/kinds.yaml");

/// For each kind, the field that contains STEP or NUMBER.
const CHANGED_FIELDS: [(&str, &str); 15] = [
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

/// The built-in templates with an object of every kind.
fn templates_with_all_kinds(step: &str, number: u32) -> Templates {
    Templates::copy().with_file("kinds.yaml", &KINDS.replace("STEP", step).replace("NUMBER", &number.to_string()))
}

/// The built-in templates with an object of one kind.
fn templates_with_kind(kind: &str, step: &str) -> Templates {
    let document = KINDS.split("---\n").find(|document| document.contains(&format!("kind: {kind}\n"))).unwrap();
    Templates::copy().with_file("kind.yaml", &document.replace("STEP", step).replace("NUMBER", "3"))
}

fn extra_object(app: &App, kind: &str) -> Option<Value> {
    app.get(kind, "extra")
}

#[track_caller]
fn assert_fields(app: &App, step: &str, number: u32) {
    // the value in a Secret
    let encoded = if step == "one" { "b25l" } else { "dHdv" };
    for (kind, path) in CHANGED_FIELDS {
        let object = extra_object(app, kind).unwrap_or_else(|| panic!("no {kind}"));
        let value = object.pointer(path).unwrap_or_else(|| panic!("{kind} has no {path}: {object}")).to_string();
        let is_expected = value.contains(step) || value.contains(encoded) || value == number.to_string();
        assert!(is_expected, "{kind}: {value}");
    }
}

#[test]
fn objects_of_every_kind_are_created_changed_waited_for_and_deleted() {
    let first = templates_with_all_kinds("one", 3);
    let mut gateway = first.start_gateway();
    let app = App::web("page");
    let path = format!("/tmp/{}", app.name);
    let _volume = PersistentVolume::for_claim(&app.name, &app.name, "extra", "1Mi", path.as_ref());
    let push = app.start_push(&gateway);
    push.wait_for_output("waiting for service/extra: its load balancer has no address");
    let address = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}"#;
    let patch = ["patch", "service", "extra", "-n", &app.name, "--subresource=status", "--type=merge", "-p", address];
    kubectl(&patch);
    push.wait().ok().prints_all(&["statefulset/extra 1 of 1 ready", "daemonset/extra 1 of 1 ready", "Released v1"]);
    assert_fields(&app, "one", 3);
    let status = |kind: &str| extra_object(&app, kind).unwrap()["status"].clone();
    assert_eq!(status("persistentvolumeclaim")["phase"], "Bound");
    assert_eq!(status("job")["succeeded"], 1);
    assert_eq!(status("statefulset")["readyReplicas"], 1);
    assert_eq!(status("daemonset")["numberReady"], 1);

    let second = templates_with_all_kinds("two", 4);
    gateway.restart_with(&[second.setting()]);
    app.commit("second");
    app.push(&gateway).ok().prints("Released v2");
    assert_fields(&app, "two", 4);
    assert_eq!(status("statefulset")["updatedReplicas"], 1);
    assert_eq!(status("daemonset")["updatedNumberScheduled"], 1);

    let none = Templates::copy();
    gateway.restart_with(&[none.setting()]);
    app.commit("third");
    let pushed = app.push(&gateway).ok();
    for (kind, _) in CHANGED_FIELDS {
        assert!(pushed.contains(&format!("{kind}/extra removed")), "{kind}: {pushed:?}");
        // objects with finalizers are deleted a moment later
        wait_until(&format!("{kind} is deleted"), || extra_object(&app, kind).is_none());
    }
    app.shows("page");
}

/// The StatefulSet's controller does not replace a crashing pod by itself.
#[test]
fn a_stateful_set_that_crashes_is_rolled_back() {
    let first = templates_with_kind("StatefulSet", "one");
    let mut gateway = first.start_gateway();
    let app = App::web("page");
    app.push(&gateway).ok();
    let crashing = templates_with_kind("StatefulSet", "crash");
    gateway.restart_with(&[crashing.setting()]);
    app.commit("second");
    app.push(&gateway).fails().prints_all(&[
        "| it crashes",
        "pod/extra-0 crashed (exit code 4)",
        "removed",
        "rolled back to v1 (as v3)",
    ]);
    let set = extra_object(&app, "statefulset").unwrap();
    assert_eq!((&set["status"]["readyReplicas"], &set["status"]["updatedReplicas"]), (&1.into(), &1.into()));
}

#[test]
fn a_job_that_fails_fails_the_deploy_with_its_output() {
    let templates = templates_with_kind("Job", "x");
    let templates = templates.replace(r#"["echo", "x"]"#, r#"["sh", "-c", "echo no database; exit 5"]"#);
    let gateway = templates.start_gateway();
    let app = App::web("page");
    app.push(&gateway).fails().prints("| no database").prints("crashed (exit code 5)");
    assert_history(&app, &[("v1", "failed")]);
    wait_until("the Job is deleted", || extra_object(&app, "job").is_none());
}

#[test]
fn a_job_that_has_ended_is_replaced_since_it_is_immutable() {
    let templates = Templates::copy().with_file("job.yaml", include_str!("fixtures/job.yaml"));
    let gateway = templates.start_gateway();
    let app = App::deployed(&gateway);
    let job = || app.get("job", &app.name).expect("the Job");
    let image = |job: &Value| job["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    wait_until("the Job has ended", || job()["status"]["succeeded"] == 1);
    let first = job();
    app.commit_page("two");
    app.push(&gateway).ok().prints("Released v2");
    let second = job();
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    assert_ne!(image(&first), image(&second));
    wait_until("the second Job has ended", || job()["status"]["succeeded"] == 1);
}

#[test]
fn a_change_of_an_immutable_field_is_refused_and_nothing_changes() {
    let mut gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let templates = Templates::copy().replace("component\": {{ component }}", "component\": \"www\"");
    gateway.restart_with(&[templates.setting()]);
    app.commit_page("two");
    let message = format!("deployment/{}: spec.selector cannot be changed", app.name);
    app.push(&gateway).fails().prints(&message);
    assert_history(&app, &[("v1", "deployed")]);
    app.shows("one");
}

#[test]
fn a_claim_that_no_volume_fits_is_reported_at_the_timeout() {
    let claim = templates_with_kind("PersistentVolumeClaim", "one");
    let gateway = Gateway::with(&[claim.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "10s")]);
    let app = App::web("page");
    app.push(&gateway)
        .fails()
        .prints("persistentvolumeclaim/extra was not ready within 10 s")
        .prints("waiting for persistentvolumeclaim/extra");
}
