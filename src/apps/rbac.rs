//! slipway's permissions in the namespace of an app: a RoleBinding to one fixed ClusterRole, so that slipway can read
//! no Secret outside the namespaces of apps.

use std::str::FromStr;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, sleep};

use super::error::AppsError;
use crate::domain::AppName;
use crate::k8s::{ApiError, Permission, has_permission, with_retries};

/// The name of the RoleBinding in each app's namespace.
const ROLE_BINDING: &str = "slipway";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const MANAGER: &str = "slipway";
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

/// The state of the RoleBinding of slipway's name in an app's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    /// It binds slipway's account to the role.
    Effective,
    /// slipway made it, for another role or account.
    Outdated,
    /// Another tool made it.
    Foreign,
}

impl AppRoleBinding {
    /// Creates the RoleBinding in the app's namespace unless it exists, and waits until it takes effect. Replaces one that
    /// slipway made for another role or account.
    ///
    /// # Errors
    /// [`AppsError::RoleBindingTaken`] if a RoleBinding of that name is not slipway's, or cannot be replaced;
    /// [`AppsError::PermissionPending`] if the RoleBinding does not take effect in time; [`AppsError`].
    pub(super) async fn bind(&self, client: &Client, app: &AppName) -> Result<(), AppsError> {
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), app.as_str());
        if let Some(binding) = read_binding(&bindings).await? {
            match self.classify(&binding) {
                Existing::Effective => return Ok(()),
                Existing::Foreign => return Err(self.taken(app)),
                // The role of an API object can never change, hence the deletion.
                Existing::Outdated => match delete_binding(&bindings, &binding).await {
                    Err(error) if error.is_forbidden() => return Err(self.taken(app)),
                    deleted => deleted?,
                },
            }
        }
        self.create(&bindings, app).await?;
        wait_effective(client, app).await
    }

    async fn create(&self, bindings: &Api<RoleBinding>, app: &AppName) -> Result<(), AppsError> {
        let (params, manifest) = (PostParams::default(), self.manifest());
        match with_retries("creating slipway's RoleBinding", || bindings.create(&params, &manifest)).await {
            // Another deploy created it since it was read.
            Err(error) if error.is_already_exists() => {}
            created => drop(created?),
        }
        tracing::info!(%app, role = self.role, "role bound");
        Ok(())
    }

    /// Deletes the RoleBinding from a namespace that is no longer an app's, unless another tool made it.
    ///
    /// # Errors
    /// [`AppsError`]
    pub(super) async fn unbind(&self, client: &Client, app: &AppName) -> Result<(), AppsError> {
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), app.as_str());
        match read_binding(&bindings).await? {
            Some(binding) if self.classify(&binding) != Existing::Foreign => {
                Ok(delete_binding(&bindings, &binding).await?)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn classify(&self, binding: &RoleBinding) -> Existing {
        let wanted = self.manifest();
        let has_subject = |subject| binding.subjects.iter().flatten().any(|other| other == subject);
        if binding.role_ref == wanted.role_ref && wanted.subjects.iter().flatten().all(has_subject) {
            Existing::Effective
        } else if binding.labels().get(MANAGED_BY).is_some_and(|value| value == MANAGER) {
            Existing::Outdated
        } else {
            Existing::Foreign
        }
    }

    fn taken(&self, app: &AppName) -> AppsError {
        AppsError::RoleBindingTaken { app: app.clone(), binding: ROLE_BINDING, role: self.role.clone() }
    }

    fn manifest(&self) -> RoleBinding {
        let ServiceAccount { namespace, name } = self.account.clone();
        let subject = Subject { kind: "ServiceAccount".into(), namespace: Some(namespace), name, ..Subject::default() };
        let role = RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: self.role.clone(),
        };
        let labels = [(MANAGED_BY.to_owned(), MANAGER.to_owned())];
        let metadata =
            ObjectMeta { name: Some(ROLE_BINDING.into()), labels: Some(labels.into()), ..ObjectMeta::default() };
        RoleBinding { metadata, role_ref: role, subjects: Some(vec![subject]) }
    }
}

async fn read_binding(bindings: &Api<RoleBinding>) -> Result<Option<RoleBinding>, ApiError> {
    with_retries("reading slipway's RoleBinding", || bindings.get_opt(ROLE_BINDING)).await
}

/// Deletes this RoleBinding, and not a later one of the same name.
async fn delete_binding(bindings: &Api<RoleBinding>, binding: &RoleBinding) -> Result<(), ApiError> {
    let same_binding = Preconditions { uid: binding.uid(), resource_version: None };
    let params = DeleteParams::default().preconditions(same_binding);
    match with_retries("deleting slipway's RoleBinding", || bindings.delete(ROLE_BINDING, &params)).await {
        Err(error) if error.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
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
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{fake_api_server, not_found};

    #[test]
    fn a_service_account_has_a_namespace_and_a_name() {
        assert!("slipway/slipway".parse::<ServiceAccount>().is_ok());
        for text in ["slipway", "/a", "a/", "a/b/c", ""] {
            assert!(text.parse::<ServiceAccount>().is_err(), "{text}");
        }
    }

    fn app_role() -> AppRoleBinding {
        AppRoleBinding { role: "slipway-app".into(), account: "slipway/slipway".parse().unwrap() }
    }

    /// The stored form of a RoleBinding.
    fn stored(binding: &RoleBinding) -> Value {
        let mut stored = serde_json::to_value(binding).unwrap();
        stored["metadata"]["uid"] = "1".into();
        stored
    }

    fn allowed(allowed: bool) -> (u16, Value) {
        let review = json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                            "metadata": {}, "spec": {}, "status": {"allowed": allowed}});
        (201, review)
    }

    /// An API server with one RoleBinding, whose deletion gets this response; and the methods of the requests.
    fn server_with(binding: Value, deletion: (u16, Value)) -> (Client, Arc<Mutex<Vec<String>>>) {
        let methods = Arc::<Mutex<Vec<String>>>::default();
        let recorded = methods.clone();
        let client = fake_api_server(move |request| {
            if !request.uri().path().ends_with("/selfsubjectaccessreviews") {
                recorded.lock().unwrap().push(request.method().to_string());
            }
            match (request.method().as_str(), request.uri().path()) {
                ("GET", _) => (200, binding.clone()),
                ("DELETE", _) => deletion.clone(),
                (_, path) if path.ends_with("/rolebindings") => (201, binding.clone()),
                _ => allowed(true),
            }
        });
        (client, methods)
    }

    fn deleted() -> (u16, Value) {
        (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
    }

    /// Bindings of slipway's name that are not effective: one that slipway made for another role or another account, and
    /// their copies without slipway's label.
    fn ineffective() -> [(RoleBinding, bool); 4] {
        let other_role = AppRoleBinding { role: "other".into(), ..app_role() }.manifest();
        let other_account = AppRoleBinding { account: "slipway/other".parse().unwrap(), ..app_role() }.manifest();
        let foreign = |mut binding: RoleBinding| {
            binding.metadata.labels = None;
            binding
        };
        [
            (foreign(other_role.clone()), false),
            (foreign(other_account.clone()), false),
            (other_role, true),
            (other_account, true),
        ]
    }

    #[tokio::test]
    async fn a_role_binding_for_another_role_or_account_is_replaced_only_if_slipway_made_it() {
        for (binding, is_ours) in ineffective() {
            let (client, methods) = server_with(stored(&binding), deleted());
            let bound = app_role().bind(&client, &"web".parse().unwrap()).await;
            match is_ours {
                true => bound.unwrap(),
                false => assert!(matches!(bound, Err(AppsError::RoleBindingTaken { .. })), "{bound:?}"),
            }
            let expected: &[&str] = if is_ours { &["GET", "DELETE", "POST"] } else { &["GET"] };
            assert_eq!(*methods.lock().unwrap(), expected, "{binding:?}");
        }
    }

    #[tokio::test]
    async fn a_role_binding_that_slipway_may_not_delete_is_an_error() {
        let [.., (binding, _)] = ineffective();
        let forbidden = (403, json!({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}));
        let (client, _) = server_with(stored(&binding), forbidden);
        let error = app_role().bind(&client, &"web".parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("kubectl delete rolebinding slipway -n web"), "{error}");
    }

    #[tokio::test]
    async fn an_effective_role_binding_stays_even_without_slipways_label() {
        let mut binding = app_role().manifest();
        binding.metadata.labels = None;
        binding.subjects.as_mut().unwrap().insert(0, Subject { name: "more".into(), ..Subject::default() });
        let (client, methods) = server_with(stored(&binding), deleted());
        app_role().bind(&client, &"web".parse().unwrap()).await.unwrap();
        assert_eq!(*methods.lock().unwrap(), ["GET"]);
    }

    #[tokio::test]
    async fn a_role_binding_of_another_tool_is_not_deleted() {
        let ours = [(app_role().manifest(), true)];
        for (binding, is_ours) in ineffective().into_iter().chain(ours) {
            let (client, methods) = server_with(stored(&binding), deleted());
            app_role().unbind(&client, &"web".parse().unwrap()).await.unwrap();
            let expected: &[&str] = if is_ours { &["GET", "DELETE"] } else { &["GET"] };
            assert_eq!(*methods.lock().unwrap(), expected, "{binding:?}");
        }
        app_role().unbind(&fake_api_server(|_| not_found()), &"web".parse().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_new_role_binding_is_polled_until_it_takes_effect() {
        let reviews = Arc::<AtomicU32>::default();
        let client = fake_api_server(move |request| match (request.method().as_str(), request.uri().path()) {
            ("GET", _) => not_found(),
            (_, path) if path.ends_with("/rolebindings") => (201, stored(&app_role().manifest())),
            _ => allowed(reviews.fetch_add(1, Ordering::Relaxed) >= 2),
        });
        app_role().bind(&client, &"web".parse().unwrap()).await.unwrap();
    }
}
