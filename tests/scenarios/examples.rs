//! The examples, pushed as they are.

use std::path::Path;

use crate::support::{App, Gateway, base_image, kubectl};

/// A copy of an example, from the base image of the tests.
fn example(name: &str) -> App {
    let app = App::empty();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        app.write(
            entry.file_name().to_str().unwrap(),
            &text.replace("FROM busybox", &format!("FROM {}", base_image())),
        );
    }
    app.commit(name);
    app
}

#[test]
fn the_examples_that_describe_themselves_go_live() {
    let gateway = Gateway::start();
    let worker = example("worker");
    worker.push(&gateway).ok().prints(&format!("deployment/{}-worker 2 of 2 ready", worker.name));
    worker.shows("Hello from worker");
    example("release-phase").push(&gateway).ok().prints("migrating the database for v1");
    let cron = example("cron");
    cron.push(&gateway).ok();
    assert!(cron.get("cronjob", &format!("{}-clean", cron.name)).is_some());
    let autoscale = example("autoscale");
    autoscale.push(&gateway).ok();
    assert!(autoscale.get("horizontalpodautoscaler", &autoscale.name).is_some());
    let app_json = example("app-json");
    app_json.push(&gateway).ok().prints_all(&["preparing hello", "2 of 2 ready"]);
    let settings = example("settings");
    settings.push(&gateway).ok();
    settings.shows("Hello, world");
    let service =
        kubectl(&["get", "service", &settings.name, "-n", &settings.name, "-o", "jsonpath={.spec.ports[0].port}"]);
    assert_eq!(service, "80");
}
