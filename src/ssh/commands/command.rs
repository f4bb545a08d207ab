//! The parts of every command: a definition, an app, and a run in its context.

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::arguments::OutputFormat;
use super::error::CommandError;
use crate::domain::{AppName, CancelHandle, Progress};
use crate::service::terminal::format_event;
use crate::service::{Caller, Service, ServiceError};
use crate::ssh::exit_status::ExitStatus;
use crate::ssh::input::CommandInput;
use crate::ssh::output::CommandOutput;

pub type CommandResult = Result<ExitStatus, CommandError>;

/// Implemented by the list of commands, and only there: a [`Command`] that is not in the list does not compile.
pub trait Listed {}

/// A command of slipway's own. The struct is its clap definition: the doc comments are its help.
pub trait Command: Listed + clap::Args {
    /// The name on the command line and in logs.
    const NAME: &'static str;

    /// The app that the command names, if it names one.
    fn app(&self) -> Option<&AppName>;

    /// Asks the service and prints the answer.
    fn run(self, context: CommandContext<'_>) -> impl Future<Output = CommandResult> + Send;
}

pub struct CommandContext<'a> {
    pub service: &'a Service,
    pub caller: &'a Caller,
    pub io: CommandIo,
    /// The definition of all commands, for `help`.
    pub definition: fn() -> clap::Command,
}

pub struct CommandIo {
    pub input: CommandInput,
    pub output: CommandOutput,
    /// Cancelled when the client has closed the channel or the connection.
    pub disconnected: CancellationToken,
}

impl CommandContext<'_> {
    /// Prints an answer in the format that the client asked for. `text` makes the complete lines.
    pub async fn print<T: Serialize>(
        &self,
        format: OutputFormat,
        answer: T,
        text: impl FnOnce(T) -> String,
    ) -> CommandResult {
        match format {
            OutputFormat::Text => self.io.output.stdout(text(answer)).await,
            OutputFormat::Json => self.io.output.json(&answer).await?,
        }
        Ok(ExitStatus::OK)
    }
}

impl CommandIo {
    /// Runs work of the service and prints its progress. If the client disconnects before the commit point, the work is
    /// cancelled.
    pub async fn with_progress<T>(
        &self,
        work: impl AsyncFnOnce(Progress, &CancelHandle) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let (progress, mut events) = Progress::channel();
        let cancel = CancelHandle::default();
        let print = async {
            while let Some(event) = events.recv().await {
                self.output.line(&format_event(&event)).await;
            }
        };
        let work_and_print = async { tokio::join!(work(progress, &cancel), print).0 };
        let cancel_on_disconnect = async {
            self.disconnected.cancelled().await;
            cancel.cancel();
            std::future::pending().await
        };
        tokio::select! {
            result = work_and_print => result,
            never = cancel_on_disconnect => never,
        }
    }
}
