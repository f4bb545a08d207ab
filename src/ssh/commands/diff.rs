//! `diff APP [vA] [vB]`

use clap::Args;

use super::command::{Command, CommandContext, CommandResult};
use crate::domain::{AppName, Revision};
use crate::service::DiffRequest;
use crate::ssh::exit_status::ExitStatus;

/// Prints the differences between the manifests of two revisions.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Diff {
    /// The name of the app.
    pub app: AppName,
    /// The older revision; the one before `vB` by default.
    #[arg(value_name = "vA")]
    pub from: Option<Revision>,
    /// The newer revision; the deployed one by default.
    #[arg(value_name = "vB")]
    pub to: Option<Revision>,
}

impl Command for Diff {
    const NAME: &'static str = "diff";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let Self { app, from, to } = self;
        let difference = context.service.diff_revisions(context.caller, &DiffRequest { app, from, to }).await?;
        let output = &context.io.output;
        match difference.text.is_empty() {
            true => output.line(&format!("{} and {} are the same.", difference.from, difference.to)).await,
            false => output.stdout(difference.text).await,
        }
        Ok(ExitStatus::OK)
    }
}
