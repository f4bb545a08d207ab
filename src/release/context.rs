//! The parameters that all steps of a release share.

use std::time::Duration;

use kube::Client;

use super::apply_mode::ApplyMode;
use super::lock::ReleaseLock;
use crate::domain::Progress;

#[derive(Clone, Copy)]
pub(super) struct ReleaseContext<'a> {
    pub client: &'a Client,
    pub lock: &'a ReleaseLock,
    pub progress: &'a Progress,
    /// Limit for the objects to become ready.
    pub timeout: Duration,
    pub mode: ApplyMode,
}
