//! Tests of whole outputs, and of hostile values.

use proptest::prelude::*;

use super::*;
use crate::domain::Manifest;
use crate::domain::app_spec::{EnvName, EnvSource, EnvValue};
use crate::spec::{self, SpecFile};

const SHA: &str = "3f2c1ab0123456789abcdef0123456789abcdef0";

fn values() -> Values {
    let mut values = Values::new("hello".parse().unwrap(), ImageRef::verbatim("localhost:15000/hello@sha256:0f"));
    values.version = Some("v1.2-3-g3f2c1ab".to_owned());
    values.commit = Some(SHA.parse().unwrap());
    values.pusher = Some("alice".parse().unwrap());
    values
}

fn render_to_yaml(values: &Values) -> String {
    to_yaml(&render(&Templates::built_in().unwrap(), values).unwrap()).unwrap()
}

fn hello() -> AppName {
    "hello".parse().unwrap()
}

#[test]
fn an_image_without_metadata() {
    insta::assert_snapshot!(
        render_command(&hello(), "example/hello:1", RenderOptions::default(), &Templates::built_in().unwrap()).unwrap()
    );
}

#[test]
fn a_push_of_an_image_that_exposes_a_port() {
    let mut values = values();
    values.exposed_port = Some(5000);
    insta::assert_snapshot!(render_to_yaml(&values));
}

#[test]
fn an_image_with_a_numeric_user() {
    let mut values = values();
    values.user = "65532:65532".to_owned();
    insta::assert_snapshot!(render_to_yaml(&values));
}

#[test]
fn pods_have_the_pull_secret() {
    let mut values = values();
    assert!(!render_to_yaml(&values).contains("imagePullSecrets"));
    values.pull_secret = Some("slipway-pull".to_owned());
    let deployment = render(&Templates::built_in().unwrap(), &values).unwrap().manifests;
    let deployment = deployment.iter().find_map(|manifest| manifest.object.pointer("/spec/template/spec")).unwrap();
    assert_eq!(deployment["imagePullSecrets"], serde_json::json!([{ "name": "slipway-pull" }]));
}

#[test]
fn every_setting_of_a_values_file() {
    let file = "port: 3000\nenv:\n  GREETING: |\n    it's\n    \"here\": {{ now }}\n  MATH: $(PORT) costs $5\n  SWITCH: no\nhealth:\n  \
                path: /up?full=1\n  startup: 300\nresources:\n  requests: {cpu: 250m, memory: 1Gi}\n  limits: {cpu: '2'}\n";
    let mut values = values();
    values.spec = spec::resolve(&[SpecFile::new("slipway.yaml", file.into())]).unwrap().spec;
    insta::assert_snapshot!(render_to_yaml(&values));
    let chart = render(&Templates::built_in().unwrap(), &values).unwrap();
    insta::assert_snapshot!("values_of_the_release_record", serde_json::to_string_pretty(&chart.values).unwrap());
}

#[test]
fn a_chart_has_the_name_of_its_app_and_the_version_of_its_templates() {
    let templates = Templates::built_in().unwrap();
    let chart = render(&templates, &values()).unwrap();
    assert_eq!((chart.name.as_str(), chart.version.as_str()), ("hello", templates.version()));
    assert_eq!(chart.app_version, "v1.2-3-g3f2c1ab");
    let objects: Vec<_> = chart.manifests.iter().map(|manifest| manifest.object.clone()).collect();
    assert_eq!(yaml::read_documents(&to_yaml(&chart).unwrap()).unwrap(), objects);
}

#[test]
fn an_invalid_image_reference_is_refused() {
    let templates = Templates::built_in().unwrap();
    for image in ["", "a b", "a\n"] {
        assert!(render_command(&hello(), image, RenderOptions::default(), &templates).is_err(), "{image:?}");
    }
}

#[test]
fn a_failed_template_is_reported_with_its_position() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yaml"), "kind: X\nname: {{ nothing.here }}\n").unwrap();
    let error = render(&Templates::from_dir(dir.path()).unwrap(), &values()).unwrap_err();
    assert!(error.to_string().contains("a.yaml") && !error.to_string().contains("nothing"));
    insta::assert_snapshot!(error.report());
}

#[test]
fn a_template_without_quoting_cannot_leave_the_namespace() {
    let dir = tempfile::tempdir().unwrap();
    let template =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: {{ processes[0].env[3].value | safe }}\n";
    std::fs::write(dir.path().join("a.yaml"), template).unwrap();
    let templates = Templates::from_dir(dir.path()).unwrap();
    for (attack, refused) in [
        ("harmless", false),
        ("1\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: evil}\n", true),
        ("1\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b, namespace: kube-system}\n", true),
        ("1\ndata: {}\n", true),
    ] {
        let mut values = Values::new("hello".parse().unwrap(), ImageRef::verbatim("i"));
        let value = EnvValue::try_from(attack.to_owned()).unwrap();
        values.spec.env.insert(EnvName::try_from("A".to_owned()).unwrap(), EnvSource::Value(value));
        assert_eq!(render(&templates, &values).is_err(), refused, "{attack}");
    }
}

/// The kind, name and namespace of each object.
fn identities(manifests: &[Manifest]) -> Vec<(String, String, String)> {
    let namespace = |m: &Manifest| m.object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    manifests.iter().map(|m| (m.kind().to_owned(), m.name().to_owned(), namespace(m))).collect()
}

/// Collects the path of every scalar in an object.
fn collect_paths(object: &serde_json::Value, path: &str, paths: &mut Vec<String>) {
    match object {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, value)| collect_paths(value, &format!("{path}/{key}"), paths))
        }
        serde_json::Value::Array(list) => {
            list.iter().for_each(|value| collect_paths(value, &format!("{path}/-"), paths))
        }
        _ => paths.push(path.to_owned()),
    }
}

/// The values with these environment variables, except names that slipway refuses.
fn with_env<'a>(env: impl IntoIterator<Item = (&'a str, &'a str)>) -> Values {
    let mut values = values();
    for (name, value) in env {
        if let (Ok(name), Ok(value)) = (EnvName::try_from(name.to_owned()), EnvValue::try_from(value.to_owned())) {
            values.spec.env.insert(name, EnvSource::Value(value));
        }
    }
    values
}

const ATTACKS: [&str; 7] = [
    "\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: evil\n",
    "\"\n---\nkind: Pod\n",
    "{{ app }}",
    "{% include \"_labels.yaml\" %}",
    "x\", \"y\": \"z",
    "\u{2028}---\u{85}",
    "*a &b !!c",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_value_adds_an_object_changes_structure_or_leaves_the_namespace(
        name in "[A-Z_]{1,8}",
        value in "[^\0]*",
        attack in prop::sample::select(&ATTACKS[..]),
        image in any::<String>(),
        version in any::<String>(),
        user in any::<String>(),
    ) {
        let templates = Templates::built_in().unwrap();
        let expected = render(&templates, &with_env([(name.as_str(), "x"), ("Z-attack", "x")])).unwrap().manifests;
        let mut hostile = with_env([(name.as_str(), value.as_str()), ("Z-attack", attack)]);
        hostile.image = ImageRef::verbatim(image.clone());
        hostile.version = Some(format!("v{version}"));
        hostile.user = format!("u{user}");
        let rendered = render(&templates, &hostile).unwrap().manifests;

        prop_assert_eq!(identities(&rendered), identities(&expected));
        for (rendered, expected) in rendered.iter().zip(&expected) {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            collect_paths(&rendered.object, "", &mut left);
            collect_paths(&expected.object, "", &mut right);
            prop_assert_eq!(left, right);
        }
        let container = rendered[0].object.pointer("/spec/template/spec/containers/0").unwrap();
        prop_assert_eq!(container["image"].as_str().unwrap(), image.as_str());
        let variables = container["env"].as_array().unwrap();
        for (name, source) in &hostile.spec.env {
            let EnvSource::Value(value) = source else { panic!() };
            let found = variables.iter().find(|variable| variable["name"] == name.as_str()).unwrap();
            prop_assert_eq!(found["value"].as_str().unwrap(), value.escape_for_kubernetes());
        }
    }
}
