//! The removal of a release. Pure.

use super::super::prune::objects_to_prune;
use super::rollout_plan::RolloutPlan;
use super::step::Step;
use crate::domain::Manifest;

/// Deletes the objects of a release, except those with Helm's keep policy.
pub(in crate::release) fn removal(objects: &[Manifest]) -> RolloutPlan<'_> {
    let retire = objects_to_prune(objects, &[]).into_iter().map(Step::Delete).collect();
    RolloutPlan { retire, ..RolloutPlan::default() }
}
