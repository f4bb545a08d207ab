//! Release records that were edited or deleted by hand.

use crate::support::{App, Gateway, kubectl};

#[test]
fn an_edited_history_does_not_stop_the_next_push() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let label = |revision: &str, labels: &[&str]| {
        let record = app.record_name(revision);
        kubectl(&[&["label", "secret", &record, "-n", &app.name, "--overwrite"], labels].concat());
    };
    let push = |page: &str| {
        app.commit_page(page);
        let pushed = app.push(&gateway).ok();
        app.shows(page);
        pushed
    };
    // without the newest record, its revision is free again
    kubectl(&["delete", "secret", &app.record_name("v2"), "-n", &app.name]);
    push("three").prints("Released v2");
    // labels that differ from the record
    label("v2", &["status=superseded"]);
    push("four").prints("Released v3");
    label("v3", &["status=nonsense"]);
    push("five").prints("Released v4");
    label("v4", &["version=eleven"]);
    push("six").prints("Released v5");
    // a record without labels, which helm does not list
    label("v5", &["owner-", "name-", "status-", "version-"]);
    push("seven").prints("Released v6");
    // without any record, the running objects still belong to the app
    kubectl(&["delete", "secret", "-n", &app.name, "--field-selector", "type=helm.sh/release.v1"]);
    push("eight").prints("Released v1");
    gateway.run_command(&format!("releases {}", app.name)).ok().prints("v1").prints("deployed");
}

#[test]
fn an_unreadable_record_is_reported_and_the_other_revisions_are_listed() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let not_a_release = r#"{"data":{"release":"bm90IGEgcmVsZWFzZQ=="}}"#;
    kubectl(&["patch", "secret", &app.record_name("v1"), "-n", &app.name, "-p", not_a_release]);
    let history = gateway.run_command(&format!("releases {}", app.name)).ok().stdout;
    assert!(history.contains("the record of v1 cannot be read"), "{history}");
    assert!(history.contains("v2"), "{history}");
    for command in ["releases:show", "rollback"] {
        let line = format!("{command} {} v1", app.name);
        gateway.run_command(&line).fails().prints("the record of v1 cannot be read");
    }
    app.commit_page("three");
    app.push(&gateway).ok().prints("Released v3");
}
