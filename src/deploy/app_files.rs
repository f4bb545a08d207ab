//! The files in which an app describes itself.

use futures_util::future::try_join_all;

use crate::domain::{CommitSha, GitObjects};
use crate::git;
use crate::spec::{self, Environment, MAX_FILE_SIZE, ResolvedSpec, SpecFile};

use super::error::DeployError;

/// Reads and merges the files of a commit. `top_level` has the names at the root of its tree: most apps have none of the
/// files, and git is not asked for them.
///
/// # Errors
/// [`DeployError::Spec`] lists everything that is wrong with them; [`DeployError::NoEnvironmentFile`];
/// [`DeployError::Git`].
pub(super) async fn read_app_files(
    objects: &GitObjects,
    commit: &CommitSha,
    top_level: &[String],
    environment: Option<&Environment>,
) -> Result<ResolvedSpec, DeployError> {
    if let Some(environment) = environment.filter(|name| !top_level.contains(&spec::environment_file(name))) {
        return Err(DeployError::NoEnvironmentFile(environment.to_string()));
    }
    if let Some((name, right)) = top_level.iter().find_map(|name| Some((name, spec::misnamed(name)?))) {
        return Err(DeployError::Misnamed { name: name.clone(), right });
    }
    let names: Vec<_> = spec::file_names(environment).into_iter().filter(|name| top_level.contains(name)).collect();
    let read = names.iter().map(async |name| {
        let content = git::read_file(objects, commit, name, MAX_FILE_SIZE).await?;
        Ok::<_, DeployError>(content.map(|content| SpecFile::new(name, content)))
    });
    let files: Vec<_> = try_join_all(read).await?.into_iter().flatten().collect();
    Ok(spec::resolve(&files)?)
}
