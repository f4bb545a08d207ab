//! Adopting and deleting an app.

use slipway::domain::{CancelHandle, Progress};
use slipway::service::{AdoptRequest, DeletionOutcome, ErrorKind};

use super::in_process::{admin, app_name, compose, kind, user, with_progress};
use crate::support::{App, Gateway, kubectl, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_deleted_once_its_name_is_repeated() {
    let mut gateway = Gateway::start();
    let app = App::deployed(&gateway);
    gateway.stop();
    let (service, admin, name) = (compose(&gateway).await, admin(), app_name(&app.name));

    let unconfirmed = service.authorize_destroy(&admin, &name).await.unwrap();
    assert_eq!(kind(unconfirmed.confirm("another")), ErrorKind::Invalid);
    assert!(app.namespace_exists());

    let deletion = service.authorize_destroy(&admin, &name).await.unwrap().confirm(&app.name).unwrap();
    let work = async |progress: Progress, _: CancelHandle| service.destroy(&admin, deletion, &progress).await;
    let (deleted, events) = with_progress(work).await;
    let deleted = serde_json::to_value(deleted.unwrap()).unwrap();
    assert_eq!(deleted, serde_json::json!({ "app": app.name, "namespace": "deleted" }));
    assert!(!events.is_empty());
    assert!(!app.namespace_exists() && !gateway.repository_path(&app.name).exists());
    assert_eq!(kind(service.authorize_destroy(&admin, &name).await), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_an_earlier_process_began_is_finished() {
    let mut gateway = Gateway::start();
    let (deleted, kept) = (App::deployed(&gateway), App::deployed(&gateway));
    gateway.stop();
    for app in [&deleted, &kept] {
        std::fs::write(gateway.repository_path(&app.name).join("slipway-destroyed"), "").unwrap();
    }
    deleted.delete_namespace();
    let service = compose(&gateway).await;
    service.resume_deletions().await;
    let (gone, mark) = (gateway.repository_path(&deleted.name), gateway.repository_path(&kept.name));
    wait_until("the repository is removed", || !gone.exists());
    wait_until("the mark of the app that exists is removed", || !mark.join("slipway-destroyed").exists());
    assert!(mark.join("HEAD").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_becomes_an_app_and_stays_when_the_app_is_deleted() {
    let gateway = Gateway::prepared(&[]);
    let service = compose(&gateway).await;
    let (admin, bob, app) = (admin(), user("bob"), App::empty());
    let adopt = |name: &str| AdoptRequest { app: app_name(name), owner: Some("bob".parse().unwrap()) };
    assert_eq!(kind(service.adopt(&admin, adopt(&app.name)).await), ErrorKind::NotFound);
    assert_eq!(kind(service.adopt(&admin, adopt(&gateway.namespace)).await), ErrorKind::Invalid);

    kubectl(&["create", "namespace", &app.name]);
    assert_eq!(kind(service.adopt(&bob, adopt(&app.name)).await), ErrorKind::Forbidden);
    let adopted = service.adopt(&admin, adopt(&app.name)).await.unwrap();
    let json = serde_json::to_value(&adopted).unwrap();
    let expected = serde_json::json!({ "app": app.name, "owner": "bob", "release": null, "unmanaged": [],
                                       "owner_has_key": false });
    assert_eq!(json, expected);
    assert_eq!(service.list_apps(&bob).await.unwrap().len(), 1);
    assert_eq!(kind(service.adopt(&admin, adopt(&app.name)).await), ErrorKind::Conflict);

    let deletion = service.authorize_destroy(&bob, &adopted.app).await.unwrap().confirm(&app.name).unwrap();
    let work = async |progress: Progress, _: CancelHandle| service.destroy(&bob, deletion, &progress).await;
    assert_eq!(with_progress(work).await.0.unwrap().namespace, DeletionOutcome::Released);
    assert!(app.namespace_exists());
}
