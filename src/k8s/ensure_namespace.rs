//! The namespace that slipway itself runs in.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::request::{ApiError, with_retries};

/// Creates the namespace unless it exists.
///
/// # Errors
/// [`ApiError`] of the request that failed.
pub async fn ensure_namespace(client: &Client, name: &str) -> Result<(), ApiError> {
    let namespaces = Api::<Namespace>::all(client.clone());
    if with_retries("reading slipway's own namespace", || namespaces.get_opt(name)).await?.is_some() {
        return Ok(());
    }
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let (params, manifest) = (PostParams::default(), Namespace { metadata, ..Namespace::default() });
    match with_retries("creating slipway's own namespace", || namespaces.create(&params, &manifest)).await {
        // Another gateway created it between the two requests.
        Err(error) if error.is_already_exists() => Ok(()),
        created => created.map(drop),
    }
}
