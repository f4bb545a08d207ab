//! The answers, as SSH prints them.

use serde::Serialize;
use slipway::domain::Revision;
use slipway::service::{DiffRequest, ReleasesRequest};

use super::in_process::{admin, app_name, compose};
use crate::support::{App, Gateway};

/// As `--format json` prints a value.
fn json(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_what_its_command_prints_with_format_json() {
    let mut gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let name = app_name(&app.name);
    let lines =
        ["apps", "releases", "releases APP", "releases:show APP v1", "builds:list APP", "spec APP", "doctor APP"];
    let printed =
        lines.map(|line| gateway.run_command(&format!("{} --format json", line.replace("APP", &app.name))).ok().stdout);
    gateway.stop();

    let (service, admin) = (compose(&gateway).await, admin());
    let releases = ReleasesRequest { app: name.clone(), limit: 10 };
    let answers = [
        json(&service.list_apps(&admin).await.unwrap()),
        json(&service.newest_releases(&admin).await.unwrap()),
        json(&service.list_releases(&admin, &releases).await.unwrap()),
        json(&service.show_release(&admin, &name, Some(Revision(1))).await.unwrap()),
        json(&service.list_builds(&admin, &name).await.unwrap()),
        json(&service.read_spec(&admin, &name).await.unwrap()),
        json(&service.diagnose(&admin, Some(&name)).await.unwrap()),
    ];
    for ((line, printed), answer) in lines.iter().zip(printed).zip(answers) {
        assert_eq!(answer, printed, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_commands_print_as_text_serialize_too() {
    let mut gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    gateway.stop();
    let (service, admin, name) = (compose(&gateway).await, admin(), app_name(&app.name));

    let diff = DiffRequest { app: name.clone(), from: None, to: None };
    let difference = serde_json::to_value(service.diff_revisions(&admin, &diff).await.unwrap()).unwrap();
    assert_eq!((&difference["from"], &difference["to"]), (&1.into(), &2.into()));
    assert!(difference["text"].as_str().unwrap().contains("\n+"), "{difference}");

    let build = service.read_build(&admin, &name, None).await.unwrap();
    let build = serde_json::to_value(build).unwrap();
    assert_eq!((&build["summary"]["number"], &build["summary"]["state"]), (&2.into(), &"deployed".into()));
    assert_eq!(build["events"][0]["event"], "stage-started");
}
