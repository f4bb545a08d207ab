//! The files of a pushed tree that a build depends on.

use futures_util::future::try_join_all;

use crate::build::{NoDockerfile, SIMILAR_NAMES, find_dockerfile, ignore_file_candidates};
use crate::domain::{AppSpec, PushedCommit};
use crate::git;
use crate::spec::{ResolvedSpec, Warning};

use super::app_files::read_app_files;
use super::error::DeployError;

/// The largest Dockerfile and ignore file, in bytes.
const MAX_FILE_LEN: u64 = 1 << 20;

pub(super) struct SourceTree {
    /// The path of the Dockerfile.
    pub dockerfile: String,
    /// The content of the Dockerfile.
    pub text: Vec<u8>,
    /// The content of the ignore file.
    pub ignore: Option<Vec<u8>>,
    /// `git describe`, or the short commit.
    pub version: String,
    /// What the app's files say.
    pub spec: AppSpec,
    pub warnings: Vec<Warning>,
}

impl SourceTree {
    /// # Errors
    /// [`DeployError::NoDockerfile`]; [`DeployError::Git`].
    pub async fn read(pushed: &PushedCommit) -> Result<Self, DeployError> {
        let files = async {
            let top_level = git::list_top_level(&pushed.objects, &pushed.commit).await?;
            let Some(dockerfile) = find_dockerfile(&top_level) else { return Err(no_dockerfile(pushed).await?.into()) };
            let text = async { read_file(pushed, &dockerfile).await.map(Option::unwrap_or_default) };
            let (text, ignore) = tokio::try_join!(text, read_ignore_file(pushed, &dockerfile))?;
            Ok::<_, DeployError>((dockerfile, text, ignore))
        };
        let describing = git::describe_commit(&pushed.objects, &pushed.commit);
        let (files, version, resolved) = tokio::join!(files, describing, read_app_files(pushed));
        let ResolvedSpec { spec, warnings, .. } = resolved?;
        let (dockerfile, text, ignore) = files?;
        Ok(Self { dockerfile, text, ignore, version, spec, warnings })
    }
}

async fn no_dockerfile(pushed: &PushedCommit) -> Result<NoDockerfile, DeployError> {
    let similar = git::find_files_named(&pushed.objects, &pushed.commit, &SIMILAR_NAMES).await?;
    Ok(NoDockerfile::new(similar))
}

/// Reads the first existing ignore file.
async fn read_ignore_file(pushed: &PushedCommit, dockerfile: &str) -> Result<Option<Vec<u8>>, DeployError> {
    let paths = ignore_file_candidates(dockerfile);
    let found = try_join_all(paths.iter().map(|path| read_file(pushed, path))).await?;
    Ok(found.into_iter().flatten().next())
}

async fn read_file(pushed: &PushedCommit, path: &str) -> Result<Option<Vec<u8>>, DeployError> {
    Ok(git::read_file(&pushed.objects, &pushed.commit, path, MAX_FILE_LEN).await?)
}
