//! Diagnoses of `doctor`.

use serde_json::Value;

use crate::support::{App, Gateway, registry_api};

#[test]
fn doctor_reports_a_lost_image_and_a_redeploy_restores_it() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let doctor = format!("doctor {}", app.name);
    gateway.run_command(&doctor).ok().prints("Nothing is wrong");
    let history = gateway.run_json(&format!("releases {}", app.name));
    for revision in history.as_array().unwrap() {
        registry_api::delete_image(&app, revision["image"].as_str().unwrap());
    }
    let report = gateway.run_command(&doctor).fails().stdout;
    for text in ["v1", "no rollback to this revision is possible", "v2", &format!("redeploy {}", app.name)] {
        assert!(report.contains(text), "{text} is not in {report:?}");
    }
    gateway.run_command(&format!("redeploy {}", app.name)).ok();
    let report = gateway.run_command(&format!("{doctor} --format json")).fails().stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    // the redeploy has pushed v2's image again, since the same tree gives the same image
    let revisions: Vec<_> = report.as_array().unwrap().iter().map(|diagnosis| diagnosis["revision"].clone()).collect();
    assert_eq!(revisions, [1]);
}
