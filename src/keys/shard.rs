//! One ConfigMap of keys: user → lines of `authorized_keys`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::grant::Role;
use crate::domain::labels;

/// The most that slipway puts into one ConfigMap, in bytes. Kubernetes' own limit is 1 MiB.
pub(super) const CAPACITY: usize = 900 * 1024;

impl Role {
    /// The value of the label [`labels::KEYS`].
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Admin => "admins",
        }
    }

    fn from_label(value: &str) -> Option<Self> {
        [Self::User, Self::Admin].into_iter().find(|role| role.label() == value)
    }

    fn shard_prefix(self) -> &'static str {
        match self {
            Self::User => "slipway-keys-",
            Self::Admin => "slipway-admins-",
        }
    }

    /// The name of the ConfigMap with this number.
    pub(super) fn shard_name(self, number: u32) -> String {
        format!("{}{number}", self.shard_prefix())
    }

    /// The number of the ConfigMap with this name, if slipway made it.
    pub(super) fn shard_number(self, name: &str) -> Option<u32> {
        name.strip_prefix(self.shard_prefix())?.parse().ok()
    }
}

/// The ConfigMaps that hold keys, ours and those that someone else labelled so.
pub(super) fn selector() -> String {
    format!("{} in ({},{})", labels::KEYS, Role::User.label(), Role::Admin.label())
}

/// What a ConfigMap holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub role: Role,
    /// Tells it from another one of its name.
    pub uid: String,
    /// Its `resourceVersion`: a write that names it fails if someone else wrote since.
    pub version: String,
    /// User → lines, both as they are stored.
    pub entries: BTreeMap<String, String>,
}

impl Shard {
    /// The name and the content, if it carries the label.
    pub(super) fn from_config_map(map: ConfigMap) -> Option<(String, Self)> {
        let role = Self::role(&map)?;
        Some((map.metadata.name.clone()?, Self::with_role(map, role)))
    }

    /// Whose keys a ConfigMap says that it holds.
    pub(super) fn role(map: &ConfigMap) -> Option<Role> {
        Role::from_label(map.metadata.labels.as_ref()?.get(labels::KEYS)?)
    }

    /// The content, whatever the label says.
    pub(super) fn with_role(map: ConfigMap, role: Role) -> Self {
        let (version, uid) = (map.metadata.resource_version.unwrap_or_default(), map.metadata.uid.unwrap_or_default());
        Self { role, uid, version, entries: map.data.unwrap_or_default() }
    }

    /// How many bytes count towards [`CAPACITY`].
    pub(super) fn size(&self) -> usize {
        self.entries.iter().map(|(user, lines)| user.len() + lines.len()).sum()
    }
}
