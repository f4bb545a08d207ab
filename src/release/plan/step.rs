//! One step of a plan. Pure.

use std::fmt;

use serde::{Serialize, Serializer};

use super::super::object_id::ObjectId;
use crate::domain::Manifest;

/// An action on one object. A step is printed and serialized with the identity of its object only: the object may
/// be a Secret.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::release) enum Step<'a> {
    /// A Job that has not finished is deleted.
    EndJob(#[serde(serialize_with = "serialize_id")] &'a Manifest),
    /// The fields that helm 3 set on the live object become those of a server-side apply.
    MigrateFields(#[serde(serialize_with = "serialize_id")] &'a Manifest),
    /// The live replica count stays, although the manifest no longer sets it.
    PreserveReplicas(#[serde(serialize_with = "serialize_id")] &'a Manifest),
    /// A Job of the release phase is applied and has to complete.
    RunJob(#[serde(serialize_with = "serialize_id")] &'a Manifest),
    /// The object is applied, with the number of pods that the app's files ask for if that is new.
    Apply(#[serde(serialize_with = "serialize_id")] &'a Manifest),
    AwaitReady(#[serde(serialize_with = "serialize_id")] &'a Manifest),
    Delete(#[serde(serialize_with = "serialize_id")] &'a Manifest),
}

impl<'a> Step<'a> {
    /// The object whose readiness this step waits for.
    pub fn awaited(&self) -> Option<&'a Manifest> {
        match self {
            Self::AwaitReady(manifest) => Some(manifest),
            _ => None,
        }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |manifest: &Manifest| ObjectId::from_manifest(manifest);
        match self {
            Self::EndJob(manifest) => write!(f, "end {} unless it has finished", id(manifest)),
            Self::MigrateFields(manifest) => write!(f, "migrate the fields of {}", id(manifest)),
            Self::PreserveReplicas(manifest) => write!(f, "preserve the replicas of {}", id(manifest)),
            Self::RunJob(manifest) => write!(f, "run {}", id(manifest)),
            Self::Apply(manifest) => write!(f, "apply {}", id(manifest)),
            Self::AwaitReady(manifest) => write!(f, "wait until {} is ready", id(manifest)),
            Self::Delete(manifest) => write!(f, "delete {}", id(manifest)),
        }
    }
}

fn serialize_id<S: Serializer>(manifest: &Manifest, serializer: S) -> Result<S::Ok, S::Error> {
    ObjectId::from_manifest(manifest).serialize(serializer)
}
