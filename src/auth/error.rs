//! Refusals of authorization.

use crate::domain::{AppName, UserName, labels};

/// Why access is denied. The message goes to the client as it is, and never names the owner of an app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// The key was removed, or lost rights, while a command that it had authenticated waited for its client.
    #[error("the key that {0} logged in with is no longer registered, or has fewer rights by now: nothing was changed")]
    KeyRevoked(UserName),
    #[error("{user} may not push to {app}: the app belongs to someone else; ask its owner or an admin")]
    NotOwner { user: UserName, app: AppName },
    #[error("there is no app {0}, and only admins may create one")]
    CreationRequiresAdmin(AppName),
    #[error(
        "the namespace {0} exists and was not made by slipway; an admin may turn it into an app with: apps:adopt {0}"
    )]
    ForeignNamespace(AppName),
    #[error(
        "the namespace {app} belongs to the slipway in the namespace {installation}: use that slipway, or choose another \
         name. If it no longer exists, remove the annotation {} from the namespace",
        labels::INSTALLATION
    )]
    OtherInstallation { app: AppName, installation: String },
    /// The same message whether the app belongs to another user or does not exist.
    #[error("there is no app {app} that {user} may read")]
    NotReadable { user: UserName, app: AppName },
    #[error("only an admin may adopt a namespace")]
    AdoptionRequiresAdmin,
    #[error("there is no namespace {0} to adopt: a push creates it")]
    NothingToAdopt(AppName),
    #[error("{0} is an app already")]
    AlreadyAnApp(AppName),
    #[error("{0} is not an admin and may upload keys only for {0}")]
    UploadForOtherUser(UserName),
    #[error("only an admin may upload a key for an admin")]
    AdminKeyRequiresAdmin,
}
