//! `redeploy APP`

use clap::Args;

use super::arguments::DeployArgs;
use super::command::{Command, CommandContext, CommandResult};
use crate::domain::{AppName, CancelHandle};
use crate::service::{DeployFlags, RedeployRequest};
use crate::ssh::exit_status::ExitStatus;

/// Deploys the current commit of the deploy branch again.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Redeploy {
    /// The name of the app.
    pub app: AppName,
    #[command(flatten)]
    pub deploy: DeployArgs,
    /// Take fields back that other field managers have set, instead of failing.
    #[arg(long)]
    pub force_conflicts: bool,
}

impl Command for Redeploy {
    const NAME: &'static str = "redeploy";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let CommandContext { service, caller, io, .. } = context;
        let Self { app, deploy, force_conflicts } = self;
        let request = RedeployRequest { app, flags: DeployFlags { force_conflicts, ..deploy.into() } };
        let work = async |progress, cancel: &CancelHandle| service.redeploy(caller, &request, &progress, cancel).await;
        io.with_progress(work).await?;
        Ok(ExitStatus::OK)
    }
}
