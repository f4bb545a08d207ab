//! Lists the apps.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ListParams, PartialObjectMeta};

use super::app::App;
use super::error::AppsError;
use super::handle::Apps;
use super::scope::NamespaceScope;
use crate::domain::{AppName, labels};
use crate::k8s::with_retries;

/// How many namespaces of an allow list are read concurrently.
const CONCURRENT_READS: usize = 8;

impl Apps {
    /// All apps by name, from the cache; requested from the API server while the cache is not current.
    ///
    /// # Errors
    /// As [`Apps::list`].
    pub async fn list_cached(&self) -> Result<Vec<App>, AppsError> {
        match self.cache.list() {
            Some(apps) => Ok(apps),
            None => self.list().await,
        }
    }

    /// Watches the namespaces of apps for ever. Returns at once with an allow list: it is short, and slipway may lack
    /// the permission to watch its namespaces.
    pub async fn watch_namespaces(&self) {
        if !self.has_allow_list() {
            self.cache.run(Api::all(self.client.clone())).await;
        }
    }

    /// All apps by name, without those that are being deleted.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn list(&self) -> Result<Vec<App>, AppsError> {
        let namespaces = match &self.scope {
            NamespaceScope::AllowList(listed) => self.get_each(listed).await?,
            NamespaceScope::AllNamespaces | NamespaceScope::RoleBinding(_) => {
                let namespaces: Api<Namespace> = Api::all(self.client.clone());
                let labelled = ListParams::default().labels(labels::APP);
                with_retries("listing the apps", || namespaces.list_metadata(&labelled)).await?.items
            }
        };
        let apps =
            namespaces.iter().filter_map(|namespace| App::from_metadata(&namespace.metadata, &self.installation));
        let mut apps: Vec<_> = apps.collect();
        apps.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(apps)
    }

    async fn get_each(&self, listed: &BTreeSet<AppName>) -> Result<Vec<PartialObjectMeta<Namespace>>, AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let reads = listed.iter().cloned().map(|app| {
            let namespaces = namespaces.clone();
            async move {
                let result = with_retries("reading a namespace", || namespaces.get_metadata_opt(app.as_str())).await;
                self.forbidden_as_none(result)
            }
        });
        let found: Vec<_> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}
