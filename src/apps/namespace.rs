//! The namespace of an app: creating it is the claim to the name.
//!
//! A namespace is slipway's only if its label names the app and its annotation names the owner.
//! Everything else that exists is foreign and stays untouched, slipway's own namespace included.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PartialObjectMeta, PostParams};

use super::error::AppsError;
use super::reach::{Apps, Reach};
use crate::clusters::{CallError, call};
use crate::domain::{AppName, UserName, labels};

/// How often a claim is tried while namespaces of that name come and go.
const ATTEMPTS: usize = 3;
/// How many namespaces are read concurrently.
const READS: usize = 8;

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

impl Apps {
    /// Whom the app belongs to now.
    ///
    /// # Errors
    /// [`AppsError`], also while the app's namespace is being deleted; [`AppsError::NotListed`] and [`AppsError::Missing`]
    /// where slipway may only use namespaces that are there.
    pub async fn ownership(&self, app: &AppName) -> Result<Ownership, AppsError> {
        self.within_reach(app)?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match self.unless_forbidden(call("reading the namespace", || namespaces.get_opt(app.as_str())).await)? {
            None if self.is_listed() => Err(AppsError::Missing(app.clone())),
            None => Ok(Ownership::Unknown),
            Some(namespace) if is_being_deleted(&namespace) => Err(AppsError::BeingDeleted(app.clone())),
            Some(namespace) => match owner(&namespace.metadata, app, &self.home) {
                Some(owner) => Ok(Ownership::Owned(owner)),
                None if self.is_listed() && !self.has_release(app).await? => Ok(Ownership::Unknown),
                None => Ok(Ownership::Foreign),
            },
        }
    }

    /// Where the namespaces are listed, slipway's right to look at one ends with it.
    pub(super) fn unless_forbidden<T>(&self, read: Result<Option<T>, CallError>) -> Result<Option<T>, AppsError> {
        match read {
            Err(error) if self.is_listed() && error.status().is_some_and(|status| status.code == 403) => Ok(None),
            read => Ok(read?),
        }
    }

    /// Whether helm installed a release of that name: nobody takes it over by a push.
    async fn has_release(&self, app: &AppName) -> Result<bool, AppsError> {
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), app.as_str());
        let records = ListParams::default().labels(&format!("owner=helm,name={app}")).limit(1);
        let found = call("looking for a release", || secrets.list_metadata(&records)).await?;
        Ok(!found.items.is_empty())
    }

    /// All apps, by name. Those that are being deleted are not among them.
    ///
    /// # Errors
    /// [`AppsError`].
    pub async fn list(&self) -> Result<Vec<App>, AppsError> {
        let found = match &self.reach {
            Reach::Listed(listed) => self.get_each(listed).await?,
            Reach::Cluster | Reach::Bound(_) => {
                let namespaces: Api<Namespace> = Api::all(self.client.clone());
                let ours = ListParams::default().labels(labels::APP);
                call("listing the apps", || namespaces.list_metadata(&ours)).await?.items
            }
        };
        let mut apps: Vec<_> = found.iter().filter_map(|namespace| app(&namespace.metadata, &self.home)).collect();
        apps.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(apps)
    }

    async fn get_each(&self, listed: &BTreeSet<AppName>) -> Result<Vec<PartialObjectMeta<Namespace>>, AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let reads = listed.iter().cloned().map(|app| {
            let namespaces = namespaces.clone();
            async move {
                let read = call("reading a namespace", || namespaces.get_metadata_opt(app.as_str())).await;
                self.unless_forbidden(read)
            }
        });
        let found: Vec<_> = stream::iter(reads).buffered(READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Makes the app's namespace, if the claimant `creates` the app. If it is there already, its owner may proceed, and so
    /// may an admin.
    ///
    /// # Errors
    /// [`AppsError::Taken`] if someone else owns it, [`AppsError::Foreign`] if nobody does; [`AppsError::Gone`] if it is
    /// not there, and not to be made: who was let in to an app that existed need not be the owner of the next of its name.
    pub async fn claim(&self, app: &AppName, owner: &UserName, admin: bool, creates: bool) -> Result<Claim, AppsError> {
        for _ in 0..ATTEMPTS {
            if creates && !self.is_listed() && self.create(app, owner).await? {
                return Ok(Claim::Made);
            }
            match self.ownership(app).await? {
                Ownership::Owned(other) if admin || other == *owner => return Ok(Claim::Present),
                Ownership::Owned(_) => return Err(AppsError::Taken(app.clone())),
                Ownership::Foreign => return Err(AppsError::Foreign(app.clone())),
                Ownership::Unknown if !creates => return Err(AppsError::Gone(app.clone())),
                Ownership::Unknown if self.is_listed() => {
                    self.adopt(app, owner).await?;
                    return Ok(Claim::Made);
                }
                Ownership::Unknown => {}
            }
        }
        Err(AppsError::BeingDeleted(app.clone()))
    }

    /// False if there is such a namespace already.
    async fn create(&self, app: &AppName, owner: &UserName) -> Result<bool, AppsError> {
        let api = Api::<Namespace>::all(self.client.clone());
        let (params, namespace) = (PostParams::default(), namespace(app, owner, &self.home));
        match call("making the namespace", || api.create(&params, &namespace)).await {
            Ok(_) => {
                self.known.until(app, true).await;
                Ok(true)
            }
            Err(error) if error.is_already_exists() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The app whose namespace this is, unless it is being deleted.
pub(super) fn app(metadata: &ObjectMeta, home: &str) -> Option<App> {
    let name: AppName = metadata.name.as_deref()?.parse().ok()?;
    let owner = owner(metadata, &name, home).filter(|_| metadata.deletion_timestamp.is_none())?;
    Some(App { name, owner, created: metadata.creation_timestamp.as_ref().map(|time| time.0) })
}

fn namespace(app: &AppName, owner: &UserName, home: &str) -> Namespace {
    let labels = [(labels::APP, app.as_str()), ("app.kubernetes.io/managed-by", "slipway")];
    let annotations = [(labels::OWNER, owner.as_str()), (labels::INSTALLATION, home)];
    let metadata = ObjectMeta {
        name: Some(app.to_string()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    };
    Namespace { metadata, ..Namespace::default() }
}

fn is_being_deleted(namespace: &Namespace) -> bool {
    namespace.metadata.deletion_timestamp.is_some()
}

/// The owner that slipway wrote, if this slipway, by its own namespace, made the namespace for this very app.
pub(super) fn owner(metadata: &ObjectMeta, app: &AppName, home: &str) -> Option<UserName> {
    let label = metadata.labels.as_ref()?.get(labels::APP)?;
    let annotations = metadata.annotations.as_ref()?;
    let ours = annotations.get(labels::INSTALLATION)? == home;
    let owner = annotations.get(labels::OWNER)?;
    if ours && label == app.as_str() { owner.parse().ok() } else { None }
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
        let apps = Apps::new(client, Reach::Cluster, "slipway");
        assert_eq!(apps.claim(&app, &user, false, true).await.unwrap(), Claim::Made);
        let gone = apps.claim(&app, &user, true, false).await.unwrap_err();
        assert_eq!(gone.to_string(), "the namespace of web is gone; push again");
    }

    fn made() -> (AppName, UserName, Namespace) {
        let (app, user): (AppName, UserName) = ("web".parse().unwrap(), "alice".parse().unwrap());
        let namespace = namespace(&app, &user, "slipway");
        (app, user, namespace)
    }

    #[test]
    fn a_namespace_that_slipway_made_names_its_owner() {
        let (app, user, namespace) = made();
        assert_eq!(owner(&namespace.metadata, &app, "slipway"), Some(user));
        assert!(!is_being_deleted(&namespace));
    }

    #[test]
    fn an_app_is_listed_until_its_namespace_is_being_deleted() {
        let (name, owner, namespace) = made();
        assert_eq!(app(&namespace.metadata, "slipway"), Some(App { name, owner, created: None }));
        let mut going = namespace.metadata.clone();
        going.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
        assert_eq!(app(&going, "slipway"), None);
        let foreign = ObjectMeta { name: Some("other".into()), ..namespace.metadata };
        assert_eq!(app(&foreign, "slipway"), None);
    }

    #[test]
    fn an_app_of_another_slipway_is_foreign() {
        let (app, user, namespace) = made();
        assert_eq!(owner(&namespace.metadata, &app, "slipway"), Some(user));
        assert_eq!(owner(&namespace.metadata, &app, "slipway-staging"), None);
    }

    #[test]
    fn a_namespace_without_the_exact_marks_is_foreign() {
        let (app, _, namespace) = made();
        assert_eq!(owner(&namespace.metadata, &"other".parse().unwrap(), "slipway"), None);
        let mut unlabelled = namespace.clone();
        unlabelled.metadata.labels = Some([("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned())].into());
        assert_eq!(owner(&unlabelled.metadata, &app, "slipway"), None);
        for name in ["", "-x", "a b"] {
            let mut unowned = namespace.clone();
            unowned.metadata.annotations.as_mut().unwrap().insert(labels::OWNER.to_owned(), name.to_owned());
            assert_eq!(owner(&unowned.metadata, &app, "slipway"), None, "{name:?}");
        }
        assert_eq!(owner(&ObjectMeta::default(), &app, "slipway"), None);
    }
}
