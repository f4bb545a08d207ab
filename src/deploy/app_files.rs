//! The files in which an app describes itself.

use futures_util::future::try_join_all;

use crate::domain::PushedCommit;
use crate::git;
use crate::spec::{self, MAX_FILE_SIZE, ResolvedSpec, SpecFile};

use super::error::DeployError;

/// Reads and merges the files of a pushed commit.
///
/// # Errors
/// [`DeployError::Spec`] lists everything that is wrong with them; [`DeployError::Git`].
pub(super) async fn read_app_files(pushed: &PushedCommit) -> Result<ResolvedSpec, DeployError> {
    let names = spec::file_names(None);
    let read = names.iter().map(async |name| {
        let content = git::read_file(&pushed.objects, &pushed.commit, name, MAX_FILE_SIZE).await?;
        Ok::<_, DeployError>(content.map(|content| SpecFile::new(name, content)))
    });
    let files: Vec<_> = try_join_all(read).await?.into_iter().flatten().collect();
    Ok(spec::resolve(&files)?)
}
