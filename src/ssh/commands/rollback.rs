//! `rollback APP [vN]`

use clap::Args;

use super::arguments::DeployArgs;
use super::command::{Command, CommandContext, CommandResult};
use crate::domain::{AppName, CancelHandle, Revision};
use crate::service::{DeployedSource, RollbackRequest};
use crate::ssh::exit_status::ExitStatus;

/// Deploys an earlier revision again, as a new revision.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Rollback {
    /// The name of the app.
    pub app: AppName,
    /// The revision; the one deployed before the current one by default.
    #[arg(value_name = "vN")]
    pub to: Option<Revision>,
    #[command(flatten)]
    pub deploy: DeployArgs,
}

impl Command for Rollback {
    const NAME: &'static str = "rollback";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let CommandContext { service, caller, io, .. } = context;
        let request = RollbackRequest { app: self.app, to: self.to, flags: self.deploy.into() };
        let work = async |progress, cancel: &CancelHandle| service.rollback(caller, &request, &progress, cancel).await;
        let deployed = io.with_progress(work).await?;
        io.output.stdout(format_source(&deployed.app, &deployed.source)).await;
        Ok(ExitStatus::OK)
    }
}

/// The line that names the app's source if that is not its deploy branch.
fn format_source(app: &AppName, source: &DeployedSource) -> String {
    let runs = match source {
        DeployedSource::Commit { .. } => return String::new(),
        DeployedSource::Revision { revision, commit: Some(commit) } => format!("commit {commit}, as in {revision}"),
        DeployedSource::Revision { revision, commit: None } => format!("what {revision} deployed"),
    };
    format!(
        "       The app runs {runs}.\n       \
         The deploy branch has not moved: pushing the same commit again deploys nothing.\n       \
         To deploy the branch's commit again: redeploy {app}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_says_what_runs_and_how_to_return_to_the_branch() {
        let app: AppName = "web".parse().unwrap();
        let to_ours = DeployedSource::Revision { revision: Revision(2), commit: Some("0123456".into()) };
        assert_eq!(
            format_source(&app, &to_ours),
            "       The app runs commit 0123456, as in v2.\n       The deploy branch has not moved: pushing the same \
             commit again deploys nothing.\n       To deploy the branch's commit again: redeploy web\n"
        );
        let to_helms = DeployedSource::Revision { revision: Revision(2), commit: None };
        assert!(format_source(&app, &to_helms).starts_with("       The app runs what v2 deployed.\n"));
    }
}
