//! `spec APP`

use clap::Args;

use super::arguments::FormatFlag;
use super::command::{Command, CommandContext, CommandResult};
use crate::domain::AppName;

/// Prints what the files of the deploy branch say, with the origin of each value.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Spec {
    /// The name of the app.
    pub app: AppName,
    #[command(flatten)]
    pub format: FormatFlag,
}

impl Command for Spec {
    const NAME: &'static str = "spec";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let resolved = context.service.read_spec(context.caller, &self.app).await?;
        context.print(self.format.format, resolved, |resolved| resolved.to_yaml()).await
    }
}
