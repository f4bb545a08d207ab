//! What an app's history shows, over ssh and to helm.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::gateway::ADMIN;
use crate::support::process::Output;
use crate::support::{App, Gateway, eventually, run, try_run, world};

/// `helm ARGUMENTS` in the app's namespace: what it printed.
fn helm(app: &App, arguments: &[&str]) -> String {
    run(Command::new("helm").args(arguments).args(["--namespace", &app.name])).stdout
}

fn ask(gateway: &Gateway, user: &str, line: &str) -> Output {
    try_run(gateway.ssh(user).arg(line))
}

fn json(gateway: &Gateway, line: &str) -> Value {
    serde_json::from_str(&ask(gateway, ADMIN, line).ok().stdout).unwrap()
}

#[test]
fn an_apps_history_is_the_same_over_ssh_and_in_helm() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let (first, second) = (app.git(&["rev-parse", "HEAD~"]), app.head());

    let history = ask(&gateway, ADMIN, &format!("releases {}", app.name)).ok();
    let lines: Vec<Vec<&str>> = history.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["REVISION", "STATUS", "COMMIT", "PUSHER", "AGE", "TOOK", "DESCRIPTION"]);
    assert_eq!(lines[1][..4], ["v1", "superseded", &first[..7], ADMIN]);
    assert_eq!(lines[2][..4], ["v2", "deployed", &second[..7], ADMIN]);
    assert_eq!(lines.len(), 3);

    let ours = json(&gateway, &format!("releases {} --format json", app.name));
    let helms: Value = serde_json::from_str(&helm(&app, &["history", &app.name, "-o", "json"])).unwrap();
    for (one, other) in ours.as_array().unwrap().iter().zip(helms.as_array().unwrap()) {
        for (key, helms_key) in
            [("revision", "revision"), ("status", "status"), ("description", "description"), ("chart", "chart")]
        {
            assert_eq!(one[key], other[helms_key], "{key}");
        }
        assert!(one["seconds"].as_f64().unwrap() > 0.0, "{one}");
        assert!(one["image"].as_str().unwrap().starts_with("sha256:"), "{one}");
    }
    let limited = json(&gateway, &format!("releases {} --limit 1 --format json", app.name));
    assert_eq!(limited.as_array().unwrap().len(), 1);
    assert_eq!(limited[0]["revision"], 2);
}

#[test]
fn what_helm_did_is_part_of_the_history() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let (first, second) = (app.git(&["rev-parse", "HEAD~"]), app.head());
    helm(&app, &["rollback", &app.name, "1", "--wait"]);
    app.shows("one");
    let history = json(&gateway, &format!("releases {} --format json", app.name));
    assert_eq!((&history[2]["status"], &history[2]["description"]), (&"deployed".into(), &"Rollback to 1".into()));
    // helm took the annotations from the Secret of what it replaced, and made one without any
    assert_eq!(history[1]["commit"], second);
    assert_eq!((&history[2]["commit"], &history[2]["pusher"]), (&first.into(), &ADMIN.into()));
    ask(&gateway, ADMIN, &format!("diff {} v1 v3", app.name)).ok().says("v1 and v3 are the same");
}

#[test]
fn a_revision_shows_its_objects_and_two_show_their_difference() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    ask(&gateway, ADMIN, &format!("diff {}", app.name)).fails().says("nothing else of").says("served before v1");
    let dockerfile = std::fs::read_to_string(app.path().join("Dockerfile")).unwrap();
    app.write("Dockerfile", &dockerfile.replace("8080", "8081"));
    let second = app.commit("another port");
    app.push(&gateway).ok();

    let shown = ask(&gateway, ADMIN, &format!("releases:show {}", app.name)).ok();
    for text in ["revision     v2", "status       deployed", &second, "kind: Deployment", "containerPort: 8081"] {
        assert!(shown.stdout.contains(text), "{text}\n{}", shown.stdout);
    }
    ask(&gateway, ADMIN, &format!("releases:show {} v1", app.name)).ok().says("containerPort: 8080");
    let difference = ask(&gateway, ADMIN, &format!("diff {} v1 v2", app.name)).ok();
    let name = &app.name;
    for line in [&format!("--- deployment/{name} (v1)"), &format!("+++ deployment/{name} (v2)")] {
        assert!(difference.stdout.contains(line), "{line}\n{}", difference.stdout);
    }
    assert!(
        difference.stdout.lines().any(|line| line.starts_with('-') && line.contains("8080")),
        "{}",
        difference.stdout
    );
    ask(&gateway, ADMIN, &format!("releases:show {} v9", app.name)).fails().says("has no v9");
    ask(&gateway, ADMIN, &format!("releases:show {} first", app.name)).fails().says("is not a revision");
}

#[test]
fn only_those_apps_are_shown_that_one_may_see() {
    let gateway = Gateway::start();
    gateway.new_user("bob");
    let (bobs, admins) = (App::web("bob's"), App::web("admin's"));
    bobs.push_as(&gateway, "bob", &["main"]).ok();
    admins.push(&gateway).ok();
    let bob_sees = ask(&gateway, "bob", "apps").ok();
    assert!(bob_sees.contains(&bobs.name) && !bob_sees.contains(&admins.name), "{bob_sees:?}");
    ask(&gateway, ADMIN, "apps").ok().says(&bobs.name).says(&admins.name);
    ask(&gateway, "bob", "releases").ok().says(&bobs.name).says("v1").never_says(&admins.name);
    for verb in ["releases", "releases:show", "diff", "rollback", "redeploy"] {
        let missing = ask(&gateway, "bob", &format!("{verb} no-such-app")).fails();
        let foreign = ask(&gateway, "bob", &format!("{verb} {}", admins.name)).fails();
        // it does not tell which apps there are
        assert_eq!(foreign.stderr.replace(&admins.name, "no-such-app"), missing.stderr);
    }
    let listed = json(&gateway, "apps --format json");
    assert!(listed.as_array().unwrap().iter().any(|app| app["app"] == bobs.name && app["owner"] == "bob"), "{listed}");
}

/// Namespaces of apps that were never pushed to, like that of `app` but for their names.
fn apps_like(app: &App, count: usize) -> Vec<App> {
    let more: Vec<App> = (0..count).map(|_| App::empty()).collect();
    let namespace = world::object(&["namespace", &app.name]).unwrap();
    let (labels, annotations) = (&namespace["metadata"]["labels"], &namespace["metadata"]["annotations"]);
    for App { name, .. } in &more {
        let mut labels = labels.clone();
        labels["slipway.dev/app"] = name.as_str().into();
        let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
        world::apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).to_string());
    }
    more
}

/// With so many apps their records are listed together.
#[test]
fn the_newest_release_of_each_of_many_apps_is_shown() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let others = apps_like(&app, 10);
    let record = world::object(&["secret", &format!("sh.helm.release.v1.{}.v2", app.name), "-n", &app.name]).unwrap();
    let copied = &others[3].name;
    let (mut labels, annotations) = (record["metadata"]["labels"].clone(), &record["metadata"]["annotations"]);
    labels["name"] = copied.as_str().into();
    let name = format!("sh.helm.release.v1.{copied}.v7");
    let metadata = json!({"name": name, "namespace": copied, "labels": labels, "annotations": annotations});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": record["type"], "data": record["data"],
                        "metadata": metadata});
    world::apply(&secret.to_string());
    let listed = json(&gateway, "releases --format json");
    let ours = |entry: &&Value| others.iter().chain([&app]).any(|app| entry["app"] == app.name);
    let mut found: Vec<_> = listed.as_array().unwrap().iter().filter(ours).collect();
    found.sort_by_key(|entry| entry["app"] == *copied);
    assert_eq!(found.len(), 2, "{listed}");
    assert_eq!((&found[0]["app"], &found[0]["release"]["revision"]), (&json!(app.name), &json!(2)));
    assert_eq!((&found[1]["app"], &found[1]["release"]["status"]), (&json!(copied), &json!("deployed")));
    ask(&gateway, ADMIN, "releases").ok().says(&app.name).says(copied).says("v2").never_says(&others[0].name);
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_the_others_are_shown() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let broken = r#"{"data":{"release":"bm90IGEgcmVsZWFzZQ=="}}"#;
    let secret = format!("sh.helm.release.v1.{}.v1", app.name);
    world::kubectl(&["patch", "secret", &secret, "-n", &app.name, "-p", broken]);
    let history = ask(&gateway, ADMIN, &format!("releases {}", app.name)).ok();
    assert!(history.stdout.contains("the record of v1 cannot be read"), "{}", history.stdout);
    assert!(history.stdout.contains("v2"), "{}", history.stdout);
    ask(&gateway, ADMIN, &format!("releases:show {} v1", app.name)).fails().says("the record of v1 cannot be read");
    ask(&gateway, ADMIN, &format!("rollback {} v1", app.name)).fails().says("the record of v1 cannot be read");
    app.write("index.html", "three");
    app.commit("third");
    app.push(&gateway).ok().says("Released v3");
}

/// How many images of the app the registry has, of those that were asked for.
fn images(app: &App, digests: &[String]) -> Vec<bool> {
    let has = |digest: &String| {
        let url = format!("http://{}/v2/{}/manifests/{digest}", world::registry(), app.name);
        let accept =
            "Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json";
        let output =
            run(Command::new("curl").args(["-sI", "-o", "/dev/null", "-w", "%{http_code}", "-H", accept, &url]));
        output.stdout == "200"
    };
    digests.iter().map(has).collect()
}

#[test]
fn history_is_bounded_and_takes_its_images_along() {
    let gateway = Gateway::with(&[("SLIPWAY_HISTORY_MAX", "2")]);
    let app = App::web("one");
    let mut digests = Vec::new();
    for page in ["one", "two", "three"] {
        app.write("index.html", page);
        app.commit(page);
        app.push(&gateway).ok();
        let newest = json(&gateway, &format!("releases {} --limit 1 --format json", app.name));
        digests.push(newest[0]["image"].as_str().unwrap().to_owned());
    }
    // the history is trimmed after git has ended, before the app's lock is free
    eventually("the lock is free", || app.lock_holder().is_none().then_some(()));
    assert_eq!(app.releases(), [(2, "superseded".to_owned()), (3, "deployed".to_owned())]);
    assert_eq!(images(&app, &digests), [false, true, true]);
    ask(&gateway, ADMIN, &format!("rollback {} v1", app.name)).fails().says("has no v1");

    // helm's record of the same image has no mark of slipway's, and keeps it all the same
    helm(&app, &["rollback", &app.name, "2", "--wait"]);
    app.write("index.html", "four");
    app.commit("fourth");
    app.push(&gateway).ok().says("Released v5");
    eventually("the lock is free", || app.lock_holder().is_none().then_some(()));
    assert_eq!(app.releases(), [(4, "superseded".to_owned()), (5, "deployed".to_owned())]);
    assert_eq!(images(&app, &digests), [false, true, false]);
    ask(&gateway, ADMIN, &format!("rollback {} v4", app.name)).ok();
    app.shows("two");
}

#[test]
fn an_image_that_the_registry_lost_is_named_and_a_redeploy_mends_it() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let doctor = format!("doctor {}", app.name);
    ask(&gateway, ADMIN, &doctor).ok().says("Nothing is wrong");
    let history = json(&gateway, &format!("releases {} --format json", app.name));
    for revision in history.as_array().unwrap() {
        let digest = revision["image"].as_str().unwrap();
        let url = format!("http://{}/v2/{}/manifests/{digest}", world::registry(), app.name);
        run(Command::new("curl").args(["-sS", "--fail", "-X", "DELETE", &url]));
    }
    let found = ask(&gateway, ADMIN, &doctor).fails();
    for text in ["v1", "it cannot be gone back to", "v2", &format!("redeploy {}", app.name)] {
        assert!(found.stdout.contains(text), "{text} is not in {found:?}");
    }
    ask(&gateway, ADMIN, &format!("redeploy {}", app.name)).ok();
    let found = json_of(&ask(&gateway, ADMIN, &format!("{doctor} --format json")).fails());
    // v2 has the image that was pushed again: the same tree makes the same image
    let revisions: Vec<_> = found.as_array().unwrap().iter().map(|finding| finding["revision"].clone()).collect();
    assert_eq!(revisions, [1]);
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap()
}
