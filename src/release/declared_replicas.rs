//! The number of pods that an app's files ask for, in an annotation of the manifest.
//!
//! The count belongs to the person or autoscaler that scales the app. The files decide it when the object is created, and when their number
//! changes; a deploy with an unchanged number leaves the count as it is.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::apply;
use super::apply_mode::OnFieldConflict;
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::StepError;
use super::object_id::ObjectId;
use super::replicas::{read, share_count};
use crate::domain::{Manifest, labels};

/// The number in the manifest's annotation.
fn declared(manifest: &Manifest) -> Option<u32> {
    let annotations = manifest.object.pointer("/metadata/annotations")?;
    annotations.get(labels::REPLICAS)?.as_str()?.parse().ok()
}

/// Applies an object, with the declared number of pods if the object is new or was declared with another number. An existing
/// object is scaled last, so that no pods of the template before are started.
pub(super) async fn apply_with_replicas(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<DynamicObject, StepError> {
    let Some(count) = declared(manifest) else { return apply::apply(context, discovery, manifest).await };
    let (id, resource) = (ObjectId::from_manifest(manifest), discovery.resolve(manifest).await?);
    match read(&resource, &id).await? {
        None => {
            let created = apply::apply(context, discovery, &with_replicas(manifest, count)).await?;
            share_count(context.lock, &resource, &id, &created, count.into(), OnFieldConflict::Refuse).await?;
            apply::apply(context, discovery, manifest).await
        }
        Some(live) => {
            let applied = apply::apply(context, discovery, manifest).await?;
            if was_declared_with(&live, count) {
                return Ok(applied);
            }
            let scaled = share_count(context.lock, &resource, &id, &applied, count.into(), OnFieldConflict::Force);
            Ok(scaled.await?.unwrap_or(applied))
        }
    }
}

fn was_declared_with(live: &DynamicObject, count: u32) -> bool {
    live.annotations().get(labels::REPLICAS).is_some_and(|declared| *declared == count.to_string())
}

/// The manifest with the number in its `spec`, for the first apply.
fn with_replicas(manifest: &Manifest, count: u32) -> Manifest {
    let mut manifest = manifest.clone();
    if let Some(spec) = manifest.object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("replicas".to_owned(), count.into());
    }
    manifest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_number_in_the_annotation_is_declared() {
        let manifest = |annotations: Value| Manifest {
            source: String::new(),
            object: json!({"kind": "Deployment", "metadata": {"name": "a", "annotations": annotations}, "spec": {}}),
        };
        assert_eq!(declared(&manifest(json!({labels::REPLICAS: "0"}))), Some(0));
        assert_eq!(declared(&manifest(json!({labels::REPLICAS: "many"}))), None);
        assert_eq!(declared(&manifest(json!({}))), None);
        assert_eq!(with_replicas(&manifest(json!({})), 3).object["spec"]["replicas"], 3);
    }
}
