//! Real helm, 4 and 3, on what slipway deployed; and slipway on what they did.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::gateway::ADMIN;
use crate::support::process::Output;
use crate::support::{App, Gateway, eventually, run, try_run, world};

/// The two that there are, by the names under which the tools are installed.
const HELMS: [&str; 2] = ["helm", "helm3"];

/// Helm 3 owns fields under the name of its program, which is `helm` wherever it is used.
fn helm(program: &str, app: &App, arguments: &[&str]) -> Output {
    let path = run(Command::new("sh").args(["-c", &format!("command -v {program}")])).stdout;
    try_run(Command::new(path.trim()).arg0("helm").args(arguments).args(["--namespace", &app.name]))
}

fn tell(gateway: &Gateway, user: &str, line: &str) -> Output {
    try_run(gateway.ssh(user).arg(line))
}

/// A chart of helm's with these templates.
pub fn chart(templates: &str) -> TempDir {
    let chart = tempfile::tempdir().unwrap();
    std::fs::create_dir(chart.path().join("templates")).unwrap();
    std::fs::write(chart.path().join("Chart.yaml"), "apiVersion: v2\nname: byhand\nversion: 1.2.3\nappVersion: old\n")
        .unwrap();
    std::fs::write(chart.path().join("templates/all.yaml"), templates).unwrap();
    chart
}

/// What a chart of somebody's own has for this app: the selector is that of slipway's chart, which cannot be changed.
fn by_hand(app: &App) -> String {
    let name = &app.name;
    let labels = format!(
        "{{app.kubernetes.io/name: {name}, app.kubernetes.io/instance: {name}, app.kubernetes.io/component: web}}"
    );
    let image = world::base_image();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 2\n  \
         selector: {{matchLabels: {labels}}}\n  template:\n    metadata: {{labels: {labels}}}\n    spec:\n      \
         terminationGracePeriodSeconds: 0\n      containers:\n        - name: web\n          image: {image}\n          \
         imagePullPolicy: Never\n          env: [{{name: BY_HAND, value: helm}}]\n          \
         command: [sh, -c, 'mkdir /www; echo helm >/www/index.html; exec httpd -f -p 8080 -h /www']\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  selector: {labels}\n  \
         ports: [{{name: http, port: 80, targetPort: 8080, protocol: TCP}}]\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra}}\ndata: {{a: b}}\n"
    )
}

/// What slipway's release has, with changes by hand.
fn changed_by_hand(manifest: &str) -> String {
    let command = "command: [sh, -c, 'mkdir /h; echo helm >/h/index.html; exec httpd -f -p 8080 -h /h']";
    let changed = manifest
        .replacen("spec:\n  progress", "spec:\n  replicas: 2\n  progress", 1)
        .replacen("- env:\n", "- env:\n        - {name: BY_HAND, value: helm}\n", 1)
        .replacen("        image:", &format!("        {command}\n        image:"), 1);
    format!("{changed}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra}}\ndata: {{a: b}}\n")
}

fn environment(app: &App) -> String {
    let deployment = app.object("deployment", &app.name).unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["env"].to_string()
}

#[test]
fn both_helms_show_a_release_with_everything() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let (commit, short) = (app.head(), app.git(&["rev-parse", "--short=7", "HEAD"]));
    for program in HELMS {
        let ask = |arguments: &[&str]| helm(program, &app, arguments).ok().stdout;
        let listed: Value = serde_json::from_str(&ask(&["list", "-A", "-o", "json"])).unwrap();
        let ours = listed.as_array().unwrap().iter().find(|release| release["name"] == *app.name).unwrap();
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
            let answer = ask(arguments);
            assert!(answer.contains(text), "{program} {arguments:?} has no {text}:\n{answer}");
        }
    }
}

#[test]
fn a_push_takes_everything_back_after_an_upgrade_by_helm_4() {
    take_back("helm");
}

#[test]
fn a_push_takes_everything_back_after_an_upgrade_by_helm_3() {
    take_back("helm3");
}

fn take_back(program: &str) {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let manifest = helm(program, &app, &["get", "manifest", &app.name]).ok().stdout;
    let chart = chart(&changed_by_hand(&manifest));
    helm(program, &app, &["upgrade", &app.name, chart.path().to_str().unwrap(), "--wait"]).ok();
    app.shows("helm");
    assert!(environment(&app).contains("BY_HAND"), "{program}");
    app.write("index.html", "two");
    app.commit("second");
    app.push(&gateway).ok().says("Released v3").says("configmap/extra removed").says("2 of 2 ready");
    app.shows("two");
    // nothing of what helm had set is left, but the count, which is whose it was
    assert!(!environment(&app).contains("BY_HAND"), "{program}: {}", environment(&app));
    assert_eq!(app.object("deployment", &app.name).unwrap()["spec"]["replicas"], 2, "{program}");
    let history = helm(program, &app, &["history", &app.name]).ok().stdout;
    assert!(history.contains("byhand-1.2.3"), "{program}: {history}");
    tell(&gateway, ADMIN, &format!("rollback {} v2", app.name)).ok();
    app.shows("helm");
    tell(&gateway, ADMIN, &format!("rollback {} v1", app.name)).ok();
    app.shows("one");
    assert!(!environment(&app).contains("BY_HAND"), "{program}: {}", environment(&app));
}

#[test]
fn what_slipway_deployed_is_rolled_back_and_uninstalled_by_helm_4() {
    roll_back_and_uninstall("helm");
}

#[test]
fn what_slipway_deployed_is_rolled_back_and_uninstalled_by_helm_3() {
    roll_back_and_uninstall("helm3");
}

fn roll_back_and_uninstall(program: &str) {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    helm(program, &app, &["rollback", &app.name, "1", "--wait"]).ok();
    app.shows("one");
    app.write("index.html", "three");
    app.commit("third");
    app.push(&gateway).ok().says("Released v4");
    app.shows("three");
    helm(program, &app, &["uninstall", &app.name, "--wait"]).ok();
    eventually("the objects are gone", || {
        let left = app.object("deployment", &app.name).or_else(|| app.object("service", &app.name));
        left.is_none().then_some(())
    });
    app.commit("fourth");
    app.push(&gateway).ok().says("Released v1");
    app.shows("three");
}

#[test]
fn only_an_admin_adopts_what_was_installed_by_helm_4() {
    adopt("helm");
}

#[test]
fn only_an_admin_adopts_what_was_installed_by_helm_3() {
    adopt("helm3");
}

fn adopt(program: &str) {
    let gateway = Gateway::start();
    gateway.new_user("bob");
    let app = App::web("pushed");
    let chart = chart(&by_hand(&app));
    helm(program, &app, &["install", &app.name, chart.path().to_str().unwrap(), "--create-namespace", "--wait"]).ok();
    app.shows("helm");
    let adopt = format!("apps:adopt {} --owner bob", app.name);
    let refused = app.push_as(&gateway, "bob", &["main"]).fails();
    assert!(refused.contains("not made by slipway") && refused.contains("apps:adopt"), "{refused:?}");
    tell(&gateway, "bob", &adopt).fails().says("only an admin");
    app.shows("helm");

    let adopted = tell(&gateway, ADMIN, &adopt).ok();
    assert!(adopted.contains("belongs to bob") && adopted.contains("at v1 (byhand-1.2.3)"), "{adopted:?}");
    tell(&gateway, ADMIN, &adopt).fails().says("is an app already");
    world::kubectl(&["scale", "deployment", &app.name, "--replicas=3", "-n", &app.name]);
    app.push_as(&gateway, "bob", &["main"]).ok().says("Released v2").says("configmap/extra removed");
    app.shows("pushed");
    assert!(!environment(&app).contains("BY_HAND"), "{program}: {}", environment(&app));
    assert_eq!(app.object("deployment", &app.name).unwrap()["spec"]["replicas"], 3);

    let gone = tell(&gateway, "bob", &format!("apps:destroy {} --force", app.name)).ok();
    assert!(gone.contains("the namespace was there before, and stays"), "{gone:?}");
    let namespace = world::object(&["namespace", &app.name]).expect("the namespace");
    assert!(!namespace["metadata"].to_string().contains("slipway.dev"), "{namespace}");
    assert_eq!(app.object("deployment", &app.name), None);
    assert_eq!(app.object("lease", "slipway-deploy"), None);
    assert_eq!(app.releases(), []);
    tell(&gateway, ADMIN, "apps:adopt no-such-namespace").fails().says("a push creates it");
    tell(&gateway, ADMIN, &format!("apps:adopt {}", gateway.namespace)).fails().says("slipway's own namespace");
}

#[test]
fn helm_and_slipway_wait_for_each_other_to_finish() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let manifest = helm("helm", &app, &["get", "manifest", &app.name]).ok().stdout;
    let slow = changed_by_hand(&manifest).replace("mkdir /h;", "sleep 15; mkdir /h;");
    let chart = chart(&slow);
    let path = chart.path().to_str().unwrap().to_owned();
    let mut upgrade = Command::new("helm");
    upgrade.args(["upgrade", &app.name, &path, "--wait", "--namespace", &app.name]);
    let upgrade = crate::support::process::Running::start(&mut upgrade);
    eventually("helm is at work", || app.releases().contains(&(2, "pending-upgrade".to_owned())).then_some(()));
    app.write("index.html", "two");
    app.commit("second");
    let refused = app.push(&gateway).fails().never_says("Building");
    assert!(refused.contains("v2") && refused.contains("pending-upgrade"), "{refused:?}");
    upgrade.finish().ok();
    assert_eq!(app.releases().last(), Some(&(2, "deployed".to_owned())));
    app.push(&gateway).ok().says("Released v3");

    app.slow_start(15);
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    eventually("slipway is at work", || app.releases().contains(&(4, "pending-upgrade".to_owned())).then_some(()));
    helm("helm", &app, &["upgrade", &app.name, &path]).fails().says("another operation");
    push.finish().ok().says("Released v4");
}

#[test]
fn fields_that_somebody_else_took_are_named_with_who_it_was() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let name = &app.name;
    let theirs = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {name}}}, \
         spec: {{ports: [{{name: other, port: 80, protocol: TCP, targetPort: 81}}]}}}}"
    );
    let mut apply = Command::new("kubectl");
    apply.args(["apply", "--server-side", "--field-manager=mesh", "--force-conflicts", "-f", "-"]);
    crate::support::process::try_run_with(&mut apply, &theirs).ok();
    app.write("index.html", "two");
    app.commit("second");
    let refused = app.push(&gateway).fails().never_says("Building");
    for text in [&format!("service/{name}"), "\"mesh\"", "targetPort"] {
        assert!(refused.contains(text), "{text} is not in {refused:?}");
    }
    assert_eq!(app.releases(), [(1, "deployed".to_owned())]);
}
