//! Records of a running deploy that are damaged, deleted or refused.

use crate::support::background::BackgroundCommand;
use crate::support::kubectl::{self, kubectl};
use crate::support::{App, Gateway, assert_history, wait_for_history, wait_until};

const NOT_A_RECORD: &str = r#"{"data":{"release":"bm90IGEgcmVsZWFzZQ=="}}"#;

/// Kills the gateway while it rolls out v2, whose pods are not ready yet.
fn killed_while_applying(gateway: &mut Gateway) -> App {
    let app = App::deployed(gateway);
    let first = app.image();
    app.commit_page("two");
    app.commit_slow_start(10);
    let push: BackgroundCommand = app.start_push(gateway);
    push.wait_for_output("Releasing v2");
    wait_until("the Deployment is applied", || app.image() != first);
    gateway.kill();
    push.wait().fails();
    app
}

#[test]
fn an_unreadable_pending_record_is_closed_and_the_app_rolled_back() {
    let mut gateway = Gateway::start();
    let app = killed_while_applying(&mut gateway);
    kubectl(&["patch", "secret", &app.record_name("v2"), "-n", &app.name, "-p", NOT_A_RECORD]);
    gateway.launch();
    wait_for_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    app.shows("one");
    app.wait_unlocked();
    app.push(&gateway).ok().prints("Released v4");
    app.shows("two");
}

#[test]
fn a_push_closes_an_unreadable_pending_record() {
    let mut gateway = Gateway::start();
    let app = killed_while_applying(&mut gateway);
    kubectl(&["patch", "secret", &app.record_name("v2"), "-n", &app.name, "-p", NOT_A_RECORD]);
    // an earlier process of the gateway that cannot be told from the one which left the record
    kubectl(&["delete", "lease", "slipway-deploy", "-n", &app.name]);
    gateway.launch();
    app.wait_unlocked();
    app.push(&gateway).ok();
    let history = app.history();
    assert!(!history.iter().any(|(_, status)| status.starts_with("pending")), "{history:?}");
    app.shows("two");
}

#[test]
fn a_release_whose_pending_record_was_deleted_is_rolled_back() {
    let mut gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.image();
    app.commit_page("two");
    app.commit_slow_start(10);
    let push = app.start_push(&gateway);
    push.wait_for_output("Releasing v2");
    wait_until("the Deployment is applied", || app.image() != first);
    gateway.kill();
    push.wait().fails();
    kubectl(&["delete", "secret", &app.record_name("v2"), "-n", &app.name]);
    gateway.launch();
    wait_until("v1 is live again", || app.image() == first);
    app.wait_unlocked();
    assert_history(&app, &[("v1", "deployed")]);
    app.shows("one");
    app.push(&gateway).ok().prints("Released v2");
    app.shows("two");
}

#[test]
fn a_record_that_is_deleted_during_its_deploy_is_written_again() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_page("two");
    app.commit_slow_start(5);
    let push = app.start_push(&gateway);
    push.wait_for_output("Releasing v2");
    wait_until("the record is written", || app.has_revision("v2", "pending-upgrade"));
    kubectl(&["delete", "secret", &app.record_name("v2"), "-n", &app.name]);
    push.wait().ok().prints("Released v2");
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    app.shows("two");
}

#[test]
fn an_automatic_rollback_needs_no_new_record() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.image();
    app.wait_unlocked();
    // room for the record of v2, and none for that of its rollback
    let hard = format!("count/secrets={}", kubectl::list(&["secret", "-n", &app.name]).len() + 1);
    kubectl(&["create", "quota", "few", &format!("--hard={hard}"), "-n", &app.name]);
    wait_until("the quota counts", || app.get("resourcequota", "few").unwrap()["status"]["used"].is_object());
    app.commit_crash();
    app.push(&gateway).fails().prints("exceeded quota").prints("rolled back to v1").does_not_print("(as v3)");
    assert_eq!(app.image(), first);
    app.shows("one");
    assert_history(&app, &[("v1", "deployed"), ("v2", "failed")]);

    kubectl(&["delete", "quota", "few", "-n", &app.name]);
    app.commit_web("repaired");
    app.push(&gateway).ok().prints("Released v3");
    app.shows("repaired");
}

#[test]
fn the_history_of_failing_pushes_is_limited() {
    let gateway = Gateway::with(&[("SLIPWAY_HISTORY_MAX", "3")]);
    let app = App::deployed(&gateway);
    app.commit_crash();
    for n in 0..2 {
        app.git(&["commit", "-q", "--amend", "--allow-empty", "-m", &format!("crash {n}")]);
        app.push(&gateway).fails().prints("rolled back to");
        app.wait_unlocked();
    }
    assert_history(&app, &[("v3", "superseded"), ("v4", "failed"), ("v5", "deployed")]);
    app.shows("one");
}

#[test]
fn a_damaged_record_of_the_deployed_revision_does_not_lock_the_app() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.wait_unlocked();
    kubectl(&["patch", "secret", &app.record_name("v1"), "-n", &app.name, "-p", NOT_A_RECORD]);
    let doctor = gateway.run_command(&format!("doctor {}", app.name)).fails();
    doctor.prints("the record of v1 cannot be read").prints(&format!("redeploy {}", app.name));
    app.commit_page("two");
    app.push(&gateway).ok().prints_all(&["the record of v1 cannot be read", "its objects are unknown", "Released v2"]);
    app.shows("two");
    app.wait_unlocked();
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    // A damaged record is no target of a rollback, and does not hide an older one.
    app.commit_page("three");
    app.push(&gateway).ok().does_not_print("cannot be read").prints("Released v3");
    app.wait_unlocked();
    kubectl(&["patch", "secret", &app.record_name("v3"), "-n", &app.name, "-p", NOT_A_RECORD]);
    gateway
        .run_command(&format!("rollback {}", app.name))
        .ok()
        .prints_all(&["Rolling back to v2, as v4", "Released v4"]);
    app.shows("two");
}

#[test]
fn a_failed_release_after_a_damaged_record_is_left_in_place() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.wait_unlocked();
    kubectl(&["patch", "secret", &app.record_name("v1"), "-n", &app.name, "-p", NOT_A_RECORD]);
    app.commit_crash();
    app.push(&gateway).fails().prints("its objects were left in place, because the record of v1 cannot be read");
    assert_history(&app, &[("v1", "deployed"), ("v2", "failed")]);
    app.shows("one");
    app.commit_web("repaired");
    app.push(&gateway).ok().prints("Released v3");
    app.shows("repaired");
    app.wait_unlocked();
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
}

#[test]
fn a_deploy_whose_lease_was_deleted_is_not_said_to_have_lost_its_gateway() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_page("two");
    app.commit_slow_start(30);
    let push = app.start_push(&gateway);
    push.wait_for_output("0 of 1 ready");
    kubectl(&["delete", "lease", "slipway-deploy", "-n", &app.name]);
    push.wait().fails().prints("someone deleted its Lease");
    wait_for_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    let releases = gateway.run_command(&format!("releases {}", app.name)).ok();
    releases.prints("its deploy lock was lost").does_not_print("its gateway ended");
}
