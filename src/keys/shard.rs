//! One key ConfigMap: user → lines of `authorized_keys`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::auth::Role;
use crate::domain::labels;

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

    pub(super) fn shard_name(self, number: u32) -> String {
        format!("{}{number}", self.shard_prefix())
    }

    /// The number in the name of a ConfigMap; `None` if slipway did not create it.
    pub(super) fn shard_number(self, name: &str) -> Option<u32> {
        name.strip_prefix(self.shard_prefix())?.parse().ok()
    }
}

/// Selects the key ConfigMaps that slipway created, and those that users created and labelled.
pub(super) fn label_selector() -> String {
    format!("{} in ({},{})", labels::KEYS, Role::User.label(), Role::Admin.label())
}

/// The content of a key ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub role: Role,
    /// Distinguishes the ConfigMap from a later one of the same name.
    pub uid: String,
    /// A write with this version fails if another client wrote in the meantime.
    pub resource_version: String,
    /// User → lines, unparsed.
    pub entries: BTreeMap<String, String>,
}

impl Shard {
    /// The name and the content; `None` without the label.
    pub(super) fn from_config_map(map: ConfigMap) -> Option<(String, Self)> {
        let role = Self::role_of(&map)?;
        Some((map.metadata.name.clone()?, Self::with_role(map, role)))
    }

    /// The role that the label states.
    pub(super) fn role_of(map: &ConfigMap) -> Option<Role> {
        Role::from_label(map.metadata.labels.as_ref()?.get(labels::KEYS)?)
    }

    /// The content with a role that the label need not state.
    pub(super) fn with_role(map: ConfigMap, role: Role) -> Self {
        let uid = map.metadata.uid.unwrap_or_default();
        let resource_version = map.metadata.resource_version.unwrap_or_default();
        Self { role, uid, resource_version, entries: map.data.unwrap_or_default() }
    }

    /// The size that [`MAX_SHARD_BYTES`](super::limits::MAX_SHARD_BYTES) limits.
    pub(super) fn size(&self) -> usize {
        self.entries.iter().map(|(user, lines)| user.len() + lines.len()).sum()
    }
}
