//! Checks rendered objects: allowed kinds, in the app's namespace, with Helm's ownership metadata.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::ChartError;
use super::yaml;
use crate::domain::{AppName, Manifest};

/// The API group and kind of the objects that a release may contain. Excluded are kinds outside of namespaces, pods without
/// a controller, and permissions beyond the namespace.
const ALLOWED_KINDS: [(&str, &str); 16] = [
    ("", "ConfigMap"),
    ("", "PersistentVolumeClaim"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
];

/// Helm runs objects with this annotation before or after a release; applied with the release, they would run beside its
/// pods.
const HOOK: &str = "helm.sh/hook";

/// Parses the output of the templates, checks each object, and completes its metadata.
pub(super) fn check_objects(app: &AppName, rendered: &[(String, String)]) -> Result<Vec<Manifest>, ChartError> {
    let mut manifests = Vec::new();
    let mut seen = BTreeSet::new();
    for (template, text) in rendered {
        let objects = yaml::read_documents(text)
            .map_err(|source| ChartError::InvalidYaml { template: template.clone(), source })?;
        for object in objects {
            let manifest = check_object(app, template, object, &mut seen)
                .map_err(|reason| ChartError::InvalidObject { template: template.clone(), reason })?;
            manifests.push(manifest);
        }
    }
    Ok(manifests)
}

/// API group, kind and name.
type ObjectKey = (String, String, String);

fn check_object(
    app: &AppName,
    template: &str,
    mut object: Value,
    seen: &mut BTreeSet<ObjectKey>,
) -> Result<Manifest, String> {
    let root = object.as_object_mut().ok_or("a document is not an object")?;
    let (group, kind) = allowed_kind(root)?;
    let metadata = root.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let metadata = metadata.as_object_mut().ok_or_else(|| format!("{kind}: metadata is not an object"))?;
    let name = check_name(metadata).map_err(|reason| format!("{kind}: {reason}"))?;
    set_ownership(app, metadata).map_err(|reason| format!("{kind} {name}: {reason}"))?;
    if root.get("spec").is_some_and(|spec| spec.get("replicas").is_some()) {
        return Err(format!("{kind} {name}: remove spec.replicas: users and autoscalers set the number of replicas"));
    }
    let annotations = root.get("metadata").and_then(|metadata| metadata.get("annotations"));
    if annotations.is_some_and(|annotations| annotations.get(HOOK).is_some()) {
        return Err(format!("{kind} {name}: remove the annotation {HOOK}: slipway runs no hooks of Helm's"));
    }
    if root.contains_key("status") {
        return Err(format!("{kind} {name}: remove status: only the cluster writes it"));
    }
    if !seen.insert((group, kind.clone(), name.clone())) {
        return Err(format!("{kind} {name} occurs twice"));
    }
    Ok(Manifest { source: format!("templates/{template}"), object })
}

/// The object's API group and kind, if a release may contain it.
fn allowed_kind(root: &Map<String, Value>) -> Result<(String, String), String> {
    let text = |key: &str| {
        root.get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("an object has no {key}, or one that is not a string"))
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    if !ALLOWED_KINDS.contains(&(group, kind)) || !is_api_version(version) {
        return Err(format!("a release may not contain a {kind} of {api_version}"));
    }
    Ok((group.to_owned(), kind.to_owned()))
}

/// `v1`, `v2beta2` and the like.
fn is_api_version(text: &str) -> bool {
    let rest = text.strip_prefix('v').unwrap_or_default();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (major, minor) = rest.split_once("alpha").or_else(|| rest.split_once("beta")).unwrap_or((rest, "1"));
    digits(major) && digits(minor)
}

/// The object's name. Its characters keep it a single segment of a URL.
fn check_name(metadata: &Map<String, Value>) -> Result<String, String> {
    if metadata.contains_key("generateName") {
        return Err("remove metadata.generateName: every deploy would create a new object".to_owned());
    }
    let name = metadata.get("name").and_then(Value::as_str).ok_or("metadata.name is missing")?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.len() > 253 || !name.starts_with(edge) || !name.ends_with(edge) || !name.chars().all(allowed) {
        return Err(format!("{name:?} is not a valid name"));
    }
    Ok(name.to_owned())
}

/// Sets the app's namespace, and the metadata that marks the object as part of the app's Helm release.
fn set_ownership(app: &AppName, metadata: &mut Map<String, Value>) -> Result<(), String> {
    set_required(metadata, "namespace", app.as_str())?;
    set_required(section(metadata, "labels")?, "app.kubernetes.io/managed-by", "Helm")?;
    let annotations = section(metadata, "annotations")?;
    set_required(annotations, "meta.helm.sh/release-name", app.as_str())?;
    set_required(annotations, "meta.helm.sh/release-namespace", app.as_str())
}

fn section<'a>(metadata: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Map<String, Value>, String> {
    let section = metadata.entry(key).or_insert_with(|| Value::Object(Map::new()));
    section.as_object_mut().ok_or_else(|| format!("metadata.{key} is not an object"))
}

/// Sets an entry. The template may omit it, but not set another value.
fn set_required(map: &mut Map<String, Value>, key: &str, value: &str) -> Result<(), String> {
    match map.insert(key.to_owned(), Value::from(value)) {
        Some(other) if other != value => Err(format!("{key} is {other}, but must be {value:?}")),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<Manifest>, String> {
        let app = "web".parse().unwrap();
        check_objects(&app, &[("a.yaml".to_owned(), text.to_owned())]).map_err(|error| error.to_string())
    }

    fn config_map(metadata: &str) -> Result<Vec<Manifest>, String> {
        check(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\n"))
    }

    #[test]
    fn a_hook_of_helms_is_refused() {
        let error = config_map(r#"{name: a, annotations: {"helm.sh/hook": pre-install}}"#).unwrap_err();
        assert!(error.contains("ConfigMap a: remove the annotation helm.sh/hook"), "{error}");
    }

    #[test]
    fn an_object_gets_the_namespace_and_helms_ownership_metadata() {
        let manifests = config_map("{name: a}").unwrap();
        assert_eq!(
            manifests[0].object["metadata"],
            serde_json::json!({
                "name": "a",
                "namespace": "web",
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "web"},
            })
        );
        assert_eq!(manifests[0].source, "templates/a.yaml");
    }

    #[test]
    fn an_object_outside_of_the_namespace_or_the_release_is_refused() {
        for metadata in [
            "{name: a, namespace: other}",
            "{name: a, namespace: 5}",
            "{name: a, namespace: null}",
            "{name: a, labels: {app.kubernetes.io/managed-by: me}}",
            "{name: a, annotations: {meta.helm.sh/release-name: other}}",
            "{name: a, labels: []}",
            "{name: ../../kube-system/configmaps/a}",
            "{name: A}",
            "{name: ''}",
            "{name: 5}",
            "{}",
            "[]",
            "{generateName: a-}",
            "{name: a, generateName: a-}",
        ] {
            assert!(config_map(metadata).is_err(), "{metadata}");
        }
    }

    #[test]
    fn only_allowed_kinds_of_allowed_groups_are_accepted() {
        for (api_version, kind) in [
            ("v1", "Namespace"),
            ("v1", "Pod"),
            ("v1", "List"),
            ("v1", "Node"),
            ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
            ("evil.example/v1", "Deployment"),
            ("apps/v1/x", "Deployment"),
            ("apps/../v1", "Deployment"),
            ("v1", "Deployment"),
            ("apps/one", "Deployment"),
            ("", "ConfigMap"),
        ] {
            let text = format!("apiVersion: {api_version:?}\nkind: {kind}\nmetadata: {{name: a}}\n");
            assert!(check(&text).is_err(), "{api_version} {kind}");
        }
        for (group, kind) in ALLOWED_KINDS {
            let slash = if group.is_empty() { "" } else { "/" };
            let text = format!("apiVersion: {group}{slash}v1beta1\nkind: {kind}\nmetadata: {{name: a}}\n");
            assert!(check(&text).is_ok(), "{group} {kind}");
        }
    }

    #[test]
    fn replicas_status_and_duplicates_are_refused() {
        let object = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";
        assert!(check(&format!("{object}spec: {{}}\n")).is_ok());
        for bad in [
            format!("{object}spec: {{replicas: 1}}\n"),
            format!("{object}spec: {{replicas: null}}\n"),
            format!("{object}status: {{}}\n"),
            format!("{object}---\n{object}"),
            "hello\n".to_owned(),
            "- a\n".to_owned(),
            "apiVersion: v1\nkind: ConfigMap\n".to_owned(),
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
        assert!(check("---\n---\n# nothing\n").unwrap().is_empty());
    }
}
