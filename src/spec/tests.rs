//! Whole apps, and bad input.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn files(files: &[(&str, &str)]) -> Vec<SpecFile> {
    files.iter().map(|(name, content)| SpecFile::new(name, content.as_bytes().to_vec())).collect()
}

fn resolved(list: &[(&str, &str)]) -> ResolvedSpec {
    resolve(&files(list)).unwrap_or_else(|error| panic!("{error}"))
}

fn errors(list: &[(&str, &str)]) -> String {
    resolve(&files(list)).unwrap_err().to_string()
}

fn errors_of_yaml(text: &str) -> String {
    errors(&[("slipway.yaml", text)])
}

#[test]
fn an_app_without_files_runs_the_command_of_its_image() {
    assert_eq!(resolved(&[]).spec, AppSpec::default());
    assert_eq!(resolved(&[("slipway.yaml", "# nothing\n\n"), ("app.json", " ")]).spec, AppSpec::default());
}

#[test]
fn each_value_has_the_origin_of_the_last_file_that_sets_it() {
    let procfile = "# processes\nweb: bundle exec puma -C config/puma.rb\nworker:  bundle exec sidekiq -q $QUEUE\nrelease: rake db:migrate\n";
    let app_json = r#"{"name": "shop", "env": {"RAILS_ENV": "production", "LANG": {"value": "C", "required": false}},
        "formation": {"web": {"quantity": 2}, "worker": {"quantity": 1}},
        "healthchecks": {"web": [{"type": "readiness", "path": "/ready", "attempts": 4, "wait": 7}]},
        "cron": [{"command": "rake clean", "schedule": "@daily"}], "scripts": {"dokku": {"predeploy": "rake assets"}}}"#;
    let yaml = "env: {LANG: C.UTF-8}\nport: 3000\nprocesses:\n  worker:\n    replicas: 3\n    resources:\n      limits: {memory: 1Gi}\n";
    let staging = "replicas: 1\nprocesses: {worker: {replicas: 0}}\n";
    let all = resolved(&[
        ("Procfile", procfile),
        ("app.json", app_json),
        ("slipway.yaml", yaml),
        ("slipway.staging.yaml", staging),
    ]);
    insta::assert_snapshot!(all.to_yaml());
    insta::assert_snapshot!("the_model_of_an_app_with_all_files", serde_json::to_string_pretty(&all.spec).unwrap());
    assert_eq!(all.warnings, []);
}

#[test]
fn every_setting_of_slipway_yaml_is_read() {
    let text = include_str!("fixtures/every_setting.yaml");
    insta::assert_snapshot!(serde_json::to_string_pretty(&resolved(&[("slipway.yaml", text)]).spec).unwrap());
}

/// The names of all properties in a schema.
fn property_names(schema: &serde_json::Value, names: &mut BTreeSet<String>) {
    names.extend(schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys().cloned()));
    let children = schema.as_object().into_iter().flat_map(|map| map.values());
    children.chain(schema.as_array().into_iter().flatten()).for_each(|child| property_names(child, names));
}

/// All keys in a document.
fn keys(document: &serde_json::Value, found: &mut BTreeSet<String>) {
    found.extend(document.as_object().into_iter().flat_map(|map| map.keys().cloned()));
    let children = document.as_object().into_iter().flat_map(|map| map.values());
    children.chain(document.as_array().into_iter().flatten()).for_each(|child| keys(child, found));
}

#[test]
fn the_schema_and_the_reader_have_the_same_keys() {
    let document: serde_json::Value = serde_yaml::from_str(include_str!("fixtures/every_setting.yaml")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new(), "the reader takes the file, and the schema does not");
    let (mut known, mut shown) = (BTreeSet::new(), BTreeSet::new());
    property_names(&schema, &mut known);
    keys(&document, &mut shown);
    let missing: Vec<_> = known.difference(&shown).collect();
    assert_eq!(missing, Vec::<&String>::new(), "the reader is not shown to take these keys of the schema");
    let invalid: serde_json::Value = serde_yaml::from_str(include_str!("fixtures/every_error.yaml")).unwrap();
    assert!(!validator.is_valid(&invalid));
}

#[test]
fn origins_are_printed_as_json_too() {
    let json = resolved(&[("slipway.yaml", "port: 3000\nrelease: [a, b]\n")]).to_json();
    assert_eq!(
        json,
        serde_json::json!([
            {"path": "processes.web.port", "value": "3000", "origin": "slipway.yaml:1"},
            {"path": "release", "value": ["a", "b"], "origin": "slipway.yaml:2"},
        ])
    );
}

#[test]
fn a_procfile_lists_all_processes_and_a_null_removes_one() {
    let names = |spec: &AppSpec| spec.processes.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&resolved(&[("Procfile", "worker: a")]).spec), ["worker"]);
    assert_eq!(names(&resolved(&[("slipway.yaml", "processes: {worker: {command: a}}")]).spec), ["web", "worker"]);
    assert_eq!(names(&resolved(&[("slipway.yaml", "processes: {worker: {command: a}, web: null}")]).spec), ["worker"]);
    assert_eq!(errors_of_yaml("processes: {web: null}"), "the app has no process");
}

#[test]
fn everything_that_is_wrong_is_listed_at_once_with_its_line() {
    let procfile = "web: a\nWorker: b\nweb: c\nnothing\nempty:\nquote: echo 'a\n";
    let app_json = r#"{"env": {"SECRET_KEY": {"generator": "dice"}, "NEEDED": {"description": "a key"}},
 "cron": [{"command": "x", "schedule": "every day"}, {"schedule": "@hourly"}],
 "healthchecks": {"web": [{"type": "sometimes"}]}}"#;
    let yaml = include_str!("fixtures/every_error.yaml");
    insta::assert_snapshot!(errors(&[("Procfile", procfile), ("app.json", app_json), ("slipway.yaml", yaml)]));
}

#[test]
fn broken_files_are_reported_with_line_and_column() {
    insta::assert_snapshot!(
        [
            errors_of_yaml("processes:\n  web: {port: 1\n"),
            errors_of_yaml("env:\n\tA: 1\n"),
            errors_of_yaml("- a\n"),
            errors_of_yaml("port: 1\n---\nport: 2\n"),
            errors_of_yaml("port: 1\nport: 2\n"),
            errors_of_yaml("env: &a {A: *a}\n"),
            errors_of_yaml("env: *nothing\n"),
            errors_of_yaml("? [a]\n: b\n"),
            errors(&[("app.json", "{\"env\": {\"A\": 1,}}")]),
            errors(&[("app.json", "{\n  \"env\": {\"A\": 1, \"A\": 2}}")]),
            errors(&[("app.json", "[1]")]),
            errors(&[("Procfile", "\n")]),
        ]
        .join("\n")
    );
    let binary = resolve(&[SpecFile::new("slipway.yaml", vec![0xff, 0xfe])]).unwrap_err();
    assert_eq!(binary.to_string(), "slipway.yaml:1:1: the file is not UTF-8\n  1 | \u{fffd}\u{fffd}");
}

#[test]
fn sizes_depths_and_aliases_are_limited() {
    let large = format!("# {}\n", "x".repeat(1 << 20));
    assert!(errors_of_yaml(&large).contains("the file has more than 1048576 bytes"));
    let deep = format!("env: {}\n", "[".repeat(100));
    assert!(errors_of_yaml(&deep).contains("slipway.yaml:1:"), "{}", errors_of_yaml(&deep));
    let mut aliases = "env:\n  A0: &a0 [x]\n".to_owned();
    for n in 1..30 {
        aliases += &format!("  A{n}: &a{n} [*a{m}, *a{m}]\n", m = n - 1);
    }
    assert!(errors_of_yaml(&aliases).contains("the file has more than 10000 values"), "{}", errors_of_yaml(&aliases));
    let text = format!("env: {{A: &a \"{}\"}}\nenvFrom: [{}]\n", "x".repeat(100_000), "*a, ".repeat(2000));
    assert!(errors_of_yaml(&text).contains("the values have more than 2097152 bytes"));
    let many = format!("a: &a x\nb: [{}]\n", "*a, ".repeat(10_000));
    assert!(errors_of_yaml(&many).contains("the file has more than 10000 values"));
}

#[test]
fn the_source_of_a_variable_and_a_check_are_replaced_as_a_whole() {
    let spec = resolved(&[
        ("app.json", r#"{"env": {"URL": {"description": "a database", "value": "x"}}}"#),
        ("slipway.yaml", "env: {URL: {secret: database, key: url}}\nhealth: {path: /up, startup: 9}\n"),
        ("slipway.staging.yaml", "env: {URL: {configMap: site, key: url}}\nhealth: {type: tcp}\n"),
    ]);
    let spec = serde_json::to_value(&spec.spec).unwrap();
    assert_eq!(spec["env"]["URL"], serde_json::json!({"from": {"configMap": "site"}, "key": "url"}));
    let health = serde_json::json!({"tcp": {}, "startup": {"period": 1, "failures": 9}});
    assert_eq!(spec["processes"]["web"]["health"], health);
}

#[test]
fn a_merge_key_inherits_and_own_keys_win() {
    let text = "x-common: &common {replicas: 2, port: 80}\nprocesses:\n  api: {<<: *common, command: a, port: 90}\n";
    let message = errors_of_yaml(text);
    assert_eq!(message.lines().count(), 2, "only x-common is unknown: {message}");
    let text = "processes:\n  web: &web {replicas: 2, port: 80}\n  api: {<<: *web, command: a, port: 90}\n";
    let spec = resolved(&[("slipway.yaml", text)]).spec;
    let api = spec.processes.get(&"api".to_owned().try_into().unwrap()).unwrap();
    assert_eq!((api.replicas, api.port.map(std::num::NonZeroU16::get)), (Some(2), Some(90)));
}

#[test]
fn what_slipway_does_not_use_of_app_json_is_named() {
    let text = r#"{"name": "a", "addons": ["x"], "formation": {"web": {"quantity": 1, "size": "large"}}}"#;
    let warnings: Vec<_> = resolved(&[("app.json", text)]).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["app.json:1:15: addons is not used by slipway", "app.json:1:69: size is not used by slipway"]
    );
}

proptest! {
    #[test]
    fn reading_any_text_ends(text in "(---|&a|\\*a|[ -~\n]){0,300}") {
        for name in ["Procfile", "app.json", "slipway.yaml"] {
            if let Ok(resolved) = resolve(&files(&[(name, &text)])) {
                let _ = resolved.to_yaml();
            }
        }
    }

    #[test]
    fn a_printed_tree_reads_back_as_the_same_app(value in "[ -~é]{0,20}", port in 1u16..) {
        let yaml = format!("port: {port}\nenv: {{A: {}}}\n", serde_json::json!(value));
        let spec = resolved(&[("slipway.yaml", &yaml)]);
        let printed = spec.to_yaml();
        let again = resolve(&files(&[("slipway.yaml", &printed)]));
        prop_assert_eq!(again.unwrap_or_else(|error| panic!("{error}\n{printed}")).spec, spec.spec);
    }
}

/// The files of an example, with those of an environment.
fn example_files(name: &str, environment: Option<&Environment>) -> Vec<SpecFile> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let read = |name: String| Some(SpecFile::new(&name, std::fs::read(directory.join(&name)).ok()?));
    file_names(environment).into_iter().filter_map(read).collect()
}

#[test]
fn the_examples_say_what_their_golden_files_have() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for example in ["worker", "release-phase", "cron", "autoscale", "app-json", "settings"] {
        let files = example_files(example, None);
        for file in files.iter().filter(|file| file.name.starts_with("slipway")) {
            let document: serde_json::Value = serde_yaml::from_slice(&file.content).unwrap();
            assert!(validator.is_valid(&document), "{example}/{}", file.name);
        }
        let resolved = resolve(&files).unwrap_or_else(|error| panic!("{example}: {error}"));
        insta::assert_snapshot!(format!("example_{example}"), resolved.to_yaml());
    }
    let staging = "staging".parse().unwrap();
    let resolved = resolve(&example_files("settings", Some(&staging))).unwrap();
    insta::assert_snapshot!("example_settings_in_staging", resolved.to_yaml());
}
