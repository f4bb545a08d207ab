//! The namespace of an app: creating it is the claim to the name.
//!
//! A namespace is slipway's only if its label names the app and its annotation names the owner.
//! Everything else that exists is foreign and stays untouched, slipway's own namespace included.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, ObjectMeta, PartialObjectMeta, PostParams};
use kube::{Api, Client};

use super::error::AppsError;
use crate::clusters::call;
use crate::domain::{AppName, UserName, labels};

/// How often a claim is tried while namespaces of that name come and go.
const ATTEMPTS: usize = 3;

/// Whom an app belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// There is no such namespace.
    Unknown,
    /// The user who created the app.
    Owned(UserName),
    /// There is one that slipway did not make.
    Foreign,
}

/// How a claim ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The namespace was made.
    Made,
    /// It was there, and the claimant may use it.
    Present,
}

/// Whom the app belongs to now.
///
/// # Errors
/// [`AppsError`], also while the app's namespace is being deleted.
pub async fn ownership(client: &Client, app: &AppName) -> Result<Ownership, AppsError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match call("reading the namespace", || namespaces.get_opt(app.as_str())).await? {
        None => Ok(Ownership::Unknown),
        Some(namespace) if is_being_deleted(&namespace) => Err(AppsError::BeingDeleted(app.clone())),
        Some(namespace) => Ok(owner(&namespace.metadata, app).map_or(Ownership::Foreign, Ownership::Owned)),
    }
}

/// An app that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// The user who created it.
    pub owner: UserName,
    /// When that was.
    pub created: Option<Timestamp>,
}

/// All apps, by name. Those that are being deleted are not among them.
///
/// # Errors
/// [`AppsError`].
pub async fn list(client: &Client) -> Result<Vec<App>, AppsError> {
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    let ours = ListParams::default().labels(labels::APP);
    let list = call("listing the apps", || namespaces.list(&ours)).await?;
    let mut apps: Vec<_> = list.items.iter().filter_map(|namespace| app(&namespace.metadata)).collect();
    apps.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(apps)
}

fn app(metadata: &ObjectMeta) -> Option<App> {
    let name: AppName = metadata.name.as_deref()?.parse().ok()?;
    let owner = owner(metadata, &name).filter(|_| metadata.deletion_timestamp.is_none())?;
    Some(App { name, owner, created: metadata.creation_timestamp.as_ref().map(|time| time.0) })
}

/// Makes the app's namespace, if the claimant `creates` the app. If it is there already, its owner may proceed, and so
/// may an admin.
///
/// # Errors
/// [`AppsError::Taken`] if someone else owns it, [`AppsError::Foreign`] if nobody does; [`AppsError::Gone`] if it is not
/// there, and not to be made: who was let in to an app that existed need not be the owner of the next of its name.
pub async fn claim(
    client: &Client,
    app: &AppName,
    owner: &UserName,
    admin: bool,
    creates: bool,
) -> Result<Claim, AppsError> {
    for _ in 0..ATTEMPTS {
        if creates && create(client, app, owner).await? {
            return Ok(Claim::Made);
        }
        match ownership(client, app).await? {
            Ownership::Owned(other) if admin || other == *owner => return Ok(Claim::Present),
            Ownership::Owned(_) => return Err(AppsError::Taken(app.clone())),
            Ownership::Foreign => return Err(AppsError::Foreign(app.clone())),
            Ownership::Unknown if !creates => return Err(AppsError::Gone(app.clone())),
            Ownership::Unknown => {}
        }
    }
    Err(AppsError::BeingDeleted(app.clone()))
}

/// False if there is such a namespace already.
async fn create(client: &Client, app: &AppName, owner: &UserName) -> Result<bool, AppsError> {
    let api = Api::<Namespace>::all(client.clone());
    let (params, namespace) = (PostParams::default(), namespace(app, owner));
    match call("making the namespace", || api.create(&params, &namespace)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_already_exists() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn namespace(app: &AppName, owner: &UserName) -> Namespace {
    let labels = [(labels::APP, app.as_str()), ("app.kubernetes.io/managed-by", "slipway")];
    let metadata = ObjectMeta {
        name: Some(app.to_string()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        annotations: Some([(labels::OWNER.to_owned(), owner.to_string())].into()),
        ..ObjectMeta::default()
    };
    Namespace { metadata, ..Namespace::default() }
}

fn is_being_deleted(namespace: &Namespace) -> bool {
    namespace.metadata.deletion_timestamp.is_some()
}

/// The owner that slipway wrote, if slipway made the namespace for this very app.
pub(super) fn owner(metadata: &ObjectMeta, app: &AppName) -> Option<UserName> {
    let label = metadata.labels.as_ref()?.get(labels::APP)?;
    let owner = metadata.annotations.as_ref()?.get(labels::OWNER)?;
    if label == app.as_str() { owner.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::testing::{api_server, not_found};

    #[tokio::test]
    async fn a_namespace_is_made_only_for_who_creates_the_app() {
        let (app, user, _) = made();
        // it has no namespaces, and makes any
        let client = api_server(|request| match *request.method() {
            Method::POST => (201, json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": "web" } })),
            _ => not_found(),
        });
        assert_eq!(claim(&client, &app, &user, false, true).await.unwrap(), Claim::Made);
        let gone = claim(&client, &app, &user, true, false).await.unwrap_err();
        assert_eq!(gone.to_string(), "the namespace of web is gone; push again");
    }

    fn made() -> (AppName, UserName, Namespace) {
        let (app, user): (AppName, UserName) = ("web".parse().unwrap(), "alice".parse().unwrap());
        let namespace = namespace(&app, &user);
        (app, user, namespace)
    }

    #[test]
    fn a_namespace_that_slipway_made_names_its_owner() {
        let (app, user, namespace) = made();
        assert_eq!(owner(&namespace.metadata, &app), Some(user));
        assert!(!is_being_deleted(&namespace));
    }

    #[test]
    fn an_app_is_listed_until_its_namespace_is_being_deleted() {
        let (name, owner, namespace) = made();
        assert_eq!(app(&namespace.metadata), Some(App { name, owner, created: None }));
        let mut going = namespace.metadata.clone();
        going.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
        assert_eq!(app(&going), None);
        let foreign = ObjectMeta { name: Some("other".into()), ..namespace.metadata };
        assert_eq!(app(&foreign), None);
    }

    #[test]
    fn a_namespace_without_the_exact_marks_is_foreign() {
        let (app, _, namespace) = made();
        assert_eq!(owner(&namespace.metadata, &"other".parse().unwrap()), None);
        let mut unlabelled = namespace.clone();
        unlabelled.metadata.labels = Some([("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned())].into());
        assert_eq!(owner(&unlabelled.metadata, &app), None);
        for name in ["", "-x", "a b"] {
            let mut unowned = namespace.clone();
            unowned.metadata.annotations = Some([(labels::OWNER.to_owned(), name.to_owned())].into());
            assert_eq!(owner(&unowned.metadata, &app), None, "{name:?}");
        }
        assert_eq!(owner(&ObjectMeta::default(), &app), None);
    }
}
