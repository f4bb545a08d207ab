//! The adoption of a namespace: slipway's RoleBinding comes first, since it permits to read the release, and goes again
//! if the namespace does not become an app.

use kube::Client;

use super::answers::Release;
use super::error::ServiceError;
use crate::apps::Apps;
use crate::domain::{AppName, AppOwner, Target, UserName};
use crate::release;
use crate::telemetry::error_chain;

/// Adopts the namespace. Returns the newest revision of its release, and the objects that slipway leaves alone.
pub(super) async fn adopt(
    apps: &Apps,
    cluster: &Client,
    app: &AppName,
    owner: &UserName,
) -> Result<(Option<Release>, Vec<String>), ServiceError> {
    let adopted = bind_and_adopt(apps, cluster, app, owner).await;
    if adopted.is_err() {
        unbind_foreign(apps, app).await;
    }
    adopted
}

async fn bind_and_adopt(
    apps: &Apps,
    cluster: &Client,
    app: &AppName,
    owner: &UserName,
) -> Result<(Option<Release>, Vec<String>), ServiceError> {
    apps.bind_role(app).await?;
    let target = Target::of_app(app);
    let newest = release::list_releases(cluster, &target, 1).await?.pop();
    let unmanaged = release::list_unmanaged(cluster, &target).await?;
    apps.adopt(app, owner).await?;
    Ok((newest, unmanaged))
}

/// Removes the RoleBinding, unless another admin has turned the namespace into an app of this slipway meanwhile.
async fn unbind_foreign(apps: &Apps, app: &AppName) {
    if matches!(apps.find_owner(app).await, Ok(AppOwner::User(_))) {
        return;
    }
    if let Err(error) = apps.unbind_role(app).await {
        let error = error_chain(&error);
        tracing::warn!(%app, error, "cannot remove slipway's RoleBinding from a namespace that was not adopted");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::apps::{AppRoleBinding, NamespaceScope};
    use crate::domain::labels;
    use crate::testing::fake_api_server;

    const BINDING: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/web/rolebindings/slipway";

    fn namespace(metadata: Value) -> Value {
        json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": metadata })
    }

    fn role_binding() -> Value {
        let labels = json!({ "app.kubernetes.io/managed-by": "slipway" });
        json!({
            "kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": { "name": "slipway", "namespace": "web", "uid": "1", "labels": labels },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "slipway-app" },
            "subjects": [{ "kind": "ServiceAccount", "namespace": "slipway", "name": "slipway" }],
        })
    }

    /// Adopts a namespace that an API server shows as `namespace`, and where it refuses to label it with a conflict.
    /// Returns the error, and whether slipway deleted its RoleBinding.
    async fn conflicting_adoption(namespace: Value) -> (ServiceError, bool) {
        let deleted = Arc::new(Mutex::new(false));
        let deletions = Arc::clone(&deleted);
        let client = fake_api_server(move |request| match (request.method(), request.uri().path()) {
            (&Method::DELETE, BINDING) => {
                *deletions.lock().unwrap() = true;
                (200, json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }))
            }
            (_, BINDING) => (200, role_binding()),
            (&Method::PATCH, _) => {
                (409, json!({ "kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409 }))
            }
            (_, path) if path.ends_with("/secrets") => {
                (200, json!({ "kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": [] }))
            }
            _ => (200, namespace.clone()),
        });
        let role = AppRoleBinding { role: "slipway-app".into(), account: "slipway/slipway".parse().unwrap() };
        let apps = Apps::new(client.clone(), NamespaceScope::RoleBinding(role), "slipway");
        let error = adopt(&apps, &client, &"web".parse().unwrap(), &"alice".parse().unwrap()).await.unwrap_err();
        let deleted = *deleted.lock().unwrap();
        (error, deleted)
    }

    #[tokio::test]
    async fn the_role_binding_does_not_stay_in_a_namespace_that_was_not_adopted() {
        let (error, deleted) = conflicting_adoption(namespace(json!({ "name": "web", "resourceVersion": "1" }))).await;
        assert!(error.to_string().starts_with("web was created by someone else"), "{error}");
        assert!(deleted);
        let terminating = json!({ "name": "web", "deletionTimestamp": "2026-11-21T10:00:00Z" });
        let (error, deleted) = conflicting_adoption(namespace(terminating)).await;
        assert!(error.to_string().contains("is being deleted"), "{error}");
        assert!(deleted);
    }

    #[tokio::test]
    async fn the_role_binding_stays_if_another_admin_has_adopted_the_namespace() {
        let metadata = json!({
            "name": "web",
            "labels": { labels::APP: "web" },
            "annotations": { labels::OWNER: "bob", labels::INSTALLATION: "slipway" },
        });
        let (_, deleted) = conflicting_adoption(namespace(metadata)).await;
        assert!(!deleted);
    }
}
