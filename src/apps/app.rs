//! An app as the metadata of its namespace states it.
//!
//! A namespace belongs to this installation only if its label names the app and its annotations name the owner and the
//! installation. Every other namespace is foreign and stays untouched, slipway's own namespace included.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ObjectMeta;

use crate::domain::{AppName, AppOwner, UserName, labels};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    pub name: AppName,
    pub owner: UserName,
    pub created: Option<Timestamp>,
    /// The environment whose file the app has.
    pub environment: Option<String>,
}

impl App {
    /// The app of a namespace; `None` if the namespace is foreign or being deleted.
    pub(super) fn from_metadata(metadata: &ObjectMeta, installation: &str) -> Option<Self> {
        let name: AppName = metadata.name.as_deref()?.parse().ok()?;
        let AppOwner::User(owner) = read_owner(metadata, &name, installation) else { return None };
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        let environment = metadata.annotations.as_ref().and_then(|all| all.get(labels::ENVIRONMENT)).cloned();
        (!is_being_deleted(metadata)).then_some(Self { name, owner, created, environment })
    }
}

/// The owner that the label and the annotations of an existing namespace name.
pub(super) fn read_owner(metadata: &ObjectMeta, app: &AppName, installation: &str) -> AppOwner {
    let annotation = |key| metadata.annotations.as_ref().and_then(|annotations| annotations.get(key));
    match annotation(labels::INSTALLATION) {
        Some(other) if other != installation => return AppOwner::OtherInstallation(other.clone()),
        Some(_) => {}
        None => return AppOwner::Foreign,
    }
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(labels::APP));
    let owner = annotation(labels::OWNER).filter(|_| label.is_some_and(|label| label == app.as_str()));
    owner.and_then(|owner| owner.parse().ok()).map_or(AppOwner::Foreign, AppOwner::User)
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
        assert_eq!(read_owner(&metadata, &app, "slipway"), AppOwner::User(owner));
        assert!(!is_being_deleted(&metadata));
    }

    #[test]
    fn an_app_is_listed_until_its_namespace_is_being_deleted() {
        let (name, owner, metadata) = web_of_alice();
        assert_eq!(
            App::from_metadata(&metadata, "slipway"),
            Some(App { name, owner, created: None, environment: None })
        );
        let mut terminating = metadata.clone();
        terminating.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
        assert_eq!(App::from_metadata(&terminating, "slipway"), None);
        let foreign = ObjectMeta { name: Some("other".into()), ..metadata };
        assert_eq!(App::from_metadata(&foreign, "slipway"), None);
    }

    #[test]
    fn an_app_of_another_installation_names_that_installation() {
        let (app, owner, mut metadata) = web_of_alice();
        assert_eq!(read_owner(&metadata, &app, "slipway"), AppOwner::User(owner));
        let other = AppOwner::OtherInstallation("slipway".into());
        assert_eq!(read_owner(&metadata, &app, "slipway-staging"), other);
        assert_eq!(App::from_metadata(&metadata, "slipway-staging"), None);
        metadata.labels = None;
        assert_eq!(read_owner(&metadata, &app, "slipway-staging"), other, "the annotation counts without the label");
    }

    #[test]
    fn a_namespace_without_the_exact_label_and_annotations_is_foreign() {
        let (app, _, metadata) = web_of_alice();
        let foreign = AppOwner::Foreign;
        assert_eq!(read_owner(&metadata, &"other".parse().unwrap(), "slipway"), foreign);
        let mut unlabelled = metadata.clone();
        unlabelled.labels = Some([("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned())].into());
        assert_eq!(read_owner(&unlabelled, &app, "slipway"), foreign);
        for name in ["", "-x", "a b"] {
            let mut unowned = metadata.clone();
            unowned.annotations.as_mut().unwrap().insert(labels::OWNER.to_owned(), name.to_owned());
            assert_eq!(read_owner(&unowned, &app, "slipway"), foreign, "{name:?}");
        }
        assert_eq!(read_owner(&ObjectMeta::default(), &app, "slipway"), foreign);
    }
}
