//! The lines of a rollout for the pusher, and the reasons why it is not ready.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use super::super::find_problem::{find_ends, find_problem};
use super::super::kind::ObjectReadiness;
use super::super::pod_problem::{PodProblem, ProblemKind, Severity};
use super::super::ready_condition::unready_message;
use super::super::start_error::StartError;
use super::{ObjectRollout, RolloutStatus};

/// How long a container may run without being ready before the pusher gets a hint. Many apps need some seconds to start.
const OVERDUE_AFTER: Duration = Duration::from_secs(10);

impl ObjectRollout {
    /// The messages that were not returned before.
    pub(in crate::release::readiness) fn take_new_messages(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.hold().map(|hold| format!("{} {hold}", self.subject)));
        lines.extend(self.replica_failure().map(|failure| format!("{}: {failure}", self.subject)));
        lines.extend(self.progress_message().map(|message| format!("waiting for {}: {message}", self.subject)));
        lines.retain(|line| self.reported.insert(line.clone()));
        if let Some((ready, desired)) = self.count_ready_pods()
            && self.reported_count.replace((ready, desired)) != Some((ready, desired))
        {
            lines.push(self.describe_count(ready, desired));
        }
        lines.extend(self.settle_message().filter(|line| self.reported.insert(line.clone())));
        lines
    }

    /// The message of an object whose pods are ready and have to stay so for `minReadySeconds`.
    fn settle_message(&self) -> Option<String> {
        let (object, status) = self.observed_object()?;
        let (min_ready, (ready, desired)) = (self.kind.min_ready(object), self.count_ready_pods()?);
        let is_settling = status.readiness == ObjectReadiness::Progressing
            && !min_ready.is_zero()
            && desired > 0
            && i32::try_from(ready) == Ok(desired);
        is_settling
            .then(|| format!("waiting for {}: its pods have to stay ready for {} s", self.subject, min_ready.as_secs()))
    }

    /// The worst problem of a pod that may recover, or the newest end of a container, if it was not returned before.
    pub(in crate::release::readiness) fn take_new_problem(&mut self, now: Instant) -> Option<PodProblem> {
        let worst = self.worst_pod_problem(now);
        let problems: Vec<_> = worst.into_iter().chain(self.ends_of_new_pods(now)).collect();
        let may_recover = problems.into_iter().filter(|problem| problem.severity == Severity::Recoverable);
        let new = may_recover.into_iter().find(|problem| self.report(problem))?;
        // A Job counts its failures itself.
        let outlook = new.outlook.clone().filter(|_| self.kind.is_crash_fatal());
        Some(PodProblem { outlook, ..new })
    }

    fn ends_of_new_pods(&self, now: Instant) -> Vec<PodProblem> {
        let Some((object, _)) = self.observed_object() else { return Vec::new() };
        let pods = self.new_pods(object).filter(|pod| pod.metadata.deletion_timestamp.is_none());
        pods.flat_map(|pod| self.histories.of(pod).map(|history| find_ends(pod, history, now)).unwrap_or_default())
            .collect()
    }

    /// Notes that the problem is reported. Returns whether it was not reported before.
    fn report(&mut self, problem: &PodProblem) -> bool {
        match problem.kind {
            ProblemKind::Crash { ends, .. } if ends > 0 => {
                self.reported_ends.insert(problem.subject(), ends).is_none_or(|reported| reported < ends)
            }
            _ => !self.is_repetition(problem) && self.reported.insert(problem.describe()),
        }
    }

    /// The first container that has been running for some time without passing its probe. It is returned once.
    pub(in crate::release::readiness) fn take_overdue_container(&mut self, now: Instant) -> Option<PodProblem> {
        let (object, _) = self.observed_object().filter(|_| !self.has_hinted)?;
        let overdue = self.new_pods(object).find_map(|pod| self.overdue_container(pod, now))?;
        self.has_hinted = true;
        Some(overdue)
    }

    fn overdue_container(&self, pod: &Pod, now: Instant) -> Option<PodProblem> {
        let history = self.histories.of(pod)?;
        let problem = find_problem(pod, Some(history), now).filter(|problem| problem.kind == ProblemKind::Unready)?;
        let unready_since = history.container(problem.container.as_deref()?)?.unready_since()?;
        (now >= unready_since + OVERDUE_AFTER).then_some(problem)
    }

    /// Why the object is not ready, in one sentence; `None` if it is.
    pub(in crate::release::readiness) fn current_problem(&self, now: Instant) -> Option<String> {
        let subject = &self.subject;
        match self.status(now) {
            RolloutStatus::Ready => None,
            RolloutStatus::FailedByPod(problem) => Some(problem.describe()),
            RolloutStatus::Failed(reason) => Some(format!("{subject}: {reason}")),
            RolloutStatus::InProgress | RolloutStatus::TemplateReplaced => {
                let problem = self.worst_pod_problem(now).map(|problem| problem.describe());
                let held = self.hold().map(|hold| format!("{subject} {hold}"));
                let message = self.replica_failure().or_else(|| self.status_message());
                let unready = || message.unwrap_or_else(|| "not all of its pods are ready".to_owned());
                Some(held.or(problem).unwrap_or_else(|| format!("{subject} is not ready: {}", unready())))
            }
        }
    }

    /// Whether only an earlier message says why: the kubelet repeats an error of a pull as a back-off without reason.
    fn is_repetition(&self, problem: &PodProblem) -> bool {
        let subject = problem.subject();
        problem.kind == ProblemKind::StartError(StartError::PullBackOff)
            && self.reported.iter().any(|line| line.starts_with(&subject))
    }

    fn describe_count(&self, ready: usize, desired: i32) -> String {
        let subject = &self.subject;
        match self.observed_object() {
            Some((object, _)) if desired == 0 => {
                format!("{subject} runs no pod: {}", self.kind.explain_no_pods(object, subject))
            }
            _ => format!("{subject} {ready} of {desired} ready"),
        }
    }

    /// Why nothing happens until a user acts.
    pub(in crate::release::readiness) fn hold(&self) -> Option<String> {
        let (_, status) = self.observed_object()?;
        if status.readiness == ObjectReadiness::Ready { None } else { status.hold }
    }

    /// The message of an unready pod or of the object, for a timeout that no [`ObjectRollout::worst_pod_problem`] explains.
    pub(in crate::release::readiness) fn status_message(&self) -> Option<String> {
        let object = self.objects.view().get(&self.applied.uid)?;
        let pod = self.observed_object().and_then(|_| self.new_pods(object).find_map(unready_message));
        pod.or_else(|| self.read_status(object).message)
    }

    /// The message of an object that is in progress and whose pods are not counted.
    fn progress_message(&self) -> Option<String> {
        let (_, status) = self.observed_object()?;
        let waits = status.readiness == ObjectReadiness::Progressing && status.desired_pods.is_none();
        if waits { status.message } else { None }
    }
}
