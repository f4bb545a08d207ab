//! Performs a plan, phase by phase.

use std::collections::BTreeMap;

use kube::api::DynamicObject;

use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::StepError;
use super::object_id::ObjectId;
use super::plan::{self, RolloutPhase, RolloutPlan, Step};
use super::readiness::ReadinessWaiter;
use super::{csa_migration, declared_replicas, delete, release_job, replicas};
use crate::domain::{Manifest, in_span};

/// A plan that ended in the middle of a phase.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(super) struct FailedRollout {
    pub phase: RolloutPhase,
    #[source]
    pub cause: StepError,
}

/// The result of a plan whose objects are ready.
#[derive(Debug)]
pub(super) struct RolledOut {
    /// The applied objects, as the server returned them.
    pub applied: Vec<DynamicObject>,
    /// The objects that could not be deleted: that is no reason to undo a release which is ready.
    pub leftovers: Vec<Leftover>,
}

#[derive(Debug)]
pub(super) struct Leftover {
    pub object: ObjectId,
    pub error: StepError,
}

/// Deletes the objects of a release, except those with Helm's keep policy.
pub(super) async fn remove(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    objects: &[Manifest],
) -> Result<(), StepError> {
    let removed = perform(context, discovery, &plan::removal(objects)).await.map_err(|failed| failed.cause)?;
    removed.leftovers.into_iter().next().map_or(Ok(()), |leftover| Err(leftover.error))
}

/// Performs the steps of `plan` in their order.
pub(super) async fn perform(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    plan: &RolloutPlan<'_>,
) -> Result<RolledOut, FailedRollout> {
    perform_confirmed(context, discovery, plan, async || Ok(())).await
}

/// As [`perform`]. `confirm` runs when all objects are ready, and before anything is retired; its error ends the plan.
pub(super) async fn perform_confirmed(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    plan: &RolloutPlan<'_>,
    confirm: impl AsyncFnOnce() -> Result<(), StepError>,
) -> Result<RolledOut, FailedRollout> {
    tracing::debug!(app = %context.lock.target(), %plan, "performing a plan");
    let first = |cause| FailedRollout { phase: RolloutPhase::Prepare, cause };
    let mut rollout = PlanExecution::start(context, discovery, plan).await.map_err(first)?;
    let mut confirm = Some(confirm);
    for (phase, steps) in plan.phases() {
        if let Some(confirm) = confirm.take_if(|_| phase == RolloutPhase::Retire) {
            confirm().await.map_err(|cause| FailedRollout { phase, cause })?;
        }
        let work = rollout.perform_phase(phase, steps);
        let performed = match span_name(plan, phase) {
            Some(name) => in_span(name, work).await,
            None => work.await,
        };
        performed.map_err(|cause| FailedRollout { phase, cause })?;
    }
    Ok(RolledOut { applied: rollout.applied, leftovers: rollout.leftovers })
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
    leftovers: Vec<Leftover>,
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
                waiters.insert(
                    phase,
                    ReadinessWaiter::start(client, target, discovery, &awaited, context.port_origin).await?,
                );
            }
        }
        Ok(Self { context, discovery, waiters, applied: Vec::new(), leftovers: Vec::new() })
    }

    /// Performs one step after the other, up to the first that fails. A deletion that fails leaves its object over.
    async fn perform_phase(&mut self, phase: RolloutPhase, steps: &[Step<'_>]) -> Result<(), StepError> {
        let lock = self.context.lock;
        for step in steps {
            match step {
                Step::EndJob(manifest) => delete::end_job(self.context, self.discovery, manifest).await?,
                Step::MigrateFields(manifest) => {
                    csa_migration::migrate_managed_fields(lock, self.discovery, manifest).await?;
                }
                Step::PreserveReplicas(manifest) => {
                    replicas::preserve_replicas(lock, self.discovery, manifest).await?;
                }
                Step::RunJob(manifest) => {
                    let job = release_job::run(self.context, self.discovery, manifest).await?;
                    self.applied.push(job);
                }
                Step::Apply(manifest) => {
                    let applied = declared_replicas::apply_with_replicas(self.context, self.discovery, manifest);
                    self.applied.push(applied.await?);
                }
                Step::AwaitReady(_) => self.await_ready(phase).await?,
                Step::Delete(manifest) => self.delete(manifest).await?,
            }
        }
        Ok(())
    }

    async fn delete(&mut self, manifest: &Manifest) -> Result<(), StepError> {
        let Err(error) = delete::delete(self.context, self.discovery, manifest, &self.applied).await else {
            return Ok(());
        };
        if matches!(error, StepError::Lock(_)) {
            return Err(error);
        }
        let object = ObjectId::from_manifest(manifest);
        tracing::warn!(app = %self.context.lock.target(), %object, %error, cause = ?error, "an object could not be deleted");
        self.context.progress.log(format!("{object} could not be removed: {error}")).await;
        self.leftovers.push(Leftover { object, error });
        Ok(())
    }

    /// Waits for all objects of the phase. The first of its waits does so, and nothing is left for the others.
    async fn await_ready(&mut self, phase: RolloutPhase) -> Result<(), StepError> {
        let Some(waiter) = self.waiters.remove(&phase) else { return Ok(()) };
        let ReleaseContext { lock, progress, limits, .. } = *self.context;
        lock.guard(Box::pin(waiter.wait_until_ready(&self.applied, limits, progress))).await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use http::Method;
    use serde_json::json;
    use uuid::Uuid;

    use super::super::apply_mode::{ApplyMode, OnFieldConflict};
    use super::super::lock::{self, HolderInfo, ProcessIdentity};
    use super::super::plan::PreviousObjects;
    use super::super::release_phase::ReleasePhase;
    use super::super::rollout_limits::RolloutLimits;
    use super::*;
    use crate::domain::{Manifest, Progress, Target};
    use crate::testing::{fake_api_server, not_found};

    fn manifest(kind: &str, name: &str) -> Manifest {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        Manifest { source: String::new(), object }
    }

    /// Performs `plan` on a server that forbids requests with the method `forbidden`. Returns the phase that failed, or the
    /// objects that are left over, and the requests that change objects.
    async fn perform_with(
        forbidden: Method,
        plan: &RolloutPlan<'_>,
    ) -> (Result<Vec<String>, RolloutPhase>, Vec<String>) {
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
        let (limits, mode) = (RolloutLimits::new(Duration::ZERO, None), ApplyMode::Deploy(OnFieldConflict::Refuse));
        let release_phase = ReleasePhase::Run;
        let (lock, progress) = (&lock, &progress);
        let context =
            ReleaseContext { client: &client, lock, progress, limits, port_origin: None, mode, release_phase };
        let performed = perform(&context, &mut ApiDiscovery::new(&client, &target), plan).await;
        let requests = requests.lock().unwrap().clone();
        let objects = |done: RolledOut| done.leftovers.iter().map(|leftover| leftover.object.to_string()).collect();
        (performed.map(objects).map_err(|failed| failed.phase), requests)
    }

    #[tokio::test]
    async fn a_failure_names_the_phase_in_which_the_rollout_ended() {
        let (new, old) = ([manifest("ConfigMap", "new")], [manifest("ConfigMap", "a"), manifest("ConfigMap", "b")]);
        let previous = PreviousObjects { manifests: &old, has_client_side_updates: false };
        let plan = plan::rolling_update(&new, previous, ReleasePhase::Run);
        let (failed, requests) = perform_with(Method::PATCH, &plan).await;
        assert_eq!((failed, requests), (Err(RolloutPhase::Prepare), vec!["PATCH new".to_owned()]));

        let service = [manifest("Service", "new")];
        let (failed, requests) =
            perform_with(Method::OPTIONS, &plan::rolling_update(&service, previous, ReleasePhase::Run)).await;
        assert_eq!((failed, requests), (Err(RolloutPhase::Check), vec!["PATCH new".to_owned()]));
    }

    #[tokio::test]
    async fn a_deletion_that_fails_leaves_its_object_over_and_does_not_prevent_the_others() {
        let old = [manifest("ConfigMap", "a"), manifest("ConfigMap", "b")];
        let (leftovers, requests) = perform_with(Method::DELETE, &plan::removal(&old)).await;
        assert_eq!(leftovers, Ok(vec!["configmap/a".to_owned(), "configmap/b".to_owned()]));
        assert_eq!(requests, ["DELETE a", "DELETE b"]);
        let (leftovers, _) = perform_with(Method::OPTIONS, &plan::removal(&old)).await;
        assert_eq!(leftovers, Ok(Vec::new()));
    }
}
