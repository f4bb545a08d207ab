//! Runs the commands of all clients.

use std::sync::Arc;

use russh::keys::PublicKey;

use super::command::{CommandIo, CommandResult};
use super::{fetch, help, receive_pack};
use crate::auth::Identity;
use crate::service::{Caller, FetchRequest, FetchService, PushRequest, Service};
use crate::ssh::exec_command::ExecCommand;
use crate::ssh::exit_status::ExitStatus;
use crate::ssh::handler::{ChannelRequest, CommandHandler, ExecContext};
use crate::telemetry::error_chain;

/// The SSH front door of the service.
pub struct CommandRunner(Arc<Service>);

impl CommandRunner {
    pub fn new(service: Arc<Service>) -> Self {
        Self(service)
    }

    async fn dispatch(
        &self,
        caller: &Caller,
        request: ChannelRequest,
        protocol: Option<&str>,
        io: CommandIo,
    ) -> CommandResult {
        let service = &*self.0;
        let fetch = |app, service| FetchRequest { app, service, protocol };
        match request {
            ChannelRequest::Shell => {
                io.output.line(&help::greeting(&caller.identity)).await;
                Ok(ExitStatus::OK)
            }
            ChannelRequest::Exec(command) => match command? {
                ExecCommand::ReceivePack(app) => {
                    let request = PushRequest { app: &app, protocol };
                    Box::pin(receive_pack::run(service, caller, request, io)).await
                }
                ExecCommand::UploadPack(app) => {
                    fetch::run(service, caller, fetch(&app, FetchService::UploadPack), io).await
                }
                ExecCommand::UploadArchive(app) => {
                    fetch::run(service, caller, fetch(&app, FetchService::UploadArchive), io).await
                }
                ExecCommand::App(command) => command.run(service, caller, io).await,
            },
        }
    }
}

impl CommandHandler for CommandRunner {
    fn identify(&self, key: &PublicKey) -> Option<Identity> {
        self.0.identify(key)
    }

    async fn run(&self, context: ExecContext) -> ExitStatus {
        let ExecContext { identity, key, remote, request, protocol, input, output, disconnected } = context;
        let caller = Caller { identity, key: Some(key), remote };
        let io = CommandIo { input, output: output.clone(), disconnected };
        match self.dispatch(&caller, request, protocol.as_deref(), io).await {
            Ok(exit_status) => exit_status,
            Err(error) => {
                tracing::info!(reason = error_chain(&error), "command failed");
                output.error(&error.to_string()).await;
                error.exit_status()
            }
        }
    }
}
