//! Clients that go away.

use nix::sys::signal::Signal;

use crate::support::gateway::ADMIN;
use crate::support::process::Running;
use crate::support::proxy::{Proxy, Target};
use crate::support::wait::{SECOND, within};
use crate::support::{App, Gateway, eventually, try_run, world};

/// Whether a build step that sleeps this long runs anywhere on the machine.
fn step_runs(seconds: &str) -> bool {
    let output = try_run(std::process::Command::new("pgrep").args(["-f", &format!("^sleep {seconds}$")]));
    output.code == Some(0)
}

fn is_free(lock: &Running) -> bool {
    lock.text().lines().last() == Some("holder=")
}

#[test]
fn an_interrupted_push_ends_its_build_and_frees_the_lock_within_a_second() {
    interrupt_a_build("buildkit", 1_000_000 + std::process::id());
}

#[test]
fn so_it_does_with_the_classic_builder() {
    interrupt_a_build("classic", 2_000_000 + std::process::id());
}

fn interrupt_a_build(builder: &str, seconds: u32) {
    let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder)]);
    let app = App::web("one");
    let seconds = seconds.to_string();
    app.build_step(&format!("sleep {seconds}"));
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    eventually("the step runs", || step_runs(&seconds).then_some(()));
    let lock = app.watch_lock();
    push.signal(Signal::SIGINT);
    let ended = || (!step_runs(&seconds) && is_free(&lock)).then_some(());
    within(SECOND, "the step is gone, and the lock is free", ended, || lock.text());
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), None);
    assert_eq!(app.releases(), []);

    app.web_files("two");
    app.commit("mended");
    app.push(&gateway).ok().says("Released v1");
}

#[test]
fn a_push_that_is_interrupted_while_its_image_is_pushed_leaves_nothing() {
    let proxy = Proxy::to(Target::of(&world::registry()));
    let address = format!("localhost:{}", proxy.address().port());
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", &address), ("SLIPWAY_REGISTRY_PULL", &world::registry())]);
    let app = App::web("one");
    let dockerfile = std::fs::read_to_string(app.path().join("Dockerfile")).unwrap();
    app.write("Dockerfile", &dockerfile.replace("COPY index.html", "COPY noise index.html"));
    app.noise(100);
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("-----> Pushing");
    proxy.freeze();
    let lock = app.watch_lock();
    push.signal(Signal::SIGINT);
    within(SECOND, "the lock is free", || is_free(&lock).then_some(()), || lock.text());
    proxy.mend();
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), None);
    assert_eq!(app.releases(), []);
    app.push(&gateway).ok().says("Released v1");
    app.shows("one");
}

#[test]
fn a_client_that_goes_while_the_release_rolls_out_does_not_stop_it() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.slow_start(4);
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("Releasing v1");
    push.signal(Signal::SIGKILL);
    drop(push);
    eventually("the ref moved", || (app.deployed_ref(&gateway, "refs/heads/main") == Some(app.head())).then_some(()));
    assert_eq!(app.releases(), [(1, "deployed".to_owned())]);
    app.shows("one");
    eventually("the lock is free", || app.lock_holder().is_none().then_some(()));
}

#[test]
fn a_client_that_goes_while_it_sends_leaves_nothing() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.noise(100);
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    eventually("git receives", || app.incoming(&gateway));
    push.signal(Signal::SIGKILL);
    drop(push);
    eventually("the quarantine is gone", || app.incoming(&gateway).is_none().then_some(()));
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), None);
    assert_eq!(world::object(&["namespace", &app.name]), None);
    std::fs::remove_file(app.path().join("noise")).unwrap();
    app.git(&["commit", "-q", "-a", "--amend", "--allow-empty", "-m", "small"]);
    app.push(&gateway).ok();
}
