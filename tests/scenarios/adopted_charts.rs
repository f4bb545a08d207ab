//! Adopted releases of charts that slipway would not have made.

use std::process::Command;

use serde_json::Value;

use crate::support::api_proxy::{Action, ApiProxy};
use crate::support::helm::{helm, write_chart};
use crate::support::kubectl::{self, kubectl};
use crate::support::templates::Templates;
use crate::support::{App, Gateway, assert_history, base_image, run, wait_until};

/// The chart of a web server that was installed by hand, with other objects.
fn install(app: &App, objects: &str) {
    let manifest = include_str!("fixtures/manual-chart.yaml").replace("APP", &app.name);
    let chart = write_chart(&format!("{}\n{objects}", manifest.replace("BASE_IMAGE", base_image())));
    helm(app, &["install", &app.name, chart.path().to_str().unwrap(), "--create-namespace", "--wait"]);
    app.shows("helm");
}

/// Deletes a ClusterRole when the test ends.
struct ClusterRole(String);

impl Drop for ClusterRole {
    fn drop(&mut self) {
        kubectl::delete_in_background("clusterrole", &self.0);
    }
}

#[test]
fn objects_that_slipway_cannot_manage_are_named_at_adoption_and_left_alone() {
    let gateway = Gateway::start();
    let (app, other) = (App::web("pushed"), App::empty());
    kubectl(&["create", "namespace", &other.name]);
    let role = ClusterRole(app.name.clone());
    let objects = include_str!("fixtures/unusual-chart.yaml").replace("APP", &app.name).replace("OTHER", &other.name);
    install(&app, &objects.replace("BASE_IMAGE", base_image()));

    let (in_cluster, elsewhere) = (format!("clusterrole/{}", role.0), "configmap/elsewhere");
    gateway.run_command(&format!("apps:adopt {}", app.name)).ok().prints_all(&[
        &format!("{in_cluster} (cluster-scoped)"),
        &format!("{elsewhere} in namespace {}", other.name),
        "job/migrate (a hook of helm's)",
    ]);
    // the objects of the list, and those after a duplicate key, are the release's
    app.push(&gateway).ok().prints_all(&["Released v2", "configmap/listed removed", "configmap/twice removed"]);
    app.shows("pushed");
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    let assert_left_alone = || {
        assert!(kubectl::get(&["clusterrole", &role.0]).is_some());
        assert!(kubectl::get(&["configmap", "elsewhere", "-n", &other.name]).is_some());
    };
    assert_left_alone();

    gateway.run_command(&format!("rollback {} v1", app.name)).ok().prints(&in_cluster).prints(elsewhere);
    app.shows("helm");
    assert!(app.get("configmap", "listed").is_some() && app.get("configmap", "twice").is_some());
    let destroy = gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok();
    destroy.prints("configmap/listed removed").prints(&in_cluster).prints(elsewhere);
    assert_left_alone();
    for (kind, name) in [("deployment", app.name.as_str()), ("configmap", "listed"), ("configmap", "twice")] {
        wait_until(name, || app.get(kind, name).is_none());
    }
}

/// helm marks the objects of a release when it applies them; its records have no marks.
#[test]
fn objects_of_a_revision_of_helms_stay_the_apps_after_an_automatic_rollback() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.commit_crash();
    let old = include_str!("fixtures/second-deployment.yaml").replace("BASE_IMAGE", base_image());
    install(&app, &old);
    gateway.run_command(&format!("apps:adopt {}", app.name)).ok();
    app.push(&gateway).fails().prints("rolled back to v1 (as v3)");
    app.shows("helm");
    // as helm left them
    for (kind, name) in [("deployment", "beside"), ("configmap", "extra")] {
        assert_eq!(app.get(kind, name).unwrap()["metadata"]["annotations"]["meta.helm.sh/release-name"], app.name);
    }
    app.commit_web("repaired");
    app.push(&gateway).ok().prints("deployment/beside removed").prints("configmap/extra removed");
    app.shows("repaired");
    gateway.run_command(&format!("rollback {} v1", app.name)).ok();
    app.shows("helm");
    assert!(app.get("deployment", "beside").is_some());
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok().prints("deployment/beside removed");
    wait_until("the objects are deleted", || {
        app.get("deployment", &app.name).is_none() && app.get("deployment", "beside").is_none()
    });
}

#[test]
fn an_adopted_app_whose_release_cannot_be_removed_is_not_reported_as_gone() {
    let gateway = Gateway::start();
    let app = App::web("pushed");
    install(&app, "");
    gateway.run_command(&format!("apps:adopt {}", app.name)).ok();
    let not_a_release = r#"{"data":{"release":"bm90IGEgcmVsZWFzZQ=="}}"#;
    kubectl(&["patch", "secret", &app.record_name("v1"), "-n", &app.name, "-p", not_a_release]);
    let destroy = format!("apps:destroy {} --force", app.name);
    gateway.run_command(&destroy).fails().prints("the record of v1 cannot be read").does_not_print("is deleted");
    app.shows("helm");
    gateway.run_command("apps").ok().prints(&app.name);
    kubectl(&["delete", "secret", &app.record_name("v1"), "-n", &app.name]);
    gateway.run_command(&destroy).ok().prints("the namespace existed before the app and remains");
}

/// Kubernetes up to 1.21 serves one Ingress in two API groups.
#[test]
fn an_object_that_moved_to_another_api_group_is_not_pruned() {
    let versions = run(Command::new("kubectl").arg("api-versions")).stdout;
    if !versions.contains("extensions/v1beta1") {
        return;
    }
    let templates = Templates::copy().with_file("ingress.yaml", include_str!("fixtures/ingress.yaml"));
    let gateway = templates.start_gateway();
    let app = App::web("pushed");
    install(&app, include_str!("fixtures/old-ingress.yaml"));
    gateway.run_command(&format!("apps:adopt {}", app.name)).ok();
    app.push(&gateway).ok().does_not_print("ingress/entry removed");
    assert!(app.get("ingress.networking.k8s.io", "entry").is_some());
    gateway.run_command(&format!("rollback {} v1", app.name)).ok().does_not_print("ingress/entry removed");
    assert!(app.get("ingress.networking.k8s.io", "entry").is_some());
}

/// The groups whose version v1beta1 an upgrade of the server gives up.
const UPGRADED: [&str; 2] = ["networking.k8s.io", "rbac.authorization.k8s.io"];

/// Makes the API server look as after an upgrade.
fn upgrade_server(api: &ApiProxy) {
    let mut groups: Value = serde_json::from_str(&kubectl(&["get", "--raw", "/apis"])).unwrap();
    for group in groups["groups"].as_array_mut().unwrap() {
        if UPGRADED.iter().any(|upgraded| group["name"] == *upgraded) {
            group["versions"].as_array_mut().unwrap().retain(|version| version["version"] != "v1beta1");
        }
    }
    let groups = groups.to_string();
    let not_found = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
    api.set_rule(move |request| match request.path.split('?').next() {
        Some("/apis" | "/apis/") => Action::Respond("200 OK", groups.clone()),
        Some(path) if UPGRADED.iter().any(|group| path.starts_with(&format!("/apis/{group}/v1beta1"))) => {
            Action::Respond("404 Not Found", not_found.to_owned())
        }
        _ => Action::Forward,
    });
}

/// A Role has the same fields in both versions, and an Ingress has others.
#[test]
fn an_automatic_rollback_succeeds_on_a_server_that_gave_up_an_api_version() {
    let versions = run(Command::new("kubectl").arg("api-versions")).stdout;
    if !UPGRADED.iter().all(|group| versions.contains(&format!("{group}/v1beta1"))) {
        return;
    }
    let (api, gateway) = ApiProxy::start_with_gateway(&[]);
    let app = App::empty();
    app.commit_crash();
    install(&app, include_str!("fixtures/old-versions.yaml"));
    gateway.run_command(&format!("apps:adopt {}", app.name)).ok();
    upgrade_server(&api);
    app.push(&gateway).fails().prints("ingress/entry is left as it is").prints("rolled back to v1 (as v3)");
    app.shows("helm");
    assert!(app.get("ingress", "entry").is_some() && app.get("role", "old").is_some());
    app.commit_web("pushed");
    app.push(&gateway).ok().prints_all(&["role/old removed", "ingress/entry removed"]);
    app.shows("pushed");
}
