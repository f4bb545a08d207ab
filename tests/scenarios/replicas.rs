//! The replica count, which belongs to the user or the autoscaler that sets it.

use crate::support::helm::helm;
use crate::support::templates::Templates;
use crate::support::{App, Gateway, wait_until};

#[test]
fn a_deploy_keeps_the_replica_count() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let replicas = || app.deployment()["spec"]["replicas"].clone();
    assert_eq!(replicas(), 1);
    app.scale(2);
    app.commit_page("three");
    app.push(&gateway).ok().prints("2 of 2 ready");
    assert_eq!(replicas(), 2);
    gateway.run_command(&format!("rollback {} v1", app.name)).ok();
    assert_eq!(replicas(), 2);
    helm(&app, &["rollback", &app.name, "2", "--wait"]);
    assert_eq!(replicas(), 2);
    app.shows("two");
}

#[test]
fn a_deploy_keeps_an_autoscalers_replica_count() {
    let templates = Templates::copy().with_file("autoscaler.yaml", include_str!("fixtures/autoscaler.yaml"));
    let gateway = templates.start_gateway();
    let app = App::deployed(&gateway);
    wait_until("two pods are ready", || app.deployment()["status"]["readyReplicas"] == 2);
    let scaled = app.deployment()["metadata"]["generation"].as_u64().unwrap();
    app.commit_page("two");
    app.push(&gateway).ok().prints("2 of 2 ready");
    // the deploy has changed the Deployment once, and not its replica count
    let deployment = app.deployment();
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(deployment["metadata"]["generation"].as_u64(), Some(scaled + 1));
}
