//! Storing keys. Others may store at the same time, from this process or another.

use std::collections::BTreeSet;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::error::KeysError;
use super::grant::UploadGrant;
use super::index::Index;
use super::parse::AuthorizedKey;
use super::plan::{Added, Plan, Write, plan};
use super::shard::{Shard, selector};
use crate::domain::labels;

/// Stores keys, having read what is there: for commands that run once. The server has
/// [`super::KeyStore::add`], which knows what is there.
///
/// # Errors
/// [`KeysError`]; a key that belongs to somebody else is refused, and with it the upload.
pub async fn add_keys(
    client: &Client,
    namespace: &str,
    grant: &UploadGrant,
    keys: &[AuthorizedKey],
) -> Result<Added, KeysError> {
    let api = Api::namespaced(client.clone(), namespace);
    let mut index = Index::default();
    refresh(&mut index, &api).await?;
    let first = plan(&index, grant, keys, &BTreeSet::new())?;
    carry_out(&api, grant, keys, first, index).await
}

/// Reads everything that is stored now. Only what differs from the index is parsed.
pub(super) async fn refresh(index: &mut Index, api: &Api<ConfigMap>) -> Result<(), KeysError> {
    let list = api.list(&ListParams::default().labels(&selector())).await.map_err(KeysError::reading)?;
    index.replace(list.items.into_iter().filter_map(Shard::from_config_map));
    Ok(())
}

/// Performs a plan. If someone else wrote since it was made, makes another from what is there now;
/// `index` may be empty or old.
pub(super) async fn carry_out(
    api: &Api<ConfigMap>,
    grant: &UploadGrant,
    keys: &[AuthorizedKey],
    first: Plan,
    mut index: Index,
) -> Result<Added, KeysError> {
    let mut current = first;
    let mut added = None;
    let mut taken = BTreeSet::new();
    for delay in patience() {
        let done = perform(api, &current.writes).await?;
        let Some(stale) = current.writes.get(done) else {
            return Ok(added.unwrap_or(current.added));
        };
        if stale.version.is_none() {
            taken.insert(stale.shard.clone());
        }
        if done > 0 {
            added.get_or_insert(current.added);
        }
        tokio::time::sleep(delay).await;
        refresh(&mut index, api).await?;
        current = plan(&index, grant, keys, &taken)?;
    }
    Err(KeysError::Contended)
}

/// A hundred processes that write one ConfigMap need up to a hundred rounds, spread by jitter.
fn patience() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(500))
        .with_max_times(100)
        .with_jitter()
        .build()
}

/// How many of the writes were done before one turned out to be based on something old.
async fn perform(api: &Api<ConfigMap>, writes: &[Write]) -> Result<usize, KeysError> {
    for (done, write) in writes.iter().enumerate() {
        match send(api, write).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if is_stale(&status, write) => return Ok(done),
            Err(error) => return Err(KeysError::writing(error)),
        }
    }
    Ok(writes.len())
}

/// Changed, deleted or created meanwhile. A ConfigMap that can't be created because something is
/// not found lacks its namespace, which no retry brings.
fn is_stale(status: &kube::core::Status, write: &Write) -> bool {
    status.is_conflict() || status.is_already_exists() || (status.is_not_found() && write.version.is_some())
}

/// One entry changes; the others, and what else stands in the ConfigMap, are not even sent.
async fn send(api: &Api<ConfigMap>, write: &Write) -> Result<ConfigMap, kube::Error> {
    let Some(version) = &write.version else {
        return api.create(&PostParams::default(), &new_config_map(write)).await;
    };
    let patch = json!({
        "metadata": { "resourceVersion": version },
        "data": { write.user.as_str(): write.lines },
    });
    api.patch(&write.shard, &PatchParams::default(), &Patch::Merge(patch)).await
}

fn new_config_map(write: &Write) -> ConfigMap {
    let labels = [(labels::KEYS, write.role.label()), ("app.kubernetes.io/managed-by", "slipway")];
    let metadata = ObjectMeta {
        name: Some(write.shard.clone()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    };
    let entry = write.lines.clone().map(|lines| (write.user.to_string(), lines));
    ConfigMap { metadata, data: Some(entry.into_iter().collect()), ..ConfigMap::default() }
}
