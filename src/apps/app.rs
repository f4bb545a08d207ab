//! An app as the metadata of its namespace states it.
//!
//! A namespace belongs to this installation only if its label names the app and its annotations name the owner and the
//! installation. Every other namespace is foreign and stays untouched, slipway's own namespace included.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ObjectMeta;

use crate::domain::{AppName, UserName, labels};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    pub name: AppName,
    pub owner: UserName,
    pub created: Option<Timestamp>,
}

impl App {
    /// The app of a namespace; `None` if the namespace is foreign or being deleted.
    pub(super) fn from_metadata(metadata: &ObjectMeta, installation: &str) -> Option<Self> {
        let name: AppName = metadata.name.as_deref()?.parse().ok()?;
        let owner = read_owner(metadata, &name, installation).filter(|_| !is_being_deleted(metadata))?;
        Some(Self { name, owner, created: metadata.creation_timestamp.as_ref().map(|time| time.0) })
    }
}

/// The owner that the annotation names; `None` if the namespace is foreign.
pub(super) fn read_owner(metadata: &ObjectMeta, app: &AppName, installation: &str) -> Option<UserName> {
    let label = metadata.labels.as_ref()?.get(labels::APP)?;
    let annotations = metadata.annotations.as_ref()?;
    let is_ours = annotations.get(labels::INSTALLATION)? == installation;
    let owner = annotations.get(labels::OWNER)?;
    if is_ours && label == app.as_str() { owner.parse().ok() } else { None }
}

pub(super) fn is_being_deleted(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_some()
}

/// The manifest of a new app's namespace.
pub(super) fn namespace_manifest(app: &AppName, owner: &UserName, installation: &str) -> Namespace {
    let labels = [(labels::APP, app.as_str()), ("app.kubernetes.io/managed-by", "slipway")];
    let annotations = [(labels::OWNER, owner.as_str()), (labels::INSTALLATION, installation)];
    let metadata = ObjectMeta {
        name: Some(app.to_string()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    };
    Namespace { metadata, ..Namespace::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web_of_alice() -> (AppName, UserName, ObjectMeta) {
        let (app, owner): (AppName, UserName) = ("web".parse().unwrap(), "alice".parse().unwrap());
        let metadata = namespace_manifest(&app, &owner, "slipway").metadata;
        (app, owner, metadata)
    }

    #[test]
    fn a_namespace_that_slipway_made_names_its_owner() {
        let (app, owner, metadata) = web_of_alice();
        assert_eq!(read_owner(&metadata, &app, "slipway"), Some(owner));
        assert!(!is_being_deleted(&metadata));
    }

    #[test]
    fn an_app_is_listed_until_its_namespace_is_being_deleted() {
        let (name, owner, metadata) = web_of_alice();
        assert_eq!(App::from_metadata(&metadata, "slipway"), Some(App { name, owner, created: None }));
        let mut terminating = metadata.clone();
        terminating.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
        assert_eq!(App::from_metadata(&terminating, "slipway"), None);
        let foreign = ObjectMeta { name: Some("other".into()), ..metadata };
        assert_eq!(App::from_metadata(&foreign, "slipway"), None);
    }

    #[test]
    fn an_app_of_another_installation_is_foreign() {
        let (app, owner, metadata) = web_of_alice();
        assert_eq!(read_owner(&metadata, &app, "slipway"), Some(owner));
        assert_eq!(read_owner(&metadata, &app, "slipway-staging"), None);
    }

    #[test]
    fn a_namespace_without_the_exact_label_and_annotations_is_foreign() {
        let (app, _, metadata) = web_of_alice();
        assert_eq!(read_owner(&metadata, &"other".parse().unwrap(), "slipway"), None);
        let mut unlabelled = metadata.clone();
        unlabelled.labels = Some([("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned())].into());
        assert_eq!(read_owner(&unlabelled, &app, "slipway"), None);
        for name in ["", "-x", "a b"] {
            let mut unowned = metadata.clone();
            unowned.annotations.as_mut().unwrap().insert(labels::OWNER.to_owned(), name.to_owned());
            assert_eq!(read_owner(&unowned, &app, "slipway"), None, "{name:?}");
        }
        assert_eq!(read_owner(&ObjectMeta::default(), &app, "slipway"), None);
    }
}
