//! From `git push` to a live app.

use crate::support::{App, Gateway, run, world};

#[test]
fn a_push_goes_live_and_the_next_one_upgrades_it() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let first = app.head();

    let output = app.push(&gateway).ok();
    for line in [
        format!("remote: -----> Receiving main at {} from root", &first[..7]),
        "remote: -----> Building with Dockerfile".to_owned(),
        format!("remote: -----> Pushing {}/{} (", world::registry(), app.name),
        format!("remote: -----> Releasing v1 into namespace {}", app.name),
        format!("remote:        deployment/{} 1 of 1 ready", app.name),
        "remote: =====> Application deployed: Released v1 in ".to_owned(),
        "remote:        http://10.".to_owned(),
    ] {
        assert!(output.contains(&line), "{line:?} is not in:\n{}", output.stderr);
    }
    app.shows("one");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(first));
    let pod = format!("deployment/{}", app.name);
    assert_eq!(world::kubectl(&["exec", "-n", &app.name, &pod, "--", "cat", "/www/index.html"]), "one");
    world::kubectl(&["logs", "-n", &app.name, &pod]);

    app.write("index.html", "two");
    let second = app.commit("second");
    app.push(&gateway).ok().says("Released v2 in");
    app.shows("two");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(second));
    assert_eq!(app.releases(), [(1, "superseded".to_owned()), (2, "deployed".to_owned())]);
}

#[test]
fn a_clone_brings_back_what_was_pushed() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let elsewhere = tempfile::tempdir().unwrap();
    run(gateway.git("root", elsewhere.path()).args(["clone", "-q", &gateway.url(&app.name), "copy"]));
    let page = std::fs::read_to_string(elsewhere.path().join("copy/index.html")).unwrap();
    assert_eq!(page, "one");
}
