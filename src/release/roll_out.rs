//! Performs a plan, phase by phase.

use std::collections::BTreeMap;

use kube::api::DynamicObject;

use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::StepError;
use super::plan::{RolloutPhase, RolloutPlan, Step};
use super::readiness::ReadinessWaiter;
use super::{apply, csa_migration, delete, replicas};
use crate::domain::in_span;

/// A plan that ended in the middle of a phase.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(super) struct FailedRollout {
    pub phase: RolloutPhase,
    #[source]
    pub cause: StepError,
}

/// Performs the steps of `plan` in their order, and returns the objects that the server returned for those it applied.
pub(super) async fn perform(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    plan: &RolloutPlan<'_>,
) -> Result<Vec<DynamicObject>, FailedRollout> {
    tracing::debug!(app = %context.lock.target(), %plan, "performing a plan");
    let first = |cause| FailedRollout { phase: RolloutPhase::Prepare, cause };
    let mut rollout = PlanExecution::start(context, discovery, plan).await.map_err(first)?;
    for (phase, steps) in plan.phases() {
        let work = rollout.perform_phase(phase, steps);
        let performed = match span_name(plan, phase) {
            Some(name) => in_span(name, work).await,
            None => work.await,
        };
        performed.map_err(|cause| FailedRollout { phase, cause })?;
    }
    Ok(rollout.applied)
}

/// The name of a phase's span in traces. A removal is one part of its trace, without parts of its own; no strategy has
/// steps in *switch* yet.
fn span_name(plan: &RolloutPlan<'_>, phase: RolloutPhase) -> Option<&'static str> {
    match phase {
        _ if plan.is_removal() => None,
        RolloutPhase::Prepare => Some("apply"),
        RolloutPhase::Check => Some("rollout"),
        RolloutPhase::Switch => None,
        RolloutPhase::Retire => Some("prune"),
    }
}

/// A plan that is being performed.
struct PlanExecution<'a> {
    context: &'a ReleaseContext<'a>,
    discovery: &'a mut ApiDiscovery,
    /// The waits of each phase that has some. All waits of a phase are one, with one time limit.
    waiters: BTreeMap<RolloutPhase, ReadinessWaiter>,
    /// The objects that were applied so far, as the server returned them.
    applied: Vec<DynamicObject>,
}

impl<'a> PlanExecution<'a> {
    /// Watches the objects whose readiness the plan waits for, before any of them changes.
    async fn start(
        context: &'a ReleaseContext<'a>,
        discovery: &'a mut ApiDiscovery,
        plan: &RolloutPlan<'_>,
    ) -> Result<Self, StepError> {
        let mut waiters = BTreeMap::new();
        for (phase, steps) in plan.phases() {
            let awaited = steps.iter().filter_map(Step::awaited).collect::<Vec<_>>();
            if !awaited.is_empty() {
                let (client, target) = (context.client, context.lock.target());
                waiters.insert(phase, ReadinessWaiter::start(client, target, discovery, &awaited).await?);
            }
        }
        Ok(Self { context, discovery, waiters, applied: Vec::new() })
    }

    /// Performs one step after the other, up to the first that fails; only the deletions that follow a failed deletion
    /// are tried all the same.
    async fn perform_phase(&mut self, phase: RolloutPhase, steps: &[Step<'_>]) -> Result<(), StepError> {
        let ReleaseContext { lock, progress, .. } = *self.context;
        let mut deleted = Ok(());
        for step in steps {
            match step {
                Step::MigrateFields(manifest) => {
                    csa_migration::migrate_managed_fields(lock, self.discovery, manifest).await?;
                }
                Step::PreserveReplicas(manifest) => {
                    replicas::preserve_replicas(lock, self.discovery, manifest).await?;
                }
                Step::Apply(manifest) => self.applied.push(apply::apply(lock, self.discovery, manifest).await?),
                Step::AwaitReady(_) => self.await_ready(phase).await?,
                Step::Delete(manifest) => {
                    let result = delete::delete(lock, self.discovery, manifest, progress).await;
                    deleted = deleted.and(result);
                }
            }
        }
        deleted
    }

    /// Waits for all objects of the phase. The first of its waits does so, and nothing is left for the others.
    async fn await_ready(&mut self, phase: RolloutPhase) -> Result<(), StepError> {
        let Some(waiter) = self.waiters.remove(&phase) else { return Ok(()) };
        let ReleaseContext { lock, progress, timeout, .. } = *self.context;
        lock.guard(Box::pin(waiter.wait_until_ready(&self.applied, timeout, progress))).await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use http::Method;
    use serde_json::json;
    use uuid::Uuid;

    use super::super::lock::{self, HolderInfo, ProcessIdentity};
    use super::super::plan::{self, PreviousObjects};
    use super::*;
    use crate::domain::{Manifest, Progress, Target};
    use crate::testing::{fake_api_server, not_found};

    fn manifest(kind: &str, name: &str) -> Manifest {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        Manifest { source: String::new(), object }
    }

    /// Performs `plan` on a server that forbids requests with the method `forbidden`. Returns the phase that failed, and
    /// the requests that change objects.
    async fn perform_with(forbidden: Method, plan: &RolloutPlan<'_>) -> (Option<RolloutPhase>, Vec<String>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let client = fake_api_server(move |request| {
            let (method, path) = (request.method(), request.uri().path());
            let name = path.rsplit('/').next().unwrap_or_default();
            let owner = json!({"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "web"});
            let metadata = json!({"name": name, "resourceVersion": "1", "annotations": owner,
                                  "labels": {"app.kubernetes.io/managed-by": "Helm"}});
            if matches!(*method, Method::PATCH | Method::DELETE) {
                seen.lock().unwrap().push(format!("{method} {name}"));
            }
            match path {
                "/api/v1" => {
                    let kind = |plural: &str, kind: &str| {
                        json!({"name": plural, "singularName": "", "kind": kind,
                                                                 "namespaced": true, "verbs": ["get", "patch"]})
                    };
                    let kinds = [kind("configmaps", "ConfigMap"), kind("services", "Service")];
                    (200, json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": kinds}))
                }
                _ if path.contains("/leases/") && method == Method::GET => not_found(),
                _ if *method == forbidden => (403, json!({"kind": "Status", "code": 403, "reason": "Forbidden"})),
                _ if path.contains("/namespaces/") => (200, json!({"metadata": metadata})),
                _ => not_found(),
            }
        });
        let (target, process) = (Target::of_app(&"web".parse().unwrap()), Uuid::new_v4());
        let process = ProcessIdentity { identity: "gateway".to_owned(), instance: process };
        let lock = lock::acquire(&client, &target, &process, &HolderInfo::default()).await.unwrap();
        let (progress, _) = Progress::channel();
        let context = ReleaseContext { client: &client, lock: &lock, progress: &progress, timeout: Duration::ZERO };
        let performed = perform(&context, &mut ApiDiscovery::new(&client, &target), plan).await;
        let requests = requests.lock().unwrap().clone();
        (performed.err().map(|failed| failed.phase), requests)
    }

    #[tokio::test]
    async fn a_failure_names_the_phase_in_which_the_rollout_ended() {
        let (new, old) = ([manifest("ConfigMap", "new")], [manifest("ConfigMap", "a"), manifest("ConfigMap", "b")]);
        let previous = PreviousObjects { manifests: &old, has_client_side_updates: false };
        let plan = plan::rolling_update(&new, previous);
        let (failed, requests) = perform_with(Method::PATCH, &plan).await;
        assert_eq!((failed, requests), (Some(RolloutPhase::Prepare), vec!["PATCH new".to_owned()]));

        let service = [manifest("Service", "new")];
        let (failed, requests) = perform_with(Method::OPTIONS, &plan::rolling_update(&service, previous)).await;
        assert_eq!((failed, requests), (Some(RolloutPhase::Check), vec!["PATCH new".to_owned()]));
    }

    #[tokio::test]
    async fn a_deletion_that_fails_does_not_prevent_the_others() {
        let old = [manifest("ConfigMap", "a"), manifest("ConfigMap", "b")];
        let (failed, requests) = perform_with(Method::DELETE, &plan::removal(&old)).await;
        assert_eq!((failed, requests), (Some(RolloutPhase::Retire), vec!["DELETE a".into(), "DELETE b".into()]));
        let (failed, _) = perform_with(Method::OPTIONS, &plan::removal(&old)).await;
        assert_eq!(failed, None);
    }
}
