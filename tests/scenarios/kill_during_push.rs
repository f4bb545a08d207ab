//! A gateway that is killed in each phase of a push: after a restart, the next push works.

use crate::support::client::git;
use crate::support::{ADMIN, App, Gateway, eventually, run, wait_for_history, wait_until};

/// Asserts that git finds no errors in the repository, and that no temporary files are left.
#[track_caller]
fn assert_repository_is_sound(gateway: &Gateway, app: &App) {
    let repository = gateway.repository_path(&app.name);
    if repository.exists() {
        run(git(&repository).args(["fsck", "--full", "--strict"])).does_not_print("error").does_not_print("dangling");
        let objects = std::fs::read_dir(repository.join("objects")).unwrap().map_while(Result::ok);
        let temporary: Vec<_> =
            objects.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with("tmp_")).collect();
        assert!(temporary.is_empty(), "{temporary:?}");
    }
}

#[test]
fn a_gateway_killed_while_receiving_stores_nothing() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    app.commit_random_file(100);
    let push = app.start_push(&gateway);
    eventually("the quarantine directory", || app.quarantine(&gateway));
    gateway.kill();
    push.wait().fails();
    gateway.launch();
    assert_repository_is_sound(&gateway, &app);
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
    app.amend_without_random_file();
    app.push(&gateway).ok().prints("Released v1");
}

#[test]
fn a_gateway_killed_while_building_leaves_the_ref_and_no_lock() {
    let mut gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.head();
    let push = app.start_push_with_build_step(&gateway, "sleep 20");
    gateway.kill();
    push.wait().fails();
    gateway.launch();
    assert_repository_is_sound(&gateway, &app);
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    app.commit_web("two");
    // no `-o wait` is needed: a restarted gateway takes over its own lock immediately
    app.push(&gateway).ok().prints("Released v2");
    app.shows("two");
}

#[test]
fn another_gateway_takes_over_the_lock_of_a_killed_gateway() {
    let mut gateway = Gateway::start();
    let twin = gateway.twin(&[]);
    let app = App::web("one");
    let push = app.start_push_with_build_step(&gateway, "sleep 20");
    gateway.kill();
    push.wait().fails();
    app.commit_web("two");
    // the killed gateway holds the lock until its lease of 15 s expires
    app.push_as(&twin, ADMIN, &["--push-option=wait", "--force", "main"]).ok().prints("Released v1");
    app.shows("two");
}

#[test]
fn a_gateway_killed_while_applying_undoes_the_release_at_the_next_start() {
    let mut gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.head();
    app.commit_page("two");
    app.commit_slow_start(10);
    let push = app.start_push(&gateway);
    push.wait_for_output("Releasing v2");
    wait_until("the record is written", || app.has_revision("v2", "pending-upgrade"));
    gateway.kill();
    push.wait().fails();
    gateway.launch();
    wait_for_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    assert_repository_is_sound(&gateway, &app);
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    app.shows("one");
    app.push(&gateway).ok().prints("Released v4");
    app.shows("two");
}
