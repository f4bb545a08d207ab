//! Looking into the tree of a commit without taking it apart.

use std::ops::ControlFlow;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::child::{Group, Pipes};
use super::command::{each, inspect, tail};
use super::error::GitError;
use crate::domain::{CommitSha, ObjectStore};

/// How many names of a directory are listed.
const MAX_NAMES: usize = 10_000;
/// The longest answer of `git cat-file` before the content: an id, a kind, a size, or the path again.
const MAX_HEADER: u64 = 16 << 10;
/// The longest path that is looked for.
const MAX_PATH: usize = 4096;

/// How much a tree may hold. Trees can share their parts, so a small pack may unfold into more than
/// any disk holds.
#[derive(Debug, Clone, Copy)]
pub struct TreeLimits {
    /// Files and directories.
    pub entries: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { entries: 500_000, bytes: 10 << 30 }
    }
}

/// Adds up the tree of `commit`, and stops when it is over the limits.
///
/// # Errors
/// [`GitError::TreeTooLarge`], or a failure of git.
pub async fn check_size(store: &ObjectStore, commit: &CommitSha, limits: TreeLimits) -> Result<(), GitError> {
    let list = inspect(store, &["ls-tree", "-r", "-t", "-z", "--full-tree", "--format=%(objectsize)", commit.as_str()]);
    let (mut entries, mut bytes) = (0_u64, 0_u64);
    let sum = each(list, &[], 0, |size| {
        entries = entries.saturating_add(1);
        // Directories and submodules have `-` for a size.
        let size = std::str::from_utf8(size).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        bytes = bytes.saturating_add(size);
        if entries > limits.entries || bytes > limits.bytes {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    match sum.await? {
        None => Err(GitError::TreeTooLarge { entries: limits.entries, bytes: limits.bytes }),
        Some(finished) => finished.succeeded().map(drop),
    }
}

/// The names in the top directory, at most ten thousand.
///
/// # Errors
/// When git fails.
pub async fn top_level(store: &ObjectStore, commit: &CommitSha) -> Result<Vec<String>, GitError> {
    let list = inspect(store, &["ls-tree", "-z", "--full-tree", "--name-only", commit.as_str()]);
    let mut names = Vec::new();
    let read = each(list, &[], 0, |name| {
        names.push(String::from_utf8_lossy(name).into_owned());
        if names.len() >= MAX_NAMES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(finished) = read.await? {
        finished.succeeded()?;
    }
    Ok(names)
}

/// The content of a file, or None if there is no file of that path. Symbolic links are followed
/// inside the tree and never out of it.
///
/// # Errors
/// [`GitError::FileTooLarge`], or a failure of git.
pub async fn read_file(
    store: &ObjectStore,
    commit: &CommitSha,
    path: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, GitError> {
    let Some(path) = inside(path) else { return Ok(None) };
    let mut command = inspect(store, &["cat-file", "--batch", "--follow-symlinks"]);
    // Held to the end: dropping it ends the child, also when there is more to read than wanted.
    let (_group, pipes) = Group::spawn_piped(&mut command).map_err(GitError::io("start git"))?;
    let Pipes { mut stdin, stdout, stderr } = pipes;
    let question = format!("{commit}:{path}\n");
    let answer = async {
        stdin.write_all(question.as_bytes()).await.map_err(GitError::io("ask git"))?;
        drop(stdin);
        answer(BufReader::new(stdout), &path, limit).await
    };
    let stderr = tokio::spawn(tail(stderr));
    let content = answer.await;
    stderr.abort();
    content
}

/// A path as git has it in a tree; None for one that can't be in any.
fn inside(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let impossible = path.starts_with('/') || path.len() > MAX_PATH || path.contains(['\n', '\0']);
    (!impossible && !parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

async fn answer(
    mut stdout: impl tokio::io::AsyncBufRead + Unpin,
    path: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, GitError> {
    let reading = || GitError::io("read what git said");
    let mut header = String::new();
    (&mut stdout).take(MAX_HEADER).read_line(&mut header).await.map_err(reading())?;
    let Some(size) = blob_size(&header) else { return Ok(None) };
    if size > limit {
        return Err(GitError::FileTooLarge { path: path.to_owned(), limit });
    }
    let mut content = Vec::new();
    stdout.take(size).read_to_end(&mut content).await.map_err(reading())?;
    if content.len() as u64 != size {
        return Err(reading()(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Some(content))
}

/// The size in `ID blob SIZE`. Anything else (`… missing`, `symlink 9`, a tree) is no file.
fn blob_size(header: &str) -> Option<u64> {
    let mut words = header.trim_end().split(' ');
    let (id, kind, size) = (words.next()?, words.next()?, words.next()?);
    (id.parse::<CommitSha>().is_ok() && kind == "blob" && words.next().is_none()).then(|| size.parse().ok())?
}
