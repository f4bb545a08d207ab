//! The cost of slipway's own work as exact counts, not durations: allocations, and the instructions of a whole process.
//! `scenarios/cost.rs` counts a push's requests to the API server and bytes to the registry.
//!
//! If a change is meant to alter a figure, run `INSTA_UPDATE=always cargo test --test guard`, or `cargo insta review`, and commit
//! the snapshot. The upper bound of the instructions is below.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;

use allocation_counter::measure;
use slipway::chart::{self, Templates, Values};
use slipway::domain::{ImageRef, Revision};
use slipway::keys;
use slipway::release::record::{self, Record, RecordInfo, ReleaseStatus};

/// The upper bound for the instructions of `slipway render`, as `cargo test` compiles it. Measured with rustc 1.95: 29,504,000
/// ± 3,000, since hash tables have random keys. The margin is for other compilers and C libraries.
const MAX_RENDER_INSTRUCTIONS: u64 = 30_100_000;

fn values() -> Values {
    let image = format!("registry.example/web@sha256:{}", "0".repeat(64));
    let mut values = Values::new("web".parse().unwrap(), ImageRef::verbatim(image));
    values.commit = Some("4937c40e2b1f0d8a6c5e3b7f9a1d2c4e6f8091a2".parse().unwrap());
    values
}

fn record(manifest: &str) -> Record {
    let now = "2026-11-21T10:20:21Z".to_owned();
    Record {
        name: "web".into(),
        namespace: "web".into(),
        version: Revision(3),
        info: RecordInfo {
            first_deployed: now.clone(),
            last_deployed: now,
            status: ReleaseStatus::Deployed,
            description: "Deployed 4937c40 by alice".into(),
            other_fields: serde_json::Map::new(),
        },
        chart: record::chart_metadata("web", "0.1.0", "4937c40", &std::collections::BTreeMap::new()),
        config: serde_json::json!({"port": 8080}),
        manifest: manifest.to_owned(),
        hooks: serde_json::json!([]),
        apply_method: Some(record::SERVER_SIDE_APPLY.to_owned()),
        other_fields: serde_json::Map::new(),
    }
}

/// Counts the allocations of the second run, since the first one fills caches such as compiled patterns.
fn count_allocations(report: &mut String, what: &str, work: impl Fn()) {
    work();
    let info = measure(work);
    writeln!(report, "{what:<32}{:>6} allocations, {:>8} bytes", info.count_total, info.bytes_total).unwrap();
}

#[test]
fn the_work_of_a_push_allocates_exactly_this_much() {
    let templates = Templates::built_in().unwrap();
    let rendered = chart::render(&templates, &values()).unwrap();
    let manifest = chart::to_yaml(&rendered).unwrap();
    let encoded = record::encode(&record(&manifest)).unwrap();
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice\n";
    let lines = line.repeat(100);

    let mut report = String::new();
    count_allocations(&mut report, "rendering the app chart", || drop(black_box(chart::render(&templates, &values()))));
    count_allocations(&mut report, "writing its objects as YAML", || drop(black_box(chart::to_yaml(&rendered))));
    count_allocations(&mut report, "writing a release record", || drop(black_box(record::encode(&record(&manifest)))));
    count_allocations(&mut report, "reading a release record", || drop(black_box(record::decode(&encoded))));
    count_allocations(&mut report, "reading 100 public keys", || {
        drop(black_box(keys::parse_authorized_keys(lines.as_bytes())))
    });
    insta::assert_snapshot!("allocations", report);
}

/// `make test` installs valgrind. Without it, this test passes.
#[test]
fn rendering_takes_a_bounded_number_of_instructions() {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_slipway")]);
    valgrind.args(["render", "--app", "web", "--image", "registry.example/web:1"]);
    let output = match valgrind.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("valgrind is not installed: the instructions were not counted");
            return;
        }
        output => output.unwrap(),
    };
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    let collected = report.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, number)| number.trim());
    let instructions: u64 = collected.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{report}"));
    assert!(
        instructions <= MAX_RENDER_INSTRUCTIONS,
        "rendering takes {instructions} instructions, and may take {MAX_RENDER_INSTRUCTIONS}: see the head of this file"
    );
}
