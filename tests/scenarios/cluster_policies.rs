//! Admission webhooks, quotas, and namespaces that are being deleted.

use crate::support::webhook::Webhook;
use crate::support::{ADMIN, App, Gateway, assert_history, kubectl, wait_until};

#[test]
fn a_denial_by_an_admission_webhook_refuses_the_push_before_the_build() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let mut webhook = Webhook::denying(&app, "images need a signature");
    app.commit_page("two");
    // a webhook takes effect a moment after its registration
    wait_until("the webhook denies", || {
        let dry_run = app.push_as(&gateway, ADMIN, &["--push-option=dry-run", "main"]);
        dry_run.contains("images need a signature")
    });
    let refused = app.push(&gateway).fails().does_not_print("Building");
    refused
        .prints("admission webhook \"judge.example.com\" denied the request: images need a signature")
        .prints(&format!("deployment/{}", app.name));
    webhook.stop();
    app.push(&gateway).fails().prints("failed calling webhook \"judge.example.com\"").does_not_print("Building");
    assert_history(&app, &[("v1", "deployed")]);
    app.shows("one");
    drop(webhook);
    wait_until("the webhook is unregistered", || app.push(&gateway).code == Some(0));
    app.shows("two");
}

#[test]
fn a_push_is_refused_while_the_namespace_is_being_deleted() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.block_namespace_deletion();
    kubectl(&["delete", "namespace", &app.name, "--wait=false"]);
    app.commit("second");
    app.push(&gateway).fails().prints("is being deleted");
    app.unblock_namespace_deletion();
    wait_until("the namespace is deleted", || !app.namespace_exists());
    app.push(&gateway).ok().prints("Released v1");
    app.shows("one");
}
