//! Who may import whom, read from the `use` lines of `src/`: the rule of ARCHITECTURE.md.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A room, and the rooms it may import.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("testing", &["domain"]),
    ("telemetry", &["config", "domain"]),
    ("config", &["apps", "build", "domain", "keys"]),
    ("cli", &["config", "domain"]),
    ("apps", &["clusters", "domain", "testing"]),
    ("build", &["domain", "testing"]),
    ("chart", &["domain"]),
    ("clusters", &["domain"]),
    ("git", &["domain"]),
    ("keys", &["domain"]),
    ("logs", &["domain"]),
    ("registry", &["domain", "testing"]),
    ("release", &["clusters", "domain", "testing"]),
    (
        "deploy",
        &["apps", "build", "chart", "clusters", "domain", "git", "keys", "logs", "registry", "release", "telemetry"],
    ),
    ("api", &["deploy", "domain", "release", "telemetry"]),
    ("ssh", &["apps", "deploy", "domain", "git", "keys", "logs", "release", "telemetry"]),
    ("self_check", &["apps", "clusters"]),
    (
        "serve",
        &[
            "api",
            "apps",
            "build",
            "chart",
            "cli",
            "clusters",
            "config",
            "deploy",
            "domain",
            "git",
            "keys",
            "registry",
            "release",
            "self_check",
            "ssh",
            "telemetry",
        ],
    ),
];

/// The room a file belongs to: its first folder, or its own name.
fn room(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a source text names as `crate::ROOM` or in `use crate::{A, B}`.
fn imported(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = BTreeSet::new();
    for (position, _) in code.match_indices("crate::") {
        let rest = &code[position + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => rooms.extend([word(rest)]),
            Some(list) => {
                let mut depth = 0;
                let mut item = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => rooms.extend([word(std::mem::take(&mut item).trim())]),
                        c if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                rooms.extend([word(item.trim())]);
            }
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => sources(&entry.path(), into),
            false if entry.path().extension().is_some_and(|extension| extension == "rs") => into.push(entry.path()),
            false => {}
        }
    }
}

#[test]
fn every_room_imports_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut broken = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        let room = room(path);
        if matches!(room.as_str(), "main" | "lib") {
            continue;
        }
        let may = allowed
            .get(room.as_str())
            .unwrap_or_else(|| panic!("{room} is not in the list: decide what it may import"));
        for other in imported(&std::fs::read_to_string(&file).unwrap()) {
            if other != room && !may.contains(&other.as_str()) {
                broken.push(format!("{} imports {other}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn imports_are_found_in_every_form() {
    let found = imported("use crate::a::B;\nuse crate::{b, c::{D, e}, f};\n// crate::no\nfn x() { crate::g::h() }");
    assert_eq!(found, ["a", "b", "c", "f", "g"].map(str::to_owned).into());
}
