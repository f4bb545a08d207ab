//! The files of a pushed tree that a deploy depends on.

use crate::domain::{AppSpec, PushedCommit};
use crate::git;
use crate::spec::{Environment, ResolvedSpec, Warning};
use crate::stacks::StackSettings;

use super::app_files::read_app_files;
use super::dockerfile_source::DockerfileSource;
use super::error::DeployError;

pub(super) struct SourceTree {
    /// `git describe`, or the short commit.
    pub version: String,
    /// The merged files in which the app describes itself.
    pub spec: AppSpec,
    pub warnings: Vec<Warning>,
    pub dockerfile: DockerfileSource,
}

impl SourceTree {
    /// # Errors
    /// [`DeployError::Spec`]; as [`DockerfileSource::read`]; [`DeployError::Git`].
    pub async fn read(
        pushed: &PushedCommit,
        environment: Option<&Environment>,
        settings: &StackSettings,
    ) -> Result<Self, DeployError> {
        let files = async {
            let top_level = git::list_directory(&pushed.objects, &pushed.commit, "").await?;
            let resolved = read_app_files(&pushed.objects, &pushed.commit, &top_level, environment).await?;
            let ResolvedSpec { spec, warnings, .. } = resolved;
            let dockerfile = DockerfileSource::read(pushed, &spec.build, top_level, settings).await?;
            Ok::<_, DeployError>((spec, warnings, dockerfile))
        };
        let (files, version) = tokio::join!(files, git::describe_commit(&pushed.objects, &pushed.commit));
        let (spec, warnings, dockerfile) = files?;
        Ok(Self { version, spec, warnings, dockerfile })
    }
}
