//! A clock that jumps: the gateway's own, by libfaketime, while those of the cluster and of everybody else are right.
//!
//! It never goes further back than the real time: the certificates of a cluster that was just made are not valid before.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway, eventually, run, try_run, world};

/// A gateway, and what its clock shows.
struct Jumpy {
    gateway: Gateway,
    file: tempfile::NamedTempFile,
}

impl Jumpy {
    fn start(settings: &[(&str, &str)]) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "+0").unwrap();
        let (library, path) = (library(), file.path().display().to_string());
        let mut all = vec![
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", &path),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        all.extend(settings);
        Self { gateway: Gateway::with(&all), file }
    }

    /// Sets its clock, and waits until a log line shows the new time.
    fn set(&self, ahead: &str) {
        std::fs::write(self.file.path(), ahead).unwrap();
        let far = ahead != "+0";
        eventually("its clock has jumped", || {
            try_run(self.gateway.ssh(ADMIN).arg("help"));
            let last: jiff::Timestamp = self.gateway.log().last()?["timestamp"].as_str()?.parse().ok()?;
            (is_far(last) == far).then_some(())
        });
    }
}

/// Debian's libfaketime is where the machine's other libraries are.
fn library() -> PathBuf {
    let found = run(Command::new("sh").args(["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1 | head -n 1"])).stdout;
    assert!(!found.trim().is_empty(), "libfaketime is not installed");
    PathBuf::from(found.trim())
}

/// Whether a time is an hour or more from now.
fn is_far(time: jiff::Timestamp) -> bool {
    time.duration_since(jiff::Timestamp::now()).abs() > jiff::SignedDuration::from_hours(1)
}

/// What the app's Lease says of its last renewal.
fn renewal(app: &App) -> String {
    app.object("lease", "slipway-deploy").unwrap()["spec"]["renewTime"].to_string()
}

#[test]
fn a_deploy_and_its_lock_outlive_a_clock_that_jumps() {
    let jumpy = Jumpy::start(&[]);
    let right = jumpy.gateway.twin(&[]);
    let app = App::web("one");
    app.push(&jumpy.gateway).ok();
    app.slow_start(40);
    let push = app.start_push(&jumpy.gateway, ADMIN, &["main"]);
    push.until("0 of 1 ready");
    for ahead in ["+2h", "+0"] {
        jumpy.set(ahead);
        // twice, so that one renewal at least was written with the new clock
        for _ in 0..2 {
            let before = renewal(&app);
            eventually("the lock is renewed", || (renewal(&app) != before).then_some(()));
        }
        let renewed: jiff::Timestamp = renewal(&app).trim_matches('"').parse().unwrap();
        assert!(!is_far(renewed), "{ahead}: {renewed}");
        app.push(&right).fails().says("root is deploying").never_says("Building");
        app.push(&jumpy.gateway).fails().says("root is deploying");
    }
    push.finish().ok().says("Released v2");
    assert_eq!(app.releases(), [(1, "superseded".to_owned()), (2, "deployed".to_owned())]);
    assert!(!jumpy.gateway.log().iter().any(|line| line["message"].to_string().contains("lock")), "it was in danger");
}

#[test]
fn records_have_the_clusters_time_and_their_order_is_that_of_their_numbers() {
    let jumpy = Jumpy::start(&[("SLIPWAY_HISTORY_MAX", "3")]);
    let app = App::web("one");
    for (number, ahead) in (1..).zip(["+0", "+2h", "+2h", "+0", "+2h"]) {
        jumpy.set(ahead);
        app.write("index.html", ahead);
        app.commit(ahead);
        app.push(&jumpy.gateway).ok().says(&format!("Released v{number}"));
    }
    let numbers: Vec<u32> = app.releases().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [3, 4, 5], "the oldest went, by number");
    let history = try_run(jumpy.gateway.ssh(ADMIN).args(["releases", &app.name, "--format", "json"])).ok().stdout;
    let history: Vec<Value> = serde_json::from_str(&history).unwrap();
    let numbers: Vec<&Value> = history.iter().map(|release| &release["revision"]).collect();
    assert_eq!(numbers.len(), 3, "{history:#?}");
    for release in &history {
        assert!(!is_far(release["deployed"].as_str().unwrap().parse().unwrap()), "{release:#}");
        assert!(release["seconds"].as_f64().unwrap() < 600.0, "{release:#}");
    }
    let helm = run(Command::new("helm").args(["history", &app.name, "-n", &app.name, "-o", "json"])).stdout;
    let helm: Vec<Value> = serde_json::from_str(&helm).unwrap();
    let updated: Vec<jiff::Timestamp> =
        helm.iter().map(|revision| revision["updated"].as_str().unwrap().parse().unwrap()).collect();
    assert!(updated.is_sorted(), "{updated:?}");

    // helm is at work since a moment ago, by the cluster's clock
    jumpy.set("+2h");
    let mut record = app.object("secret", &format!("sh.helm.release.v1.{}.v5", app.name)).unwrap();
    record["metadata"] = serde_json::json!({
        "name": format!("sh.helm.release.v1.{}.v6", app.name), "namespace": app.name,
        "labels": {"owner": "helm", "name": app.name, "version": "6", "status": "pending-upgrade"},
    });
    world::apply(&record.to_string());
    app.write("index.html", "six");
    app.commit("six");
    app.push(&jumpy.gateway).fails().says("pending-upgrade").never_says("Building");
}
