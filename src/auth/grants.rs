//! Authorization rules. Pure: the caller looks up the owner of the app.
//!
//! The fields of a grant are private and only the functions of this module create one, so a grant proves that its user
//! was authorized.

use super::error::AccessDenied;
use super::identity::{Identity, Role};
use crate::domain::{AppName, AppOwner, UserName};

/// The users who may create an app by a push to a free name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AppCreationPolicy {
    /// Everyone who has a key.
    #[default]
    Anyone,
    /// Admins.
    Admins,
}

/// Permission to push to one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushGrant {
    app: AppName,
    user: UserName,
    is_admin: bool,
    creates_app: bool,
}

impl PushGrant {
    pub fn app(&self) -> &AppName {
        &self.app
    }

    pub fn user(&self) -> &UserName {
        &self.user
    }

    /// Whether the user is an admin, who may push to the apps of other owners too.
    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Whether the name was free when the grant was made: the push has to claim the app.
    pub fn creates_app(&self) -> bool {
        self.creates_app
    }
}

/// Permission to turn a namespace that slipway did not create into an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptGrant {
    owner: UserName,
}

impl AdoptGrant {
    /// The owner of the app after the adoption.
    pub fn owner(&self) -> &UserName {
        &self.owner
    }
}

/// Permission to read one app: clone, fetch, logs and releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadGrant {
    app: AppName,
    user: UserName,
}

impl ReadGrant {
    pub fn app(&self) -> &AppName {
        &self.app
    }

    pub fn user(&self) -> &UserName {
        &self.user
    }
}

/// Permission to store keys for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadGrant {
    user: UserName,
    role: Role,
}

impl UploadGrant {
    /// A grant for commands that run outside the gateway with an operator's kubeconfig: the operator may edit the
    /// ConfigMaps directly.
    pub fn from_operator(user: UserName, role: Role) -> Self {
        Self { user, role }
    }

    /// The user whose keys are stored.
    pub fn user(&self) -> &UserName {
        &self.user
    }

    pub fn role(&self) -> Role {
        self.role
    }
}

/// Admins push to every app; users push to their own apps and, if `policy` permits it, to free names.
///
/// # Errors
/// [`AccessDenied`]
pub fn authorize_push(
    identity: &Identity,
    app: &AppName,
    owner: &AppOwner,
    policy: AppCreationPolicy,
) -> Result<PushGrant, AccessDenied> {
    let creates_app = match owner {
        AppOwner::Foreign => return Err(AccessDenied::ForeignNamespace(app.clone())),
        AppOwner::OtherInstallation(other) => return Err(other_installation(app, other)),
        AppOwner::User(owner) if identity.admin || *owner == identity.user => false,
        AppOwner::User(_) => return Err(AccessDenied::NotOwner { user: identity.user.clone(), app: app.clone() }),
        AppOwner::None if identity.admin || policy == AppCreationPolicy::Anyone => true,
        AppOwner::None => return Err(AccessDenied::CreationRequiresAdmin(app.clone())),
    };
    Ok(PushGrant { app: app.clone(), user: identity.user.clone(), is_admin: identity.admin, creates_app })
}

/// Admins adopt foreign namespaces, for `new_owner` or, without one, for themselves.
///
/// # Errors
/// [`AccessDenied`]
pub fn authorize_adoption(
    identity: &Identity,
    app: &AppName,
    owner: &AppOwner,
    new_owner: Option<UserName>,
) -> Result<AdoptGrant, AccessDenied> {
    match owner {
        _ if !identity.admin => Err(AccessDenied::AdoptionRequiresAdmin),
        AppOwner::None => Err(AccessDenied::NothingToAdopt(app.clone())),
        AppOwner::User(_) => Err(AccessDenied::AlreadyAnApp(app.clone())),
        AppOwner::OtherInstallation(other) => Err(other_installation(app, other)),
        AppOwner::Foreign => Ok(AdoptGrant { owner: new_owner.unwrap_or_else(|| identity.user.clone()) }),
    }
}

fn other_installation(app: &AppName, installation: &str) -> AccessDenied {
    AccessDenied::OtherInstallation { app: app.clone(), installation: installation.to_owned() }
}

/// Admins read every app; users read their own apps.
///
/// # Errors
/// [`AccessDenied`]
pub fn authorize_read(identity: &Identity, app: &AppName, owner: &AppOwner) -> Result<ReadGrant, AccessDenied> {
    let allowed = matches!(owner, AppOwner::User(owner) if identity.admin || *owner == identity.user);
    if !allowed {
        return Err(AccessDenied::NotReadable { user: identity.user.clone(), app: app.clone() });
    }
    Ok(ReadGrant { app: app.clone(), user: identity.user.clone() })
}

/// Admins upload keys for every user; users upload their own keys.
///
/// # Errors
/// [`AccessDenied`]
pub fn authorize_upload(identity: &Identity, user: &UserName, role: Role) -> Result<UploadGrant, AccessDenied> {
    match (identity.admin, role) {
        (false, Role::Admin) => Err(AccessDenied::AdminKeyRequiresAdmin),
        (false, Role::User) if *user != identity.user => Err(AccessDenied::UploadForOtherUser(identity.user.clone())),
        _ => Ok(UploadGrant { user: user.clone(), role }),
    }
}

#[cfg(test)]
#[path = "grants_tests.rs"]
mod tests;
