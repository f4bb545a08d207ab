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
    /// Its `resourceVersion`: a write that names it fails if someone else wrote since.
    pub version: String,
    /// User → lines, both as they are stored.
    pub entries: BTreeMap<String, String>,
}

impl Shard {
    /// The name and the content, if it carries the label.
    pub(super) fn from_config_map(map: ConfigMap) -> Option<(String, Self)> {
        let role = Role::from_label(map.metadata.labels?.get(labels::KEYS)?)?;
        let version = map.metadata.resource_version.unwrap_or_default();
        Some((map.metadata.name?, Self { role, version, entries: map.data.unwrap_or_default() }))
    }

    /// How many bytes count towards [`CAPACITY`].
    pub(super) fn size(&self) -> usize {
        self.entries.iter().map(|(user, lines)| user.len() + lines.len()).sum()
    }
}
