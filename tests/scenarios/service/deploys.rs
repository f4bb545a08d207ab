//! Redeploy and rollback.

use slipway::domain::{CancelHandle, Progress, ProgressEvent, Revision};
use slipway::service::{DeployFlags, ErrorKind, RedeployRequest, RollbackRequest};

use super::in_process::{admin, app_name, compose, kind, with_progress};
use crate::support::{App, Gateway, assert_history};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_redeployed_and_rolled_back() {
    let mut gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    gateway.stop();
    let (service, admin, flags) = (compose(&gateway).await, admin(), DeployFlags::default());
    let redeploy = RedeployRequest { app: app_name(&app.name), flags };
    let rollback = |to| RollbackRequest { app: app_name(&app.name), to, flags };

    let work = async |progress, cancel| service.redeploy(&admin, &redeploy, &progress, &cancel).await;
    let (deployed, events) = with_progress(work).await;
    let deployed = serde_json::to_value(deployed.unwrap()).unwrap();
    assert_eq!((&deployed["revision"], &deployed["source"]["commit"]), (&3.into(), &app.head().into()));
    assert!(matches!(events.first(), Some(ProgressEvent::StageStarted { title }) if title.starts_with("Redeploying")));

    let request = rollback(Some(Revision(1)));
    let work = async |progress, cancel| service.rollback(&admin, &request, &progress, &cancel).await;
    let deployed = serde_json::to_value(with_progress(work).await.0.unwrap()).unwrap();
    assert_eq!((&deployed["revision"], &deployed["source"]["revision"]), (&4.into(), &1.into()));
    app.shows("one");

    let (progress, _) = Progress::channel();
    let cancel = CancelHandle::default();
    for (to, expected) in [(4, ErrorKind::Conflict), (9, ErrorKind::NotFound)] {
        let answer = service.rollback(&admin, &rollback(Some(Revision(to))), &progress, &CancelHandle::default()).await;
        assert_eq!(kind(answer), expected, "v{to}");
    }
    cancel.cancel();
    assert_eq!(kind(service.redeploy(&admin, &redeploy, &progress, &cancel).await), ErrorKind::Failed);
    let superseded = ["v1", "v2", "v3"].map(|revision| (revision, "superseded"));
    assert_history(&app, &[&superseded[..], &[("v4", "deployed")]].concat());
}
