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
use super::queries;
use super::service_command::{self, HOOK_NAME, PROC_RECEIVE_NAME};
use super::stale_files::{self, TEMP_PREFIX};
use crate::domain::{AppName, GitObjects};

/// The content of `info/attributes`, which overrides every `.gitattributes` in a tree: `git archive` emits each file as
/// it was committed.
const ATTRIBUTES: &str = "* -export-ignore -export-subst -text -ident -working-tree-encoding\n";
/// The branch that HEAD of a new repository names, until another branch is deployed.
const INITIAL_BRANCH: &str = "main";
/// In bytes: the path of a socket has at most 107, and its file name with a slash takes 22 of them.
const MAX_SOCKET_DIR_LEN: usize = 107 - 22;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GarbageCollection {
    Finished,
    /// Someone needed the repository. The next collection starts again.
    Interrupted,
}

/// The data directory: repositories in `repos/APP.git`, slipway's hooks in `hooks/`, sockets in `run/`, and in `former/`
/// the repositories of apps whose namespace was deleted.
#[derive(Debug, Clone)]
pub struct Repositories {
    data_dir: PathBuf,
    hooks_dir: PathBuf,
    socket_dir: PathBuf,
    /// Held until the last clone is dropped: another gateway would sweep away what this one is receiving.
    _lock: Arc<File>,
}

impl Repositories {
    /// Locks `data_dir`, creates what is missing in it and removes what a killed gateway left there. The hook starts
    /// `program`, slipway's own binary.
    ///
    /// # Errors
    /// When another process holds the lock, or the directory cannot be used.
    pub async fn open(data_dir: &Path, program: &Path) -> Result<Self, GitError> {
        fs::create_dir_all(data_dir).await.map_err(GitError::io("create the data directory"))?;
        let data_dir = fs::canonicalize(data_dir).await.map_err(GitError::io("use the data directory"))?;
        let (hooks_dir, socket_dir) = (data_dir.join("hooks"), data_dir.join("run"));
        check_paths(&data_dir, &socket_dir)?;
        check_git_version().await?;
        let lock = lock_data_dir(&data_dir)?;
        let this = Self { data_dir, hooks_dir, socket_dir, _lock: Arc::new(lock) };
        this.prepare(program).await.map_err(GitError::io("prepare the data directory"))?;
        service_command::check_hook_executable(&this.hooks_dir)?;
        let swept = stale_files::sweep_all(&this.repos_dir(), &this.socket_dir).await;
        swept.map_err(GitError::io("remove stale files from the data directory"))?;
        Ok(this)
    }

    /// The path of the app's repository, which need not exist.
    pub fn path(&self, app: &AppName) -> PathBuf {
        self.repos_dir().join(format!("{app}.git"))
    }

    pub fn hooks_dir(&self) -> &Path {
        &self.hooks_dir
    }

    /// The directory for the sockets of [`super::HookListener`].
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub async fn exists(&self, app: &AppName) -> bool {
        fs::try_exists(self.path(app).join("HEAD")).await.unwrap_or(false)
    }

    /// Creates the app's repository if there is none, and returns its path.
    ///
    /// # Errors
    /// When the repository cannot be created.
    pub async fn get_or_create(&self, app: &AppName) -> Result<PathBuf, GitError> {
        let path = self.path(app);
        if !self.exists(app).await {
            self.create(&path).await?;
        }
        // Existing repositories too: one that was restored from a backup may lack the file.
        write_attributes(&path).await.map_err(GitError::io("prepare the repository"))?;
        Ok(path)
    }

    /// Removes what killed pushes left in the app's repository: since version 2.38, git leaves its quarantine when a
    /// signal ends it. The caller has to exclude running pushes.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub async fn remove_stale_files(&self, app: &AppName) -> Result<(), GitError> {
        let swept = stale_files::sweep_repository(&self.path(app)).await;
        swept.map_err(GitError::io("remove stale files from the repository"))
    }

    /// # Errors
    /// When the repository cannot be read.
    pub async fn has_refs(&self, app: &AppName) -> Result<bool, GitError> {
        if !self.exists(app).await {
            return Ok(false);
        }
        let objects = GitObjects { repository: self.path(app), quarantine: None };
        Ok(!queries::list_refs(&objects).await?.is_empty())
    }

    /// Moves the app's repository to `former/`, so that a new app can have its name. Returns the new path.
    ///
    /// # Errors
    /// When the repository cannot be moved.
    pub async fn retire(&self, app: &AppName) -> Result<PathBuf, GitError> {
        let moved = async {
            let former = self.data_dir.join("former");
            fs::create_dir_all(&former).await?;
            let path = former.join(format!("{app}-{}.git", Uuid::new_v4().simple()));
            fs::rename(self.path(app), &path).await?;
            Ok(path)
        };
        moved.await.map_err(GitError::io("move the former app's repository aside"))
    }

    /// Runs `git gc --auto`: packs the app's repository if git finds it worthwhile, and removes unreachable objects that
    /// are older than two weeks. Ends it when `wanted` resolves. Succeeds if there is no repository.
    ///
    /// # Errors
    /// When git fails.
    pub async fn collect_garbage(
        &self,
        app: &AppName,
        wanted: impl Future<Output = ()>,
    ) -> Result<GarbageCollection, GitError> {
        if !self.exists(app).await {
            return Ok(GarbageCollection::Finished);
        }
        let repository = self.path(app);
        // In the foreground: a detached gc could run during the next push.
        let config = [("gc.auto", "6700".to_owned()), ("gc.autoDetach", "false".to_owned())];
        let mut gc = command::git(&config, Path::new("/dev/null"));
        gc.args(["gc", "--auto", "--quiet"]).env("GIT_DIR", &repository).current_dir(&repository);
        match command::run_until(gc, wanted).await? {
            Some(completed) => completed.into_result().map(|_| GarbageCollection::Finished),
            None => {
                self.remove_stale_files(app).await?;
                Ok(GarbageCollection::Interrupted)
            }
        }
    }

    /// Removes the app's repository if it has no refs, such as one created for a push that was rejected, and is not
    /// receiving a push. Returns whether it was removed.
    ///
    /// # Errors
    /// When the repository cannot be read or removed.
    pub async fn remove_if_empty(&self, app: &AppName) -> Result<bool, GitError> {
        if !self.exists(app).await || self.has_refs(app).await? {
            return Ok(false);
        }
        if stale_files::has_quarantine(&self.path(app)).await.map_err(GitError::io("read the repository"))? {
            return Ok(false);
        }
        self.remove(app).await?;
        Ok(true)
    }

    /// Removes the app's repository. Succeeds if there is none.
    ///
    /// # Errors
    /// When the repository cannot be removed.
    pub async fn remove(&self, app: &AppName) -> Result<(), GitError> {
        let removed = async {
            // Renamed first: a half-removed repository must not keep the app's name.
            let temp = self.new_temp_dir()?;
            match fs::rename(self.path(app), temp.path().join("repository")).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => fs::remove_dir_all(temp.keep()).await,
            }
        };
        removed.await.map_err(GitError::io("remove the repository"))
    }

    async fn create(&self, path: &Path) -> Result<(), GitError> {
        let action = "create the repository";
        let temp = self.new_temp_dir().map_err(GitError::io(action))?;
        let new = temp.path().join("repository");
        let mut init = command::git(&[], Path::new("/dev/null"));
        init.args(["init", "--bare", "--quiet", "--template="]);
        init.arg(format!("--initial-branch={INITIAL_BRANCH}")).arg(&new).current_dir(&self.data_dir);
        command::run(init, &[], 1024).await?.into_result()?;
        write_attributes(&new).await.map_err(GitError::io(action))?;
        match fs::rename(&new, path).await {
            // A concurrent push has created it.
            Err(error) if is_existing_target(&error) => Ok(()),
            renamed => renamed.map_err(GitError::io(action)),
        }
    }

    fn new_temp_dir(&self) -> io::Result<tempfile::TempDir> {
        tempfile::Builder::new().prefix(TEMP_PREFIX).tempdir_in(self.repos_dir())
    }

    pub(super) fn repos_dir(&self) -> PathBuf {
        self.data_dir.join("repos")
    }

    async fn prepare(&self, program: &Path) -> io::Result<()> {
        for directory in [&self.repos_dir(), &self.hooks_dir, &self.socket_dir] {
            fs::create_dir_all(directory).await?;
        }
        fs::set_permissions(&self.socket_dir, Permissions::from_mode(0o700)).await?;
        for name in [HOOK_NAME, PROC_RECEIVE_NAME] {
            let hook =
                tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempfile_in(&self.hooks_dir)?;
            fs::write(hook.path(), hook_script(program, name)?).await?;
            hook.into_temp_path().persist(self.hooks_dir.join(name))?;
        }
        Ok(())
    }
}

/// The hook runs in another directory than the gateway, so a relative path is made absolute.
fn hook_script(program: &Path, name: &str) -> io::Result<String> {
    let program = std::path::absolute(program)?;
    let text = program.to_str().ok_or_else(|| io::Error::other("the path of the slipway binary is not UTF-8"))?;
    Ok(format!("#!/bin/sh\nexec {} hook {name}\n", shell_words::quote(text)))
}

/// Rejects at the start what would fail at the first push.
fn check_paths(data_dir: &Path, socket_dir: &Path) -> Result<(), GitError> {
    if data_dir.to_str().is_none() {
        return Err(GitError::InvalidDataDirPath("is not UTF-8"));
    }
    if socket_dir.as_os_str().as_bytes().len() > MAX_SOCKET_DIR_LEN {
        return Err(GitError::InvalidDataDirPath("is too long for the sockets inside it: use at most 80 bytes"));
    }
    Ok(())
}

async fn check_git_version() -> Result<(), GitError> {
    let mut command = command::git(&[], Path::new("/dev/null"));
    command.arg("version");
    let output = command::run(command, &[], 1024).await?.into_result()?;
    let version = String::from_utf8_lossy(&output).trim().to_owned();
    if is_supported_version(&version) { Ok(()) } else { Err(GitError::UnsupportedGitVersion(version)) }
}

/// Whether the output of `git version` names 2.39 or newer.
fn is_supported_version(version: &str) -> bool {
    let mut numbers = version.trim_start_matches("git version ").split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    (major, minor) >= (Some(2), Some(39))
}

/// The kernel releases the lock when the process ends.
fn lock_data_dir(data_dir: &Path) -> Result<File, GitError> {
    let path = data_dir.join("lock");
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    let file = opened.map_err(GitError::io("open the lock of the data directory"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GitError::DataDirInUse),
        Err(TryLockError::Error(source)) => Err(GitError::Io { action: "lock the data directory", source }),
    }
}

async fn write_attributes(repository: &Path) -> io::Result<()> {
    let info = repository.join("info");
    let file = info.join("attributes");
    if fs::read(&file).await.is_ok_and(|text| text == ATTRIBUTES.as_bytes()) {
        return Ok(());
    }
    fs::create_dir_all(info).await?;
    fs::write(file, ATTRIBUTES).await
}

fn is_existing_target(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open_repositories() -> (tempfile::TempDir, Repositories) {
        let data = tempfile::tempdir().unwrap();
        let repositories = Repositories::open(data.path(), Path::new("/opt/it's/slipway")).await.unwrap();
        (data, repositories)
    }

    fn hello() -> AppName {
        "hello".parse().unwrap()
    }

    #[tokio::test]
    async fn the_hooks_start_slipway_by_its_absolute_path() {
        let (_data, repositories) = open_repositories().await;
        for name in ["pre-receive", "proc-receive"] {
            let hook = repositories.hooks_dir().join(name);
            let script = std::fs::read_to_string(&hook).unwrap();
            assert_eq!(script, format!("#!/bin/sh\nexec '/opt/it'\\''s/slipway' hook {name}\n"));
            assert_eq!(std::fs::metadata(&hook).unwrap().permissions().mode() & 0o777, 0o755);
        }
        assert_eq!(std::fs::read_dir(repositories.hooks_dir()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn concurrent_first_pushes_create_one_repository() {
        let (_data, repositories) = open_repositories().await;
        let app = hello();
        let all = futures_util::future::join_all((0..8).map(|_| repositories.get_or_create(&app))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert!(repositories.exists(&app).await);
        assert_eq!(std::fs::read_dir(repositories.repos_dir()).unwrap().count(), 1);
        let head = std::fs::read_to_string(repositories.path(&app).join("HEAD")).unwrap();
        assert_eq!(head, "ref: refs/heads/main\n");
        assert!(!repositories.path(&app).join("hooks").exists());
    }

    #[tokio::test]
    async fn garbage_collection_succeeds_with_and_without_a_repository() {
        let (_data, repositories) = open_repositories().await;
        let app = hello();
        let collect = || repositories.collect_garbage(&app, std::future::pending());
        assert_eq!(collect().await.unwrap(), GarbageCollection::Finished);
        repositories.get_or_create(&app).await.unwrap();
        assert_eq!(collect().await.unwrap(), GarbageCollection::Finished);
        let interrupted = repositories.collect_garbage(&app, std::future::ready(()));
        assert_eq!(interrupted.await.unwrap(), GarbageCollection::Interrupted);
    }

    #[tokio::test]
    async fn a_repository_without_refs_is_removed_unless_it_receives_a_push() {
        let (_data, repositories) = open_repositories().await;
        let app = hello();
        assert!(!repositories.remove_if_empty(&app).await.unwrap());
        let path = repositories.get_or_create(&app).await.unwrap();
        let quarantine = path.join("objects/tmp_objdir-incoming-abc");
        std::fs::create_dir(&quarantine).unwrap();
        assert!(!repositories.remove_if_empty(&app).await.unwrap());
        std::fs::remove_dir(&quarantine).unwrap();
        assert!(repositories.remove_if_empty(&app).await.unwrap());
        assert!(!repositories.exists(&app).await);
        repositories.remove(&app).await.unwrap();
        assert_eq!(std::fs::read_dir(repositories.repos_dir()).unwrap().count(), 0);
    }

    #[test]
    fn git_versions_before_2_39_are_unsupported() {
        for good in ["git version 2.39.5", "git version 2.50.1 (Apple Git-155)", "git version 3.0.rc1"] {
            assert!(is_supported_version(good), "{good}");
        }
        for bad in ["git version 2.38.1", "git version 1.99", "", "busybox"] {
            assert!(!is_supported_version(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_data_directory_is_used_by_one_gateway() {
        let (data, repositories) = open_repositories().await;
        let second = Repositories::open(data.path(), Path::new("/slipway")).await;
        assert!(matches!(second, Err(GitError::DataDirInUse)));
        drop(repositories);
        assert!(Repositories::open(data.path(), Path::new("/slipway")).await.is_ok());
    }

    #[tokio::test]
    async fn a_data_directory_whose_path_is_too_long_for_sockets_is_rejected() {
        let data = tempfile::tempdir().unwrap();
        let long = data.path().join("a".repeat(90));
        let opened = Repositories::open(&long, Path::new("/slipway")).await;
        assert!(matches!(opened, Err(GitError::InvalidDataDirPath(_))));
    }
}
