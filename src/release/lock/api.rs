//! Requests for the Lease of a target.

use std::time::Duration;

use futures_util::Stream;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

use crate::domain::Target;
use crate::k8s::{ApiError, with_retries, with_timeout};

/// The Lease of a release that has the name of its namespace.
const LEASE_NAME: &str = "slipway-deploy";

/// The Lease of one target.
pub(super) struct LeaseApi {
    leases: Api<Lease>,
    namespaces: Api<Namespace>,
    name: String,
}

impl LeaseApi {
    pub fn new(client: &Client, target: &Target) -> Self {
        let leases = Api::namespaced(client.clone(), target.namespace.as_str());
        Self { leases, namespaces: Api::all(client.clone()), name: lease_name(target) }
    }

    /// For log messages.
    pub fn namespace(&self) -> Option<&str> {
        self.leases.namespace()
    }

    /// For log messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn read(&self) -> Result<Option<Lease>, ApiError> {
        with_retries("reading the deploy lock", || self.leases.get_opt(&self.name)).await
    }

    /// Creates `lease`, or replaces the existing Lease if `lease` has a resource version.
    pub async fn take(&self, mut lease: Lease) -> Result<Lease, ApiError> {
        let params = PostParams::default();
        lease.metadata.name = Some(self.name.clone());
        with_retries("taking the deploy lock", || async {
            match lease.metadata.resource_version {
                None => self.leases.create(&params, &lease).await,
                Some(_) => self.leases.replace(&self.name, &params, &lease).await,
            }
        })
        .await
    }

    /// As [`LeaseApi::read`], once.
    pub async fn read_once(&self, timeout: Duration) -> Result<Option<Lease>, ApiError> {
        with_timeout("reading the deploy lock", timeout, self.leases.get_opt(&self.name)).await
    }

    /// Whether the namespace of the Lease is gone or being deleted, with one request.
    pub async fn is_namespace_deleted(&self, timeout: Duration) -> Result<bool, ApiError> {
        let Some(name) = self.leases.namespace() else { return Ok(false) };
        let read = self.namespaces.get_opt(name);
        let namespace = with_timeout("reading the namespace of the deploy lock", timeout, read).await?;
        Ok(namespace.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()))
    }

    /// Replaces the Lease, with one request.
    pub async fn replace_once(&self, lease: &Lease, timeout: Duration) -> Result<Lease, ApiError> {
        let params = PostParams::default();
        with_timeout("writing the deploy lock", timeout, self.leases.replace(&self.name, &params, lease)).await
    }

    /// The states of the Lease; `None` while it does not exist.
    pub fn watch(&self) -> impl Stream<Item = Result<Option<Lease>, watcher::Error>> + Send + use<> {
        watcher::watch_object(self.leases.clone(), &self.name).default_backoff()
    }
}

/// Deletes the Lease of a namespace that is no app any more. A failure is only logged: the Lease has no effect there.
pub async fn delete_lease(client: &Client, target: &Target) {
    let (lease, params) = (LeaseApi::new(client, target), DeleteParams::default());
    if let Err(error) = with_retries("deleting the deploy lock", || lease.leases.delete(&lease.name, &params)).await {
        tracing::warn!(app = %target, %error, "the Lease of the deploy lock could not be deleted");
    }
}

/// Releases that share a namespace have Leases of their own.
fn lease_name(target: &Target) -> String {
    if target.is_named_after_namespace() { LEASE_NAME.to_owned() } else { format!("{LEASE_NAME}-{}", target.release) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ClusterName;

    #[test]
    fn releases_of_one_namespace_have_leases_of_their_own() {
        let lease = |namespace: &str, release: &str| {
            let (namespace, release) = (namespace.parse().unwrap(), release.parse().unwrap());
            lease_name(&Target { cluster: ClusterName::home(), namespace, release })
        };
        assert_eq!(lease("web", "web"), "slipway-deploy");
        assert_eq!(lease("shop", "web"), "slipway-deploy-web");
        assert_eq!(lease("shop", "web.v2"), "slipway-deploy-web.v2");
    }
}
