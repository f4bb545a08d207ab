//! Which namespaces slipway may use, and the rights that it has in them.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::Client;

use super::error::AppsError;
use super::known::Known;
use super::rights::AppRights;
use crate::domain::AppName;

/// Which namespaces slipway may use for apps.
#[derive(Debug, Clone)]
pub enum Reach {
    /// It makes one for each app, and has its rights in the whole cluster.
    Cluster,
    /// It makes one for each app, and binds its rights to itself there.
    Bound(AppRights),
    /// These, which are there already, and no other: it has no right in the whole cluster.
    Listed(BTreeSet<AppName>),
}

/// The apps of a cluster, as far as slipway reaches.
#[derive(Clone)]
pub struct Apps {
    pub(super) client: Client,
    pub(super) reach: Reach,
    /// slipway's own namespace, by which several of them in one cluster are told apart.
    pub(super) home: String,
    pub(super) known: Arc<Known>,
}

impl Apps {
    /// Those that `client` finds within `reach`, for the slipway whose own namespace is `home`.
    pub fn new(client: Client, reach: Reach, home: &str) -> Self {
        Self { client, reach, home: home.to_owned(), known: Arc::default() }
    }

    /// Whether slipway may use a namespace that nobody has marked: one that its operator listed.
    pub(super) fn is_listed(&self) -> bool {
        matches!(self.reach, Reach::Listed(_))
    }

    /// Whether slipway has its rights in the whole cluster, and may list what is in all namespaces.
    pub fn reaches_everything(&self) -> bool {
        matches!(self.reach, Reach::Cluster)
    }

    pub(super) fn within_reach(&self, app: &AppName) -> Result<(), AppsError> {
        match &self.reach {
            Reach::Listed(listed) if !listed.contains(app) => Err(AppsError::NotListed(app.clone())),
            _ => Ok(()),
        }
    }

    /// Sees to it that slipway has its rights in the app's namespace.
    ///
    /// # Errors
    /// As [`AppRights::take`].
    pub async fn take_rights(&self, app: &AppName) -> Result<(), AppsError> {
        match &self.reach {
            Reach::Bound(rights) => rights.take(&self.client, app).await,
            Reach::Cluster | Reach::Listed(_) => Ok(()),
        }
    }

    /// Gives them up in a namespace that is no app any more.
    ///
    /// # Errors
    /// As [`AppRights::give_up`].
    pub async fn give_up_rights(&self, app: &AppName) -> Result<(), AppsError> {
        match &self.reach {
            Reach::Bound(rights) => rights.give_up(&self.client, app).await,
            Reach::Cluster | Reach::Listed(_) => Ok(()),
        }
    }
}
