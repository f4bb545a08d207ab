//! helm 3 and helm 4 on slipway's releases, and slipway on helm's releases.

use std::process::Command;

use serde_json::Value;

use crate::support::background::BackgroundCommand;
use crate::support::helm::{VERSIONS, helm, try_helm_version, write_chart};
use crate::support::{ADMIN, App, Gateway, assert_history, base_image, kubectl, wait_until};

/// The manifest of slipway's release with another command, an environment variable, replicas, and one more object.
fn edit_manifest(manifest: &str) -> String {
    let command = "command: [sh, -c, 'mkdir /h; echo helm >/h/index.html; exec httpd -f -p 8080 -h /h']";
    let edited = manifest
        .replacen("  progressDeadlineSeconds:", "  replicas: 2\n  progressDeadlineSeconds:", 1)
        .replacen("- env:\n", "- env:\n        - {name: BY_HAND, value: helm}\n", 1)
        .replacen("        image:", &format!("        {command}\n        image:"), 1);
    format!("{edited}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra}}\ndata: {{a: b}}\n")
}

/// The environment variables of the app's container.
fn environment(app: &App) -> String {
    app.container()["env"].to_string()
}

#[test]
fn helm_shows_every_part_of_slipways_release() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let (commit, short) = (app.head(), app.git(&["rev-parse", "--short=7", "HEAD"]));
    for program in VERSIONS {
        let run_helm = |arguments: &[&str]| try_helm_version(program, &app, arguments).ok().stdout;
        let list: Value = serde_json::from_str(&run_helm(&["list", "-A", "-o", "json"])).unwrap();
        let ours = list.as_array().unwrap().iter().find(|release| release["name"] == *app.name).unwrap();
        let expected = [
            ("namespace", app.name.clone()),
            ("revision", "2".into()),
            ("status", "deployed".into()),
            ("chart", format!("{}-{}", app.name, std::fs::read_to_string("templates/VERSION").unwrap().trim())),
            ("app_version", short.clone()),
        ];
        for (key, value) in expected {
            assert_eq!(ours[key], value, "{program}: {key}");
        }
        let description = format!("Deployed {short} by {ADMIN}");
        for (arguments, text) in [
            (["history", &app.name].as_slice(), description.as_str()),
            (&["status", &app.name, "-o", "json"], description.as_str()),
            (&["get", "manifest", &app.name], "kind: Deployment"),
            (&["get", "manifest", &app.name, "--revision", "1"], "kind: Deployment"),
            (&["get", "values", &app.name], &commit),
            (&["get", "notes", &app.name], &format!("runs commit {commit}, pushed by {ADMIN}")),
            (&["get", "metadata", &app.name], "REVISION: 2"),
            (&["get", "all", &app.name], "MANIFEST:"),
        ] {
            let output = run_helm(arguments);
            assert!(output.contains(text), "{program} {arguments:?} has no {text}:\n{output}");
        }
    }
}

#[test]
fn a_push_replaces_all_changes_of_an_upgrade_by_helm_4() {
    push_after_upgrade("helm");
}

#[test]
fn a_push_replaces_all_changes_of_an_upgrade_by_helm_3() {
    push_after_upgrade("helm3");
}

fn push_after_upgrade(program: &str) {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let manifest = try_helm_version(program, &app, &["get", "manifest", &app.name]).ok().stdout;
    let chart = write_chart(&edit_manifest(&manifest));
    try_helm_version(program, &app, &["upgrade", &app.name, chart.path().to_str().unwrap(), "--wait"]).ok();
    app.shows("helm");
    assert!(environment(&app).contains("BY_HAND"), "{program}");
    app.commit_page("two");
    app.push(&gateway).ok().prints("Released v3").prints("configmap/extra removed").prints("2 of 2 ready");
    app.shows("two");
    // only the replica count is kept, which belongs to the user who has set it
    assert!(!environment(&app).contains("BY_HAND"), "{program}: {}", environment(&app));
    assert_eq!(app.deployment()["spec"]["replicas"], 2, "{program}");
    try_helm_version(program, &app, &["history", &app.name]).ok().prints("byhand-1.2.3");
    gateway.run_command(&format!("rollback {} v2", app.name)).ok();
    app.shows("helm");
    gateway.run_command(&format!("rollback {} v1", app.name)).ok();
    app.shows("one");
    assert!(!environment(&app).contains("BY_HAND"), "{program}: {}", environment(&app));
    // helm's record does not say whose its objects are, and the rollback to v2 created this one all the same as the release's
    assert_eq!(app.get("configmap", "extra"), None, "{program}");
}

#[test]
fn slipways_release_can_be_rolled_back_and_uninstalled_by_helm_4() {
    roll_back_and_uninstall("helm");
}

#[test]
fn slipways_release_can_be_rolled_back_and_uninstalled_by_helm_3() {
    roll_back_and_uninstall("helm3");
}

fn roll_back_and_uninstall(program: &str) {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    try_helm_version(program, &app, &["rollback", &app.name, "1", "--wait"]).ok();
    app.shows("one");
    app.commit_page("three");
    app.push(&gateway).ok().prints("Released v4");
    app.shows("three");
    try_helm_version(program, &app, &["uninstall", &app.name, "--wait"]).ok();
    wait_until("the objects are deleted", || {
        app.get("deployment", &app.name).is_none() && app.get("service", &app.name).is_none()
    });
    app.commit("fourth");
    app.push(&gateway).ok().prints("Released v1");
    app.shows("three");
}

#[test]
fn an_admin_can_adopt_a_release_of_helm_4() {
    adopt("helm");
}

#[test]
fn an_admin_can_adopt_a_release_of_helm_3() {
    adopt("helm3");
}

#[test]
fn a_push_of_what_helm_uninstalled_says_how_to_deploy_it_again() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.wait_unlocked();
    // as helm uninstall
    kubectl(&["delete", "deployment,service", "--all", "-n", &app.name]);
    kubectl(&["delete", "secret", &app.record_name("v1"), "-n", &app.name]);
    let redeploy = format!("redeploy {}", app.name);
    app.push(&gateway).ok().prints("Everything up-to-date").prints("no revision of").prints(&redeploy);
    gateway.run_command(&format!("rollback {}", app.name)).fails().prints(&redeploy);
    gateway.run_command(&redeploy).ok().prints("Released v1");
    app.push(&gateway).ok().prints("Everything up-to-date").does_not_print("no revision");
}

fn adopt(program: &str) {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let app = App::web("pushed");
    let manifest = include_str!("fixtures/manual-chart.yaml").replace("APP", &app.name);
    let chart = write_chart(&manifest.replace("BASE_IMAGE", base_image()));
    let install = ["install", &app.name, chart.path().to_str().unwrap(), "--create-namespace", "--wait"];
    try_helm_version(program, &app, &install).ok();
    app.shows("helm");
    let adopt = format!("apps:adopt {} --owner bob", app.name);
    app.push_as(&gateway, "bob", &["main"]).fails().prints("not made by slipway").prints("apps:adopt");
    gateway.run_command_as("bob", &adopt).fails().prints("only an admin");
    app.shows("helm");

    gateway.run_command(&adopt).ok().prints("belongs to bob").prints("at v1 (byhand-1.2.3)").does_not_print("no key");
    gateway.run_command(&adopt).fails().prints("is an app already");
    app.scale(3);
    app.push_as(&gateway, "bob", &["main"]).ok().prints("Released v2").prints("configmap/extra removed");
    app.shows("pushed");
    assert!(!environment(&app).contains("BY_HAND"), "{program}: {}", environment(&app));
    assert_eq!(app.deployment()["spec"]["replicas"], 3);

    let destroy = gateway.run_command_as("bob", &format!("apps:destroy {} --force", app.name)).ok();
    destroy.prints("the namespace existed before the app and remains");
    let namespace = kubectl::get(&["namespace", &app.name]).expect("the namespace");
    assert!(!namespace["metadata"].to_string().contains("slipway.dev"), "{namespace}");
    assert_eq!(app.get("deployment", &app.name), None);
    assert_eq!(app.get("lease", "slipway-deploy"), None);
    assert_history(&app, &[]);
    gateway.run_command("apps:adopt no-such-namespace").fails().prints("a push creates it");
    gateway.run_command(&format!("apps:adopt {}", gateway.namespace)).fails().prints("slipway's own namespace");
}

#[test]
fn helm_and_slipway_refuse_to_deploy_at_the_same_time() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let manifest = helm(&app, &["get", "manifest", &app.name]).stdout;
    let chart = write_chart(&edit_manifest(&manifest).replace("mkdir /h;", "sleep 15; mkdir /h;"));
    let chart = chart.path().to_str().unwrap();
    let mut upgrade = Command::new("helm");
    upgrade.args(["upgrade", &app.name, chart, "--wait", "--namespace", &app.name]);
    let upgrade = BackgroundCommand::start(&mut upgrade);
    wait_until("helm has begun", || app.has_revision("v2", "pending-upgrade"));
    app.commit_page("two");
    app.push(&gateway)
        .fails()
        .prints("v2")
        .prints("pending-upgrade")
        .prints("helm --namespace")
        .does_not_print("Building");
    upgrade.wait().ok();
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    app.push(&gateway).ok().prints("Released v3");

    app.commit_slow_start(15);
    let push = app.start_push(&gateway);
    wait_until("slipway has begun", || app.has_revision("v4", "pending-upgrade"));
    try_helm_version("helm", &app, &["upgrade", &app.name, chart]).fails().prints("another operation");
    push.wait().ok().prints("Released v4");
}
