//! Bulk creation and deletion of namespaces and objects.

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

const CONCURRENT_REQUESTS: usize = 16;
/// A thousand namespaces take minutes to be finalised.
const DELETE_TIMEOUT: Duration = Duration::from_secs(900);

/// The namespace of an app, as the slipway in namespace `installation` creates it for an owner.
pub fn app_namespace(name: &str, owner: &str, installation: &str) -> Namespace {
    let metadata = json!({
        "name": name,
        "labels": {labels::APP: name, "app.kubernetes.io/managed-by": "slipway"},
        "annotations": {labels::OWNER: owner, labels::INSTALLATION: installation},
    });
    Namespace { metadata: serde_json::from_value(metadata).unwrap_or_default(), ..Namespace::default() }
}

/// A namespace that is not an app of slipway's.
pub fn unowned_namespace(name: &str) -> Namespace {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Namespace { metadata, ..Namespace::default() }
}

pub async fn create_namespaces(client: &Client, namespaces: Vec<Namespace>) -> Result<()> {
    create(&Api::all(client.clone()), namespaces).await
}

pub async fn create_objects<K>(client: &Client, namespace: &str, objects: Vec<K>) -> Result<()>
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
    let created = stream::iter(objects).map(|object| async move {
        let name = object.name_any();
        api.create(&PostParams::default(), &object).await.with_context(|| format!("cannot create {name}"))
    });
    created.buffer_unordered(CONCURRENT_REQUESTS).try_for_each(|_| async { Ok(()) }).await
}

/// Deletes namespaces and waits until they are gone. A missing namespace is not an error.
pub async fn delete_namespaces(client: &Client, names: &[String]) -> Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    let background = DeleteParams::background();
    let deleted = stream::iter(names).map(|name| api.delete(name, &background));
    let responses: Vec<_> = deleted.buffer_unordered(CONCURRENT_REQUESTS).collect().await;
    for error in responses.into_iter().filter_map(Result::err) {
        if !matches!(&error, kube::Error::Api(status) if status.code == 404 || status.code == 409) {
            return Err(error).context("cannot delete a namespace");
        }
    }
    let began = Instant::now();
    loop {
        let list = api.list_metadata(&ListParams::default()).await.context("cannot list namespaces")?;
        let left = list.iter().filter(|namespace| names.contains(&namespace.name_any())).count();
        if left == 0 {
            return Ok(());
        }
        if began.elapsed() > DELETE_TIMEOUT {
            bail!("{left} namespaces were not deleted within {DELETE_TIMEOUT:?}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
