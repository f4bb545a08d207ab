//! `rollback`, `redeploy`, and `git push -o no-rollback`.

use crate::support::background::BackgroundCommand;
use crate::support::helm::helm;
use crate::support::{ADMIN, App, Gateway, assert_history, kubectl};

#[test]
fn a_rollback_deploys_an_earlier_revision_as_a_new_one() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let second = app.image();
    gateway
        .run_command(&format!("rollback {}", app.name))
        .ok()
        .prints("Rolling back to v1, as v3")
        .prints("Released v3")
        .prints(&format!("redeploy {}", app.name));
    app.shows("one");
    assert_history(&app, &[("v1", "superseded"), ("v2", "superseded"), ("v3", "deployed")]);
    assert_ne!(app.image(), second);
    let helms = helm(&app, &["history", &app.name]).stdout;
    let description = format!("Rollback to v1 by {ADMIN}");
    assert!(helms.lines().any(|line| line.starts_with('3') && line.contains(&description)), "{helms}");
    // the branch has not moved
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(app.head()));
    app.push(&gateway).ok().prints("Everything up-to-date");
    app.shows("one");

    // the latest revision that differs from v3 is v2
    gateway.run_command(&format!("rollback {}", app.name)).ok().prints("Rolling back to v2, as v4");
    app.shows("two");
    assert_eq!(app.image(), second);
    app.commit_page("three");
    app.push(&gateway).ok().prints("Released v5");
}

#[test]
fn a_redeploy_deploys_the_branch_again() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    gateway.run_command(&format!("rollback {} v1", app.name)).ok();
    app.shows("one");
    gateway
        .run_command(&format!("redeploy {}", app.name))
        .ok()
        .prints("Redeploying main")
        .prints("Released v4")
        .prints("(cached)");
    app.shows("two");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(app.head()));
    assert!(app.lock_holder().is_none(), "the app is still locked");
}

#[test]
fn a_refused_rollback_changes_nothing() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let name = &app.name;
    let rollback = |revision: &str| gateway.run_command(format!("rollback {name} {revision}").trim_end()).fails();
    rollback("").prints("no earlier revision of").prints("differs from v1");
    rollback("v1").prints(&format!("{name} already runs v1"));
    rollback("v7").prints("has no v7");
    app.commit_crash();
    app.push(&gateway).fails();
    rollback("v2").prints("v2 of").prints("is failed");
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    app.shows("one");
}

#[test]
fn a_rollback_that_waited_while_the_app_got_another_owner_is_refused() {
    let gateway = Gateway::start();
    gateway.register_user("alice");
    let app = App::web("one");
    app.push_as(&gateway, "alice", &["main"]).ok();
    app.commit_page("two");
    app.push_as(&gateway, "alice", &["main"]).ok();
    let deploy = app.start_push_with_build_step(&gateway, "sleep 1000");
    let mut waiting = gateway.ssh("alice");
    let waiting = BackgroundCommand::start(waiting.arg(format!("rollback {} --wait", app.name)));
    waiting.wait_for_output("waiting");
    kubectl(&["annotate", "--overwrite", "namespace", &app.name, "slipway.dev/owner=bob"]);
    drop(deploy);
    waiting.wait().fails().prints("belongs to another user by now");
    app.shows("two");
}

#[test]
fn a_failed_upgrade_is_kept_if_the_push_asks_for_it() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_crash();
    app.push_as(&gateway, ADMIN, &["--push-option=no-rollback", "main"])
        .fails()
        .prints("its objects were left in place")
        .does_not_print("Rolling back");
    assert_history(&app, &[("v1", "deployed"), ("v2", "failed")]);
    let pods = kubectl(&["get", "pods", "-n", &app.name]);
    assert!(pods.contains("CrashLoopBackOff") || pods.contains("Error"), "{pods}");

    // a rollback restores the deployed revision in place of the failed one
    gateway.run_command(&format!("rollback {}", app.name)).ok().prints("Rolling back to v1, as v3");
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    app.shows("one");
    app.commit_web("repaired");
    app.push(&gateway).ok().prints("Released v4");
    app.shows("repaired");
}
