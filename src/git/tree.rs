//! Reads the tree of a commit without checking it out.

use std::ops::ControlFlow;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::command::{for_each_record, git_in_repository, read_stderr};
use super::error::GitError;
use super::process::{Pipes, ProcessGroup};
use crate::domain::{CommitSha, GitObjects};

const MAX_TOP_LEVEL_NAMES: usize = 10_000;
/// In bytes, for the line of `git cat-file` before the content: an id, a type and a size, or the requested path.
const HEADER_LIMIT: u64 = 16 << 10;
/// In bytes.
const MAX_PATH_LEN: usize = 4096;

/// The names in a directory of `commit`, at most ten thousand; none if there is no such directory. An empty path is the root.
///
/// # Errors
/// When git fails.
pub async fn list_directory(objects: &GitObjects, commit: &CommitSha, path: &str) -> Result<Vec<String>, GitError> {
    let list_root = ["ls-tree", "-z", "--full-tree", "--name-only", commit.as_str()];
    let directory = format!("{path}/");
    let paths: &[&str] = if path.is_empty() { &[] } else { &[&directory] };
    let list = git_in_repository(objects, &[&list_root, paths].concat());
    let mut names = Vec::new();
    let read = for_each_record(list, &[], 0, |name| {
        let name = String::from_utf8_lossy(name);
        names.push(name.strip_prefix(directory.as_str()).unwrap_or(&name).to_owned());
        if names.len() >= MAX_TOP_LEVEL_NAMES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(completed) = read.await? {
        completed.into_result()?;
    }
    Ok(names)
}

/// The paths of files whose name, without regard to case, is one of `names`; the ones nearest to the root first.
///
/// # Errors
/// When git fails.
pub async fn find_files_named(
    objects: &GitObjects,
    commit: &CommitSha,
    names: &[&str],
) -> Result<Vec<String>, GitError> {
    let list = git_in_repository(objects, &["ls-tree", "-r", "-z", "--full-tree", "--name-only", commit.as_str()]);
    let mut found = Vec::new();
    let read = for_each_record(list, &[], 0, |path| {
        let path = String::from_utf8_lossy(path);
        let name = path.rsplit('/').next().unwrap_or_default();
        if names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)) {
            found.push(path.into_owned());
        }
        if found.len() >= MAX_TOP_LEVEL_NAMES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(completed) = read.await? {
        completed.into_result()?;
    }
    found.sort_by_key(|path| path.matches('/').count());
    Ok(found)
}

/// The content of a file; `None` if there is no file at that path. Follows symbolic links, but only inside the tree.
///
/// # Errors
/// [`GitError::FileTooLarge`], [`GitError::BrokenLink`], or a failure of git.
pub async fn read_file(
    objects: &GitObjects,
    commit: &CommitSha,
    path: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, GitError> {
    let Some(path) = normalize_path(path) else { return Ok(None) };
    let mut command = git_in_repository(objects, &["cat-file", "--batch", "--follow-symlinks"]);
    // Dropping the group ends git, which may not have written all of a large file.
    let (_group, pipes) = ProcessGroup::spawn_piped(&mut command).map_err(GitError::io("start git"))?;
    let Pipes { mut stdin, stdout, stderr } = pipes;
    let request = format!("{commit}:{path}\n");
    let read = async {
        stdin.write_all(request.as_bytes()).await.map_err(GitError::io("write to git"))?;
        drop(stdin);
        read_blob(BufReader::new(stdout), &path, limit).await
    };
    let stderr = tokio::spawn(read_stderr(stderr));
    let content = read.await;
    stderr.abort();
    content
}

/// The path as git stores it in a tree; `None` if no tree can contain it.
fn normalize_path(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let impossible = path.starts_with('/') || path.len() > MAX_PATH_LEN || path.contains(['\n', '\0']);
    (!impossible && !parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

async fn read_blob(mut stdout: impl AsyncBufRead + Unpin, path: &str, limit: u64) -> Result<Option<Vec<u8>>, GitError> {
    let read_error = || GitError::io("read the output of git");
    let mut header = String::new();
    (&mut stdout).take(HEADER_LIMIT).read_line(&mut header).await.map_err(read_error())?;
    if is_broken_link(&header, path) {
        return Err(GitError::BrokenLink { path: path.to_owned() });
    }
    let Some(size) = parse_blob_size(&header) else { return Ok(None) };
    if size > limit {
        return Err(GitError::FileTooLarge { path: path.to_owned(), limit });
    }
    let mut content = Vec::new();
    stdout.take(size).read_to_end(&mut content).await.map_err(read_error())?;
    if content.len() as u64 != size {
        return Err(read_error()(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Some(content))
}

/// Whether git reports a link that leads out of the tree, to nothing or to itself (git-cat-file(1), `--follow-symlinks`). A file
/// that a linked directory does not have is reported in the same way as a link to nothing.
fn is_broken_link(header: &str, path: &str) -> bool {
    let kind = header.split_once(' ').map(|(kind, _)| kind);
    matches!(kind, Some("symlink" | "loop")) || kind == Some("dangling") && !path.contains('/')
}

/// The size in `ID blob SIZE`. Any other header (`… missing`, `symlink 9`, a tree) means that there is no file.
fn parse_blob_size(header: &str) -> Option<u64> {
    let mut words = header.trim_end().split(' ');
    let (id, kind, size) = (words.next()?, words.next()?, words.next()?);
    (id.parse::<CommitSha>().is_ok() && kind == "blob" && words.next().is_none()).then(|| size.parse().ok())?
}
