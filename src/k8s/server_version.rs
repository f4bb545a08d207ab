//! The version of the API server.

use kube::Client;

use super::{ApiError, with_retries};
use crate::domain::KubeVersion;

/// # Errors
/// [`ApiError`] if the API server does not respond.
pub async fn server_version(client: &Client) -> Result<KubeVersion, ApiError> {
    let info = with_retries("reading the version of the API server", || client.apiserver_version()).await?;
    let version = format!("{}.{}", info.major, info.minor);
    Ok(version.parse().unwrap_or_else(|error| {
        tracing::warn!(%error, "the API server reports no usable version; newer fields are not used");
        KubeVersion::new(1, 20)
    }))
}
