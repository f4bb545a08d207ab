//! The work after a deploy, `git gc` and the deletion of images, beside other requests for the app.

use std::os::unix::fs::PermissionsExt;

use crate::support::tcp_proxy::TcpProxy;
use crate::support::{App, Gateway, environment, registry_api, wait_for_history, wait_until};

/// The collection would last for longer than anyone waits for a repository.
#[test]
fn a_garbage_collection_ends_when_the_repository_is_needed() {
    let mut gateway = Gateway::prepared(&[]);
    let (started, wrapper) = (gateway.path("started"), gateway.path("bin/git"));
    std::fs::create_dir(wrapper.parent().unwrap()).unwrap();
    let path = std::env::var("PATH").unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in gc*) touch {}; exec sleep 300;; esac\nPATH={path} exec git \"$@\"\n",
        started.display()
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    gateway.set(&[("PATH", &format!("{}:{path}", wrapper.parent().unwrap().display()))]);
    gateway.launch();
    let wait_for_collection = || {
        wait_until("git gc runs", || started.exists());
        std::fs::remove_file(&started).unwrap();
    };
    let app = App::deployed(&gateway);
    wait_for_collection();
    app.commit_page("two");
    app.push(&gateway).ok().prints("Released v2");
    wait_for_collection();
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok().does_not_print("waiting for");
}

/// The registry does not answer while the lock is looked at.
#[test]
fn the_lock_is_held_until_the_images_of_trimmed_revisions_are_deleted() {
    let registry = TcpProxy::to_registry();
    let gateway = Gateway::with(&[
        ("SLIPWAY_REGISTRY_PUSH", &registry.registry_address()),
        ("SLIPWAY_REGISTRY_PULL", &environment::registry_address()),
        ("SLIPWAY_HISTORY_MAX", "1"),
    ]);
    let app = App::deployed(&gateway);
    app.wait_unlocked();
    let releases = gateway.run_json(&format!("releases {}", app.name));
    let image = releases[0]["image"].as_str().unwrap().to_owned();
    app.commit_page("two");
    app.commit_slow_start(5);
    let push = app.start_push(&gateway);
    push.wait_for_output("0 of 1 ready");
    registry.freeze();
    // The records are deleted before the images.
    wait_for_history(&app, &[("v2", "deployed")]);
    assert!(app.lock_holder().is_some(), "the image of v1 is not deleted yet");
    registry.restore();
    push.wait().ok().prints("Released v2");
    app.wait_unlocked();
    assert!(!registry_api::has_image(&app, &image));
    app.commit_web("one");
    app.push(&gateway).ok().prints("Released v3");
    app.shows("one");
    app.wait_unlocked();
    assert!(registry_api::has_image(&app, &image));
}
