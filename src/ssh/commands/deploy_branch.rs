//! `deploy-branch APP [BRANCH]`

use clap::Args;

use super::command::{Command, CommandContext, CommandResult};
use crate::domain::{AppName, BranchName};
use crate::service::SetDeployBranchRequest;
use crate::ssh::exit_status::ExitStatus;

/// Shows or changes the branch whose pushes are deployed.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DeployBranch {
    /// The name of the app.
    pub app: AppName,
    /// The branch to be deployed from now on. It has to be pushed first.
    pub branch: Option<BranchName>,
}

impl Command for DeployBranch {
    const NAME: &'static str = "deploy-branch";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let CommandContext { service, caller, io, .. } = context;
        let Self { app, branch } = self;
        let Some(branch) = branch else {
            let branch = service.deploy_branch(caller, &app).await?;
            io.output.stdout(format!("{branch}\n")).await;
            return Ok(ExitStatus::OK);
        };
        let request = SetDeployBranchRequest { app, branch };
        service.set_deploy_branch(caller, &request).await?;
        let SetDeployBranchRequest { app, branch } = request;
        let text =
            format!("=====> {branch} is the deploy branch of {app} now\n       To deploy its commit: redeploy {app}\n");
        io.output.stdout(text).await;
        Ok(ExitStatus::OK)
    }
}
