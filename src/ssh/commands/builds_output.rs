//! `builds:output APP [N]`

use clap::Args;

use super::command::{Command, CommandContext, CommandResult};
use crate::domain::AppName;
use crate::service::terminal::{format_error, format_event};
use crate::service::{BuildLog, BuildState};
use crate::ssh::exit_status::ExitStatus;

/// Prints the stored output of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct BuildsOutput {
    /// The name of the app.
    pub app: AppName,
    /// The number in `builds:list`; the newest by default.
    #[arg(value_name = "N", value_parser = parse_number)]
    pub number: Option<u64>,
}

fn parse_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not the number of a build: builds:list has the numbers"))
}

impl Command for BuildsOutput {
    const NAME: &'static str = "builds:output";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let log = context.service.read_build(context.caller, &self.app, self.number).await?;
        context.io.output.stdout(format_log(log)).await;
        Ok(ExitStatus::OK)
    }
}

fn format_log(log: BuildLog) -> String {
    let BuildLog { summary: build, events, truncated } = log;
    let mut lines: Vec<String> = events.iter().map(format_event).collect();
    if truncated {
        lines.extend(format_error("the output was truncated: its end is not stored"));
    }
    match build.state {
        BuildState::Deployed => {}
        BuildState::Failed => {
            lines.extend(format_error(&build.result.and_then(|result| result.error).unwrap_or_default()));
        }
        BuildState::Running => lines.extend(format_error("the deploy is still running")),
        BuildState::Interrupted => lines.extend(format_error("the deploy was interrupted: its gateway ended")),
    }
    lines.join("\n") + "\n"
}
