//! The history of a release's pods while the rollout watches them. A pod's own status says only how its containers are
//! now, and how the last run of each ended. Pure.
//!
//! Times are those of the observation: the clocks of nodes and of the API server may differ from this machine's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;
use tokio::time::Instant;

use super::container_end::{count_ends, is_quick, last_end, run_time};
use super::probe::has_unprobed_container;
use super::ready_condition::is_ready;
use super::start_error::StartError;

/// How long a pod that no probe checks has to be ready. As long as the default of `minReadySeconds` in slipway's own chart.
const SETTLE_TIME: Duration = Duration::from_secs(5);
/// How much longer than the run before a restarted container has to be ready. The kubelet of a busy node reports an end
/// seconds late.
const RESTART_MARGIN: Duration = Duration::from_secs(10);
/// The longest run that a restarted container has to outlast.
const MAX_OUTLASTED_RUN: Duration = Duration::from_secs(60);

/// The pods of an object, by UID.
#[derive(Debug, Default)]
pub(super) struct PodHistories(BTreeMap<String, PodHistory>);

#[derive(Debug)]
pub(super) struct PodHistory {
    /// Whether the pod existed before the rollout began.
    is_earlier: bool,
    /// Since when it is continuously ready.
    ready_since: Option<Instant>,
    unready_since: Option<Instant>,
    containers: BTreeMap<String, ContainerHistory>,
}

#[derive(Debug, Default)]
pub(super) struct ContainerHistory {
    ends_before: u32,
    all_ends: u32,
    /// The newest ends in a row that came within a second of the start.
    quick_ends: u32,
    has_run: bool,
    /// Since when it cannot be started.
    start_fails_since: Option<Instant>,
    /// Since when it runs without being ready.
    unready_since: Option<Instant>,
}

impl PodHistories {
    /// Notes the state of all pods. `is_first` if the pods are those from before the rollout.
    pub(super) fn observe<'a>(&mut self, pods: impl Iterator<Item = &'a Pod>, is_first: bool, now: Instant) {
        let mut present = BTreeSet::new();
        for pod in pods {
            let key = key(pod);
            self.0.entry(key.clone()).or_insert_with(|| PodHistory::new(is_first)).observe(pod, is_first, now);
            present.insert(key);
        }
        self.0.retain(|key, _| present.contains(key));
    }

    pub(super) fn of(&self, pod: &Pod) -> Option<&PodHistory> {
        self.0.get(&key(pod))
    }
}

impl PodHistory {
    fn new(is_earlier: bool) -> Self {
        Self { is_earlier, ready_since: None, unready_since: None, containers: BTreeMap::new() }
    }

    fn observe(&mut self, pod: &Pod, is_first: bool, now: Instant) {
        let status = pod.status.as_ref();
        let main = status.and_then(|status| status.container_statuses.as_ref()).into_iter().flatten();
        let init = status.and_then(|status| status.init_container_statuses.as_ref()).into_iter().flatten();
        let mut has_ended = false;
        for container in main {
            has_ended |= self.container_mut(container, is_first).observe(container, now);
        }
        for container in init {
            self.container_mut(container, is_first).observe(container, now);
        }
        let is_ready = is_ready(pod);
        self.ready_since = self.ready_since.filter(|_| is_ready && !has_ended).or(is_ready.then_some(now));
        self.unready_since = if is_ready { None } else { self.unready_since.or(Some(now)) };
    }

    fn container_mut(&mut self, container: &ContainerStatus, is_first: bool) -> &mut ContainerHistory {
        let new = || {
            let ends_before = if is_first { to_count(container) } else { 0 };
            ContainerHistory { ends_before, all_ends: ends_before, ..ContainerHistory::default() }
        };
        self.containers.entry(container.name.clone()).or_insert_with(new)
    }

    pub(super) fn container(&self, name: &str) -> Option<&ContainerHistory> {
        self.containers.get(name)
    }

    /// How many of its containers have run since the rollout began.
    pub(super) fn count_started(&self) -> usize {
        self.containers.values().filter(|container| container.has_run).count()
    }

    pub(super) fn unready_since(&self) -> Option<Instant> {
        self.unready_since
    }

    /// The last runs of its containers, other than init containers, that have ended since the rollout began.
    fn ended_runs(&self, pod: &Pod) -> impl Iterator<Item = Duration> {
        let mains = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        let restarted = mains.filter(|main| self.container(&main.name).is_some_and(|history| history.ends() > 0));
        restarted.map(|main| last_end(main).map_or(Duration::ZERO, run_time))
    }

    /// Whether the pod has been ready for long enough. `min_ready` is the object's `minReadySeconds`.
    pub(super) fn is_settled(&self, pod: &Pod, min_ready: Duration, now: Instant) -> bool {
        let settle_time = self.settle_time(pod, min_ready);
        settle_time.is_zero() || self.ready_since.is_some_and(|since| since + settle_time <= now)
    }

    /// When a ready pod will have been ready for long enough.
    pub(super) fn settles_at(&self, pod: &Pod, min_ready: Duration) -> Option<Instant> {
        Some(self.ready_since? + self.settle_time(pod, min_ready))
    }

    fn settle_time(&self, pod: &Pod, min_ready: Duration) -> Duration {
        let after_restarts = self.ended_runs(pod).map(|run| run.min(MAX_OUTLASTED_RUN) + RESTART_MARGIN).max();
        let unprobed = (!self.is_earlier && has_unprobed_container(pod)).then_some(SETTLE_TIME);
        after_restarts.into_iter().chain(unprobed).fold(min_ready, Duration::max)
    }
}

impl ContainerHistory {
    /// Returns whether the container has ended since the last observation.
    fn observe(&mut self, container: &ContainerStatus, now: Instant) -> bool {
        let (ends, state) = (to_count(container), container.state.as_ref());
        let new_ends = ends.saturating_sub(self.all_ends);
        let is_running = state.is_some_and(|state| state.running.is_some());
        if new_ends > 0 {
            let is_quick = last_end(container).is_some_and(is_quick);
            self.quick_ends = if is_quick { self.quick_ends + new_ends } else { 0 };
            self.all_ends = ends;
            self.unready_since = None;
        }
        let reason = state.and_then(|state| state.waiting.as_ref()?.reason.as_deref()).unwrap_or_default();
        if StartError::from_reason(reason).is_some() {
            self.start_fails_since.get_or_insert(now);
        } else if is_running {
            self.start_fails_since = None;
        }
        let is_unready = is_running && !container.ready;
        self.unready_since = if is_unready { self.unready_since.or(Some(now)) } else { None };
        self.has_run |= is_running || new_ends > 0;
        new_ends > 0
    }

    /// How often the container has ended since the rollout began.
    pub(super) fn ends(&self) -> u32 {
        self.all_ends.saturating_sub(self.ends_before)
    }

    pub(super) fn quick_ends(&self) -> u32 {
        self.quick_ends
    }

    pub(super) fn start_fails_since(&self) -> Option<Instant> {
        self.start_fails_since
    }

    pub(super) fn unready_since(&self) -> Option<Instant> {
        self.unready_since
    }
}

fn key(pod: &Pod) -> String {
    pod.uid().unwrap_or_else(|| pod.name_any())
}

fn to_count(container: &ContainerStatus) -> u32 {
    u32::try_from(count_ends(container)).unwrap_or_default()
}
