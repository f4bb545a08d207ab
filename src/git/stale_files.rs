//! Removes files that killed processes left in the data directory.
//!
//! The gateway sweeps all repositories when it starts, under the data directory's lock: no git process of an earlier
//! gateway is running then, since each ends when the gateway at the other end of its pipes does. It sweeps a single
//! repository when the last push to it has ended.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::io::AsyncReadExt;

/// The prefix of repositories that are being created or deleted. No app name begins with a dot.
pub(super) const TEMP_PREFIX: &str = ".new-";
/// The prefix of git's directory for the objects of a push that is being received.
const QUARANTINE_PREFIX: &str = "tmp_objdir-";
/// Lock files directly inside a repository.
const LOCK_FILES: [&str; 5] = ["HEAD.lock", "config.lock", "packed-refs.lock", "packed-refs.new", "shallow.lock"];
/// The prefix of git's file with a shallow client's roots, which exists while a push is being received.
pub(super) const SHALLOW_FILE_PREFIX: &str = "shallow_";
/// How the `.keep` file of a pack begins while receive-pack holds the pack.
const RECEIVE_PACK_KEEP: &[u8] = b"receive-pack ";

/// Sweeps all repositories below `repos_dir`, and the sockets in `socket_dir`.
pub(super) async fn sweep_all(repos_dir: &Path, socket_dir: &Path) -> io::Result<()> {
    for socket in list_directory(socket_dir, |name| name.ends_with(".sock")).await? {
        remove(&socket).await?;
    }
    for unfinished in list_directory(repos_dir, |name| name.starts_with(TEMP_PREFIX)).await? {
        remove(&unfinished).await?;
    }
    for repository in list_directory(repos_dir, |name| name.ends_with(".git")).await? {
        sweep_repository(&repository).await?;
    }
    Ok(())
}

/// Whether the repository has a quarantine: a push is being received.
pub(super) async fn has_quarantine(repository: &Path) -> io::Result<bool> {
    Ok(!list_directory(&repository.join("objects"), is_quarantine).await?.is_empty())
}

/// Sweeps one repository. No push to it may be running.
pub(super) async fn sweep_repository(repository: &Path) -> io::Result<()> {
    let is_stale = |name: &str| LOCK_FILES.contains(&name) || name.starts_with(SHALLOW_FILE_PREFIX);
    let mut stale = list_directory(repository, is_stale).await?;
    stale.extend(list_directory(&repository.join("objects"), is_quarantine).await?);
    stale.extend(list_directory(&repository.join("objects/pack"), |name| name.starts_with("tmp_")).await?);
    stale.extend(find_keep_files(&repository.join("objects/pack")).await?);
    stale.extend(find_ref_locks(repository.join("refs")).await?);
    for path in stale {
        tracing::info!(path = %path.display(), "removing a file that a killed git process left");
        remove(&path).await?;
    }
    Ok(())
}

fn is_quarantine(name: &str) -> bool {
    name.starts_with(QUARANTINE_PREFIX) || name.starts_with("incoming-")
}

/// The `.keep` files of killed receive-packs, which would exclude their packs from every `git repack`.
async fn find_keep_files(packs: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in list_directory(packs, |name| name.ends_with(".keep")).await? {
        let mut start = Vec::new();
        fs::File::open(&path).await?.take(RECEIVE_PACK_KEEP.len() as u64).read_to_end(&mut start).await?;
        if start == RECEIVE_PACK_KEEP {
            found.push(path);
        }
    }
    Ok(found)
}

/// The `.lock` files anywhere below `refs`. No ref name ends with `.lock`.
async fn find_ref_locks(refs: PathBuf) -> io::Result<Vec<PathBuf>> {
    let mut locks = Vec::new();
    let mut directories = vec![refs];
    while let Some(directory) = directories.pop() {
        for path in list_directory(&directory, |_| true).await? {
            if fs::symlink_metadata(&path).await?.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "lock") {
                locks.push(path);
            }
        }
    }
    Ok(locks)
}

/// The entries of a directory whose names `is_wanted` accepts; none if the directory does not exist.
pub(super) async fn list_directory(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut reader = match fs::read_dir(directory).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        reader => reader?,
    };
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().await? {
        if entry.file_name().to_str().is_some_and(&is_wanted) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

async fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path).await {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).await,
        Ok(_) => fs::remove_file(path).await,
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stale_files_are_removed_and_all_others_stay() {
        let data = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = data.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let stale = [
            "run/0123.sock",
            "repos/.new-x/repository/HEAD",
            "repos/a.git/HEAD.lock",
            "repos/a.git/packed-refs.lock",
            "repos/a.git/shallow_Ab12",
            "repos/a.git/refs/heads/x/y.lock",
            "repos/a.git/refs/tags/v1.lock",
            "repos/a.git/objects/tmp_objdir-incoming-Z/pack/tmp_pack_1",
            "repos/a.git/objects/pack/tmp_idx_2",
        ];
        let others = [
            "repos/a.git/HEAD",
            "repos/a.git/refs/heads/x/y",
            "repos/a.git/refs/heads/shallow_x",
            "repos/a.git/objects/pack/pack-2.keep",
            "repos/a.git/objects/pack/pack-1.pack",
        ];
        stale.iter().chain(&others).for_each(|path| write(path, "x"));
        write("repos/a.git/objects/pack/pack-1.keep", "receive-pack 42 on host");
        sweep_all(&data.path().join("repos"), &data.path().join("run")).await.unwrap();
        for path in stale.iter().chain(&["repos/a.git/objects/pack/pack-1.keep"]) {
            assert!(!data.path().join(path).exists(), "{path}");
        }
        for path in others {
            assert!(data.path().join(path).exists(), "{path}");
        }
    }
}
