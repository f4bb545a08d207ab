//! The environment of an app, which selects one of its files.

use std::path::Path;

use crate::auth::PushGrant;
use crate::domain::{AppName, GitObjects, Progress};
use crate::git;
use crate::spec::{Environment, ResolvedSpec};
use crate::telemetry::error_chain;

use super::app_files::read_app_files;
use super::deployer::Deployer;
use super::error::DeployError;
use super::options::EnvironmentOption;
use super::request::CommitSource;
use super::source_tree::SourceTree;

impl Deployer {
    /// As [`read_app_files`], for the deploy branch and the environment of an app.
    ///
    /// # Errors
    /// [`DeployError::NoDeployBranch`]; as [`read_app_files`].
    pub async fn read_deployed_files(&self, repository: &Path, app: &AppName) -> Result<ResolvedSpec, DeployError> {
        let objects = GitObjects { repository: repository.to_owned(), quarantine: None };
        let head = git::deploy_branch_head(&objects).await?;
        let (_, commit) = head.ok_or_else(|| DeployError::NoDeployBranch(app.clone()))?;
        let top_level = git::list_directory(&objects, &commit, "").await?;
        let environment = self.stored_environment(app).await?;
        read_app_files(&objects, &commit, &top_level, environment.as_ref()).await
    }

    /// Reads the files of a commit that is to be deployed.
    pub(super) async fn read_source_tree(
        &self,
        grant: &PushGrant,
        source: &CommitSource,
    ) -> Result<SourceTree, DeployError> {
        let environment = match &source.environment {
            EnvironmentOption::Set(environment) => environment.clone(),
            EnvironmentOption::Keep if grant.creates_app() => None,
            EnvironmentOption::Keep => self.stored_environment(grant.app()).await?,
        };
        SourceTree::read(&source.pushed, environment.as_ref(), &self.settings.stacks).await
    }

    /// The environment that an earlier push gave the app.
    async fn stored_environment(&self, app: &AppName) -> Result<Option<Environment>, DeployError> {
        // Only another program can have written a name that is none.
        Ok(self.apps.environment(app).await?.and_then(|name| name.parse().ok()))
    }

    /// Gives the app the environment that its push asks for, once the push is live.
    pub(super) async fn store_environment(&self, app: &AppName, option: &EnvironmentOption, progress: &Progress) {
        let EnvironmentOption::Set(environment) = option else { return };
        let name = environment.as_ref().map(ToString::to_string);
        if let Err(error) = self.apps.set_environment(app, name.as_deref()).await {
            let cause = error_chain(&error);
            tracing::warn!(%app, error = cause, "the environment of an app could not be stored");
            progress.log(format!("the environment could not be stored ({error}): push with -o env=NAME again")).await;
        }
    }
}
