//! The authorization rules, by role and by owner.

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
    let grant =
        authorize_push(&identity("alice", false), &app("web"), &AppOwner::None, AppCreationPolicy::Anyone).unwrap();
    assert!(grant.creates_app() && !grant.is_admin());
    assert_eq!((grant.user().as_str(), grant.app().as_str()), ("alice", "web"));
    let owned = AppOwner::User(user("alice"));
    let grant = authorize_push(&identity("alice", false), &app("web"), &owned, AppCreationPolicy::Admins).unwrap();
    assert!(!grant.creates_app());
}

#[test]
fn other_users_are_refused_without_the_name_of_the_owner() {
    let owner = AppOwner::User(user("alice"));
    for other in ["bob", "alic", "alice2", "Alice"] {
        let denied =
            authorize_push(&identity(other, false), &app("web"), &owner, AppCreationPolicy::Anyone).unwrap_err();
        let text = denied.to_string();
        assert_eq!(
            text,
            format!("{other} may not push to web: the app belongs to someone else; ask its owner or an admin")
        );
    }
}

#[test]
fn admins_push_to_every_app_but_to_no_foreign_namespace() {
    let admin = identity("root", true);
    for policy in [AppCreationPolicy::Anyone, AppCreationPolicy::Admins] {
        assert!(authorize_push(&admin, &app("web"), &AppOwner::User(user("alice")), policy).unwrap().is_admin());
        assert!(authorize_push(&admin, &app("web"), &AppOwner::None, policy).unwrap().creates_app());
        let denied = authorize_push(&admin, &app("monitoring"), &AppOwner::Foreign, policy).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "the namespace monitoring exists and was not made by slipway; an admin may turn it into an app with: apps:adopt monitoring"
        );
    }
}

#[test]
fn only_admins_adopt_and_only_foreign_namespaces() {
    let (root, web) = (identity("root", true), app("web"));
    let grant = authorize_adoption(&root, &web, &AppOwner::Foreign, Some(user("bob"))).unwrap();
    assert_eq!(*grant.owner(), user("bob"));
    assert_eq!(*authorize_adoption(&root, &web, &AppOwner::Foreign, None).unwrap().owner(), user("root"));
    assert_eq!(authorize_adoption(&root, &web, &AppOwner::None, None), Err(AccessDenied::NothingToAdopt(web.clone())));
    let taken = authorize_adoption(&root, &web, &AppOwner::User(user("bob")), None);
    assert_eq!(taken, Err(AccessDenied::AlreadyAnApp(web.clone())));
    for owner in [AppOwner::Foreign, AppOwner::None, AppOwner::User(user("bob"))] {
        assert_eq!(
            authorize_adoption(&identity("bob", false), &web, &owner, None),
            Err(AccessDenied::AdoptionRequiresAdmin)
        );
    }
}

#[test]
fn an_app_of_another_installation_is_neither_pushed_to_nor_adopted() {
    let (root, web) = (identity("root", true), app("web"));
    let owner = AppOwner::OtherInstallation("staging".into());
    let pushed = authorize_push(&root, &web, &owner, AppCreationPolicy::Anyone).map(drop);
    let adopted = authorize_adoption(&root, &web, &owner, None).map(drop);
    for denied in [pushed, adopted] {
        let text = denied.unwrap_err().to_string();
        assert!(text.starts_with("the namespace web belongs to the slipway in the namespace staging: "), "{text}");
    }
    assert!(authorize_read(&root, &web, &owner).is_err());
}

#[test]
fn the_policy_can_reserve_creation_for_admins() {
    let denied = authorize_push(&identity("bob", false), &app("web"), &AppOwner::None, AppCreationPolicy::Admins);
    assert_eq!(denied, Err(AccessDenied::CreationRequiresAdmin(app("web"))));
}

#[test]
fn a_refused_read_does_not_reveal_whether_the_app_exists() {
    let bob = identity("bob", false);
    let other = AppOwner::OtherInstallation("staging".into());
    let answers = [AppOwner::None, AppOwner::Foreign, other, AppOwner::User(user("alice"))]
        .map(|owner| authorize_read(&bob, &app("web"), &owner).unwrap_err());
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let own = authorize_read(&bob, &app("web"), &AppOwner::User(user("bob"))).unwrap();
    assert_eq!((own.user().as_str(), own.app().as_str()), ("bob", "web"));
    assert!(authorize_read(&identity("root", true), &app("web"), &AppOwner::User(user("bob"))).is_ok());
    assert!(authorize_read(&identity("root", true), &app("web"), &AppOwner::Foreign).is_err());
}

#[test]
fn users_upload_for_themselves_and_admins_for_everyone() {
    let bob = identity("bob", false);
    let own = authorize_upload(&bob, &user("bob"), Role::User).unwrap();
    assert_eq!((own.user().as_str(), own.role()), ("bob", Role::User));
    for other in ["alice", "bo", "bobby", "Bob"] {
        assert_eq!(
            authorize_upload(&bob, &user(other), Role::User),
            Err(AccessDenied::UploadForOtherUser(user("bob")))
        );
    }
    assert_eq!(authorize_upload(&bob, &user("bob"), Role::Admin), Err(AccessDenied::AdminKeyRequiresAdmin));
    let root = identity("root", true);
    assert!(authorize_upload(&root, &user("bob"), Role::User).is_ok());
    assert_eq!(authorize_upload(&root, &user("bob"), Role::Admin).unwrap().role(), Role::Admin);
}
