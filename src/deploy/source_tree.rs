//! The files of a pushed tree that a build depends on.

use futures_util::future::try_join_all;

use crate::build::{NoDockerfile, SIMILAR_NAMES, find_dockerfile, ignore_file_candidates};
use crate::domain::{AppSpec, PushedCommit};
use crate::git;
use crate::spec::{ResolvedSpec, Warning};
use crate::stacks::{self, DEFAULT_IGNORE, RepositoryFiles, StackSettings};

use super::app_files::read_app_files;
use super::error::DeployError;

/// The largest file that is read: a Dockerfile, an ignore file, or a file by which a stack is detected. In bytes.
const MAX_FILE_LEN: u64 = 1 << 20;

pub(super) struct SourceTree {
    pub dockerfile: Dockerfile,
    /// `git describe`, or the short commit.
    pub version: String,
    /// What the app's files say.
    pub spec: AppSpec,
    pub warnings: Vec<Warning>,
}

pub(super) struct Dockerfile {
    pub path: String,
    /// The content.
    pub text: Vec<u8>,
    /// Whether the Dockerfile is slipway's, and not in the tree.
    pub is_generated: bool,
    /// Lines for the pusher about a generated Dockerfile.
    pub announcement: Vec<String>,
    /// The content of the ignore file.
    pub ignore: Option<Vec<u8>>,
}

impl SourceTree {
    /// # Errors
    /// [`DeployError::NoDockerfile`]; [`DeployError::Stack`]; [`DeployError::Git`].
    pub async fn read(pushed: &PushedCommit, settings: &StackSettings) -> Result<Self, DeployError> {
        let dockerfile = async {
            let top_level = git::list_top_level(&pushed.objects, &pushed.commit).await?;
            match find_dockerfile(&top_level) {
                Some(path) => read_dockerfile(pushed, path).await,
                None => generate_dockerfile(pushed, top_level, settings).await,
            }
        };
        let describing = git::describe_commit(&pushed.objects, &pushed.commit);
        let (dockerfile, version, resolved) = tokio::join!(dockerfile, describing, read_app_files(pushed));
        let ResolvedSpec { spec, warnings, .. } = resolved?;
        Ok(Self { dockerfile: dockerfile?, version, spec, warnings })
    }
}

async fn read_dockerfile(pushed: &PushedCommit, path: String) -> Result<Dockerfile, DeployError> {
    let text = async { read_file(pushed, &path).await.map(Option::unwrap_or_default) };
    let (text, ignore) = tokio::try_join!(text, read_ignore_file(pushed, &path))?;
    Ok(Dockerfile { path, text, is_generated: false, announcement: Vec::new(), ignore })
}

/// Without a `.dockerignore`, the context has no files that a build makes again.
async fn generate_dockerfile(
    pushed: &PushedCommit,
    top_level: Vec<String>,
    settings: &StackSettings,
) -> Result<Dockerfile, DeployError> {
    let path = stacks::unused_name(&top_level);
    let files = read_stack_files(pushed, top_level).await?;
    let Some(plan) = stacks::detect(&files)? else { return Err(no_dockerfile(pushed).await?.into()) };
    let text = stacks::generate_dockerfile(&plan, settings)?.into_bytes();
    let ignore = read_ignore_file(pushed, &path).await?;
    let ignore = ignore.or_else(|| Some(DEFAULT_IGNORE.as_bytes().to_vec()));
    Ok(Dockerfile { path, text, is_generated: true, announcement: plan.announcement(), ignore })
}

async fn read_stack_files(pushed: &PushedCommit, top_level: Vec<String>) -> Result<RepositoryFiles, DeployError> {
    let wanted = stacks::files_to_read(&top_level);
    let contents = try_join_all(wanted.iter().map(|path| read_file(pushed, path))).await?;
    let contents = wanted.into_iter().zip(contents).filter_map(|(name, content)| Some((name, content?)));
    Ok(RepositoryFiles::new(top_level, contents.collect::<Vec<_>>()))
}

async fn no_dockerfile(pushed: &PushedCommit) -> Result<NoDockerfile, DeployError> {
    let similar = git::find_files_named(&pushed.objects, &pushed.commit, &SIMILAR_NAMES).await?;
    Ok(NoDockerfile::new(similar, stacks::looked_for()))
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
