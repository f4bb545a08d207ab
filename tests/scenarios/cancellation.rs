//! Clients that disconnect during a push.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::background::BackgroundCommand;
use crate::support::wait::{DEFAULT_LIMIT, SECOND, within};
use crate::support::{App, Gateway, assert_history, eventually, try_run, wait_until};

/// Whether a build step `sleep SECONDS` runs on this machine.
fn is_step_running(seconds: &str) -> bool {
    try_run(Command::new("pgrep").args(["-f", &format!("^sleep {seconds}$")])).code == Some(0)
}

/// Whether the last line of [`App::watch_lock`] shows a free lock.
fn is_unlocked(lock: &BackgroundCommand) -> bool {
    lock.output().lines().last() == Some("holder=")
}

#[test]
fn an_interrupted_push_stops_its_buildkit_build_and_frees_the_lock_within_a_second() {
    interrupt_build("buildkit", 1_000_000 + std::process::id());
}

#[test]
fn an_interrupted_push_stops_its_classic_build_and_frees_the_lock_within_a_second() {
    interrupt_build("classic", 2_000_000 + std::process::id());
}

/// The number of seconds identifies the build step's process.
fn interrupt_build(builder: &str, seconds: u32) {
    let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder)]);
    let app = App::web("one");
    let seconds = seconds.to_string();
    app.commit_build_step(&format!("sleep {seconds}"));
    let push = app.start_push(&gateway);
    let runs = || is_step_running(&seconds).then_some(());
    within(DEFAULT_LIMIT, "the build step runs", runs, || push.describe());
    let lock = app.watch_lock();
    push.signal(Signal::SIGINT);
    let is_cancelled = || (!is_step_running(&seconds) && is_unlocked(&lock)).then_some(());
    within(SECOND, "the build step has ended and the lock is free", is_cancelled, || lock.output());
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
    assert_history(&app, &[]);

    app.commit_web("two");
    app.push(&gateway).ok().prints("Released v1");
}

#[test]
fn a_push_that_is_interrupted_while_its_image_is_pushed_leaves_nothing() {
    let (proxy, gateway) = Gateway::with_registry_proxy();
    let app = App::web("one");
    app.edit_dockerfile("COPY index.html", "COPY random index.html");
    app.commit_random_file(100);
    let push = app.start_push(&gateway);
    push.wait_for_output("-----> Pushing");
    proxy.freeze();
    let lock = app.watch_lock();
    push.signal(Signal::SIGINT);
    within(SECOND, "the lock is free", || is_unlocked(&lock).then_some(()), || lock.output());
    proxy.restore();
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
    assert_history(&app, &[]);
    app.push(&gateway).ok().prints("Released v1");
    app.shows("one");
}

#[test]
fn a_client_that_disconnects_during_the_rollout_does_not_stop_it() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.commit_slow_start(4);
    let push = app.start_push(&gateway);
    push.wait_for_output("Releasing v1");
    push.signal(Signal::SIGKILL);
    drop(push);
    wait_until("the ref has moved", || app.remote_ref(&gateway, "refs/heads/main") == Some(app.head()));
    assert_history(&app, &[("v1", "deployed")]);
    app.shows("one");
    app.wait_unlocked();
}

#[test]
fn a_client_that_disconnects_while_sending_leaves_nothing() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.commit_random_file(100);
    let push = app.start_push(&gateway);
    eventually("the quarantine directory", || app.quarantine(&gateway));
    push.signal(Signal::SIGKILL);
    drop(push);
    wait_until("the quarantine directory is removed", || app.quarantine(&gateway).is_none());
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
    assert!(!app.namespace_exists());
    app.amend_without_random_file();
    app.push(&gateway).ok();
}
