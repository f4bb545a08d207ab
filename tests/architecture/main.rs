//! The rules of ARCHITECTURE.md's code map, checked on the imports of `src/`: a module imports only what its row lists, and no
//! two files import each other, directly or through others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod imports;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use imports::SourceTree;

/// The code map of ARCHITECTURE.md: each top-level module, and the modules that its row lets it import.
fn code_map() -> BTreeMap<String, BTreeSet<String>> {
    let document = include_str!("../../ARCHITECTURE.md");
    let (_, map) = document.split_once("## Code map").expect("ARCHITECTURE.md has a code map");
    let (map, _) = map.split_once("\n## ").expect("a section follows the code map");
    let rows = map.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| {
        let mut columns = row.trim_matches('|').split('|');
        let (module, allowed) = (in_backticks(columns.next()?), columns.nth(2)?);
        Some((module.into_iter().next()?, in_backticks(allowed)))
    })
    .collect()
}

fn in_backticks(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The crate's root and the program import what they compose.
const ROOTS: [&str; 2] = ["lib", "main"];

#[test]
fn every_module_imports_only_what_it_may() {
    let allowed = code_map();
    let tree = SourceTree::read();
    let mut broken = BTreeSet::new();
    for (file, imported) in tree.imports() {
        let module = tree.top_level_module(file);
        if ROOTS.contains(&module.as_str()) {
            continue;
        }
        let may = allowed.get(&module);
        let may =
            may.unwrap_or_else(|| panic!("{module} is not in ARCHITECTURE.md's code map: decide what it may import"));
        for other in imported.iter().map(|file| tree.top_level_module(file)) {
            if other != module && !may.contains(&other) {
                broken.insert(format!("{} imports {other}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_code_map_lists_every_module_and_no_other() {
    let tree = SourceTree::read();
    let modules = tree.imports().keys().map(|file| tree.top_level_module(file));
    let modules: BTreeSet<String> = modules.filter(|module| !ROOTS.contains(&module.as_str())).collect();
    assert_eq!(code_map().into_keys().collect::<BTreeSet<_>>(), modules);
}

#[test]
fn no_two_files_import_each_other() {
    let tree = SourceTree::read();
    let circles: Vec<String> = circles(tree.imports()).iter().map(|circle| describe(&tree, circle)).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// The sets of files each of which reaches every other one of its set.
fn circles(imports: &BTreeMap<PathBuf, BTreeSet<PathBuf>>) -> BTreeSet<BTreeSet<PathBuf>> {
    let reached: BTreeMap<_, _> = imports.keys().map(|file| (file, reachable(imports, file))).collect();
    let circle_of = |file: &PathBuf| -> BTreeSet<PathBuf> {
        let others = reached[file].iter().filter(|other| reached.get(other).is_some_and(|back| back.contains(file)));
        others.cloned().collect()
    };
    imports.keys().map(circle_of).filter(|circle| circle.len() > 1).collect()
}

fn reachable(imports: &BTreeMap<PathBuf, BTreeSet<PathBuf>>, from: &PathBuf) -> BTreeSet<PathBuf> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        let next = imports.get(file).into_iter().flatten();
        open.extend(next.filter(|other| found.insert((*other).clone())));
    }
    found
}

fn describe(tree: &SourceTree, circle: &BTreeSet<PathBuf>) -> String {
    let arrows = circle.iter().flat_map(|file| {
        let within = tree.imports()[file].intersection(circle);
        within.map(|other| format!("    {} -> {}\n", file.display(), other.display()))
    });
    format!("{} files in a circle:\n{}", circle.len(), arrows.collect::<String>())
}

#[test]
fn a_circle_through_a_third_file_is_found() {
    let graph = |arrows: &[(&str, &[&str])]| -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
        arrows.iter().map(|(from, to)| (from.into(), to.iter().map(PathBuf::from).collect())).collect()
    };
    let found = circles(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a", "d"]), ("d", &[])]));
    assert_eq!(found, [["a", "b", "c"].map(PathBuf::from).into()].into());
    assert!(circles(&graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
}
