//! A gateway killed with -9, in each phase: after the restart everything works.

use crate::support::gateway::{ADMIN, git};
use crate::support::{App, Gateway, eventually, run};

#[track_caller]
fn assert_repository_is_sound(gateway: &Gateway, app: &App) {
    let repository = gateway.repository(&app.name);
    if repository.exists() {
        let output = run(git(&repository).args(["fsck", "--full", "--strict"]));
        assert!(!output.contains("error") && !output.contains("dangling"), "{}{}", output.stdout, output.stderr);
        let left = std::fs::read_dir(repository.join("objects")).unwrap().map_while(Result::ok);
        let left: Vec<_> =
            left.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with("tmp_")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn while_receiving() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    app.noise(100);
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    eventually("git receives", || app.incoming(&gateway));
    gateway.kill();
    push.finish().fails();
    gateway.launch();
    assert_repository_is_sound(&gateway, &app);
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), None);
    std::fs::remove_file(app.path().join("noise")).unwrap();
    app.git(&["commit", "-q", "-a", "--amend", "--allow-empty", "-m", "small"]);
    app.push(&gateway).ok().says("Released v1");
}

#[test]
fn while_building() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let first = app.head();
    app.build_step("sleep 20");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 20");
    gateway.kill();
    push.finish().fails();
    gateway.launch();
    assert_repository_is_sound(&gateway, &app);
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(first));
    app.web_files("two");
    app.commit("mended");
    // without -o wait: a gateway that restarts takes its own lock over at once
    app.push(&gateway).ok().says("Released v2");
    app.shows("two");
}

#[test]
fn while_another_gateway_takes_over() {
    let mut gateway = Gateway::start();
    let twin = gateway.twin(&[]);
    let app = App::web("one");
    app.build_step("sleep 20");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 20");
    gateway.kill();
    push.finish().fails();
    app.web_files("two");
    app.commit("mended");
    // within the 15 s of the lease the dead gateway still counts as the holder
    app.push_as(&twin, ADMIN, &["--push-option=wait", "--force", "main"]).ok().says("Released v1");
    app.shows("two");
}

#[test]
fn while_applying() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let first = app.head();
    app.write("index.html", "two");
    app.slow_start(10);
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("Releasing v2");
    eventually("the record is written", || app.releases().contains(&(2, "pending-upgrade".to_owned())).then_some(()));
    gateway.kill();
    push.finish().fails();
    gateway.launch();
    eventually("the release is healed", || {
        (app.releases() == [(1, "superseded".to_owned()), (2, "failed".to_owned()), (3, "deployed".to_owned())])
            .then_some(())
    });
    assert_repository_is_sound(&gateway, &app);
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(first));
    app.shows("one");
    app.push(&gateway).ok().says("Released v4");
    app.shows("two");
}
