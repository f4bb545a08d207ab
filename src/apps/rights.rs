//! slipway's rights inside the namespace of an app: one fixed ClusterRole, bound there and nowhere else, so that slipway
//! reads no Secret of a namespace that is no app.

use std::str::FromStr;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

use super::error::AppsError;
use crate::clusters::{Right, call, is_allowed};
use crate::domain::AppName;

/// The RoleBinding's name in each app's namespace.
const NAME: &str = "slipway";
/// How long a new binding may take until the API server's authorizer has heard of it, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(100);

/// Which rights slipway has in the namespace of an app, and as whom.
#[derive(Debug, Clone)]
pub struct AppRights {
    /// The ClusterRole.
    pub role: String,
    /// slipway itself.
    pub account: ServiceAccount,
}

/// A service account.
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

impl AppRights {
    /// Binds the role in the app's namespace, unless that was done before, and waits until it counts.
    ///
    /// # Errors
    /// [`AppsError`]; [`AppsError::NoRights`] if it does not count in time.
    pub async fn take(&self, client: &Client, app: &AppName) -> Result<(), AppsError> {
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), app.as_str());
        if call("reading slipway's own rights", || bindings.get_opt(NAME)).await?.is_some() {
            return Ok(());
        }
        let (params, binding) = (PostParams::default(), self.binding());
        match call("binding slipway's rights", || bindings.create(&params, &binding)).await {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => tracing::info!(%app, role = self.role, "rights bound"),
        }
        until_they_count(client, app).await
    }

    /// Gives the rights up in a namespace that is no app any more.
    ///
    /// # Errors
    /// [`AppsError`].
    pub async fn give_up(&self, client: &Client, app: &AppName) -> Result<(), AppsError> {
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), app.as_str());
        let params = DeleteParams::default();
        match call("giving slipway's rights up", || bindings.delete(NAME, &params)).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn binding(&self) -> RoleBinding {
        let ServiceAccount { namespace, name } = self.account.clone();
        let subject = Subject { kind: "ServiceAccount".into(), namespace: Some(namespace), name, ..Subject::default() };
        let role = RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: self.role.clone(),
        };
        let labels = [("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned())];
        let metadata = ObjectMeta { name: Some(NAME.into()), labels: Some(labels.into()), ..ObjectMeta::default() };
        RoleBinding { metadata, role_ref: role, subjects: Some(vec![subject]) }
    }
}

/// The first thing that a deploy does in the namespace is to lock the app.
async fn until_they_count(client: &Client, app: &AppName) -> Result<(), AppsError> {
    let right = Right {
        verb: "create",
        group: "coordination.k8s.io",
        resource: "leases",
        name: None,
        namespace: Some(app.to_string()),
    };
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if is_allowed(client, &right).await? {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    Err(AppsError::NoRights(app.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{api_server, not_found};

    fn rights() -> AppRights {
        AppRights { role: "slipway-app".into(), account: "slipway/slipway".parse().unwrap() }
    }

    #[test]
    fn a_service_account_has_two_names() {
        assert!("slipway/slipway".parse::<ServiceAccount>().is_ok());
        for text in ["slipway", "/a", "a/", "a/b/c", ""] {
            assert!(text.parse::<ServiceAccount>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_new_binding_is_waited_for_until_it_counts() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let client = api_server(move |request| match (request.method().as_str(), request.uri().path()) {
            ("GET", _) => not_found(),
            (_, path) if path.ends_with("/rolebindings") => (
                201,
                json!({"kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {},
                             "roleRef": {"apiGroup": "", "kind": "", "name": ""}}),
            ),
            _ => {
                let allowed = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2;
                (
                    201,
                    json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                             "metadata": {}, "spec": {}, "status": {"allowed": allowed}}),
                )
            }
        });
        rights().take(&client, &"web".parse().unwrap()).await.unwrap();
    }
}
