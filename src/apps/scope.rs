//! The namespaces that slipway may use for apps.

use std::collections::BTreeSet;

use super::rbac::AppRoleBinding;
use crate::domain::AppName;

/// The namespaces that slipway may use for apps, and the origin of its permissions there.
#[derive(Debug, Clone)]
pub enum NamespaceScope {
    /// slipway creates the namespace of each app; a ClusterRoleBinding grants its permissions.
    AllNamespaces,
    /// slipway creates the namespace of each app, and binds itself to a ClusterRole there.
    RoleBinding(AppRoleBinding),
    /// Only these namespaces, which exist already; slipway has no permission in the whole cluster.
    AllowList(BTreeSet<AppName>),
}
