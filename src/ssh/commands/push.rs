//! `git push`: the right to push, git's receive-pack, and the verdict inside its pre-receive hook.

use std::path::Path;
use std::time::Duration;

use metrics::counter;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::super::format;
use super::super::invocation::Exit;
use super::occupancy::Alone;
use super::{Caller, FrontDoor, Refusal, Streams, exchange};
use crate::deploy::{DeployError, Deployed, IncomingPush};
use crate::domain::metric;
use crate::domain::{AppName, Cancel, Outcome, Progress, Trace, traced};
use crate::git::{Child, Hook, HookCall, HookListener, Invocation, Service};
use crate::keys::{Holder, PushGrant, push_grant};

/// How long a push waits for a repository that is just being set aside, packed or removed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    protocol: Option<&str>,
    streams: Streams,
) -> Result<Exit, Refusal> {
    let holder = front.holder(app).await?;
    let grant = push_grant(&caller.identity, app, &holder, front.creation)?;
    let open = async {
        if grant.creates() {
            set_former_aside(front, app).await?;
        }
        Ok::<_, Refusal>(front.occupancy.enter(app).await)
    };
    let occupied = timeout(PATIENCE, open).await.map_err(|_| Refusal::Occupied(app.clone()))??;
    let repository = front.repositories.ensure(app).await?;
    let trace = Trace::begin("push", app, grant.user(), caller.remote);
    let push = Push { front, caller, grant: &grant, repository: &repository, cancel: Cancel::default(), trace };
    let exit = push.trace.follow(push.receive(protocol, streams)).await;
    drop(push);
    if let Some(alone) = occupied.leave() {
        tidy_up(front, app).await;
        pack(front, app, alone);
    }
    exit
}

/// An app ends with its namespace. Whoever takes the name next must not find the former app's commits.
async fn set_former_aside(front: &FrontDoor, app: &AppName) -> Result<(), Refusal> {
    if !is_used(front, app).await? {
        return Ok(());
    }
    let _alone = front.occupancy.alone(app).await;
    if front.holder(app).await? == Holder::Nobody && is_used(front, app).await? {
        let path = front.repositories.set_aside(app).await?;
        tracing::warn!(%app, path = %path.display(), "the app's namespace is gone; its repository was set aside");
    }
    Ok(())
}

/// Whether a push got as far as to leave commits or a log.
async fn is_used(front: &FrontDoor, app: &AppName) -> Result<bool, Refusal> {
    Ok(front.repositories.has_refs(app).await? || front.logs(app).any().await)
}

/// Neither a killed nor a refused push leaves anything behind.
async fn tidy_up(front: &FrontDoor, app: &AppName) {
    let tidied = async {
        front.repositories.tidy(app).await?;
        if front.repositories.has_refs(app).await? {
            return Ok(());
        }
        // The log of a first deploy that failed is kept with its app, if that came to be.
        if !front.logs(app).any().await || front.holder(app).await? == Holder::Nobody {
            front.repositories.remove_if_empty(app).await?;
        }
        Ok::<_, Refusal>(())
    };
    if let Err(error) = tidied.await {
        tracing::warn!(%app, error = crate::telemetry::chain(&error), "cannot tidy up after a push");
    }
}

/// Packs the repository where git thinks it pays. The pusher does not wait for that, and who pushes next hardly ever.
fn pack(front: &FrontDoor, app: &AppName, alone: Alone) {
    let (repositories, app) = (front.repositories.clone(), app.clone());
    let packing = async move {
        if let Err(error) = repositories.collect_garbage(&app).await {
            tracing::warn!(%app, error = crate::telemetry::chain(&error), "cannot pack a repository");
        }
        drop(alone);
    };
    tokio::spawn(packing.in_current_span());
}

/// What was decided inside the hook.
enum Verdict {
    /// The release is live.
    Deployed(Box<Deployed>),
    /// Nothing had to be deployed.
    Passed,
    /// Git was told to refuse.
    Refused,
    /// There was nothing to decide, or git itself refused first.
    NotAsked,
}

impl Verdict {
    /// What it is counted as.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Deployed(_) => "deployed",
            Self::Passed => "stored",
            Self::Refused => "refused",
            Self::NotAsked => "unchanged",
        }
    }
}

struct Push<'a> {
    front: &'a FrontDoor,
    caller: &'a Caller,
    grant: &'a PushGrant,
    repository: &'a Path,
    cancel: Cancel,
    trace: Trace,
}

impl Push<'_> {
    /// Runs receive-pack and, when it asks, the deploy. The deploy is settled only after git has ended: not before
    /// then is it known whether the ref has moved.
    async fn receive(&self, protocol: Option<&str>, streams: Streams) -> Result<Exit, Refusal> {
        let listener = HookListener::bind(self.front.repositories.run())?;
        let git = self.spawn(protocol, &listener)?;
        let ended = CancellationToken::new();
        let serving = async {
            let _ended = ended.clone().drop_guard();
            exchange::serve(git, streams, &self.cancel, &self.front.deployer.stop).await
        };
        let (exit, verdict) = tokio::join!(serving, self.decide(&listener, &ended));
        counter!(metric::RECEIVES_TOTAL, "result" => verdict.as_str()).increment(1);
        match verdict {
            Verdict::Deployed(deployed) => self.front.deployer.settle(*deployed, self.repository).await,
            // receive-pack exits with 0 when it has reported the refusal.
            Verdict::Refused => return exit.map_err(Refusal::from).map(|_| Exit::FAILED),
            Verdict::Passed | Verdict::NotAsked if matches!(exit, Ok(Exit::OK)) => self.trace.end(Outcome::Skip),
            Verdict::Passed | Verdict::NotAsked => self.trace.fail("git did not take the push"),
        }
        Ok(exit?)
    }

    fn spawn(&self, protocol: Option<&str>, listener: &HookListener) -> Result<Child, Refusal> {
        let hook = Hook { directory: self.front.repositories.hooks(), socket: listener.path() };
        let git = Invocation {
            service: Service::ReceivePack,
            repository: self.repository,
            protocol,
            settings: &self.front.git,
            hook: Some(hook),
        };
        Ok(git.spawn()?)
    }

    /// Waits for the hook, which comes once or, if there is nothing to update, not at all.
    async fn decide(&self, listener: &HookListener, ended: &CancellationToken) -> Verdict {
        let call = match ended.run_until_cancelled(traced("receive", listener.accept())).await {
            Some(Ok(call)) => call,
            Some(Err(error)) => {
                tracing::warn!(error = crate::telemetry::chain(&error), "the pre-receive hook could not be heard");
                return Verdict::Refused;
            }
            None => return Verdict::NotAsked,
        };
        let result = tokio::select! {
            result = self.deploy(&call) => result,
            never = self.cancel_when_unheard(&call, ended) => never,
        };
        self.tell(call, result).await
    }

    /// git or its hook has ended before the verdict: the push has failed, whatever comes of the deploy.
    async fn cancel_when_unheard<T>(&self, call: &HookCall, ended: &CancellationToken) -> T {
        tokio::select! {
            () = ended.cancelled() => {}
            () = call.gone() => {}
        }
        self.cancel.cancel();
        std::future::pending().await
    }

    /// The deploy, its progress printed by the hook.
    async fn deploy(&self, call: &HookCall) -> Result<Option<Deployed>, DeployError> {
        let (progress, mut events) = Progress::channel();
        let push = IncomingPush {
            grant: self.grant,
            request: &call.request,
            repository: self.repository,
            remote: self.caller.remote,
            trace: &self.trace,
        };
        let work = async {
            let progress = progress;
            self.front.deployer.push(&push, &progress, &self.cancel).await
        };
        let print = async {
            // A client that does not read gets no more lines: a deploy must not hold its lock for a full terminal.
            let mut heard = true;
            while let Some(event) = events.recv().await {
                heard = heard && call.line(&format::event(&event)).await.is_ok();
            }
        };
        tokio::join!(work, print).0
    }

    /// The hook's exit status is git's answer to the client. A hook that has gone is a refusal to git.
    async fn tell(&self, call: HookCall, result: Result<Option<Deployed>, DeployError>) -> Verdict {
        let (exit, verdict) = match result {
            Ok(Some(deployed)) => (0, Verdict::Deployed(Box::new(deployed))),
            Ok(None) => (0, Verdict::Passed),
            Err(error) => {
                let _ = call.line(&format::failure(&error.to_string()).join("\n")).await;
                (1, Verdict::Refused)
            }
        };
        if let Err(error) = call.finish(exit).await {
            tracing::warn!(%error, exit, "the pre-receive hook did not take the verdict");
        }
        verdict
    }
}
