//! The bare repositories of a data directory.

use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::fs;
use uuid::Uuid;

use super::command;
use super::error::GitError;
use super::inspect;
use super::service;
use super::sweep::{self, UNFINISHED};
use crate::domain::{AppName, ObjectStore};

/// Makes `git archive` give each file as it was committed, whatever the tree's `.gitattributes` say. This file
/// ranks above them.
const ATTRIBUTES: &str = "* -export-ignore -export-subst -text -ident -working-tree-encoding\n";
/// The branch that HEAD names until another one deploys.
const FIRST_BRANCH: &str = "main";
/// A socket's path ends at 107 bytes, and a socket's name takes 22 of them.
const LONGEST_RUN: usize = 107 - 22;

/// The repositories: `repos/APP.git`, with slipway's hooks in `hooks/` and its sockets in `run/`.
#[derive(Debug, Clone)]
pub struct Repositories {
    data: PathBuf,
    hooks: PathBuf,
    run: PathBuf,
    /// Held as long as anyone uses the directory: what another process receives must not be swept away.
    _lock: Arc<File>,
}

impl Repositories {
    /// Takes hold of `data_dir`, creating what is missing, and removes what a killed gateway left
    /// behind. `program` is slipway's own binary, which the hook starts.
    ///
    /// # Errors
    /// When another process uses the directory, or it can't be used.
    pub async fn open(data_dir: &Path, program: &Path) -> Result<Self, GitError> {
        let here = GitError::io("use the data directory");
        fs::create_dir_all(data_dir).await.map_err(GitError::io("create the data directory"))?;
        let data = fs::canonicalize(data_dir).await.map_err(here)?;
        let (hooks, run) = (data.join("hooks"), data.join("run"));
        check_path(&data, &run)?;
        check_git().await?;
        let lock = lock(&data)?;
        let this = Self { data, hooks, run, _lock: Arc::new(lock) };
        this.prepare(program).await.map_err(GitError::io("prepare the data directory"))?;
        service::check_hook(&this.hooks)?;
        sweep::sweep(&this.repos(), &this.run).await.map_err(GitError::io("sweep the data directory"))?;
        Ok(this)
    }

    /// Where the app's repository is, or would be.
    pub fn path(&self, app: &AppName) -> PathBuf {
        self.repos().join(format!("{app}.git"))
    }

    /// The directory with slipway's hooks.
    pub fn hooks(&self) -> &Path {
        &self.hooks
    }

    /// The directory for the sockets of hooks.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// Whether the app has a repository.
    pub async fn exists(&self, app: &AppName) -> bool {
        fs::try_exists(self.path(app).join("HEAD")).await.unwrap_or(false)
    }

    /// The app's repository, made if it is missing.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn ensure(&self, app: &AppName) -> Result<PathBuf, GitError> {
        let path = self.path(app);
        if !self.exists(app).await {
            self.create(&path).await?;
        }
        // Also for a repository that came from a backup, or from somebody's hands.
        attributes(&path).await.map_err(GitError::io("prepare the repository"))?;
        Ok(path)
    }

    /// Removes what killed pushes left in the app's repository: since 2.38 git leaves its quarantine when a signal ends
    /// it. Only for a caller who knows that nobody pushes.
    ///
    /// # Errors
    /// When it can't be removed.
    pub async fn tidy(&self, app: &AppName) -> Result<(), GitError> {
        sweep::sweep_repository(&self.path(app)).await.map_err(GitError::io("tidy the repository"))
    }

    /// Whether anything was ever pushed to the app's repository, and is still there.
    ///
    /// # Errors
    /// When the repository can't be read.
    pub async fn has_refs(&self, app: &AppName) -> Result<bool, GitError> {
        if !self.exists(app).await {
            return Ok(false);
        }
        let store = ObjectStore { repository: self.path(app), quarantine: None };
        Ok(!inspect::refs(&store).await?.is_empty())
    }

    /// Moves the app's repository out of reach, so that another one can take its place. Where it is now.
    ///
    /// # Errors
    /// When it can't be moved.
    pub async fn set_aside(&self, app: &AppName) -> Result<PathBuf, GitError> {
        let moved = async {
            let former = self.data.join("former");
            fs::create_dir_all(&former).await?;
            let place = former.join(format!("{app}-{}.git", Uuid::new_v4().simple()));
            fs::rename(self.path(app), &place).await?;
            Ok(place)
        };
        moved.await.map_err(GitError::io("set the former repository aside"))
    }

    /// Packs the app's repository and removes what nothing refers to for two weeks, where git thinks it pays.
    ///
    /// # Errors
    /// When git fails.
    pub async fn collect_garbage(&self, app: &AppName) -> Result<(), GitError> {
        if self.exists(app).await { sweep::collect_garbage(&self.path(app)).await } else { Ok(()) }
    }

    /// Removes a repository that has no refs, such as one that was made for a push that was refused.
    /// True if it did. One that is receiving a push is left alone.
    ///
    /// # Errors
    /// When the repository can't be read or removed.
    pub async fn remove_if_empty(&self, app: &AppName) -> Result<bool, GitError> {
        if !self.exists(app).await || self.has_refs(app).await? {
            return Ok(false);
        }
        if sweep::receives(&self.path(app)).await.map_err(GitError::io("read the repository"))? {
            return Ok(false);
        }
        self.remove(app).await?;
        Ok(true)
    }

    /// Removes the app's repository. That there is none is no error.
    ///
    /// # Errors
    /// When it can't be removed.
    pub async fn remove(&self, app: &AppName) -> Result<(), GitError> {
        let discard = async {
            // Renamed first: half a repository must never stand under the app's name.
            let bin = self.unfinished()?;
            match fs::rename(self.path(app), bin.path().join("repository")).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => fs::remove_dir_all(bin.keep()).await,
            }
        };
        discard.await.map_err(GitError::io("remove the repository"))
    }

    async fn create(&self, path: &Path) -> Result<(), GitError> {
        let creating = "create the repository";
        let unfinished = self.unfinished().map_err(GitError::io(creating))?;
        let new = unfinished.path().join("repository");
        let mut init = command::git(&[], Path::new("/dev/null"));
        init.args(["init", "--bare", "--quiet", "--template="]);
        init.arg(format!("--initial-branch={FIRST_BRANCH}")).arg(&new).current_dir(&self.data);
        command::run(init, &[], 1024).await?.succeeded()?;
        attributes(&new).await.map_err(GitError::io(creating))?;
        match fs::rename(&new, path).await {
            // Somebody was faster.
            Err(error) if is_taken(&error) => Ok(()),
            done => done.map_err(GitError::io(creating)),
        }
    }

    fn unfinished(&self) -> io::Result<tempfile::TempDir> {
        tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(self.repos())
    }

    fn repos(&self) -> PathBuf {
        self.data.join("repos")
    }

    async fn prepare(&self, program: &Path) -> io::Result<()> {
        for directory in [&self.repos(), &self.hooks, &self.run] {
            fs::create_dir_all(directory).await?;
        }
        fs::set_permissions(&self.run, Permissions::from_mode(0o700)).await?;
        let hook = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempfile_in(&self.hooks)?;
        fs::write(hook.path(), hook_script(program)?).await?;
        hook.into_temp_path().persist(self.hooks.join(service::HOOK))?;
        Ok(())
    }
}

/// The hook uses no search path: a relative program is one of where the gateway was started.
fn hook_script(program: &Path) -> io::Result<String> {
    let program = std::path::absolute(program)?;
    let text = program.to_str().ok_or_else(|| io::Error::other("the program's path is no UTF-8 text"))?;
    Ok(format!("#!/bin/sh\nexec {} hook\n", shell_words::quote(text)))
}

/// What would fail at the first push is better said at the start.
fn check_path(data: &Path, run: &Path) -> Result<(), GitError> {
    if data.to_str().is_none() {
        return Err(GitError::DataDirPath("is no UTF-8 text"));
    }
    if run.as_os_str().as_bytes().len() > LONGEST_RUN {
        return Err(GitError::DataDirPath("is too long for the sockets inside it: use at most 80 bytes"));
    }
    Ok(())
}

async fn check_git() -> Result<(), GitError> {
    let mut version = command::git(&[], Path::new("/dev/null"));
    version.arg("version");
    let output = command::run(version, &[], 1024).await?.succeeded()?;
    let said = String::from_utf8_lossy(&output).trim().to_owned();
    if is_recent(&said) { Ok(()) } else { Err(GitError::GitVersion(said)) }
}

/// Whether `git version` names 2.39 or newer.
fn is_recent(said: &str) -> bool {
    let mut numbers = said.trim_start_matches("git version ").split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    (major, minor) >= (Some(2), Some(39))
}

/// The lock goes with its process, however that ends.
fn lock(data: &Path) -> Result<File, GitError> {
    let path = data.join("lock");
    let open = File::options().create(true).truncate(false).write(true).open(path);
    let file = open.map_err(GitError::io("open the lock of the data directory"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GitError::DataDirInUse),
        Err(TryLockError::Error(source)) => Err(GitError::Io { doing: "lock the data directory", source }),
    }
}

async fn attributes(repository: &Path) -> io::Result<()> {
    let info = repository.join("info");
    let file = info.join("attributes");
    if fs::read(&file).await.is_ok_and(|text| text == ATTRIBUTES.as_bytes()) {
        return Ok(());
    }
    fs::create_dir_all(info).await?;
    fs::write(file, ATTRIBUTES).await
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened() -> (tempfile::TempDir, Repositories) {
        let data = tempfile::tempdir().unwrap();
        let repositories = Repositories::open(data.path(), Path::new("/opt/it's/slipway")).await.unwrap();
        (data, repositories)
    }

    fn app() -> AppName {
        "hello".parse().unwrap()
    }

    #[tokio::test]
    async fn the_hook_starts_slipway_by_its_whole_path() {
        let (_data, repositories) = opened().await;
        let hook = repositories.hooks().join("pre-receive");
        assert_eq!(std::fs::read_to_string(&hook).unwrap(), "#!/bin/sh\nexec '/opt/it'\\''s/slipway' hook\n");
        assert_eq!(std::fs::metadata(&hook).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(std::fs::read_dir(repositories.hooks()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn many_first_pushes_at_once_make_one_repository() {
        let (_data, repositories) = opened().await;
        let app = app();
        let all = futures_util::future::join_all((0..8).map(|_| repositories.ensure(&app))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert!(repositories.exists(&app).await);
        assert_eq!(std::fs::read_dir(repositories.repos()).unwrap().count(), 1);
        let head = std::fs::read_to_string(repositories.path(&app).join("HEAD")).unwrap();
        assert_eq!(head, "ref: refs/heads/main\n");
        assert!(!repositories.path(&app).join("hooks").exists());
    }

    #[tokio::test]
    async fn packing_is_left_to_git_and_needs_no_repository() {
        let (_data, repositories) = opened().await;
        repositories.collect_garbage(&app()).await.unwrap();
        repositories.ensure(&app()).await.unwrap();
        repositories.collect_garbage(&app()).await.unwrap();
    }

    #[tokio::test]
    async fn a_repository_without_refs_can_be_removed_unless_it_receives() {
        let (_data, repositories) = opened().await;
        let app = app();
        assert!(!repositories.remove_if_empty(&app).await.unwrap());
        let path = repositories.ensure(&app).await.unwrap();
        let quarantine = path.join("objects/tmp_objdir-incoming-abc");
        std::fs::create_dir(&quarantine).unwrap();
        assert!(!repositories.remove_if_empty(&app).await.unwrap());
        std::fs::remove_dir(&quarantine).unwrap();
        assert!(repositories.remove_if_empty(&app).await.unwrap());
        assert!(!repositories.exists(&app).await);
        repositories.remove(&app).await.unwrap();
        assert_eq!(std::fs::read_dir(repositories.repos()).unwrap().count(), 0);
    }

    #[test]
    fn an_old_git_is_known_by_what_it_says() {
        for good in ["git version 2.39.5", "git version 2.50.1 (Apple Git-155)", "git version 3.0.rc1"] {
            assert!(is_recent(good), "{good}");
        }
        for bad in ["git version 2.38.1", "git version 1.99", "", "busybox"] {
            assert!(!is_recent(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_data_directory_has_one_user() {
        let (data, repositories) = opened().await;
        let second = Repositories::open(data.path(), Path::new("/slipway")).await;
        assert!(matches!(second, Err(GitError::DataDirInUse)));
        drop(repositories);
        assert!(Repositories::open(data.path(), Path::new("/slipway")).await.is_ok());
    }

    #[tokio::test]
    async fn a_path_too_long_for_sockets_is_named_at_the_start() {
        let data = tempfile::tempdir().unwrap();
        let long = data.path().join("a".repeat(90));
        let opened = Repositories::open(&long, Path::new("/slipway")).await;
        assert!(matches!(opened, Err(GitError::DataDirPath(_))));
    }
}
