//! The way back to an earlier revision. Pure.

use super::super::release_phase::ReleasePhase;
use super::rolling_update::{PreviousObjects, rolling_update};
use super::rollout_plan::RolloutPlan;
use super::step::Step;
use crate::domain::Manifest;

/// As [`rolling_update`]. Before it, the Jobs of `previous` that `earlier` has not, or has otherwise, are ended: a
/// migration of a failed revision must not run beside the pods that come back.
pub(in crate::release) fn restoration<'a>(
    earlier: &'a [Manifest],
    previous: PreviousObjects<'a>,
    release_phase: ReleasePhase,
) -> RolloutPlan<'a> {
    let mut plan = rolling_update(earlier, previous, release_phase);
    let is_restored = |job: &&Manifest| earlier.iter().any(|manifest| manifest.object == job.object);
    let jobs = previous.manifests.iter().filter(|manifest| manifest.kind() == "Job");
    let ended = jobs.filter(|job| !is_restored(job)).map(Step::EndJob);
    plan.prepare = ended.chain(plan.prepare).collect();
    plan
}
