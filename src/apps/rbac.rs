//! slipway's permissions in the namespace of an app: a RoleBinding to one fixed ClusterRole, so that slipway can read
//! no Secret outside the namespaces of apps.

use std::str::FromStr;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

use super::error::AppsError;
use crate::domain::AppName;
use crate::k8s::{Permission, has_permission, with_retries};

/// The name of the RoleBinding in each app's namespace.
const ROLE_BINDING: &str = "slipway";
/// How long the API server's authorizer may take to observe a new RoleBinding.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The ClusterRole that slipway binds in each app's namespace, and its own service account.
#[derive(Debug, Clone)]
pub struct AppRoleBinding {
    /// The name of the ClusterRole.
    pub role: String,
    /// slipway's own service account.
    pub account: ServiceAccount,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    namespace: String,
    name: String,
}

impl FromStr for ServiceAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("write NAMESPACE/NAME".to_owned()),
        }
    }
}

impl AppRoleBinding {
    /// Creates the RoleBinding in the app's namespace unless it exists, and waits until it takes effect.
    ///
    /// # Errors
    /// [`AppsError`]; [`AppsError::PermissionPending`] if the RoleBinding does not take effect in time.
    pub(super) async fn bind(&self, client: &Client, app: &AppName) -> Result<(), AppsError> {
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), app.as_str());
        if with_retries("reading slipway's RoleBinding", || bindings.get_opt(ROLE_BINDING)).await?.is_some() {
            return Ok(());
        }
        let (params, manifest) = (PostParams::default(), self.manifest());
        match with_retries("creating slipway's RoleBinding", || bindings.create(&params, &manifest)).await {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => tracing::info!(%app, role = self.role, "role bound"),
        }
        wait_effective(client, app).await
    }

    /// Deletes the RoleBinding from a namespace that is no longer an app's.
    ///
    /// # Errors
    /// [`AppsError`]
    pub(super) async fn unbind(&self, client: &Client, app: &AppName) -> Result<(), AppsError> {
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), app.as_str());
        let params = DeleteParams::default();
        match with_retries("deleting slipway's RoleBinding", || bindings.delete(ROLE_BINDING, &params)).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn manifest(&self) -> RoleBinding {
        let ServiceAccount { namespace, name } = self.account.clone();
        let subject = Subject { kind: "ServiceAccount".into(), namespace: Some(namespace), name, ..Subject::default() };
        let role = RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: self.role.clone(),
        };
        let labels = [("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned())];
        let metadata =
            ObjectMeta { name: Some(ROLE_BINDING.into()), labels: Some(labels.into()), ..ObjectMeta::default() };
        RoleBinding { metadata, role_ref: role, subjects: Some(vec![subject]) }
    }
}

/// Waits until slipway may create a Lease in the namespace, which is the first request of every deploy.
async fn wait_effective(client: &Client, app: &AppName) -> Result<(), AppsError> {
    let permission = Permission {
        verb: "create",
        group: "coordination.k8s.io",
        resource: "leases",
        name: None,
        namespace: Some(app.to_string()),
    };
    let deadline = Instant::now() + EFFECT_TIMEOUT;
    while Instant::now() < deadline {
        if has_permission(client, &permission).await? {
            return Ok(());
        }
        sleep(POLL_INTERVAL).await;
    }
    Err(AppsError::PermissionPending(app.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{fake_api_server, not_found};

    #[test]
    fn a_service_account_has_a_namespace_and_a_name() {
        assert!("slipway/slipway".parse::<ServiceAccount>().is_ok());
        for text in ["slipway", "/a", "a/", "a/b/c", ""] {
            assert!(text.parse::<ServiceAccount>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_new_role_binding_is_polled_until_it_takes_effect() {
        let reviews = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let client = fake_api_server(move |request| match (request.method().as_str(), request.uri().path()) {
            ("GET", _) => not_found(),
            (_, path) if path.ends_with("/rolebindings") => (
                201,
                json!({"kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {},
                             "roleRef": {"apiGroup": "", "kind": "", "name": ""}}),
            ),
            _ => {
                let allowed = reviews.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2;
                (
                    201,
                    json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                             "metadata": {}, "spec": {}, "status": {"allowed": allowed}}),
                )
            }
        });
        let role = AppRoleBinding { role: "slipway-app".into(), account: "slipway/slipway".parse().unwrap() };
        role.bind(&client, &"web".parse().unwrap()).await.unwrap();
    }
}
