//! Errors of app namespaces.

use crate::domain::{AppName, labels};
use crate::k8s::ApiError;

/// The message is for the user, the source for the log.
#[derive(Debug, thiserror::Error)]
pub enum AppsError {
    /// Another user won the race for the name.
    #[error("{0} was created by someone else a moment ago; choose another name")]
    OwnedByOther(AppName),
    /// The app got another owner while its former owner waited.
    #[error("{0} belongs to another user by now: nothing was changed; ask an admin of slipway")]
    OwnerChanged(AppName),
    #[error(
        "the namespace {0} exists and was not made by slipway; an admin may turn it into an app with: apps:adopt {0}"
    )]
    Foreign(AppName),
    #[error(
        "the namespace {app} belongs to the slipway in the namespace {installation}: use that slipway, or choose another \
         name. If it no longer exists, remove the annotation {} from the namespace",
        labels::INSTALLATION
    )]
    OtherInstallation {
        app: AppName,
        /// The namespace of the other slipway.
        installation: String,
    },
    /// The RoleBinding of slipway's name was made by another tool, or slipway may not replace it.
    #[error(
        "the RoleBinding {binding} in the namespace {app} does not bind slipway's account to the role {role}: ask the operator \
         of the cluster to delete it (kubectl delete rolebinding {binding} -n {app}), and try again"
    )]
    RoleBindingTaken { app: AppName, binding: &'static str, role: String },
    /// The allow list does not contain the namespace.
    #[error("{0} is not one of the namespaces that slipway may use here")]
    NotListed(AppName),
    /// The allow list contains the namespace, and slipway may not create namespaces.
    #[error(
        "the namespace {0} does not exist, or slipway has no permissions in it; slipway may not create namespaces here: \
         ask the operator of the cluster"
    )]
    NamespaceMissing(AppName),
    #[error(
        "the namespace {0} is being deleted; try again in a moment. If it stays, its status says why: kubectl get namespace {0} -o \
         yaml"
    )]
    BeingDeleted(AppName),
    #[error(
        "the namespace {app} is still being deleted: {reasons}. Remove what holds it; slipway removes the app's repository when \
         the namespace is gone"
    )]
    DeletionTimedOut {
        app: AppName,
        /// The namespace's conditions that are true.
        reasons: String,
    },
    /// The authorizer does not grant the permissions of a new RoleBinding yet.
    #[error("slipway has no permissions in the namespace {0} yet; try again in a moment")]
    PermissionPending(AppName),
    /// The app was deleted after the push was authorized.
    #[error("the namespace of {0} no longer exists; push again")]
    NamespaceGone(AppName),
    #[error("the Kubernetes API cannot be reached; try again in a moment")]
    Unreachable(#[source] Box<ApiError>),
    #[error("the Kubernetes API refused the request with status {code}; slipway's log has the reason")]
    Refused {
        /// The HTTP status.
        code: u16,
        #[source]
        source: Box<ApiError>,
    },
}

impl AppsError {
    pub(super) fn other_installation(app: &AppName, installation: String) -> Self {
        Self::OtherInstallation { app: app.clone(), installation }
    }
}

impl From<ApiError> for AppsError {
    fn from(error: ApiError) -> Self {
        let source = Box::new(error);
        match source.status() {
            Some(status) => Self::Refused { code: status.code, source },
            None => Self::Unreachable(source),
        }
    }
}
