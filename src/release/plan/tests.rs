//! Golden files of plans.

use serde_json::{Value, json};

use super::super::manifest::parse_manifest;
use super::super::ownership::RESOURCE_POLICY;
use super::super::release_phase::ReleasePhase;
use super::*;
use crate::domain::{Manifest, Revision, labels};

fn manifest(api_version: &str, kind: &str, name: &str) -> Manifest {
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    Manifest { source: String::new(), object }
}

/// The objects of the app chart, in the order of its templates.
fn web() -> Vec<Manifest> {
    vec![manifest("apps/v1", "Deployment", "web"), manifest("v1", "Service", "web")]
}

fn worker() -> Vec<Manifest> {
    vec![manifest("v1", "ConfigMap", "worker"), manifest("apps/v1", "StatefulSet", "worker")]
}

fn with(mut manifest: Manifest, pointer: &str, value: Value) -> Manifest {
    manifest.object[pointer] = value;
    manifest
}

fn server_side(manifests: &[Manifest]) -> PreviousObjects<'_> {
    PreviousObjects { manifests, has_client_side_updates: false }
}

#[test]
fn a_first_deploy() {
    insta::assert_snapshot!(rolling_update(&web(), PreviousObjects::default(), ReleasePhase::Run));
}

#[test]
fn an_upgrade_that_removes_objects() {
    let previous = [web(), worker(), vec![manifest("batch/v1", "CronJob", "nightly")]].concat();
    insta::assert_snapshot!(rolling_update(&web(), server_side(&previous), ReleasePhase::Run));
}

#[test]
fn an_upgrade_without_an_object_that_has_the_keep_policy() {
    let metadata = json!({"name": "data", "annotations": {RESOURCE_POLICY: "keep"}});
    let claim = with(manifest("v1", "PersistentVolumeClaim", "data"), "metadata", metadata);
    let previous = [web(), vec![claim], worker()].concat();
    insta::assert_snapshot!(rolling_update(&web(), server_side(&previous), ReleasePhase::Run));
}

#[test]
fn an_upgrade_of_a_release_of_helm_3() {
    let scaled = with(manifest("apps/v1", "Deployment", "web"), "spec", json!({"replicas": 2}));
    let previous = [scaled, manifest("v1", "Service", "web")];
    let previous = PreviousObjects { manifests: &previous, has_client_side_updates: true };
    insta::assert_snapshot!(rolling_update(&web(), previous, ReleasePhase::Run));
}

/// The previous objects are those of the deployed revision, and of the failed one after it.
#[test]
fn a_rollback_after_a_failed_upgrade() {
    let (deployed, failed) = (web(), [web(), worker()].concat());
    let previous = [deployed.clone(), failed].concat();
    insta::assert_snapshot!(restoration(&deployed, server_side(&previous), ReleasePhase::Run));
}

#[test]
fn a_rollback_ends_jobs_that_the_earlier_revision_has_not_or_has_otherwise() {
    let job = |name: &str, image: &str| with(manifest("batch/v1", "Job", name), "spec", json!({"image": image}));
    let deployed = [web(), vec![job("same", "1"), job("changed", "1")]].concat();
    let failed = [web(), vec![job("same", "1"), job("changed", "2"), job("new", "2")]].concat();
    let previous = [deployed.clone(), failed].concat();
    let plan = restoration(&deployed, server_side(&previous), ReleasePhase::Run).to_string();
    let ended: Vec<_> = plan.lines().filter(|line| line.starts_with("  end ")).collect();
    assert_eq!(ended, ["  end job/changed unless it has finished", "  end job/new unless it has finished"]);
}

#[test]
fn the_removal_of_a_failed_first_release() {
    let plan_of = [web(), worker()].concat();
    let plan = removal(&plan_of);
    assert!(plan.is_removal());
    insta::assert_snapshot!(plan);
}

#[test]
fn a_first_deploy_of_every_kind() {
    let fixture = include_str!("../../../tests/scenarios/fixtures/kinds.yaml");
    let (_, objects) = fixture.split_once("-#}\n").unwrap();
    let kinds = parse_manifest(&objects.replace("{{ image }}", "i").replace("{{ app }}", "web"), Revision(1)).unwrap();
    insta::assert_snapshot!(rolling_update(&[web(), kinds].concat(), PreviousObjects::default(), ReleasePhase::Run));
}

#[test]
fn a_serialized_plan_has_the_identities_of_objects_and_no_values() {
    let secret = with(manifest("v1", "Secret", "web"), "stringData", json!({"password": "hunter2"}));
    let plan = serde_json::to_value(rolling_update(&[secret], server_side(&worker()), ReleasePhase::Run)).unwrap();
    let object = |group: &str, kind: &str, name: &str| json!({"group": group, "kind": kind, "name": name});
    assert_eq!(
        plan,
        json!({
            "prepare": [{"apply": object("", "Secret", "web")}],
            "check": [],
            "switch": [],
            "retire": [
                {"delete": object("apps", "StatefulSet", "worker")},
                {"delete": object("", "ConfigMap", "worker")},
            ],
        })
    );
}

fn with_release_phase() -> Vec<Manifest> {
    let metadata = |name: &str, key: &str, value: &str| json!({"name": name, "annotations": {key: value}});
    let job =
        with(manifest("batch/v1", "Job", "web-release"), "metadata", metadata("web-release", labels::PHASE, "release"));
    [web(), vec![manifest("v1", "ConfigMap", "web"), job]].concat()
}

#[test]
fn the_release_phase_runs_before_the_workloads_and_after_what_its_pods_need() {
    insta::assert_snapshot!(rolling_update(&with_release_phase(), server_side(&web()), ReleasePhase::Run));
}

#[test]
fn a_skipped_release_phase_leaves_its_job_as_it_is() {
    let previous = with_release_phase();
    let plan = restoration(&previous, server_side(&previous), ReleasePhase::Skip).to_string();
    assert!(!plan.contains("job/web-release"), "{plan}");
}
