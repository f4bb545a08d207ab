//! The handle on the apps of a cluster, through which the rest of slipway reads and changes them.

use std::sync::Arc;

use kube::Client;

use super::cache::AppCache;
use super::error::AppsError;
use super::scope::NamespaceScope;
use crate::domain::AppName;

/// The apps of a cluster. Clones share one cache.
#[derive(Clone)]
pub struct Apps {
    pub(super) client: Client,
    pub(super) scope: NamespaceScope,
    /// slipway's own namespace, which tells apart several installations in one cluster.
    pub(super) installation: String,
    pub(super) cache: Arc<AppCache>,
}

impl Apps {
    /// `installation` is slipway's own namespace.
    pub fn new(client: Client, scope: NamespaceScope, installation: &str) -> Self {
        let cache = Arc::new(AppCache::new(installation));
        Self { client, scope, installation: installation.to_owned(), cache }
    }

    /// Whether slipway may use listed namespaces only. Those need no label of an app.
    pub(super) fn has_allow_list(&self) -> bool {
        matches!(self.scope, NamespaceScope::AllowList(_))
    }

    /// Whether slipway may list objects across all namespaces.
    pub fn can_list_all_namespaces(&self) -> bool {
        matches!(self.scope, NamespaceScope::AllNamespaces)
    }

    pub(super) fn check_in_scope(&self, app: &AppName) -> Result<(), AppsError> {
        match &self.scope {
            NamespaceScope::AllowList(listed) if !listed.contains(app) => Err(AppsError::NotListed(app.clone())),
            _ => Ok(()),
        }
    }

    /// Ensures that slipway has its permissions in the app's namespace.
    ///
    /// # Errors
    /// [`AppsError`]; [`AppsError::PermissionPending`] if a new RoleBinding does not take effect in time.
    pub async fn bind_role(&self, app: &AppName) -> Result<(), AppsError> {
        match &self.scope {
            NamespaceScope::RoleBinding(role) => role.bind(&self.client, app).await,
            NamespaceScope::AllNamespaces | NamespaceScope::AllowList(_) => Ok(()),
        }
    }

    /// Deletes slipway's RoleBinding from a namespace that is no longer an app's.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn unbind_role(&self, app: &AppName) -> Result<(), AppsError> {
        match &self.scope {
            NamespaceScope::RoleBinding(role) => role.unbind(&self.client, app).await,
            NamespaceScope::AllNamespaces | NamespaceScope::AllowList(_) => Ok(()),
        }
    }
}
