//! `git push`: authorizes the push, runs git's receive-pack with the deploy inside its hook, and tidies up afterwards.

use tracing::Instrument;

use super::error::ServiceError;
use super::git_client::{GitClient, GitExit};
use super::handle::{Caller, Service};
use super::push_hook::PushSession;
use super::push_result::{PushResult, ReceivedPush};
use super::repository_locks::ExclusiveAccess;
use crate::auth::authorize_push;
use crate::domain::{AppName, AppOwner, CancelHandle, DeployTrace, Target};
use crate::git::GarbageCollection;
use crate::release;
use crate::telemetry::error_chain;

#[derive(Debug, Clone, Copy)]
pub struct PushRequest<'a> {
    pub app: &'a AppName,
    /// The client's `GIT_PROTOCOL`.
    pub protocol: Option<&'a str>,
}

impl Service {
    /// Receives a push and deploys it. The hook of git prints the progress and the reason of a refusal.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn push(
        &self,
        caller: &Caller,
        request: PushRequest<'_>,
        client: impl GitClient,
    ) -> Result<ReceivedPush, ServiceError> {
        let PushRequest { app, protocol } = request;
        if *app.as_str() == *self.namespace {
            return Err(ServiceError::OwnNamespace(app.clone()));
        }
        let owner = self.deployer.apps.find_owner(app).await?;
        let grant = authorize_push(&caller.identity, app, &owner, self.creation)?;
        if grant.creates_app() {
            self.retire_former_repository(app).await?;
        }
        let shared = self.lock_repository_shared(app, caller, "a push").await?;
        let repository = self.repositories.get_or_create(app).await?;
        let session = PushSession {
            service: self,
            caller,
            grant: &grant,
            repository: &repository,
            has_company: !shared.is_alone(),
            claimed: shared.claimed(),
            cancel: CancelHandle::default(),
            trace: DeployTrace::start("push", app, grant.user(), caller.remote),
        };
        let received = session.trace.scope(session.receive(protocol, client)).await;
        // Ends the trace.
        drop(session);
        if let Some(exclusive) = shared.try_into_exclusive() {
            self.clean_up_repository(app).await;
            self.spawn_garbage_collection(app, exclusive);
        }
        let mut received = received?;
        if received.result == PushResult::Unchanged && received.git == GitExit::SUCCESS {
            received.advice = self.advise_redeploy(app).await;
        }
        Ok(received)
    }

    /// Advice for an app whose branches are up to date and whose release is gone.
    async fn advise_redeploy(&self, app: &AppName) -> Option<String> {
        let has_refs = self.repositories.has_refs(app).await.unwrap_or(false);
        let is_deployed = release::is_deployed(&self.deployer.cluster, &Target::of_app(app)).await.unwrap_or(true);
        (has_refs && !is_deployed).then(|| {
            format!("no revision of {app} is deployed, as after helm uninstall; to deploy its branch: redeploy {app}")
        })
    }

    /// Moves the repository of a former app of this name aside. An app ends with its namespace, and the next owner of its
    /// name must not get its commits.
    async fn retire_former_repository(&self, app: &AppName) -> Result<(), ServiceError> {
        if !self.has_history(app).await? {
            return Ok(());
        }
        let _exclusive = self.lock_repository_exclusive(app).await?;
        if self.deployer.apps.find_owner(app).await? == AppOwner::None && self.has_history(app).await? {
            if self.repositories.is_destroyed(app).await {
                return Ok(self.repositories.remove(app).await?);
            }
            let path = self.repositories.retire(app).await?;
            let path = path.display();
            tracing::warn!(%app, %path, "the app's namespace no longer exists: moved its repository aside");
        }
        Ok(())
    }

    /// Whether the repository contains refs or deploy logs.
    async fn has_history(&self, app: &AppName) -> Result<bool, ServiceError> {
        Ok(self.repositories.has_refs(app).await? || self.deploy_logs(app).has_any().await)
    }

    /// Removes what killed and rejected pushes left.
    async fn clean_up_repository(&self, app: &AppName) {
        let cleaned = async {
            self.repositories.remove_stale_files(app).await?;
            if self.repositories.has_refs(app).await? {
                return Ok(());
            }
            // The log of a failed first deploy is kept if the app exists.
            if !self.deploy_logs(app).has_any().await || self.deployer.apps.find_owner(app).await? == AppOwner::None {
                self.repositories.remove_if_empty(app).await?;
            }
            Ok::<_, ServiceError>(())
        };
        if let Err(error) = cleaned.await {
            tracing::warn!(%app, error = error_chain(&error), "cannot clean up the repository after a push");
        }
    }

    /// Runs `git gc --auto` in the background: this push does not wait for it, and the next request for the repository ends it.
    fn spawn_garbage_collection(&self, app: &AppName, exclusive: ExclusiveAccess) {
        let (repositories, app) = (self.repositories.clone(), app.clone());
        let collect_garbage = async move {
            match repositories.collect_garbage(&app, exclusive.wanted()).await {
                Ok(GarbageCollection::Finished) => {}
                Ok(GarbageCollection::Interrupted) => {
                    tracing::info!(%app, "ended the garbage collection of a repository that is needed");
                }
                Err(error) => {
                    tracing::warn!(%app, error = error_chain(&error), "cannot collect garbage in a repository");
                }
            }
            drop(exclusive);
        };
        tokio::spawn(collect_garbage.in_current_span());
    }
}
