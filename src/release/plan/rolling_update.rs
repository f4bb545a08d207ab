//! The rolling update: a Deployment, StatefulSet or DaemonSet replaces its pods one after the other. Pure.
//!
//! *Switch* is empty: the Service selects old and new pods alike, so that the traffic moves to each new pod as soon as
//! that pod is ready. The Service itself is therefore applied in *prepare*, with everything else in Helm's order.

use super::super::ordering::{apply_order, precedes_workloads};
use super::super::prune::objects_to_prune;
use super::super::readiness::has_readiness_rule;
use super::super::release_phase::{ReleasePhase, is_release_job};
use super::super::replicas::sets_replicas_no_longer;
use super::rollout_plan::RolloutPlan;
use super::step::Step;
use crate::domain::Manifest;

/// The objects that the release may have in the cluster.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::release) struct PreviousObjects<'a> {
    pub manifests: &'a [Manifest],
    /// Whether some of them were applied on the client side, as by helm 3.
    pub has_client_side_updates: bool,
}

/// Runs the release phase, applies `new` and waits until it is ready. Then deletes what only `previous` has, except objects
/// with Helm's keep policy.
pub(in crate::release) fn rolling_update<'a>(
    new: &'a [Manifest],
    previous: PreviousObjects<'a>,
    release_phase: ReleasePhase,
) -> RolloutPlan<'a> {
    let migrated = new.iter().filter(|_| previous.has_client_side_updates);
    let preserved = new.iter().filter(|manifest| sets_replicas_no_longer(manifest, previous.manifests));
    let prepare = migrated.map(Step::MigrateFields).chain(preserved.map(Step::PreserveReplicas));
    let (jobs, others): (Vec<_>, Vec<_>) = apply_order(new).into_iter().partition(|manifest| is_release_job(manifest));
    let runs_jobs = release_phase == ReleasePhase::Run && !jobs.is_empty();
    let (first, rest): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|manifest| runs_jobs && precedes_workloads(manifest.kind()));
    let jobs = jobs.into_iter().filter(|_| runs_jobs).map(Step::RunJob);
    let checked = new.iter().filter(|manifest| has_readiness_rule(manifest) && !is_release_job(manifest));
    let retired = objects_to_prune(previous.manifests, new).into_iter();
    RolloutPlan {
        prepare: prepare
            .chain(first.into_iter().map(Step::Apply))
            .chain(jobs)
            .chain(rest.into_iter().map(Step::Apply))
            .collect(),
        check: checked.map(Step::AwaitReady).collect(),
        switch: Vec::new(),
        retire: retired.map(Step::Delete).collect(),
    }
}
