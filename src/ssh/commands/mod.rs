//! The commands, one file each.

mod adopt;
mod apps;
mod builds;
mod deploys;
mod destroy;
mod doctor;
mod fetch;
mod git_io;
mod help;
mod push;
mod releases;
mod repository_locks;
mod upload_key;

use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use russh::keys::PublicKey;
use tokio_util::sync::CancellationToken;

use super::app_command::AppCommand;
use super::exec_command::ExecCommand;
use super::exit_status::ExitStatus;
use super::handler::{ChannelRequest, CommandHandler, ExecContext};
use super::input::CommandInput;
use super::output::CommandOutput;
use super::parse_error::ParseCommandError;
use crate::apps::AppsError;
use crate::auth::{AccessDenied, AppCreationPolicy, Identity, authorize_read};
use crate::deploy::{DeployError, Deployer};
use crate::deploy_logs::{DeployLogError, DeployLogStore};
use crate::domain::AppName;
use crate::git::{GitError, GitService, Repositories, ServiceSettings};
use crate::keys::{KeyStore, KeysError, ParseKeysError};
use crate::release::ReleaseError;

pub use repository_locks::RepositoryLocks;

/// Handles the commands of all clients.
pub struct CommandService {
    pub cluster: Client,
    /// slipway's own namespace, which cannot be an app.
    pub namespace: String,
    pub keys: KeyStore,
    pub repositories: Repositories,
    pub deployer: Arc<Deployer>,
    pub creation: AppCreationPolicy,
    pub git: ServiceSettings,
    pub repository_locks: RepositoryLocks,
}

/// The client of a command.
struct Caller {
    identity: Identity,
    remote: SocketAddr,
}

struct CommandIo {
    input: CommandInput,
    output: CommandOutput,
    disconnected: CancellationToken,
}

/// A failed command. `Display` is for the client; the log has the sources as well.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Parse(#[from] ParseCommandError),
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    #[error(transparent)]
    App(#[from] AppsError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("slipway could not exchange data with git")]
    GitIo(#[from] std::io::Error),
    #[error("the app {0} has no repository yet: push to it first")]
    NoRepository(AppName),
    #[error("{0} is slipway's own namespace: it cannot be an app")]
    OwnNamespace(AppName),
    #[error("the repository of {0} is in use by an earlier push: try again in a moment")]
    RepositoryInUse(AppName),
    #[error("the name does not match {0}: nothing was deleted")]
    NotConfirmed(AppName),
    #[error(transparent)]
    InvalidKeys(#[from] ParseKeysError),
    #[error(
        "standard input did not end in time: send the public key through a pipe, for example: cat ~/.ssh/id_ed25519.pub | ssh …"
    )]
    InputTimedOut,
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    Log(#[from] DeployLogError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error("slipway could not write the output as JSON")]
    Json(#[from] serde_json::Error),
}

impl CommandError {
    fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Parse(_) => ExitStatus::USAGE,
            _ => ExitStatus::FAILED,
        }
    }
}

impl CommandHandler for CommandService {
    fn identify(&self, key: &PublicKey) -> Option<Identity> {
        self.keys.identify(key)
    }

    async fn run(&self, context: ExecContext) -> ExitStatus {
        let ExecContext { identity, remote, request, protocol, input, output, disconnected } = context;
        let caller = Caller { identity, remote };
        let io = CommandIo { input, output: output.clone(), disconnected };
        match self.dispatch(&caller, request, protocol.as_deref(), io).await {
            Ok(exit_status) => exit_status,
            Err(error) => {
                tracing::info!(reason = crate::telemetry::error_chain(&error), "command failed");
                output.error(&error.to_string()).await;
                error.exit_status()
            }
        }
    }
}

impl CommandService {
    async fn dispatch(
        &self,
        caller: &Caller,
        request: ChannelRequest,
        protocol: Option<&str>,
        io: CommandIo,
    ) -> Result<ExitStatus, CommandError> {
        match request {
            ChannelRequest::Shell => Ok(help::greet(&caller.identity, &io.output).await),
            ChannelRequest::Exec(command) => match command? {
                ExecCommand::ReceivePack(app) => Box::pin(push::run(self, caller, &app, protocol, io)).await,
                ExecCommand::UploadPack(app) => {
                    fetch::run(self, caller, &app, GitService::UploadPack, protocol, io).await
                }
                ExecCommand::UploadArchive(app) => {
                    fetch::run(self, caller, &app, GitService::UploadArchive, protocol, io).await
                }
                ExecCommand::App(command) => Box::pin(self.dispatch_app_command(caller, command, io)).await,
            },
        }
    }

    async fn dispatch_app_command(
        &self,
        caller: &Caller,
        command: AppCommand,
        io: CommandIo,
    ) -> Result<ExitStatus, CommandError> {
        let output = &io.output;
        match command {
            AppCommand::Apps { format } => apps::list(self, caller, format, output).await,
            AppCommand::AppsAdopt { app, owner } => adopt::run(self, caller, &app, owner, output).await,
            AppCommand::AppsDestroy { app, force } => Box::pin(destroy::run(self, caller, &app, force, io)).await,
            AppCommand::BuildsList { app, format } => builds::list(self, caller, &app, format, output).await,
            AppCommand::BuildsOutput { app, number } => builds::show(self, caller, &app, number, output).await,
            AppCommand::Diff { app, from, to } => releases::diff(self, caller, &app, (from, to), output).await,
            AppCommand::Doctor { app, format } => doctor::run(self, caller, app, format, output).await,
            AppCommand::Help => Ok(help::list(output).await),
            AppCommand::Redeploy { app, deploy } => Box::pin(deploys::redeploy(self, caller, &app, deploy, io)).await,
            AppCommand::Releases { app: Some(app), limit, format } => {
                releases::list(self, caller, &app, limit, format, output).await
            }
            AppCommand::Releases { app: None, format, .. } => releases::newest(self, caller, format, output).await,
            AppCommand::ReleasesShow { app, revision, format } => {
                releases::show(self, caller, &app, revision, format, output).await
            }
            AppCommand::Rollback { app, to, deploy } => {
                Box::pin(deploys::rollback(self, caller, &app, to, deploy, io)).await
            }
            AppCommand::UploadKey { user, admin } => upload_key::run(self, caller, &user, admin, io).await,
        }
    }

    /// Returns the app if the caller may read it.
    async fn check_readable<'a>(&self, caller: &Caller, app: &'a AppName) -> Result<&'a AppName, CommandError> {
        authorize_read(&caller.identity, app, &self.deployer.apps.find_owner(app).await?)?;
        Ok(app)
    }

    fn deploy_logs(&self, app: &AppName) -> DeployLogStore {
        DeployLogStore::in_repository(&self.repositories.path(app))
    }
}
