//! The tree of a commit as a tar stream.

use std::io;
use std::process::ExitStatus;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;

use super::child::Group;
use super::command::{self, inspect, tail};
use super::error::GitError;
use super::tree::{TreeLimits, check_size};
use crate::domain::{CommitSha, ObjectStore};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Streams the tree of `commit` as tar, exactly as it was pushed. Reading ends with an error, and not
/// with a short archive, if git fails; dropping the reader ends git.
///
/// git reads the list of a whole tree before it writes, so the tree is held against `limits` first.
///
/// # Errors
/// [`GitError::TreeTooLarge`], or a failure to start git.
pub async fn archive(
    store: &ObjectStore,
    commit: &CommitSha,
    limits: TreeLimits,
) -> Result<impl AsyncRead + Send + Unpin + 'static, GitError> {
    check_size(store, commit, limits).await?;
    let mut command = inspect(store, &["archive", "--format=tar", commit.as_str()]);
    let (group, pipes) = Group::spawn_piped(&mut command).map_err(GitError::io("start git"))?;
    drop(pipes.stdin);
    let complaints = tokio::spawn(tail(pipes.stderr));
    let running = Running { group, stdout: pipes.stdout, complaints, command };
    Ok(StreamReader::new(Box::pin(stream::try_unfold(running, Running::chunk))))
}

/// A git that is writing its archive.
struct Running {
    group: Group,
    stdout: ChildStdout,
    complaints: JoinHandle<String>,
    command: Command,
}

impl Running {
    async fn chunk(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        if self.stdout.read_buf(&mut buffer).await? > 0 {
            return Ok(Some((buffer.freeze(), self)));
        }
        let status = self.group.wait().await?;
        if status.success() { Ok(None) } else { Err(self.failed(status).await) }
    }

    async fn failed(self, status: ExitStatus) -> io::Error {
        let complaints = self.complaints.await.unwrap_or_default();
        io::Error::other(GitError::Failed(command::failure(&self.command, status, complaints)))
    }
}
