//! Requests for the Lease of an app.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DeleteParams;
use kube::{Api, Client};

use super::lease::LEASE_NAME;
use crate::domain::AppName;
use crate::k8s::{ApiError, with_retries};

pub(super) fn leases(client: &Client, app: &AppName) -> Api<Lease> {
    Api::namespaced(client.clone(), app.as_str())
}

pub(super) async fn read_lease(leases: &Api<Lease>) -> Result<Option<Lease>, ApiError> {
    with_retries("reading the deploy lock", || leases.get_opt(LEASE_NAME)).await
}

/// Deletes the Lease of a namespace that is no app any more. A failure is only logged: the Lease has no effect there.
pub async fn delete_lease(client: &Client, app: &AppName) {
    let (leases, params) = (leases(client, app), DeleteParams::default());
    if let Err(error) = with_retries("deleting the deploy lock", || leases.delete(LEASE_NAME, &params)).await {
        tracing::warn!(%app, %error, "the Lease of the deploy lock could not be deleted");
    }
}
