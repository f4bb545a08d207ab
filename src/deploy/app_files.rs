//! The files in which an app describes itself.

use std::path::Path;

use futures_util::future::try_join_all;

use crate::domain::{AppName, CommitSha, GitObjects};
use crate::git;
use crate::spec::{self, MAX_FILE_SIZE, ResolvedSpec, SpecFile};

use super::error::DeployError;

/// Reads and merges the files of a commit. `top_level` has the names at the root of its tree: most apps have none of the
/// files, and git is not asked for them.
///
/// # Errors
/// [`DeployError::Spec`] lists everything that is wrong with them; [`DeployError::Git`].
pub(super) async fn read_app_files(
    objects: &GitObjects,
    commit: &CommitSha,
    top_level: &[String],
) -> Result<ResolvedSpec, DeployError> {
    let names: Vec<_> = spec::file_names(None).into_iter().filter(|name| top_level.contains(name)).collect();
    let read = names.iter().map(async |name| {
        let content = git::read_file(objects, commit, name, MAX_FILE_SIZE).await?;
        Ok::<_, DeployError>(content.map(|content| SpecFile::new(name, content)))
    });
    let files: Vec<_> = try_join_all(read).await?.into_iter().flatten().collect();
    Ok(spec::resolve(&files)?)
}

/// As [`read_app_files`], for the deploy branch of an app.
///
/// # Errors
/// [`DeployError::NoDeployBranch`]; as [`read_app_files`].
pub async fn read_deployed_files(repository: &Path, app: &AppName) -> Result<ResolvedSpec, DeployError> {
    let objects = GitObjects { repository: repository.to_owned(), quarantine: None };
    let head = git::deploy_branch_head(&objects).await?;
    let (_, commit) = head.ok_or_else(|| DeployError::NoDeployBranch(app.clone()))?;
    let top_level = git::list_directory(&objects, &commit, "").await?;
    read_app_files(&objects, &commit, &top_level).await
}
