//! Keys and identities.

use slipway::auth::Role;
use slipway::service::{ErrorKind, UploadRequest};

use super::in_process::{admin, compose, kind, user};
use crate::support::{ADMIN, Gateway};

fn upload(user: &str, role: Role) -> UploadRequest {
    UploadRequest { user: user.parse().unwrap(), role }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_key_identifies_its_user() {
    let gateway = Gateway::prepared(&[]);
    let service = compose(&gateway).await;
    let line = gateway.generate_public_key("alice");
    let public_key = |name: &str| russh::keys::load_public_key(gateway.path(&format!("{name}.pub"))).unwrap();
    assert!(service.identify(&public_key(ADMIN)).unwrap().admin);
    assert_eq!(service.identify(&public_key("alice")), None);

    let grant = service.authorize_upload(&admin(), &upload("alice", Role::User)).unwrap();
    let uploaded = service.upload_keys(&admin(), &grant, line.as_bytes()).await.unwrap();
    let alice = service.identify(&public_key("alice")).unwrap();
    assert_eq!((alice.user.as_str(), alice.admin), ("alice", false));
    let json = serde_json::to_value(uploaded).unwrap();
    assert_eq!(json, serde_json::json!({ "added": [alice.fingerprint], "existing": [] }));

    for text in ["", "no key", &"x".repeat(slipway::service::MAX_UPLOAD_BYTES + 1)] {
        assert_eq!(kind(service.upload_keys(&admin(), &grant, text.as_bytes()).await), ErrorKind::Invalid);
    }
    let of_bob = service.authorize_upload(&user("bob"), &upload("bob", Role::User)).unwrap();
    let taken = service.upload_keys(&user("bob"), &of_bob, line.as_bytes()).await;
    assert_eq!(kind(taken), ErrorKind::Conflict, "the key is alice's");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_upload_keys_for_themselves_only_and_make_no_admins() {
    let gateway = Gateway::prepared(&[]);
    let service = compose(&gateway).await;
    let bob = user("bob");
    for request in [upload("alice", Role::User), upload("bob", Role::Admin)] {
        assert_eq!(kind(service.authorize_upload(&bob, &request)), ErrorKind::Forbidden, "{request:?}");
        assert!(service.authorize_upload(&admin(), &request).is_ok(), "{request:?}");
    }
    assert!(service.authorize_upload(&bob, &upload("bob", Role::User)).is_ok());
}
