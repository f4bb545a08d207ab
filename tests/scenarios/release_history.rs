//! The release history, over SSH and in helm.

use serde_json::{Value, json};

use crate::support::helm::helm;
use crate::support::{ADMIN, App, Gateway, kubectl};

#[test]
fn the_history_is_the_same_over_ssh_and_in_helm() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let (first, second) = (app.git(&["rev-parse", "HEAD~"]), app.head());

    let history = gateway.run_command(&format!("releases {}", app.name)).ok();
    let lines: Vec<Vec<&str>> = history.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["REVISION", "STATUS", "COMMIT", "PUSHER", "AGE", "TOOK", "DESCRIPTION"]);
    assert_eq!(lines[1][..4], ["v1", "superseded", &first[..7], ADMIN]);
    assert_eq!(lines[2][..4], ["v2", "deployed", &second[..7], ADMIN]);
    assert_eq!(lines.len(), 3);

    let ours = gateway.run_json(&format!("releases {}", app.name));
    let helms: Value = serde_json::from_str(&helm(&app, &["history", &app.name, "-o", "json"]).stdout).unwrap();
    for (our_revision, helms_revision) in ours.as_array().unwrap().iter().zip(helms.as_array().unwrap()) {
        for key in ["revision", "status", "description", "chart"] {
            assert_eq!(our_revision[key], helms_revision[key], "{key}");
        }
        assert!(our_revision["seconds"].as_f64().unwrap() > 0.0, "{our_revision}");
        assert!(our_revision["image"].as_str().unwrap().starts_with("sha256:"), "{our_revision}");
    }
    let limited = gateway.run_json(&format!("releases {} --limit 1", app.name));
    assert_eq!(limited.as_array().unwrap().len(), 1);
    assert_eq!(limited[0]["revision"], 2);
}

#[test]
fn a_rollback_by_helm_is_part_of_the_history() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let (first, second) = (app.git(&["rev-parse", "HEAD~"]), app.head());
    helm(&app, &["rollback", &app.name, "1", "--wait"]);
    app.shows("one");
    let history = gateway.run_json(&format!("releases {}", app.name));
    assert_eq!((&history[2]["status"], &history[2]["description"]), (&"deployed".into(), &"Rollback to 1".into()));
    // helm drops the annotations of the record that it supersedes, and gives its own record none
    assert_eq!(history[1]["commit"], second);
    assert_eq!((&history[2]["commit"], &history[2]["pusher"]), (&first.into(), &ADMIN.into()));
    gateway.run_command(&format!("diff {} v1 v3", app.name)).ok().prints("v1 and v3 are the same");
}

#[test]
fn a_revision_shows_its_objects_and_a_diff_shows_the_changes() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let name = &app.name;
    gateway.run_command(&format!("diff {name}")).fails().prints("no earlier revision of").prints("differs from v1");
    app.edit_dockerfile("8080", "8081");
    let second = app.commit("another port");
    app.push(&gateway).ok();

    let show = gateway.run_command(&format!("releases:show {name}")).ok().stdout;
    for text in ["revision     v2", "status       deployed", &second, "kind: Deployment", "containerPort: 8081"] {
        assert!(show.contains(text), "{text}\n{show}");
    }
    gateway.run_command(&format!("releases:show {name} v1")).ok().prints("containerPort: 8080");
    let diff = gateway.run_command(&format!("diff {name} v1 v2")).ok().stdout;
    for line in [&format!("--- deployment/{name} (v1)"), &format!("+++ deployment/{name} (v2)")] {
        assert!(diff.contains(line), "{line}\n{diff}");
    }
    assert!(diff.lines().any(|line| line.starts_with('-') && line.contains("8080")), "{diff}");
    gateway.run_command(&format!("releases:show {name} v9")).fails().prints("has no v9");
    gateway.run_command(&format!("releases:show {name} first")).fails().prints("is not a revision");
}

/// Creates namespaces of apps that were never pushed to, with the labels and annotations of `app`'s namespace.
fn create_apps_like(app: &App, count: usize) -> Vec<App> {
    let apps: Vec<App> = (0..count).map(|_| App::empty()).collect();
    let namespace = kubectl::get(&["namespace", &app.name]).unwrap();
    let (labels, annotations) = (&namespace["metadata"]["labels"], &namespace["metadata"]["annotations"]);
    for App { name, .. } in &apps {
        let mut labels = labels.clone();
        labels["slipway.dev/app"] = name.as_str().into();
        let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
        kubectl::apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).to_string());
    }
    apps
}

/// Copies a release record to another app, where it becomes revision 7.
fn copy_record(app: &App, revision: &str, target: &App) {
    let record = app.get("secret", &app.record_name(revision)).unwrap();
    let (mut labels, annotations) = (record["metadata"]["labels"].clone(), &record["metadata"]["annotations"]);
    labels["name"] = target.name.as_str().into();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": record["type"], "data": record["data"],
        "metadata": {
            "name": target.record_name("v7"), "namespace": target.name, "labels": labels, "annotations": annotations,
        },
    });
    kubectl::apply(&secret.to_string());
}

/// With this many apps, slipway lists the records of all namespaces in one request.
#[test]
fn the_newest_release_of_each_of_many_apps_is_listed() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let others = create_apps_like(&app, 10);
    let other = &others[3];
    copy_record(&app, "v2", other);
    let releases = gateway.run_json("releases");
    let is_of_test = |entry: &&Value| others.iter().chain([&app]).any(|app| entry["app"] == app.name);
    let mut found: Vec<_> = releases.as_array().unwrap().iter().filter(is_of_test).collect();
    found.sort_by_key(|entry| entry["app"] == other.name);
    assert_eq!(found.len(), 2, "{releases}");
    assert_eq!((&found[0]["app"], &found[0]["release"]["revision"]), (&json!(app.name), &json!(2)));
    assert_eq!((&found[1]["app"], &found[1]["release"]["status"]), (&json!(other.name), &json!("deployed")));
    let table = gateway.run_command("releases").ok();
    table.prints(&app.name).prints(&other.name).prints("v2").does_not_print(&others[0].name);
}
