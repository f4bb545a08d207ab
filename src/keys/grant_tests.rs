//! Who may do what.

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
        assert_eq!(text, format!("{other} may not push to web: it belongs to someone else; ask its owner or an admin"));
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
