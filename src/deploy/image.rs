//! The image of a commit: built by the Engine, and pushed to the registry.

use std::collections::BTreeMap;

use crate::build::{self, BuildPlan, LocalImage, keep_declared_args};
use crate::domain::{AppSpec, BuiltImage, Progress, PublishedImage, PushedCommit, Revision};
use crate::git::{self, TreeLimits};
use crate::registry;

use super::deployer::Deployer;
use super::error::DeployError;
use super::metrics::Phase;
use super::source_tree::{Dockerfile, SourceTree};
use super::source_warnings::warnings;

impl Deployer {
    /// The Engine keeps the image until the app is live: deleting the image takes a tenth of a second, and a kubelet on
    /// the Engine's own node finds the layers there.
    pub(super) async fn build_image(
        &self,
        pushed: &PushedCommit,
        tree: &SourceTree,
        progress: &Progress,
    ) -> Result<(BuiltImage, LocalImage), DeployError> {
        for line in &tree.dockerfile.announcement {
            progress.log(line.as_str()).await;
        }
        let plan = self.build_plan(pushed, tree);
        let survey = git::survey_tree(&pushed.objects, &pushed.commit, TreeLimits::default()).await?;
        for warning in warnings(&survey) {
            progress.log(warning).await;
        }
        let context = git::archive(&pushed.objects, &pushed.commit, &survey)?;
        let built = build::build_image(&self.engine, &plan, context, tree.dockerfile.ignore.clone(), progress).await?;
        if built.has_healthcheck {
            let message = "The image's HEALTHCHECK is not used: the app is ready when its port accepts connections";
            progress.log(message).await;
        }
        Ok((built, LocalImage::new(&self.engine, &plan.tag)))
    }

    /// Passes the commit as the build argument `GIT_REV` only if the Dockerfile declares it: an undeclared argument
    /// would invalidate the build cache with every commit.
    fn build_plan(&self, pushed: &PushedCommit, tree: &SourceTree) -> BuildPlan {
        let Dockerfile { path, text, is_generated, .. } = &tree.dockerfile;
        let mut args = BTreeMap::from([("GIT_REV".to_owned(), pushed.commit.to_string())]);
        if *is_generated {
            args.extend(self.settings.stacks.args().clone());
        }
        let args = keep_declared_args(args, &String::from_utf8_lossy(text));
        let generated = is_generated.then(|| text.clone());
        BuildPlan { args, generated, ..BuildPlan::new(&pushed.app, path, self.settings.build_timeout) }
    }

    /// A command with shell syntax needs a shell in the image.
    pub(super) async fn check_shell(&self, spec: &AppSpec, image: &BuiltImage) -> Result<(), DeployError> {
        let Some((user, _)) = spec.commands().find(|(_, command)| command.needs_shell()) else { return Ok(()) };
        let has_shell = build::has_shell(&self.engine, &image.id).await?;
        if has_shell { Ok(()) } else { Err(DeployError::NoShell(user)) }
    }

    pub(super) async fn publish_image(
        &self,
        pushed: &PushedCommit,
        built: &BuiltImage,
        revision: Revision,
        progress: &Progress,
    ) -> Result<PublishedImage, DeployError> {
        let docker = self.engine.client().await?;
        let publishing = registry::publish(&docker, &self.registry, built, &pushed.app, revision, progress);
        Ok(Phase::Publish.measure(publishing).await?)
    }
}
