//! `rollback` and `redeploy`: deploys that are no pushes.

use tokio::time::timeout;

use super::super::format;
use super::super::invocation::Exit;
use super::super::verb::DeployFlags;
use super::{Caller, FrontDoor, Refusal, Streams, push};
use crate::deploy::{DeployError, DeployOptions, Redeploy, Rollback};
use crate::domain::{AppName, Cancel, Progress, Revision};
use crate::keys::{PushGrant, push_grant};

pub(super) async fn rollback(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    to: Option<Revision>,
    flags: DeployFlags,
    streams: Streams,
) -> Result<Exit, Refusal> {
    let grant = front.deployable(caller, app).await?;
    let repository = front.repositories.path(app);
    let rollback =
        Rollback { grant: &grant, repository: &repository, to, options: options(flags), remote: caller.remote };
    let work = async |progress, cancel: &Cancel| front.deployer.rollback(&rollback, &progress, cancel).await;
    let back = told(&streams, work).await?;
    let output = &streams.output;
    match back.commit {
        Some(commit) => output.line(&format!("       It runs commit {commit}, as {} did.", back.to)).await,
        None => output.line(&format!("       It runs what {} did.", back.to)).await,
    }
    output.line("       The branch has not moved: pushing what is pushed already deploys nothing.").await;
    output.line(&format!("       To deploy the branch again: redeploy {app}")).await;
    Ok(Exit::OK)
}

pub(super) async fn redeploy(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    flags: DeployFlags,
    streams: Streams,
) -> Result<Exit, Refusal> {
    let grant = front.deployable(caller, app).await?;
    // Entered first, so that it is not removed meanwhile.
    let inside = timeout(push::PATIENCE, front.occupancy.enter(app)).await;
    let _inside = inside.map_err(|_| Refusal::Occupied(app.clone()))?;
    if !front.repositories.exists(app).await {
        return Err(Refusal::NoRepository(app.clone()));
    }
    let repository = front.repositories.path(app);
    let redeploy = Redeploy { grant: &grant, repository: &repository, options: options(flags), remote: caller.remote };
    let work = async |progress, cancel: &Cancel| front.deployer.redeploy(&redeploy, &progress, cancel).await;
    let deployed = told(&streams, work).await?;
    front.deployer.settle(deployed, &repository).await;
    Ok(Exit::OK)
}

impl FrontDoor {
    /// The right to deploy an app that is there.
    pub(super) async fn deployable(&self, caller: &Caller, app: &AppName) -> Result<PushGrant, Refusal> {
        let holder = self.holder(app).await?;
        let readable = crate::keys::read_grant(&caller.identity, app, &holder)?;
        Ok(push_grant(&caller.identity, readable.app(), &holder, self.creation)?)
    }
}

fn options(flags: DeployFlags) -> DeployOptions {
    let DeployFlags { wait, no_rollback } = flags;
    DeployOptions { wait, no_rollback, dry_run: false }
}

/// Does the work while the client reads how it goes. If he leaves, it is cancelled, unless it is too late for that.
pub(super) async fn told<T>(
    streams: &Streams,
    work: impl AsyncFnOnce(Progress, &Cancel) -> Result<T, DeployError>,
) -> Result<T, Refusal> {
    let (progress, mut events) = Progress::channel();
    let cancel = Cancel::default();
    let print = async {
        while let Some(event) = events.recv().await {
            streams.output.line(&format::event(&event)).await;
        }
    };
    let working = async { tokio::join!(work(progress, &cancel), print).0 };
    let cancelling = async {
        streams.gone.cancelled().await;
        cancel.cancel();
        std::future::pending().await
    };
    let result = tokio::select! {
        result = working => result,
        never = cancelling => never,
    };
    Ok(result?)
}
