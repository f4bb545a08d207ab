//! Writes of uploaded keys, with retries after conflicts with concurrent writers.

use std::collections::BTreeSet;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::error::KeysError;
use super::index::KeyIndex;
use super::parse::AuthorizedKey;
use super::plan::{ShardPatch, UploadPlan, UploadResult, plan_upload};
use super::shard::{Shard, label_selector};
use crate::auth::UploadGrant;
use crate::domain::labels;
use crate::k8s::{ApiError, with_retries};

/// Stores keys after reading all ConfigMaps, for commands that run once. The server uses [`super::KeyStore::add`],
/// which plans from its cache.
///
/// # Errors
/// [`KeysError`]; [`KeysError::KeyOwnedByOther`] refuses the whole upload.
pub async fn add_keys(
    client: &Client,
    namespace: &str,
    grant: &UploadGrant,
    keys: &[AuthorizedKey],
) -> Result<UploadResult, KeysError> {
    let api = Api::namespaced(client.clone(), namespace);
    let mut index = KeyIndex::default();
    refresh_index(&mut index, &api).await?;
    let plan = plan_upload(&index, grant, keys, &BTreeSet::new())?;
    apply_plan(&api, grant, keys, plan, index).await
}

/// Lists the stored keys. Parses only entries that differ from those in the index.
pub(super) async fn refresh_index(index: &mut KeyIndex, api: &Api<ConfigMap>) -> Result<(), KeysError> {
    let params = ListParams::default().labels(&label_selector());
    let list = with_retries("listing the keys", || api.list(&params)).await.map_err(KeysError::from_read)?;
    index.replace(list.items.into_iter().filter_map(Shard::from_config_map));
    Ok(())
}

/// Applies a plan. After a conflict, makes and applies a new plan; `index` is refreshed for it and may be empty or
/// outdated before.
pub(super) async fn apply_plan(
    api: &Api<ConfigMap>,
    grant: &UploadGrant,
    keys: &[AuthorizedKey],
    mut plan: UploadPlan,
    mut index: KeyIndex,
) -> Result<UploadResult, KeysError> {
    let mut result = None;
    let mut taken_names = BTreeSet::new();
    for delay in retry_delays() {
        let applied = apply_patches(api, &plan.patches).await?;
        let Some(conflicting) = plan.patches.get(applied) else {
            return Ok(result.unwrap_or(plan.result));
        };
        if conflicting.resource_version.is_none() {
            taken_names.insert(conflicting.shard.clone());
        }
        if applied > 0 {
            result.get_or_insert(plan.result);
        }
        tokio::time::sleep(delay).await;
        refresh_index(&mut index, api).await?;
        plan = plan_upload(&index, grant, keys, &taken_names)?;
    }
    Err(KeysError::Contended)
}

/// A hundred processes that write to one ConfigMap need up to a hundred rounds, spread by jitter.
fn retry_delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(500))
        .with_max_times(100)
        .with_jitter()
        .build()
}

/// Returns how many patches were applied before the first conflict.
async fn apply_patches(api: &Api<ConfigMap>, patches: &[ShardPatch]) -> Result<usize, KeysError> {
    for (applied, patch) in patches.iter().enumerate() {
        match apply_patch(api, patch).await {
            Ok(()) => {}
            Err(error) if is_conflict(&error, patch) => return Ok(applied),
            Err(error) => return Err(KeysError::from_write(error)),
        }
    }
    Ok(patches.len())
}

/// Whether another client changed, deleted or created the ConfigMap in the meantime. The other client is slipway itself if the
/// response to a first attempt was lost; the next plan then finds the keys stored. A creation that fails with "not found"
/// lacks its namespace, which no retry can fix.
fn is_conflict(error: &ApiError, patch: &ShardPatch) -> bool {
    error.is_conflict() || error.is_already_exists() || (error.is_not_found() && patch.resource_version.is_some())
}

/// Sends only the entry that changes, not the rest of the ConfigMap.
async fn apply_patch(api: &Api<ConfigMap>, patch: &ShardPatch) -> Result<(), ApiError> {
    let Some(resource_version) = &patch.resource_version else {
        let (params, map) = (PostParams::default(), new_config_map(patch));
        return with_retries("storing a key", || api.create(&params, &map)).await.map(drop);
    };
    let body = json!({
        "metadata": { "resourceVersion": resource_version },
        "data": { patch.user.as_str(): patch.lines },
    });
    let (params, body) = (PatchParams::default(), Patch::Merge(body));
    with_retries("storing a key", || api.patch(&patch.shard, &params, &body)).await.map(drop)
}

fn new_config_map(patch: &ShardPatch) -> ConfigMap {
    let labels = [(labels::KEYS, patch.role.label()), ("app.kubernetes.io/managed-by", "slipway")];
    let metadata = ObjectMeta {
        name: Some(patch.shard.clone()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    };
    let entry = patch.lines.clone().map(|lines| (patch.user.to_string(), lines));
    ConfigMap { metadata, data: Some(entry.into_iter().collect()), ..ConfigMap::default() }
}
