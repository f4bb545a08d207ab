//! What the work without a cluster costs, as exact figures and not as times: allocations, and instructions of a whole
//! program. What a push costs the API server and the registry is in `scenarios/cost.rs`.
//!
//! Where a figure was meant to change: `INSTA_UPDATE=always cargo test --test guard`, or `cargo insta review`, and commit the
//! snapshot; the bound of the instructions stands below.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;

use allocation_counter::measure;
use slipway::chart::{self, Templates, Values};
use slipway::domain::{ImageRef, Revision};
use slipway::keys;
use slipway::release::record::{self, Info, Record, Status};

/// The most instructions that `slipway render` may take, as `cargo test` compiles it. Measured with rustc 1.95: 20,411,000,
/// give or take 3,000, since hash tables have random keys; the rest is room for another compiler's or C library's.
const RENDER_INSTRUCTIONS: u64 = 20_800_000;

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
        info: Info {
            first_deployed: now.clone(),
            last_deployed: now,
            status: Status::Deployed,
            description: "Deployed 4937c40 by alice".into(),
            rest: serde_json::Map::new(),
        },
        chart: record::chart_metadata("web", "0.1.0", "4937c40", &std::collections::BTreeMap::new()),
        config: serde_json::json!({"port": 8080}),
        manifest: manifest.to_owned(),
        hooks: serde_json::json!([]),
        apply_method: Some(record::SERVER_SIDE.to_owned()),
        rest: serde_json::Map::new(),
    }
}

/// The second time: the first one fills what is kept, such as compiled patterns.
fn counted(report: &mut String, what: &str, work: impl Fn()) {
    work();
    let info = measure(work);
    writeln!(report, "{what:<32}{:>6} allocations, {:>8} bytes", info.count_total, info.bytes_total).unwrap();
}

#[test]
fn the_work_of_a_push_allocates_this_much() {
    let templates = Templates::embedded().unwrap();
    let rendered = chart::render(&templates, &values()).unwrap();
    let manifest = chart::to_yaml(&rendered).unwrap();
    let encoded = record::encode(&record(&manifest)).unwrap();
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice\n";
    let lines = line.repeat(100);

    let mut report = String::new();
    counted(&mut report, "rendering the app chart", || drop(black_box(chart::render(&templates, &values()))));
    counted(&mut report, "writing its objects as YAML", || drop(black_box(chart::to_yaml(&rendered))));
    counted(&mut report, "writing a release record", || drop(black_box(record::encode(&record(&manifest)))));
    counted(&mut report, "reading a release record", || drop(black_box(record::decode(&encoded))));
    counted(&mut report, "reading 100 public keys", || drop(black_box(keys::parse(lines.as_bytes()))));
    insta::assert_snapshot!("allocations", report);
}

/// Without valgrind, which `make test` installs, there is nothing to count with.
#[test]
fn rendering_takes_no_more_instructions_than_this() {
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
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, number)| number.trim());
    let instructions: u64 = collected.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    assert!(
        instructions <= RENDER_INSTRUCTIONS,
        "rendering takes {instructions} instructions, and may take {RENDER_INSTRUCTIONS}: see the head of this file"
    );
}
