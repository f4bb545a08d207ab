//! A gateway whose clock jumps, by libfaketime, while the clocks of the cluster and of the clients are right.
//!
//! The clock is never set to before the real time, since the certificates of a new cluster are not valid then.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::helm::helm;
use crate::support::{App, Gateway, assert_history, kubectl, run, wait_until};

/// A gateway with a clock that the test sets.
struct FakeClockGateway {
    gateway: Gateway,
    /// libfaketime's file with the offset from the real time.
    offset: tempfile::NamedTempFile,
}

impl FakeClockGateway {
    fn start(settings: &[(&str, &str)]) -> Self {
        let offset = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(offset.path(), "+0").unwrap();
        let (library, path) = (find_libfaketime(), offset.path().display().to_string());
        let mut all = vec![
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", &path),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        all.extend(settings);
        Self { gateway: Gateway::with(&all), offset }
    }

    /// Sets the offset, such as `+2h`, and waits until a log line has the new time.
    fn set_offset(&self, offset: &str) {
        std::fs::write(self.offset.path(), offset).unwrap();
        let is_offset = offset != "+0";
        wait_until("the clock has jumped", || {
            self.gateway.run_command("help");
            let log = self.gateway.log();
            let last = log.last().and_then(|line| line["timestamp"].as_str()?.parse().ok());
            last.is_some_and(|time| is_far_from_now(time) == is_offset)
        });
    }
}

/// The path of Debian's libfaketime, which depends on the architecture.
fn find_libfaketime() -> PathBuf {
    let found = run(Command::new("sh").args(["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1 | head -n 1"])).stdout;
    assert!(!found.trim().is_empty(), "libfaketime is not installed");
    PathBuf::from(found.trim())
}

/// Whether a time is more than an hour from now.
fn is_far_from_now(time: jiff::Timestamp) -> bool {
    time.duration_since(jiff::Timestamp::now()).abs() > jiff::SignedDuration::from_hours(1)
}

/// The `renewTime` of the app's Lease.
fn renew_time(app: &App) -> String {
    app.get("lease", "slipway-deploy").unwrap()["spec"]["renewTime"].as_str().unwrap().to_owned()
}

#[test]
fn a_deploy_and_its_lock_survive_clock_jumps() {
    let jumping = FakeClockGateway::start(&[]);
    let right = jumping.gateway.twin(&[]);
    let app = App::deployed(&jumping.gateway);
    // the rollout has to last for four renewals of the lock, with five seconds between them
    app.commit_slow_start(40);
    let push = app.start_push(&jumping.gateway);
    push.wait_for_output("0 of 1 ready");
    for offset in ["+2h", "+0"] {
        jumping.set_offset(offset);
        // after two renewals, at least one was written with the new clock
        for _ in 0..2 {
            let before = renew_time(&app);
            wait_until("the lock is renewed", || renew_time(&app) != before);
        }
        let renewed: jiff::Timestamp = renew_time(&app).parse().unwrap();
        assert!(!is_far_from_now(renewed), "{offset}: {renewed}");
        app.push(&right).fails().prints("root is deploying").does_not_print("Building");
        app.push(&jumping.gateway).fails().prints("root is deploying");
    }
    push.wait().ok().prints("Released v2");
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    let log = jumping.gateway.log();
    let lock_warnings: Vec<_> = log.iter().filter(|line| line["message"].to_string().contains("lock")).collect();
    assert!(lock_warnings.is_empty(), "{lock_warnings:#?}");
}

#[test]
fn release_records_have_the_clusters_time_and_are_ordered_by_revision() {
    let jumping = FakeClockGateway::start(&[("SLIPWAY_HISTORY_MAX", "3")]);
    let app = App::web("one");
    for (number, offset) in (1..).zip(["+0", "+2h", "+2h", "+0", "+2h"]) {
        jumping.set_offset(offset);
        app.commit_page(&format!("{number} at {offset}"));
        app.push(&jumping.gateway).ok().prints(&format!("Released v{number}"));
    }
    let numbers: Vec<u32> = app.history().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [3, 4, 5], "the revisions with the lowest numbers are trimmed");
    let history = jumping.gateway.run_json(&format!("releases {}", app.name));
    let releases = history.as_array().unwrap();
    assert_eq!(releases.len(), 3, "{history:#}");
    for release in releases {
        assert!(!is_far_from_now(release["deployed"].as_str().unwrap().parse().unwrap()), "{release:#}");
        assert!(release["seconds"].as_f64().unwrap() < 600.0, "{release:#}");
    }
    let helm: Vec<Value> = serde_json::from_str(&helm(&app, &["history", &app.name, "-o", "json"]).stdout).unwrap();
    let updated: Vec<jiff::Timestamp> =
        helm.iter().map(|revision| revision["updated"].as_str().unwrap().parse().unwrap()).collect();
    assert!(updated.is_sorted(), "{updated:?}");

    // helm's pending revision is recent by the cluster's clock, and hours old by the gateway's
    jumping.set_offset("+2h");
    let mut record = app.get("secret", &app.record_name("v5")).unwrap();
    record["metadata"] = json!({
        "name": app.record_name("v6"), "namespace": app.name,
        "labels": {"owner": "helm", "name": app.name, "version": "6", "status": "pending-upgrade"},
    });
    kubectl::apply(&record.to_string());
    app.commit_page("six");
    app.push(&jumping.gateway).fails().prints("pending-upgrade").does_not_print("Building");
}
