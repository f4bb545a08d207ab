//! The number of pods that an app's files ask for, in annotations of the manifest.
//!
//! The count belongs to the person or autoscaler that scales the app. The files decide it when the object is created, and when
//! their number changes; a deploy with an unchanged number, or without one, leaves the count as it is. An undo restores the
//! previous count.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::apply;
use super::apply_mode::{ApplyMode, OnFieldConflict};
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::StepError;
use super::object_id::ObjectId;
use super::replicas::{ReplicaCount, read, share_count};
use crate::domain::{Manifest, labels};

/// The annotations of a manifest or of a live object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Declared {
    /// The number in the files.
    count: Option<u32>,
    /// The number for a new object.
    initial: Option<u32>,
    /// The live count before the files' number was applied.
    before: Option<u32>,
}

impl Declared {
    fn read(annotation: impl Fn(&str) -> Option<String>) -> Self {
        let number = |key| annotation(key)?.parse().ok();
        Self {
            count: number(labels::REPLICAS),
            initial: number(labels::INITIAL_REPLICAS),
            before: number(labels::REPLICAS_BEFORE),
        }
    }

    fn of_manifest(manifest: &Manifest) -> Self {
        let annotations = manifest.object.pointer("/metadata/annotations");
        Self::read(|key| Some(annotations?.get(key)?.as_str()?.to_owned()))
    }

    fn of_live(live: &DynamicObject) -> Self {
        Self::read(|key| live.annotations().get(key).cloned())
    }
}

/// Applies an object, with the number of pods that its manifest declares if the object is new or was declared with another
/// number. An existing object is scaled last, so that no pods of the template before are started.
pub(super) async fn apply_with_replicas(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<DynamicObject, StepError> {
    let declared = Declared::of_manifest(manifest);
    if !is_workload(manifest) || (declared == Declared::default() && context.mode != ApplyMode::Restore) {
        return apply::apply(context, discovery, manifest).await;
    }
    let (id, resource) = (ObjectId::from_manifest(manifest), discovery.resolve(manifest).await?);
    match (read(&resource, &id).await?, declared.count.or(declared.initial)) {
        (None, None) => apply::apply(context, discovery, manifest).await,
        (None, Some(count)) => {
            let created = apply::apply(context, discovery, &with_replicas(manifest, count)).await?;
            let count = ReplicaCount::unforced(count.into());
            share_count(context.lock, &resource, &id, &created, count).await?;
            apply::apply(context, discovery, manifest).await
        }
        (Some(live), _) => {
            let applied = apply::apply(context, discovery, manifest).await?;
            let Some(count) = wanted_count(context.mode, declared, &live) else { return Ok(applied) };
            Ok(share_count(context.lock, &resource, &id, &applied, count).await?.unwrap_or(applied))
        }
    }
}

/// The count that an existing object gets; `None` if its own stays.
fn wanted_count(mode: ApplyMode, declared: Declared, live: &DynamicObject) -> Option<ReplicaCount> {
    let (was, count) = (Declared::of_live(live), live.data.pointer("/spec/replicas").and_then(Value::as_u64));
    let is_changed = declared.count != was.count;
    let (wanted, before) = match mode {
        ApplyMode::Restore if is_changed => (was.before.or(declared.count)?, None),
        ApplyMode::Deploy(_) if is_changed => (declared.count?, count),
        // An autoscaler leaves an object alone that is scaled to nothing.
        ApplyMode::Deploy(_) if count == Some(0) => (declared.initial.filter(|initial| *initial > 0)?, count),
        _ => return None,
    };
    Some(ReplicaCount { count: wanted.into(), before, on_conflict: OnFieldConflict::Force })
}

fn is_workload(manifest: &Manifest) -> bool {
    matches!(manifest.kind(), "Deployment" | "StatefulSet")
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

    const DEPLOY: ApplyMode = ApplyMode::Deploy(OnFieldConflict::Refuse);

    fn live(annotations: Value, replicas: u32) -> DynamicObject {
        let metadata = json!({"name": "a", "annotations": annotations});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"replicas": replicas}})).unwrap()
    }

    fn wanted(mode: ApplyMode, declared: Declared, live: &DynamicObject) -> Option<(u64, Option<u64>)> {
        wanted_count(mode, declared, live).map(|wanted| (wanted.count, wanted.before))
    }

    #[test]
    fn only_a_changed_number_of_the_files_is_applied() {
        let two = Declared { count: Some(2), ..Declared::default() };
        let idle = Declared { initial: Some(0), ..Declared::default() };
        let declared_two = live(json!({labels::REPLICAS: "2"}), 4);
        assert_eq!(wanted(DEPLOY, two, &declared_two), None, "unchanged");
        assert_eq!(wanted(DEPLOY, two, &live(json!({}), 4)), Some((2, Some(4))), "new");
        assert_eq!(wanted(DEPLOY, idle, &declared_two), None, "the number is gone");
        assert_eq!(wanted(DEPLOY, idle, &live(json!({}), 0)), None, "a process that no user has scaled");
    }

    #[test]
    fn an_autoscaled_object_is_not_left_at_zero() {
        let scaled = Declared { initial: Some(2), ..Declared::default() };
        assert_eq!(wanted(DEPLOY, scaled, &live(json!({}), 0)), Some((2, Some(0))));
        assert_eq!(wanted(DEPLOY, scaled, &live(json!({}), 5)), None);
    }

    #[test]
    fn an_undo_brings_the_count_back_that_was_there_before() {
        let failed = live(json!({labels::REPLICAS: "5", labels::REPLICAS_BEFORE: "3"}), 5);
        assert_eq!(wanted(ApplyMode::Restore, Declared::default(), &failed), Some((3, None)));
        let two = Declared { count: Some(2), ..Declared::default() };
        assert_eq!(wanted(ApplyMode::Restore, two, &failed), Some((3, None)));
        assert_eq!(wanted(ApplyMode::Restore, two, &live(json!({labels::REPLICAS: "2"}), 7)), None);
        assert_eq!(wanted(ApplyMode::Restore, two, &live(json!({labels::REPLICAS: "5"}), 5)), Some((2, None)));
    }

    #[test]
    fn the_number_is_read_from_the_annotations() {
        let manifest = |annotations: Value| Manifest {
            source: String::new(),
            object: json!({"kind": "Deployment", "metadata": {"name": "a", "annotations": annotations}, "spec": {}}),
        };
        assert_eq!(Declared::of_manifest(&manifest(json!({labels::REPLICAS: "0"}))).count, Some(0));
        assert_eq!(Declared::of_manifest(&manifest(json!({labels::REPLICAS: "many"}))), Declared::default());
        assert_eq!(with_replicas(&manifest(json!({})), 3).object["spec"]["replicas"], 3);
    }
}
