//! `doctor [APP]`

use clap::Args;

use super::arguments::FormatFlag;
use super::command::{Command, CommandContext, CommandResult};
use crate::domain::AppName;
use crate::service::Diagnosis;
use crate::ssh::exit_status::ExitStatus;
use crate::ssh::output::table::{format_table, or_dash};

/// Finds problems of apps, such as images that are missing from the registry.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Doctor {
    /// The name of the app; all apps that you may read by default.
    pub app: Option<AppName>,
    #[command(flatten)]
    pub format: FormatFlag,
}

impl Command for Doctor {
    const NAME: &'static str = "doctor";

    fn app(&self) -> Option<&AppName> {
        self.app.as_ref()
    }

    /// Fails if there is a finding, so that a script can tell.
    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let findings = context.service.diagnose(context.caller, self.app.as_ref()).await?;
        let exit_status = if findings.is_empty() { ExitStatus::OK } else { ExitStatus::FAILED };
        context.print(self.format.format, findings, format_findings).await?;
        Ok(exit_status)
    }
}

fn format_findings(findings: Vec<Diagnosis>) -> String {
    if findings.is_empty() {
        return "Nothing is wrong.\n".to_owned();
    }
    let rows = findings.into_iter().map(|Diagnosis { app, revision, finding }| {
        let columns = [app.map(|app| app.to_string()), revision.map(|revision| revision.to_string())];
        let [app, revision] = columns.map(or_dash);
        [app, revision, finding]
    });
    format_table(["APP", "REVISION", "FINDING"], rows)
}
