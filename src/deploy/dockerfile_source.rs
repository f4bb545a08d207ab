//! The Dockerfile of a pushed tree, and the directory that the build gets.

use futures_util::future::try_join_all;

use crate::build::{AddedDockerfile, NoDockerfile, SIMILAR_NAMES, find_dockerfile, ignore_file_candidates};
use crate::domain::PushedCommit;
use crate::domain::app_spec::BuildSpec;
use crate::git;
use crate::stacks::{self, DEFAULT_IGNORE, RepositoryFiles, StackSettings};

use super::error::DeployError;

/// The largest file that is read: a Dockerfile, an ignore file, or a file by which a stack is detected. In bytes.
const MAX_FILE_LEN: u64 = 1 << 20;

pub(super) struct DockerfileSource {
    /// The directory that the build gets, from the root of the repository; empty for the whole tree.
    pub context: String,
    /// The path of the Dockerfile in the context.
    pub path: String,
    /// The content of the Dockerfile.
    pub text: Vec<u8>,
    /// Set for a Dockerfile that the context does not have.
    pub added: Option<AddedDockerfile>,
    /// Lines for the pusher about a generated Dockerfile.
    pub announcement: Vec<String>,
    /// The content of the ignore file.
    pub ignore: Option<Vec<u8>>,
}

impl DockerfileSource {
    /// `top_level` has the names at the root of the tree.
    ///
    /// # Errors
    /// [`DeployError::NoDockerfile`]; [`DeployError::Stack`]; [`DeployError::NoSuchPath`]; [`DeployError::Git`].
    pub async fn read(
        pushed: &PushedCommit,
        build: &BuildSpec,
        top_level: Vec<String>,
        settings: &StackSettings,
    ) -> Result<Self, DeployError> {
        let context = build.context.clone().unwrap_or_default();
        let names = match context.as_str() {
            "" => top_level,
            context => git::list_directory(&pushed.objects, &pushed.commit, context).await?,
        };
        if names.is_empty() && !context.is_empty() {
            return Err(DeployError::NoSuchPath { key: "context", path: context, what: "directory" });
        }
        match (&build.dockerfile, find_dockerfile(&names)) {
            (Some(path), _) => Self::stated(pushed, context, names, path).await,
            (None, Some(path)) => Self::found(pushed, context, path).await,
            (None, None) => Self::generated(pushed, context, names, settings).await,
        }
    }

    /// The Dockerfile that `slipway.yaml` names, inside or outside of the context.
    async fn stated(
        pushed: &PushedCommit,
        context: String,
        names: Vec<String>,
        path: &str,
    ) -> Result<Self, DeployError> {
        let missing = || DeployError::NoSuchPath { key: "dockerfile", path: path.to_owned(), what: "file" };
        if let Some(path) = strip_directory(path, &context) {
            let source = Self::found(pushed, context, path.to_owned()).await?;
            return if source.text.is_empty() { Err(missing()) } else { Ok(source) };
        }
        let text = read_file(pushed, path).await?.ok_or_else(missing)?;
        let [own, _] = ignore_file_candidates(path);
        let ignore = match read_file(pushed, &own).await? {
            Some(ignore) => Some(ignore),
            None => read_file(pushed, &in_directory(&context, ".dockerignore")).await?,
        };
        let added = Some(AddedDockerfile { content: text.clone(), name: path.to_owned() });
        Ok(Self { context, path: stacks::unused_name(&names), text, added, announcement: Vec::new(), ignore })
    }

    /// A Dockerfile in the context.
    async fn found(pushed: &PushedCommit, context: String, path: String) -> Result<Self, DeployError> {
        let full_path = in_directory(&context, &path);
        let text = async { read_file(pushed, &full_path).await.map(Option::unwrap_or_default) };
        let (text, ignore) = tokio::try_join!(text, read_ignore_file(pushed, &context, &path))?;
        Ok(Self { context, path, text, added: None, announcement: Vec::new(), ignore })
    }

    /// Without a `.dockerignore`, the context has no files that a build makes again.
    async fn generated(
        pushed: &PushedCommit,
        context: String,
        names: Vec<String>,
        settings: &StackSettings,
    ) -> Result<Self, DeployError> {
        let path = stacks::unused_name(&names);
        let files = read_stack_files(pushed, &context, names).await?;
        let Some(plan) = stacks::detect(&files)? else { return Err(no_dockerfile(pushed).await?.into()) };
        let text = stacks::generate_dockerfile(&plan, settings)?.into_bytes();
        let ignore = read_ignore_file(pushed, &context, &path).await?;
        let ignore = ignore.or_else(|| Some(DEFAULT_IGNORE.as_bytes().to_vec()));
        let added = Some(AddedDockerfile { content: text.clone(), name: "a generated Dockerfile".to_owned() });
        Ok(Self { context, path, text, added, announcement: plan.announcement(), ignore })
    }

    /// Whether slipway wrote the Dockerfile.
    pub fn is_generated(&self) -> bool {
        !self.announcement.is_empty()
    }
}

/// The rest of a path inside of a directory.
fn strip_directory<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if directory.is_empty() { Some(path) } else { path.strip_prefix(directory)?.strip_prefix('/') }
}

fn in_directory(directory: &str, path: &str) -> String {
    if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") }
}

async fn read_stack_files(
    pushed: &PushedCommit,
    context: &str,
    names: Vec<String>,
) -> Result<RepositoryFiles, DeployError> {
    let wanted = stacks::files_to_read(&names);
    let paths: Vec<_> = wanted.iter().map(|name| in_directory(context, name)).collect();
    let contents = try_join_all(paths.iter().map(|path| read_file(pushed, path))).await?;
    let contents = wanted.into_iter().zip(contents).filter_map(|(name, content)| Some((name, content?)));
    Ok(RepositoryFiles::new(names, contents.collect::<Vec<_>>()))
}

async fn no_dockerfile(pushed: &PushedCommit) -> Result<NoDockerfile, DeployError> {
    let similar = git::find_files_named(&pushed.objects, &pushed.commit, &SIMILAR_NAMES).await?;
    Ok(NoDockerfile::new(similar, stacks::looked_for()))
}

/// Reads the first existing ignore file of a Dockerfile in the context.
async fn read_ignore_file(
    pushed: &PushedCommit,
    context: &str,
    dockerfile: &str,
) -> Result<Option<Vec<u8>>, DeployError> {
    let paths = ignore_file_candidates(dockerfile).map(|path| in_directory(context, &path));
    let found = try_join_all(paths.iter().map(|path| read_file(pushed, path))).await?;
    Ok(found.into_iter().flatten().next())
}

async fn read_file(pushed: &PushedCommit, path: &str) -> Result<Option<Vec<u8>>, DeployError> {
    Ok(git::read_file(&pushed.objects, &pushed.commit, path, MAX_FILE_LEN).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_inside_of_a_directory_by_whole_names() {
        assert_eq!(strip_directory("api/Dockerfile", ""), Some("api/Dockerfile"));
        assert_eq!(strip_directory("api/Dockerfile", "api"), Some("Dockerfile"));
        assert_eq!(strip_directory("api-v2/Dockerfile", "api"), None);
        assert_eq!(in_directory("", "a"), "a");
        assert_eq!(in_directory("b", "a"), "b/a");
    }
}
