//! `apps:destroy APP`

use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::command::{Command, CommandContext, CommandIo, CommandResult};
use crate::domain::{AppName, CancelHandle};
use crate::service::DeletionOutcome;
use crate::ssh::exit_status::ExitStatus;

const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(60);
/// In bytes: more than any app name with a line feed.
const MAX_CONFIRMATION_LEN: usize = 256;

/// Deletes an app: its release, its namespace and its repository.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct AppsDestroy {
    /// The name of the app.
    pub app: AppName,
    /// Skips the confirmation.
    #[arg(long)]
    pub force: bool,
}

impl Command for AppsDestroy {
    const NAME: &'static str = "apps:destroy";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let CommandContext { service, caller, mut io, .. } = context;
        let deletion = service.authorize_destroy(caller, &self.app).await?;
        let typed = if self.force { self.app.to_string() } else { prompt(&self.app, &mut io).await };
        let deletion = deletion.confirm(&typed)?;
        let work = async |progress, _: &CancelHandle| service.destroy(caller, deletion, &progress).await;
        let deleted = io.with_progress(work).await?;
        let what = match deleted.namespace {
            DeletionOutcome::Deleted => "its namespace and its repository",
            DeletionOutcome::Released => {
                "its release and its repository; the namespace existed before the app and remains"
            }
        };
        io.output.line(&format!("=====> {} is deleted, with {what}", deleted.app)).await;
        Ok(ExitStatus::OK)
    }
}

/// Asks for the name of the app. Returns what the client typed in time.
async fn prompt(app: &AppName, io: &mut CommandIo) -> String {
    let question =
        format!("This deletes {app} with all its data, its releases and its repository. Type its name to confirm: ");
    io.output.stderr(question).await;
    let typed = timeout(CONFIRMATION_TIMEOUT, io.input.read_line(MAX_CONFIRMATION_LEN)).await.ok().flatten();
    typed.unwrap_or_default().trim().to_owned()
}
