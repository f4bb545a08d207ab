//! The tree of a commit as a tar stream.

use std::io;
use std::process::ExitStatus;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;

use super::command::{git_in_repository, read_stderr};
use super::error::{CommandFailure, GitError};
use super::process::ProcessGroup;
use super::tree_survey::TreeSurvey;
use crate::domain::{CommitSha, GitObjects};

/// Bytes read from git at once.
const CHUNK_SIZE: usize = 64 << 10;

/// Streams a directory of `commit` as tar, with each file exactly as it was committed; an empty path is the whole tree. If git fails, reading ends with an
/// error and not with a truncated archive. Dropping the reader ends git.
///
/// git reads the list of the whole tree into memory before it writes: the survey proves that the tree is within its
/// limits.
///
/// # Errors
/// A failure to start git.
pub fn archive(
    objects: &GitObjects,
    commit: &CommitSha,
    directory: &str,
    _within_limits: &TreeSurvey,
) -> Result<impl AsyncRead + Send + Unpin + 'static, GitError> {
    let mut command = git_in_repository(objects, &["archive", "--format=tar", &tree_of(commit, directory)]);
    let (group, pipes) = ProcessGroup::spawn_piped(&mut command).map_err(GitError::io("start git"))?;
    drop(pipes.stdin);
    let stderr = tokio::spawn(read_stderr(pipes.stderr));
    let running = RunningArchive { group, stdout: pipes.stdout, stderr, command };
    Ok(StreamReader::new(Box::pin(stream::try_unfold(running, RunningArchive::next_chunk))))
}

fn tree_of(commit: &CommitSha, directory: &str) -> String {
    if directory.is_empty() { commit.to_string() } else { format!("{commit}:{directory}") }
}

/// A `git archive` process that is still writing.
struct RunningArchive {
    group: ProcessGroup,
    stdout: ChildStdout,
    stderr: JoinHandle<String>,
    command: Command,
}

impl RunningArchive {
    async fn next_chunk(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let mut buffer = BytesMut::with_capacity(CHUNK_SIZE);
        if self.stdout.read_buf(&mut buffer).await? > 0 {
            return Ok(Some((buffer.freeze(), self)));
        }
        let status = self.group.wait().await?;
        if status.success() { Ok(None) } else { Err(self.into_error(status).await) }
    }

    async fn into_error(self, status: ExitStatus) -> io::Error {
        let stderr = self.stderr.await.unwrap_or_default();
        io::Error::other(GitError::CommandFailed(CommandFailure::new(&self.command, status, stderr)))
    }
}
