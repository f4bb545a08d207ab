//! Namespaces and objects, as many as are needed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use slipway::domain::labels;

/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// How long many namespaces may take to go.
const REMOVAL: Duration = Duration::from_secs(900);

/// The namespace of an app, as the slipway whose own namespace is `home` makes it for an owner.
pub fn app_namespace(name: &str, owner: &str, home: &str) -> Namespace {
    let metadata = json!({
        "name": name,
        "labels": {labels::APP: name, "app.kubernetes.io/managed-by": "slipway"},
        "annotations": {labels::OWNER: owner, labels::INSTALLATION: home},
    });
    Namespace { metadata: serde_json::from_value(metadata).unwrap_or_default(), ..Namespace::default() }
}

/// A namespace that is nothing to slipway.
pub fn plain_namespace(name: &str) -> Namespace {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Namespace { metadata, ..Namespace::default() }
}

/// Makes namespaces.
///
/// # Errors
/// If one cannot be made.
pub async fn make(client: &Client, namespaces: Vec<Namespace>) -> Result<()> {
    create(&Api::all(client.clone()), namespaces).await
}

/// Makes objects in a namespace.
///
/// # Errors
/// If one cannot be made.
pub async fn make_in<K>(client: &Client, namespace: &str, objects: Vec<K>) -> Result<()>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    create(&Api::namespaced(client.clone(), namespace), objects).await
}

async fn create<K>(api: &Api<K>, objects: Vec<K>) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let made = stream::iter(objects).map(|object| async move {
        let name = object.name_any();
        api.create(&PostParams::default(), &object).await.with_context(|| format!("cannot make {name}"))
    });
    made.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await
}

/// Removes namespaces and waits until they have gone. One that is not there is no trouble.
///
/// # Errors
/// If one stays.
pub async fn remove(client: &Client, names: &[String]) -> Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    let background = DeleteParams::background();
    let removed = stream::iter(names).map(|name| api.delete(name, &background));
    let answers: Vec<_> = removed.buffer_unordered(AT_ONCE).collect().await;
    for error in answers.into_iter().filter_map(Result::err) {
        if !matches!(&error, kube::Error::Api(status) if status.code == 404 || status.code == 409) {
            return Err(error).context("cannot remove a namespace");
        }
    }
    let began = Instant::now();
    loop {
        let there = api.list_metadata(&ListParams::default()).await.context("cannot list namespaces")?;
        let left = there.iter().filter(|namespace| names.contains(&namespace.name_any())).count();
        if left == 0 {
            return Ok(());
        }
        if began.elapsed() > REMOVAL {
            bail!("{left} namespaces have not gone within {REMOVAL:?}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
