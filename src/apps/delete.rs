//! Deletion of an app's namespace.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, ResourceExt};
use serde::Serialize;

use super::adopt::{is_adopted, release_namespace};
use super::app::read_owner;
use super::error::AppsError;
use super::handle::Apps;
use crate::domain::{AppName, AppOwner};
use crate::k8s::{with_retries, with_timeout};

/// How long the deletion of a namespace may take: its pods have a grace period of 30 s by default.
const DELETION_TIMEOUT: Duration = Duration::from_secs(90);
/// How long the read of the conditions may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The fate of the namespace of a deleted app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionOutcome {
    Deleted,
    /// The namespace was adopted: it remains, without slipway's label and annotations.
    Released,
}

/// The state of the namespace once the API server has accepted its deletion.
#[must_use = "the deletion is not finished"]
pub enum AcceptedDeletion {
    Gone,
    Released,
    /// No object can be created in it any more.
    Terminating {
        uid: String,
    },
}

impl Apps {
    /// The UID of an app's namespace; `None` if there is none. Another app of the name has another one.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn namespace_uid(&self, app: &AppName) -> Result<Option<String>, AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let result = with_retries("reading the namespace", || namespaces.get_opt(app.as_str())).await;
        Ok(self.forbidden_as_none(result)?.and_then(|namespace| namespace.uid()))
    }

    /// Deletes the app's namespace with everything in it, and returns when the API server has accepted the deletion.
    /// Releases an adopted namespace instead. The namespace must still be the one with the UID `expected`.
    ///
    /// # Errors
    /// [`AppsError::OwnerChanged`] if it is another one; [`AppsError::Foreign`] and [`AppsError::OtherInstallation`] if it
    /// is not this slipway's; [`AppsError`].
    pub async fn start_deletion(&self, app: &AppName, expected: Option<&str>) -> Result<AcceptedDeletion, AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let result = with_retries("reading the namespace", || namespaces.get_opt(app.as_str())).await;
        let Some(namespace) = self.forbidden_as_none(result)? else { return Ok(AcceptedDeletion::Gone) };
        match read_owner(&namespace.metadata, app, &self.installation) {
            AppOwner::User(_) => {}
            AppOwner::OtherInstallation(other) => return Err(AppsError::other_installation(app, other)),
            AppOwner::Foreign | AppOwner::None => return Err(AppsError::Foreign(app.clone())),
        }
        if namespace.metadata.uid.as_deref() != expected {
            return Err(AppsError::OwnerChanged(app.clone()));
        }
        if is_adopted(&namespace) {
            release_namespace(&namespaces, &namespace).await?;
            return Ok(AcceptedDeletion::Released);
        }
        let uid = namespace.uid().unwrap_or_default();
        let same_namespace = Preconditions { uid: Some(uid.clone()), resource_version: None };
        let params = DeleteParams::background().preconditions(same_namespace);
        match with_retries("deleting the namespace", || namespaces.delete(app.as_str(), &params)).await {
            Err(error) if error.is_not_found() => Ok(AcceptedDeletion::Gone),
            Err(error) if error.is_conflict() => Err(AppsError::OwnerChanged(app.clone())),
            result => Ok(result.map(|_| AcceptedDeletion::Terminating { uid })?),
        }
    }

    /// Waits until a deleted namespace is gone.
    ///
    /// # Errors
    /// [`AppsError::DeletionTimedOut`].
    pub async fn finish_deletion(
        &self,
        app: &AppName,
        deletion: AcceptedDeletion,
    ) -> Result<DeletionOutcome, AppsError> {
        let outcome = match deletion {
            AcceptedDeletion::Gone => return Ok(DeletionOutcome::Deleted),
            AcceptedDeletion::Released => DeletionOutcome::Released,
            AcceptedDeletion::Terminating { uid } => self.wait_deleted(app, &uid).await?,
        };
        self.cache.wait_unlisted(app).await;
        Ok(outcome)
    }

    async fn wait_deleted(&self, app: &AppName, uid: &str) -> Result<DeletionOutcome, AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let deleted = await_condition(namespaces.clone(), app.as_str(), conditions::is_deleted(uid));
        match tokio::time::timeout(DELETION_TIMEOUT, deleted).await {
            Ok(Ok(_)) => Ok(DeletionOutcome::Deleted),
            Ok(Err(_)) | Err(_) => Err(deletion_timed_out(&namespaces, app).await),
        }
    }
}

/// The error with the reasons that the namespace controller states in the conditions of the namespace.
async fn deletion_timed_out(namespaces: &Api<Namespace>, app: &AppName) -> AppsError {
    let read = with_timeout("reading the namespace", READ_TIMEOUT, namespaces.get_opt(app.as_str())).await;
    let namespace = read.ok().flatten().unwrap_or_default();
    let conditions = namespace.status.and_then(|status| status.conditions).unwrap_or_default();
    let reasons = conditions.into_iter().filter(|condition| condition.status == "True");
    let reasons: Vec<String> = reasons.filter_map(|condition| condition.message).collect();
    AppsError::DeletionTimedOut { app: app.clone(), reasons: reasons.join("; ") }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::super::scope::NamespaceScope;
    use super::*;
    use crate::domain::labels;
    use crate::testing::fake_api_server;

    #[tokio::test]
    async fn a_namespace_that_slipway_did_not_make_is_never_deleted() {
        let client = fake_api_server(|request| {
            assert_eq!(request.method(), Method::GET, "{}", request.uri());
            (200, json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": "web", "uid": "1" } }))
        });
        let apps = Apps::new(client, NamespaceScope::AllNamespaces, "slipway");
        let deletion = apps.start_deletion(&"web".parse().unwrap(), Some("1")).await;
        assert!(matches!(deletion, Err(AppsError::Foreign(_))));
    }

    #[tokio::test]
    async fn a_namespace_of_another_uid_is_not_deleted() {
        let client = fake_api_server(|request| {
            assert_eq!(request.method(), Method::GET, "{}", request.uri());
            let annotations = json!({ labels::INSTALLATION: "slipway", labels::OWNER: "bob" });
            let metadata =
                json!({ "name": "web", "uid": "2", "labels": { labels::APP: "web" }, "annotations": annotations });
            (200, json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": metadata }))
        });
        let apps = Apps::new(client, NamespaceScope::AllNamespaces, "slipway");
        let deletion = apps.start_deletion(&"web".parse().unwrap(), Some("1")).await;
        assert!(matches!(deletion, Err(AppsError::OwnerChanged(_))));
    }

    #[tokio::test]
    async fn a_timed_out_deletion_states_the_conditions_that_block_it() {
        let conditions = json!([
            { "type": "NamespaceDeletionContentFailure", "status": "False", "message": "all is well" },
            { "type": "NamespaceFinalizersRemaining", "status": "True", "message": "example.com/keep in 1 resource instances" },
        ]);
        let client = fake_api_server(move |_| {
            (
                200,
                json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": "web" },
                          "status": { "phase": "Terminating", "conditions": conditions } }),
            )
        });
        let error = deletion_timed_out(&Api::all(client), &"web".parse().unwrap()).await;
        assert!(error.to_string().contains("example.com/keep in 1 resource instances"), "{error}");
    }
}
