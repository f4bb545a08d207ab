//! The parameters that all steps of a release share.

use kube::Client;

use super::apply_mode::ApplyMode;
use super::lock::ReleaseLock;
use super::readiness::PortOrigin;
use super::release_phase::ReleasePhase;
use super::rollout_limits::RolloutLimits;
use crate::domain::Progress;

#[derive(Clone, Copy)]
pub(super) struct ReleaseContext<'a> {
    pub client: &'a Client,
    pub lock: &'a ReleaseLock,
    pub progress: &'a Progress,
    /// Limits for the objects to become ready.
    pub limits: RolloutLimits,
    /// For hints about a probe that does not pass.
    pub port_origin: Option<PortOrigin>,
    pub mode: ApplyMode,
    pub release_phase: ReleasePhase,
}
