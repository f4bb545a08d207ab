//! The end of an app.

use crate::support::gateway::ADMIN;
use crate::support::process::try_run_with;
use crate::support::{App, Gateway, try_run, world};

#[test]
fn an_app_is_destroyed_once_its_name_was_typed_and_the_name_is_free_again() {
    let gateway = Gateway::start();
    gateway.new_user("bob");
    let app = App::web("one");
    app.push(&gateway).ok();
    let destroy = format!("apps:destroy {}", app.name);
    for answer in ["", "no\n", "yes\n", "myapp"] {
        try_run_with(gateway.ssh(ADMIN).arg(&destroy), answer)
            .fails()
            .says("Type its name")
            .says("nothing was removed");
    }
    try_run_with(gateway.ssh("bob").arg(&destroy), &format!("{}\n", app.name)).fails().says("there is no app");
    app.shows("one");

    let gone = try_run_with(gateway.ssh(ADMIN).arg(&destroy), &format!("{}\n", app.name)).ok();
    for text in ["deployment/", "service/", "Removing the namespace", "is gone, with its namespace and its repository"]
    {
        assert!(gone.contains(text), "{text}: {gone:?}");
    }
    assert_eq!(world::object(&["namespace", &app.name]), None);
    assert!(!gateway.repository(&app.name).exists());
    assert!(!gateway.path("data/former").exists(), "the repository was only set aside");
    app.push_as(&gateway, "bob", &["main"]).ok().says("Released v1");
}

#[test]
fn what_is_being_deployed_is_not_destroyed() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.build_step("sleep 1000");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 1000");
    let refused = try_run(gateway.ssh(ADMIN).arg(format!("apps:destroy {} --force", app.name))).fails();
    assert!(refused.contains("in use by"), "{refused:?}");
    drop(push);
    app.shows("one");
}

#[test]
fn a_namespace_that_does_not_go_is_reported_with_what_keeps_it() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.hold_namespace();
    let mut destroy = gateway.ssh(ADMIN);
    destroy.arg(format!("apps:destroy {} --force", app.name));
    let stuck = try_run(&mut destroy).fails();
    app.free_namespace();
    assert!(stuck.contains("still being deleted") && stuck.contains("example.com/keep"), "{stuck:?}");
    assert!(gateway.repository(&app.name).exists());
}
