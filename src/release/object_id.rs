//! The identity of an object across revisions and API versions. Pure.

use std::fmt;

use kube::api::DynamicObject;
use serde::Serialize;

use crate::domain::Manifest;

/// Group, kind and name of an object in the release's namespace. The version is left out: the server may have given up the
/// version in which an earlier revision applied the object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct ObjectId {
    /// Empty for the core group.
    pub group: String,
    pub kind: String,
    pub name: String,
}

impl ObjectId {
    pub fn from_manifest(manifest: &Manifest) -> Self {
        Self {
            group: group_of(manifest.api_version()),
            kind: manifest.kind().to_owned(),
            name: manifest.name().to_owned(),
        }
    }

    /// `None` if the server left out the type or the name.
    pub fn from_live(object: &DynamicObject) -> Option<Self> {
        let types = object.types.as_ref()?;
        Some(Self {
            group: group_of(&types.api_version),
            kind: types.kind.clone(),
            name: object.metadata.name.clone()?,
        })
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.to_lowercase(), self.name)
    }
}

fn group_of(api_version: &str) -> String {
    api_version.split_once('/').map_or("", |(group, _)| group).to_owned()
}
