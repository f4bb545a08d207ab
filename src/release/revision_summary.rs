//! A revision as the metadata of its Secret describes it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::record::ReleaseStatus;
use crate::domain::{Digest, Revision};

/// Age from which a pending record of helm's counts as abandoned: three times helm's default `--timeout` of five
/// minutes.
pub(super) const HELM_PENDING_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A revision without its record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RevisionSummary {
    pub revision: Revision,
    pub status: ReleaseStatus,
    /// When the Secret was created.
    pub created: Option<Timestamp>,
    /// Whether slipway wrote the record, by the Secret's annotations: Helm's rollback copies labels, never annotations.
    pub written_by_slipway: bool,
    /// The slipway process that wrote the record.
    pub instance: Option<Uuid>,
    /// Whether all objects of the revision were ready, while the record is pending.
    pub is_ready: bool,
    /// `None` where helm deployed the revision.
    pub image: Option<Digest>,
}

impl RevisionSummary {
    /// Time from the creation of the Secret until `now`; zero where that is unknown or in the future.
    pub fn age(&self, now: Timestamp) -> Duration {
        let age = self.created.map(|created| now.duration_since(created));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }
}
