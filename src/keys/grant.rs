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
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
    }

    fn identity(name: &str, admin: bool) -> Identity {
        Identity { user: user(name), admin, fingerprint: "SHA256:x".into() }
    }

    fn app(name: &str) -> AppName {
        name.parse().unwrap()
    }

    #[test]
    fn the_first_pusher_creates_the_app_and_owns_it() {
        let grant = push_grant(&identity("alice", false), &app("web"), &Holder::Nobody, AppCreation::Anyone).unwrap();
        assert!(grant.creates() && !grant.admin());
        assert_eq!((grant.user().as_str(), grant.app().as_str()), ("alice", "web"));
        let again = Holder::User(user("alice"));
        let grant = push_grant(&identity("alice", false), &app("web"), &again, AppCreation::Admins).unwrap();
        assert!(!grant.creates());
    }

    #[test]
    fn others_are_refused_and_not_told_whose_it_is() {
        let holder = Holder::User(user("alice"));
        for other in ["bob", "alic", "alice2", "Alice"] {
            let denied = push_grant(&identity(other, false), &app("web"), &holder, AppCreation::Anyone).unwrap_err();
            let text = denied.to_string();
            assert_eq!(
                text,
                format!("{other} may not push to web: it belongs to someone else; ask its owner or an admin")
            );
        }
    }

    #[test]
    fn admins_push_to_every_app_but_to_no_foreign_namespace() {
        let admin = identity("root", true);
        for policy in [AppCreation::Anyone, AppCreation::Admins] {
            assert!(push_grant(&admin, &app("web"), &Holder::User(user("alice")), policy).unwrap().admin());
            assert!(push_grant(&admin, &app("web"), &Holder::Nobody, policy).unwrap().creates());
            let denied = push_grant(&admin, &app("monitoring"), &Holder::Foreign, policy).unwrap_err();
            assert_eq!(
                denied.to_string(),
                "the namespace monitoring exists and was not made by slipway; an admin may hand it over: apps:adopt monitoring"
            );
        }
    }

    #[test]
    fn admins_adopt_what_is_nobodys() {
        let (root, web) = (identity("root", true), app("web"));
        let grant = adopt_grant(&root, &web, &Holder::Foreign, Some(user("bob"))).unwrap();
        assert_eq!(*grant.owner(), user("bob"));
        assert_eq!(*adopt_grant(&root, &web, &Holder::Foreign, None).unwrap().owner(), user("root"));
        assert_eq!(adopt_grant(&root, &web, &Holder::Nobody, None), Err(Denied::NothingToAdopt(web.clone())));
        let taken = adopt_grant(&root, &web, &Holder::User(user("bob")), None);
        assert_eq!(taken, Err(Denied::AlreadyAnApp(web.clone())));
        for holder in [Holder::Foreign, Holder::Nobody, Holder::User(user("bob"))] {
            assert_eq!(adopt_grant(&identity("bob", false), &web, &holder, None), Err(Denied::AdoptionByAdmins));
        }
    }

    #[test]
    fn the_policy_can_reserve_creation_for_admins() {
        let denied = push_grant(&identity("bob", false), &app("web"), &Holder::Nobody, AppCreation::Admins);
        assert_eq!(denied, Err(Denied::CreationByAdmins(app("web"))));
    }

    #[test]
    fn reading_tells_nothing_about_apps_of_others() {
        let bob = identity("bob", false);
        let answers = [Holder::Nobody, Holder::Foreign, Holder::User(user("alice"))]
            .map(|holder| read_grant(&bob, &app("web"), &holder).unwrap_err());
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        let own = read_grant(&bob, &app("web"), &Holder::User(user("bob"))).unwrap();
        assert_eq!((own.user().as_str(), own.app().as_str()), ("bob", "web"));
        assert!(read_grant(&identity("root", true), &app("web"), &Holder::User(user("bob"))).is_ok());
        assert!(read_grant(&identity("root", true), &app("web"), &Holder::Foreign).is_err());
    }

    #[test]
    fn users_upload_for_themselves_and_admins_for_everyone() {
        let bob = identity("bob", false);
        let own = upload_grant(&bob, &user("bob"), Role::User).unwrap();
        assert_eq!((own.user().as_str(), own.role()), ("bob", Role::User));
        for other in ["alice", "bo", "bobby", "Bob"] {
            assert_eq!(upload_grant(&bob, &user(other), Role::User), Err(Denied::UploadForOthers(user("bob"))));
        }
        assert_eq!(upload_grant(&bob, &user("bob"), Role::Admin), Err(Denied::UploadOfAdminKey));
        let root = identity("root", true);
        assert!(upload_grant(&root, &user("bob"), Role::User).is_ok());
        assert_eq!(upload_grant(&root, &user("bob"), Role::Admin).unwrap().role(), Role::Admin);
    }
}
