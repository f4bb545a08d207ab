//! What an identity may do. Pure: the caller says who holds the app.
//!
//! A grant has private fields and is made here only, so whoever holds one was allowed.

use crate::domain::{AppName, UserName};

/// Who somebody proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user that the key belongs to.
    pub user: UserName,
    /// Whether the key stands among the admins' keys.
    pub admin: bool,
    /// The key's SHA-256 fingerprint, as OpenSSH prints it.
    pub fingerprint: String,
}

/// Whom an app belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// There is no such app.
    Nobody,
    /// The user who created it.
    User(UserName),
    /// There is such a namespace, and slipway did not make it.
    Foreign,
}

/// Who may create an app by pushing to a name that is free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AppCreation {
    /// Everyone who has a key.
    #[default]
    Anyone,
    /// Admins.
    Admins,
}

/// Which keys are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The keys of users.
    User,
    /// The keys that may do everything.
    Admin,
}

/// Why something is not allowed. Never names the owner of an app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Somebody else created the app.
    #[error("{user} may not push to {app}: it belongs to someone else; ask its owner or an admin")]
    NotOwner {
        /// Who asked.
        user: UserName,
        /// For which app.
        app: AppName,
    },
    /// The app does not exist, and the policy keeps users from creating it.
    #[error("there is no app {0}, and only admins may create one")]
    CreationByAdmins(AppName),
    /// Never touched, whoever asks.
    #[error("the namespace {0} exists and was not made by slipway; an admin may hand it over: apps:adopt {0}")]
    ForeignNamespace(AppName),
    /// The same for an app of somebody else and for none at all.
    #[error("there is no app {app} that {user} may read")]
    NotReadable {
        /// Who asked.
        user: UserName,
        /// For which app.
        app: AppName,
    },
    /// What is nobody's is not a user's to give away.
    #[error("only an admin may adopt a namespace")]
    AdoptionByAdmins,
    /// There is nothing to adopt.
    #[error("there is no namespace {0} to adopt: a push creates it")]
    NothingToAdopt(AppName),
    /// It was adopted, or made, before.
    #[error("{0} is an app already")]
    AlreadyAnApp(AppName),
    /// Users upload for themselves.
    #[error("{0} is not an admin and may upload keys only for {0}")]
    UploadForOthers(UserName),
    /// `--admin` without being one.
    #[error("only an admin may upload the key of an admin")]
    UploadOfAdminKey,
}

/// The right to push to one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushGrant {
    app: AppName,
    user: UserName,
    admin: bool,
    creates: bool,
}

impl PushGrant {
    /// The app.
    pub fn app(&self) -> &AppName {
        &self.app
    }

    /// Who pushes.
    pub fn user(&self) -> &UserName {
        &self.user
    }

    /// Whether it was given to an admin, who may push whoever owns the app.
    pub fn admin(&self) -> bool {
        self.admin
    }

    /// Whether the app was free when the right was given: the push has to claim it.
    pub fn creates(&self) -> bool {
        self.creates
    }
}

/// The right to make an app of a namespace that slipway did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptGrant {
    owner: UserName,
}

impl AdoptGrant {
    /// Whose app it will be.
    pub fn owner(&self) -> &UserName {
        &self.owner
    }
}

/// The right to clone and fetch one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadGrant {
    app: AppName,
    user: UserName,
}

impl ReadGrant {
    /// The app.
    pub fn app(&self) -> &AppName {
        &self.app
    }

    /// Who reads.
    pub fn user(&self) -> &UserName {
        &self.user
    }
}

/// The right to store keys for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadGrant {
    user: UserName,
    role: Role,
}

impl UploadGrant {
    /// For commands that run beside slipway itself: whoever starts them could edit the ConfigMaps.
    pub fn by_operator(user: UserName, role: Role) -> Self {
        Self { user, role }
    }

    /// Whose keys they will be.
    pub fn user(&self) -> &UserName {
        &self.user
    }

    /// Among which keys they will stand.
    pub fn role(&self) -> Role {
        self.role
    }
}

/// Admins push everywhere, users to what they created and, if the policy says so, to free names.
///
/// # Errors
/// [`Denied`], to be shown as it is.
pub fn push_grant(
    identity: &Identity,
    app: &AppName,
    holder: &Holder,
    policy: AppCreation,
) -> Result<PushGrant, Denied> {
    let creates = match holder {
        Holder::Foreign => return Err(Denied::ForeignNamespace(app.clone())),
        Holder::User(owner) if identity.admin || *owner == identity.user => false,
        Holder::User(_) => return Err(Denied::NotOwner { user: identity.user.clone(), app: app.clone() }),
        Holder::Nobody if identity.admin || policy == AppCreation::Anyone => true,
        Holder::Nobody => return Err(Denied::CreationByAdmins(app.clone())),
    };
    Ok(PushGrant { app: app.clone(), user: identity.user.clone(), admin: identity.admin, creates })
}

/// Admins adopt what is nobody's, for themselves or for the `owner` they name.
///
/// # Errors
/// [`Denied`], to be shown as it is.
pub fn adopt_grant(
    identity: &Identity,
    app: &AppName,
    holder: &Holder,
    owner: Option<UserName>,
) -> Result<AdoptGrant, Denied> {
    match holder {
        _ if !identity.admin => Err(Denied::AdoptionByAdmins),
        Holder::Nobody => Err(Denied::NothingToAdopt(app.clone())),
        Holder::User(_) => Err(Denied::AlreadyAnApp(app.clone())),
        Holder::Foreign => Ok(AdoptGrant { owner: owner.unwrap_or_else(|| identity.user.clone()) }),
    }
}

/// Admins read everything that is slipway's, users what they created.
///
/// # Errors
/// [`Denied`], to be shown as it is.
pub fn read_grant(identity: &Identity, app: &AppName, holder: &Holder) -> Result<ReadGrant, Denied> {
    let allowed = matches!(holder, Holder::User(owner) if identity.admin || *owner == identity.user);
    if !allowed {
        return Err(Denied::NotReadable { user: identity.user.clone(), app: app.clone() });
    }
    Ok(ReadGrant { app: app.clone(), user: identity.user.clone() })
}

/// Admins upload for everyone, users for themselves.
///
/// # Errors
/// [`Denied`], to be shown as it is.
pub fn upload_grant(identity: &Identity, user: &UserName, role: Role) -> Result<UploadGrant, Denied> {
    match (identity.admin, role) {
        (false, Role::Admin) => Err(Denied::UploadOfAdminKey),
        (false, Role::User) if *user != identity.user => Err(Denied::UploadForOthers(identity.user.clone())),
        _ => Ok(UploadGrant { user: user.clone(), role }),
    }
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
