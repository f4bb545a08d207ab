//! An installation that loses its pod, its volume and its permissions.

use crate::support::helm::helm;
use crate::support::{App, Installation, kubectl};

#[test]
fn a_deployed_app_survives_the_loss_of_slipways_pod_and_volume() {
    let mut slipway = Installation::prepared();
    slipway.install().ok().prints("Push an app that has a Dockerfile");
    slipway.write_known_hosts();
    let app = App::web("one");
    let first_pod = slipway.wait_for_new_pod("");
    slipway.push(&app).ok().prints("Released v1");
    app.shows("one");
    // the kubelet pulls through its node's cache
    let cache = slipway.values.iter().find_map(|value| value.strip_prefix("cache.port=")).unwrap();
    let deployment = app.deployment().to_string();
    assert!(deployment.contains(&format!("localhost:{cache}/{}@sha256:", app.name)), "{deployment}");
    // slipway has permissions in the app's namespace only
    assert!(slipway.can_i("list", "secrets", &app.name));
    assert!(!slipway.can_i("list", "secrets", "default"));
    assert!(!slipway.can_i("create", "deployments", "default"));

    slipway.kubectl(&["delete", "pod", &slipway.pod_name()]);
    let second_pod = slipway.wait_for_new_pod(&first_pod);
    app.commit_page("two");
    // the host key, the keys, the repository and the deploy logs are the same
    slipway.run_command(&format!("builds:output {} 1", app.name)).ok().prints("Released v1");
    slipway.push(&app).ok().prints("Released v2");
    app.shows("two");

    slipway.lose_volume("data");
    slipway.wait_for_new_pod(&second_pod);
    app.shows("two");
    app.commit_page("three");
    slipway.push(&app).ok().prints("Released v3");
    app.shows("three");
    let history = helm(&app, &["history", &app.name]).stdout;
    assert_eq!(history.lines().count(), 4, "{history}");

    // each command that needs a deleted RoleBinding creates it again
    kubectl(&["delete", "rolebinding", "slipway", "-n", &app.name]);
    slipway.run_command(&format!("rollback {} v2", app.name)).ok().prints("Released v4");
    app.shows("two");
    kubectl(&["delete", "rolebinding", "slipway", "-n", &app.name]);
    slipway.run_command(&format!("apps:destroy {} --force", app.name)).ok().prints("is deleted");
    assert!(!app.namespace_exists());
}
