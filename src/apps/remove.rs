//! The end of an app's namespace.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, ResourceExt};

use super::adopt::{give_back, is_adopted};
use super::error::AppsError;
use super::namespace::owner;
use super::reach::Apps;
use crate::clusters::call;
use crate::domain::AppName;

/// How long a namespace may take to go: its pods have their time to end, half a minute as a rule.
const PATIENCE: Duration = Duration::from_secs(90);

/// What became of an app's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Deleted,
    /// It was there before the app, and is nobody's again.
    GivenBack,
}

impl Apps {
    /// Deletes the app's namespace with everything in it, and waits until it is gone. One that was adopted stays.
    ///
    /// # Errors
    /// [`AppsError::Foreign`] if slipway did not make it; [`AppsError::Stuck`] if it does not go; [`AppsError`].
    pub async fn remove(&self, app: &AppName) -> Result<Removed, AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let read = call("reading the namespace", || namespaces.get_opt(app.as_str())).await;
        let read = self.unless_forbidden(read)?;
        let Some(namespace) = read else { return Ok(Removed::Deleted) };
        if owner(&namespace.metadata, app, &self.home).is_none() {
            return Err(AppsError::Foreign(app.clone()));
        }
        if is_adopted(&namespace) {
            give_back(&namespaces, &namespace).await?;
            self.known.until(app, false).await;
            return Ok(Removed::GivenBack);
        }
        let uid = namespace.uid().unwrap_or_default();
        let only_this = Preconditions { uid: Some(uid.clone()), resource_version: None };
        let params = DeleteParams::background().preconditions(only_this);
        match call("deleting the namespace", || namespaces.delete(app.as_str(), &params)).await {
            Err(error) if error.is_not_found() => return Ok(Removed::Deleted),
            result => result.map(drop)?,
        }
        let gone = await_condition(namespaces.clone(), app.as_str(), conditions::is_deleted(&uid));
        match tokio::time::timeout(PATIENCE, gone).await {
            Ok(Ok(_)) => {
                self.known.until(app, false).await;
                Ok(Removed::Deleted)
            }
            Ok(Err(_)) | Err(_) => Err(stuck(&namespaces, app).await),
        }
    }
}

/// What stands in the way, as the namespace's controller says it.
async fn stuck(namespaces: &Api<Namespace>, app: &AppName) -> AppsError {
    let namespace = namespaces.get_opt(app.as_str()).await.ok().flatten().unwrap_or_default();
    let conditions = namespace.status.and_then(|status| status.conditions).unwrap_or_default();
    let reasons = conditions.into_iter().filter(|condition| condition.status == "True");
    let reasons: Vec<String> = reasons.filter_map(|condition| condition.message).collect();
    AppsError::Stuck { app: app.clone(), reasons: reasons.join("; ") }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::super::reach::Reach;
    use super::*;
    use crate::testing::api_server;

    #[tokio::test]
    async fn a_namespace_that_slipway_did_not_make_is_never_deleted() {
        let client = api_server(|request| {
            assert_eq!(request.method(), Method::GET, "{}", request.uri());
            (200, json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": "web", "uid": "1" } }))
        });
        let apps = Apps::new(client, Reach::Cluster, "slipway");
        let error = apps.remove(&"web".parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, AppsError::Foreign(_)), "{error}");
    }

    #[tokio::test]
    async fn what_keeps_a_namespace_is_said() {
        let conditions = json!([
            { "type": "NamespaceDeletionContentFailure", "status": "False", "message": "all is well" },
            { "type": "NamespaceFinalizersRemaining", "status": "True", "message": "example.com/keep in 1 resource instances" },
        ]);
        let client = api_server(move |_| {
            (
                200,
                json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": "web" },
                          "status": { "phase": "Terminating", "conditions": conditions } }),
            )
        });
        let error = stuck(&Api::all(client), &"web".parse().unwrap()).await;
        assert!(error.to_string().ends_with("example.com/keep in 1 resource instances"), "{error}");
    }
}
