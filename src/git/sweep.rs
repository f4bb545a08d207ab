//! Removing what killed processes left in the data directory.
//!
//! All of it at the start, under the directory's lock: no git of ours runs then, as each one ends when
//! the gateway at the other end of its pipes does. One repository also after its last push has ended.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::io::AsyncReadExt;

use super::command;
use super::error::GitError;

/// What unfinished and discarded repositories begin with; no app name does.
pub(super) const UNFINISHED: &str = ".new-";
/// What git calls the directory of a push that is being received.
const QUARANTINE: &str = "tmp_objdir-";
/// Locks directly inside a repository.
const LOCKS: [&str; 5] = ["HEAD.lock", "config.lock", "packed-refs.lock", "packed-refs.new", "shallow.lock"];
/// What git calls the list of a shallow client's roots while a push is received.
pub(super) const SHALLOW: &str = "shallow_";
/// How a pack is marked that receive-pack still holds.
const KEEP: &[u8] = b"receive-pack ";

/// Sweeps all repositories below `repos`, and the sockets in `run`.
pub(super) async fn sweep(repos: &Path, run: &Path) -> io::Result<()> {
    for socket in entries(run, |name| name.ends_with(".sock")).await? {
        remove(&socket).await?;
    }
    for half in entries(repos, |name| name.starts_with(UNFINISHED)).await? {
        remove(&half).await?;
    }
    for repository in entries(repos, |name| name.ends_with(".git")).await? {
        sweep_repository(&repository).await?;
    }
    Ok(())
}

/// Whether the repository has a quarantine, so that a push is being received.
pub(super) async fn receives(repository: &Path) -> io::Result<bool> {
    Ok(!entries(&repository.join("objects"), is_quarantine).await?.is_empty())
}

/// Sweeps one repository that nobody pushes to.
pub(super) async fn sweep_repository(repository: &Path) -> io::Result<()> {
    let mut left = entries(repository, |name| LOCKS.contains(&name) || name.starts_with(SHALLOW)).await?;
    left.extend(entries(&repository.join("objects"), is_quarantine).await?);
    left.extend(entries(&repository.join("objects/pack"), |name| name.starts_with("tmp_")).await?);
    left.extend(kept_packs(&repository.join("objects/pack")).await?);
    left.extend(ref_locks(repository.join("refs")).await?);
    for path in left {
        tracing::info!(path = %path.display(), "removing what a killed git left");
        remove(&path).await?;
    }
    Ok(())
}

fn is_quarantine(name: &str) -> bool {
    name.starts_with(QUARANTINE) || name.starts_with("incoming-")
}

/// What git does by itself after a push, unless it is told not to: here it must not outlive the push unseen.
pub(super) async fn collect_garbage(repository: &Path) -> Result<(), GitError> {
    let settings = [("gc.auto", "6700".to_owned()), ("gc.autoDetach", "false".to_owned())];
    let mut gc = command::git(&settings, Path::new("/dev/null"));
    gc.args(["gc", "--auto", "--quiet"]).env("GIT_DIR", repository).current_dir(repository);
    command::run(gc, &[], 4096).await?.succeeded().map(drop)
}

/// Packs that a killed receive-pack keeps from ever being repacked.
async fn kept_packs(packs: &Path) -> io::Result<Vec<PathBuf>> {
    let mut ours = Vec::new();
    for path in entries(packs, |name| name.ends_with(".keep")).await? {
        let mut start = Vec::new();
        fs::File::open(&path).await?.take(KEEP.len() as u64).read_to_end(&mut start).await?;
        if start == KEEP {
            ours.push(path);
        }
    }
    Ok(ours)
}

/// Lock files anywhere below `refs`; no ref's name ends like them.
async fn ref_locks(refs: PathBuf) -> io::Result<Vec<PathBuf>> {
    let mut locks = Vec::new();
    let mut directories = vec![refs];
    while let Some(directory) = directories.pop() {
        for path in entries(&directory, |_| true).await? {
            if fs::symlink_metadata(&path).await?.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "lock") {
                locks.push(path);
            }
        }
    }
    Ok(locks)
}

/// The entries of a directory whose names `wanted` accepts; none if there is no such directory.
pub(super) async fn entries(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut reader = match fs::read_dir(directory).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        reader => reader?,
    };
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().await? {
        if entry.file_name().to_str().is_some_and(&wanted) {
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
    async fn leftovers_go_and_everything_else_stays() {
        let data = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = data.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let left = [
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
        let kept = [
            "repos/a.git/HEAD",
            "repos/a.git/refs/heads/x/y",
            "repos/a.git/refs/heads/shallow_x",
            "repos/a.git/objects/pack/pack-2.keep",
            "repos/a.git/objects/pack/pack-1.pack",
        ];
        left.iter().chain(&kept).for_each(|path| write(path, "x"));
        write("repos/a.git/objects/pack/pack-1.keep", "receive-pack 42 on host");
        sweep(&data.path().join("repos"), &data.path().join("run")).await.unwrap();
        for path in left.iter().chain(&["repos/a.git/objects/pack/pack-1.keep"]) {
            assert!(!data.path().join(path).exists(), "{path}");
        }
        for path in kept {
            assert!(data.path().join(path).exists(), "{path}");
        }
    }
}
