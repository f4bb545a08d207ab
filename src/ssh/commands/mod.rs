//! What each command does: one file a verb.

mod adopt;
mod apps;
mod builds;
mod deploys;
mod destroy;
mod doctor;
mod exchange;
mod fetch;
mod help;
mod occupancy;
mod push;
mod releases;
mod upload_key;

use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use russh::keys::PublicKey;
use tokio_util::sync::CancellationToken;

use super::command::{Command, CommandError};
use super::input::Input;
use super::invocation::{Backend, Exit, Invocation, Request};
use super::verb::Verb;
use super::writer::Output;
use crate::apps::{AppsError, Ownership};
use crate::deploy::{DeployError, Deployer};
use crate::domain::AppName;
use crate::git::{GitError, Repositories, Service, ServiceSettings};
use crate::keys::{AppCreation, Denied, Holder, Identity, KeyStore, KeysError, ParseError, read_grant};
use crate::logs::{LogError, Logs};
use crate::release::ReleaseError;

pub use occupancy::Occupancy;

/// What the commands work with; one for the whole process.
pub struct FrontDoor {
    /// The cluster that knows whose an app is.
    pub cluster: Client,
    /// slipway's own namespace, which is never an app's.
    pub namespace: String,
    /// The keys of users.
    pub keys: KeyStore,
    /// The repositories.
    pub repositories: Repositories,
    /// Decides pushes.
    pub deployer: Arc<Deployer>,
    /// Who may create apps.
    pub creation: AppCreation,
    /// How git serves.
    pub git: ServiceSettings,
    /// Which repositories are being pushed to; empty at the start.
    pub occupancy: Occupancy,
}

/// Who asks, and from where.
struct Caller {
    identity: Identity,
    remote: SocketAddr,
}

/// A command's streams.
struct Streams {
    input: Input,
    output: Output,
    gone: CancellationToken,
}

/// Why a command ended before it had a result. `Display` is for the client; the log has the whole chain.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    App(#[from] AppsError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("slipway could not talk to git")]
    Pipe(#[from] std::io::Error),
    #[error("the app {0} has no repository here yet: push to it first")]
    NoRepository(AppName),
    #[error("{0} is slipway's own namespace")]
    OwnNamespace(AppName),
    #[error("the repository of {0} is in use by an earlier push; try again in a moment")]
    Occupied(AppName),
    #[error("that is not {0}: nothing was removed")]
    Unconfirmed(AppName),
    #[error(transparent)]
    Input(#[from] ParseError),
    #[error("no end of input in time: pipe the public key in, such as: cat ~/.ssh/id_ed25519.pub | ssh …")]
    InputLate,
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error("the answer cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Refusal {
    fn exit(&self) -> Exit {
        match self {
            Self::Command(_) => Exit::USAGE,
            _ => Exit::FAILED,
        }
    }
}

impl Backend for FrontDoor {
    fn identify(&self, key: &PublicKey) -> Option<Identity> {
        self.keys.identify(key)
    }

    async fn run(&self, invocation: Invocation) -> Exit {
        let Invocation { identity, remote, request, protocol, input, output, gone } = invocation;
        let caller = Caller { identity, remote };
        let streams = Streams { input, output: output.clone(), gone };
        match self.answer(&caller, request, protocol.as_deref(), streams).await {
            Ok(exit) => exit,
            Err(refusal) => {
                tracing::info!(reason = crate::telemetry::chain(&refusal), "command refused");
                output.failure(&refusal.to_string()).await;
                refusal.exit()
            }
        }
    }
}

impl FrontDoor {
    async fn answer(
        &self,
        caller: &Caller,
        request: Request,
        protocol: Option<&str>,
        streams: Streams,
    ) -> Result<Exit, Refusal> {
        match request {
            Request::Shell => Ok(help::greet(&caller.identity, &streams.output).await),
            Request::Exec(command) => match command? {
                Command::ReceivePack(app) => Box::pin(push::run(self, caller, &app, protocol, streams)).await,
                Command::UploadPack(app) => {
                    fetch::run(self, caller, &app, Service::UploadPack, protocol, streams).await
                }
                Command::UploadArchive(app) => {
                    fetch::run(self, caller, &app, Service::UploadArchive, protocol, streams).await
                }
                Command::Verb(verb) => Box::pin(self.perform(caller, verb, streams)).await,
            },
        }
    }

    async fn perform(&self, caller: &Caller, verb: Verb, streams: Streams) -> Result<Exit, Refusal> {
        let output = &streams.output;
        match verb {
            Verb::Apps { format } => apps::list(self, caller, format, output).await,
            Verb::AppsAdopt { app, owner } => adopt::run(self, caller, &app, owner, output).await,
            Verb::AppsDestroy { app, force } => Box::pin(destroy::run(self, caller, &app, force, streams)).await,
            Verb::BuildsList { app, format } => builds::list(self, caller, &app, format, output).await,
            Verb::BuildsOutput { app, number } => builds::show(self, caller, &app, number, output).await,
            Verb::Diff { app, from, to } => releases::diff(self, caller, &app, (from, to), output).await,
            Verb::Doctor { app, format } => doctor::run(self, caller, app, format, output).await,
            Verb::Help => Ok(help::list(output).await),
            Verb::Redeploy { app, deploy } => Box::pin(deploys::redeploy(self, caller, &app, deploy, streams)).await,
            Verb::Releases { app: Some(app), limit, format } => {
                releases::list(self, caller, &app, limit, format, output).await
            }
            Verb::Releases { app: None, format, .. } => releases::newest(self, caller, format, output).await,
            Verb::ReleasesShow { app, revision, format } => {
                releases::show(self, caller, &app, revision, format, output).await
            }
            Verb::Rollback { app, to, deploy } => {
                Box::pin(deploys::rollback(self, caller, &app, to, deploy, streams)).await
            }
            Verb::UploadKey { user, admin } => upload_key::run(self, caller, &user, admin, streams).await,
        }
    }

    /// The app, if the caller may read it.
    async fn readable<'a>(&self, caller: &Caller, app: &'a AppName) -> Result<&'a AppName, Refusal> {
        read_grant(&caller.identity, app, &self.holder(app).await?)?;
        Ok(app)
    }

    /// What the app's deploys printed.
    fn logs(&self, app: &AppName) -> Logs {
        Logs::of(&self.repositories.path(app))
    }

    /// Whom an app belongs to, in the words of the rules.
    async fn holder(&self, app: &AppName) -> Result<Holder, AppsError> {
        Ok(match self.deployer.apps.ownership(app).await? {
            Ownership::Unknown => Holder::Nobody,
            Ownership::Owned(user) => Holder::User(user),
            Ownership::Foreign => Holder::Foreign,
        })
    }
}
