//! The release history of apps.

use serde::ser::Error;
use serde::{Serialize, Serializer};

use super::answers::{Release, ReleaseDetails, RevisionDiff};
use super::error::ServiceError;
use super::handle::{Caller, Service};
use crate::domain::{AppName, Revision, Target};
use crate::release::{self, ListScope};

/// Up to this many apps, one list of records per namespace is cheaper than a list of all namespaces.
const MAX_NAMESPACE_LISTS: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasesRequest {
    pub app: AppName,
    /// How many revisions to list, counted from the newest.
    pub limit: usize,
}

/// The newest revision of an app.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppRelease {
    pub app: AppName,
    #[serde(serialize_with = "with_sorted_keys")]
    pub release: Release,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRequest {
    pub app: AppName,
    /// The older revision; by default the one before `to`.
    pub from: Option<Revision>,
    /// The newer revision; by default the deployed one.
    pub to: Option<Revision>,
}

impl Service {
    /// The newest revisions of an app, oldest first.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn list_releases(
        &self,
        caller: &Caller,
        request: &ReleasesRequest,
    ) -> Result<Vec<Release>, ServiceError> {
        let grant = self.authorize_read(caller, &request.app).await?;
        Ok(release::list_releases(&self.deployer.cluster, &Target::of_app(grant.app()), request.limit).await?)
    }

    /// The newest revision of each app that the caller may read, ordered by app.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn newest_releases(&self, caller: &Caller) -> Result<Vec<AppRelease>, ServiceError> {
        let apps: Vec<AppName> = self.list_apps(caller).await?.into_iter().map(|app| app.app).collect();
        let targets: Vec<_> = apps.iter().map(Target::of_app).collect();
        let is_one_list_cheaper = self.deployer.apps.can_list_all_namespaces() && apps.len() > MAX_NAMESPACE_LISTS;
        let scope = if is_one_list_cheaper { ListScope::ClusterWide } else { ListScope::PerNamespace };
        let newest = release::newest_releases(&self.deployer.cluster, targets, scope).await?;
        // In the same order, without the apps that have no release.
        let mut apps = apps.into_iter();
        let with_app = newest.into_iter().filter_map(|(target, release)| {
            let app = apps.find(|app| Target::of_app(app) == target)?;
            Some(AppRelease { app, release })
        });
        Ok(with_app.collect())
    }

    /// A revision with its objects; by default the deployed one.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn show_release(
        &self,
        caller: &Caller,
        app: &AppName,
        revision: Option<Revision>,
    ) -> Result<ReleaseDetails, ServiceError> {
        let grant = self.authorize_read(caller, app).await?;
        Ok(release::show_release(&self.deployer.cluster, &Target::of_app(grant.app()), revision).await?)
    }

    /// The differences between the objects of two revisions.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn diff_revisions(&self, caller: &Caller, request: &DiffRequest) -> Result<RevisionDiff, ServiceError> {
        let grant = self.authorize_read(caller, &request.app).await?;
        Ok(release::diff_revisions(&self.deployer.cluster, &Target::of_app(grant.app()), request.from, request.to)
            .await?)
    }
}

/// The list of all apps has printed its releases with sorted keys since version 0.1.
fn with_sorted_keys<S: Serializer>(release: &Release, serializer: S) -> Result<S::Ok, S::Error> {
    // serde_json's map is sorted.
    serde_json::to_value(release).map_err(S::Error::custom)?.serialize(serializer)
}
