//! From `git push` to a live app.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::support::{App, Gateway, assert_history, environment, kubectl};

#[test]
fn a_push_goes_live_and_the_next_one_upgrades_it() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let first = app.head();

    app.push(&gateway).ok().prints_all(&[
        &format!("remote: -----> Receiving main at {} from root", &first[..7]),
        "remote: -----> Building with Dockerfile",
        &format!("remote: -----> Pushing {}/{} (", environment::registry_address(), app.name),
        &format!("remote: -----> Releasing v1 into namespace {}", app.name),
        &format!("remote:        deployment/{} 1 of 1 ready", app.name),
        "remote: =====> Application deployed: Released v1 in ",
        "remote:        http://10.",
    ]);
    app.shows("one");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    let deployment = format!("deployment/{}", app.name);
    assert_eq!(kubectl(&["exec", "-n", &app.name, &deployment, "--", "cat", "/www/index.html"]), "one");
    kubectl(&["logs", "-n", &app.name, &deployment]);

    let second = app.commit_page("two");
    app.push(&gateway).ok().prints("Released v2 in");
    app.shows("two");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(second));
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
}

#[test]
fn a_deploy_sets_the_manifest_from_the_image() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write("start", include_str!("fixtures/start-as-user.sh"));
    std::fs::set_permissions(app.path().join("start"), Permissions::from_mode(0o755)).unwrap();
    let head = app.commit_dockerfile("COPY --chown=1000 start /start\nUSER 1000\nCMD [\"/start\"]");
    app.push(&gateway).ok();
    app.shows(&head);
    let deployment = app.deployment();
    assert_eq!(app.container()["ports"][0]["containerPort"], 8080);
    let pod = deployment["spec"]["template"]["spec"].to_string();
    for field in [
        "\"runAsNonRoot\":true",
        "\"drop\":[\"ALL\"]",
        "\"allowPrivilegeEscalation\":false",
        "readinessProbe",
        "livenessProbe",
    ] {
        assert!(pod.contains(field), "{field} is not in {pod}");
    }
    let labels = &deployment["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/name"], app.name.as_str());
    assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm");
}

#[test]
fn the_kubelet_pulls_from_the_registry_by_digest() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let image = app.image();
    let repository = format!("{}/{}@", environment::registry_address(), app.name);
    let digest = image.strip_prefix(&repository).expect("an image by digest");
    let log = std::fs::read_to_string(environment::variable("SLIPWAY_DEV_REGISTRY_LOG")).unwrap();
    let request = format!("GET /v2/{}/manifests/{digest}", app.name);
    let is_pulled = log.lines().any(|line| line.contains(&request) && line.contains("docker/"));
    assert!(is_pulled, "the registry's log has no pull of {digest} by the kubelet's Engine");
}
