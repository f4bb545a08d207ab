//! A cluster with rules of its own: admission, quotas, namespaces on their way out; and records that somebody changed.

use crate::support::gateway::ADMIN;
use crate::support::webhook::Webhook;
use crate::support::{App, Gateway, eventually, try_run, world};

#[test]
fn an_admission_webhook_refuses_before_anything_is_built() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let mut webhook = Webhook::that_denies(&app, "images need a signature");
    app.write("index.html", "two");
    app.commit("second");
    // the API server learns of a webhook a moment after it was registered
    eventually("the webhook denies", || {
        let pushed = app.push_as(&gateway, ADMIN, &["--push-option=dry-run", "main"]);
        pushed.contains("images need a signature").then_some(())
    });
    let refused = app.push(&gateway).fails().never_says("Building");
    let words = "admission webhook \"judge.example.com\" denied the request: images need a signature";
    assert!(refused.contains(words) && refused.contains(&format!("deployment/{}", app.name)), "{refused:?}");
    webhook.ends();
    app.push(&gateway).fails().says("failed calling webhook \"judge.example.com\"").never_says("Building");
    assert_eq!(app.releases(), [(1, "deployed".to_owned())]);
    app.shows("one");
    drop(webhook);
    eventually("the webhook is forgotten", || (app.push(&gateway).code == Some(0)).then_some(()));
    app.shows("two");
}

#[test]
fn a_quota_that_leaves_no_room_is_named_at_the_deadline() {
    let gateway = Gateway::with(&[("SLIPWAY_ROLLOUT_TIMEOUT", "10s")]);
    let app = App::web("one");
    app.push(&gateway).ok();
    world::kubectl(&["create", "quota", "narrow", "--hard=pods=1", "-n", &app.name]);
    eventually("the quota counts", || {
        let quota = app.object("quota", "narrow")?;
        (quota["status"]["used"]["pods"] == "1").then_some(())
    });
    app.write("index.html", "two");
    app.commit("second");
    let pushed = app.push(&gateway).fails();
    assert!(pushed.contains("exceeded quota: narrow") && pushed.contains("v1 serves again"), "{pushed:?}");
    app.shows("one");
}

#[test]
fn a_namespace_on_its_way_out_takes_no_push_until_it_is_gone() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.hold_namespace();
    world::kubectl(&["delete", "namespace", &app.name, "--wait=false"]);
    app.commit("second");
    app.push(&gateway).fails().says("is being deleted");
    app.free_namespace();
    eventually("the namespace is gone", || world::object(&["namespace", &app.name]).is_none().then_some(()));
    app.push(&gateway).ok().says("Released v1");
    app.shows("one");
}

#[test]
fn a_history_that_somebody_edited_does_not_stop_the_next_push() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let secret = |revision: u32| format!("sh.helm.release.v1.{}.v{revision}", app.name);
    let push = |page: &str| {
        app.write("index.html", page);
        app.commit(page);
        let pushed = app.push(&gateway).ok();
        app.shows(page);
        pushed
    };
    // the newest record is gone: its number is free again
    world::kubectl(&["delete", "secret", &secret(2), "-n", &app.name]);
    push("three").says("Released v2");
    // labels that say something else than the record
    world::kubectl(&["label", "secret", &secret(2), "status=superseded", "--overwrite", "-n", &app.name]);
    push("four").says("Released v3");
    world::kubectl(&["label", "secret", &secret(3), "status=nonsense", "--overwrite", "-n", &app.name]);
    push("five").says("Released v4");
    world::kubectl(&["label", "secret", &secret(4), "version=eleven", "--overwrite", "-n", &app.name]);
    push("six").says("Released v5");
    // a record without labels, which helm does not list
    world::kubectl(&["label", "secret", &secret(5), "owner-", "name-", "status-", "version-", "-n", &app.name]);
    push("seven").says("Released v6");
    // all of them gone: what runs is still the app's own
    world::kubectl(&["delete", "secret", "-n", &app.name, "--field-selector", "type=helm.sh/release.v1"]);
    push("eight").says("Released v1");
    let listed = try_run(gateway.ssh(ADMIN).arg(format!("releases {}", app.name))).ok();
    assert!(listed.contains("v1") && listed.contains("deployed"), "{listed:?}");
}
