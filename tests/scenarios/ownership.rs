//! The owner of an app, and access to other users' apps.

use crate::support::{ADMIN, App, Gateway, assert_history, run, try_run};

#[test]
fn only_the_owner_and_admins_may_push_and_fetch() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    gateway.register_user("eve");
    let app = App::web("bob's");
    app.push_as(&gateway, "bob", &["main"]).ok();
    app.commit_page("eve's");
    app.push_as(&gateway, "eve", &["main"]).fails().does_not_print("Receiving");
    try_run(gateway.git("eve", app.path()).args(["ls-remote", &gateway.repository_url(&app.name)])).fails();
    app.push_as(&gateway, ADMIN, &["main"]).ok();
    // a name that starts with the app's name is another app
    let sibling = format!("{}-x", app.name);
    try_run(gateway.git("bob", app.path()).args(["ls-remote", &gateway.repository_url(&sibling)])).fails();
}

#[test]
fn users_see_their_own_apps_only() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let (bobs, admins) = (App::web("bob's"), App::web("admin's"));
    bobs.push_as(&gateway, "bob", &["main"]).ok();
    admins.push(&gateway).ok();
    gateway.run_command_as("bob", "apps").ok().prints(&bobs.name).does_not_print(&admins.name);
    gateway.run_command("apps").ok().prints(&bobs.name).prints(&admins.name);
    gateway.run_command_as("bob", "releases").ok().prints(&bobs.name).prints("v1").does_not_print(&admins.name);
    for verb in ["releases", "releases:show", "diff", "rollback", "redeploy", "deploy-branch"] {
        let missing = gateway.run_command_as("bob", &format!("{verb} no-such-app")).fails();
        let foreign = gateway.run_command_as("bob", &format!("{verb} {}", admins.name)).fails();
        // the error does not reveal which apps exist
        assert_eq!(foreign.stderr.replace(&admins.name, "no-such-app"), missing.stderr);
    }
    let apps = gateway.run_json("apps");
    assert!(apps.as_array().unwrap().iter().any(|app| app["app"] == bobs.name && app["owner"] == "bob"), "{apps}");
}

#[test]
fn users_without_push_access_may_not_roll_back_or_redeploy() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let app = App::upgraded(&gateway);
    for verb in ["rollback", "redeploy"] {
        gateway.run_command_as("bob", &format!("{verb} {}", app.name)).fails();
    }
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
}

#[test]
fn an_app_ends_with_its_namespace_and_its_name_is_free_again() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let app = App::web("one");
    app.git(&["branch", "secret"]);
    app.push_as(&gateway, ADMIN, &["main", "secret"]).ok().prints("Released v1");
    app.delete_namespace();

    app.push_as(&gateway, "bob", &["main"]).ok().prints("Released v1");
    app.shows("one");
    let list_refs = ["ls-remote", &gateway.repository_url(&app.name)];
    run(gateway.git("bob", app.path()).args(list_refs)).does_not_print("secret");
    let archived = std::fs::read_dir(gateway.path("data/former")).unwrap().next().unwrap().unwrap();
    assert!(archived.path().join("refs/heads/secret").exists(), "the former repository is lost");
}

#[test]
fn an_app_of_another_slipway_is_neither_pushed_to_nor_adopted() {
    let (gateway, other) = (Gateway::start(), Gateway::start());
    let app = App::deployed(&gateway);
    let belongs_elsewhere = format!("belongs to the slipway in the namespace {}", gateway.namespace);
    app.push(&other).fails().prints(&belongs_elsewhere);
    other.run_command(&format!("apps:adopt {}", app.name)).fails().prints(&belongs_elsewhere);
    gateway.run_command("apps").ok().prints(&app.name);
    other.run_command("apps").ok().does_not_print(&app.name);
}

#[test]
fn the_creation_of_apps_can_be_restricted_to_admins() {
    let gateway = Gateway::with(&[("SLIPWAY_APP_CREATION", "admins")]);
    gateway.register_user("bob");
    let app = App::web("x");
    app.push_as(&gateway, "bob", &["main"]).fails().prints("admin");
    assert!(!app.namespace_exists());
    app.push(&gateway).ok();
}
