//! Starts a git service for one client.

use std::io;
use std::path::Path;

use nix::unistd::AccessFlags;
use tokio::process::Command;

use super::command;
use super::error::GitError;
use super::process::ServiceProcess;
use super::service::GitService;

pub(super) const HOOK_NAME: &str = "pre-receive";
pub(super) const PROC_RECEIVE_NAME: &str = "proc-receive";
/// Passes the path of the gateway's socket to the hook.
pub(super) const HOOK_SOCKET_VARIABLE: &str = "SLIPWAY_HOOK_SOCKET";

/// The operator's settings.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// The largest accepted pack, in bytes; 0 is no limit.
    pub max_pack: u64,
    /// Whether a push that is no fast-forward is rejected.
    pub deny_force: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct HookConfig<'a> {
    /// `core.hooksPath`
    pub directory: &'a Path,
    /// The socket that the gateway listens on for this push.
    pub socket: &'a Path,
    /// Whether the push has the proc-receive hook, which moves a branch on that another push has moved in the meantime. The hook
    /// is a process more, so only a push that runs beside another one has it.
    pub follow_moved_branches: bool,
}

/// A git service for one client and one repository.
#[derive(Debug, Clone, Copy)]
pub struct ServiceCommand<'a> {
    pub service: GitService,
    pub repository: &'a Path,
    /// The client's `GIT_PROTOCOL`; an invalid one is ignored.
    pub protocol: Option<&'a str>,
    pub settings: &'a ServiceSettings,
    /// Required for receive-pack, which would accept any push without a hook.
    pub hook: Option<HookConfig<'a>>,
}

impl ServiceCommand<'_> {
    /// # Errors
    /// When git cannot be started, or receive-pack has no executable hook.
    pub fn spawn(&self) -> Result<ServiceProcess, GitError> {
        if self.service == GitService::ReceivePack {
            let missing =
                || GitError::Io { action: "start git", source: io::Error::other("receive-pack without a hook") };
            check_hook_executable(self.hook.ok_or_else(missing)?.directory)?;
        }
        ServiceProcess::spawn(&mut self.command(), self.service).map_err(GitError::io("start git"))
    }

    pub(super) fn command(&self) -> Command {
        let hooks_dir = self.hook.map_or(Path::new("/dev/null"), |hook| hook.directory);
        let mut config = service_config(self.settings);
        if self.hook.is_some_and(|hook| hook.follow_moved_branches) {
            config.push(("receive.procReceiveRefs", "am:refs/heads".to_owned()));
        }
        let mut command = match self.service {
            GitService::UploadArchive => command::git_with_memory_limit(&config, hooks_dir),
            GitService::ReceivePack | GitService::UploadPack => command::git(&config, hooks_dir),
        };
        command.args(self.service.arguments()).arg(self.repository).current_dir("/");
        if let Some(protocol) = self.protocol.filter(|protocol| is_valid_protocol(protocol)) {
            command.env("GIT_PROTOCOL", protocol);
        }
        if let Some(hook) = self.hook {
            command.env(HOOK_SOCKET_VARIABLE, hook.socket);
        }
        command
    }
}

/// git skips a hook that it may not execute, and would accept every push.
pub(super) fn check_hook_executable(directory: &Path) -> Result<(), GitError> {
    let executable = nix::unistd::access(&directory.join(HOOK_NAME), AccessFlags::X_OK);
    executable.map_err(|error| GitError::HookNotExecutable(error.into()))
}

fn service_config(settings: &ServiceSettings) -> Vec<(&'static str, String)> {
    let fixed = [
        ("transfer.fsckObjects", "true"),
        ("receive.fsckObjects", "true"),
        // Harmless defects that are common in old histories: as errors they would exclude real projects.
        ("receive.fsck.zeroPaddedFilemode", "ignore"),
        ("receive.fsck.badTimezone", "ignore"),
        ("receive.fsck.missingSpaceBeforeDate", "ignore"),
        ("receive.denyDeletes", "false"),
        ("receive.denyDeleteCurrent", "true"),
        ("receive.shallowUpdate", "false"),
        ("receive.advertisePushOptions", "true"),
        ("receive.advertiseAtomic", "true"),
        ("receive.autogc", "false"),
        // Every pack is kept as it was received. By default git unpacks small ones and compresses each object again, at
        // 50 MB/s.
        ("receive.unpackLimit", "1"),
        ("receive.updateServerInfo", "false"),
        ("uploadpack.allowFilter", "true"),
        ("uploadpack.allowAnySHA1InWant", "false"),
        ("uploadarchive.allowUnreachable", "false"),
        ("pack.windowMemory", "128m"),
        ("pack.threads", "2"),
    ];
    let mut config: Vec<_> = fixed.into_iter().map(|(key, value)| (key, value.to_owned())).collect();
    config.push(("receive.maxInputSize", settings.max_pack.to_string()));
    config.push(("receive.denyNonFastForwards", settings.deny_force.to_string()));
    config
}

/// Whether the text is `version=0`, 1 or 2, and further keys after colons (gitprotocol-v2(5)).
fn is_valid_protocol(text: &str) -> bool {
    let is_key =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._=".contains(&b));
    let mut keys = text.split(':');
    text.len() <= 128 && matches!(keys.next(), Some("version=0" | "version=1" | "version=2")) && keys.all(is_key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn only_a_valid_git_protocol_is_passed_on() {
        for good in ["version=0", "version=1", "version=2", "version=2:object-format=sha1"] {
            assert!(is_valid_protocol(good), "{good}");
        }
        for bad in [
            "",
            "version=3",
            "version=2:",
            "x:version=2",
            "version=2:a b",
            "version=2\n",
            "version=22",
            "version=2:$(x)",
        ] {
            assert!(!is_valid_protocol(bad), "{bad}");
        }
    }

    #[test]
    fn a_git_process_gets_only_the_environment_that_slipway_sets() {
        let settings = ServiceSettings { max_pack: 7, deny_force: true };
        let service = ServiceCommand {
            service: GitService::ReceivePack,
            repository: Path::new("/r/a.git"),
            protocol: Some("version=2; rm"),
            settings: &settings,
            hook: Some(HookConfig {
                directory: Path::new("/h"),
                socket: Path::new("/s"),
                follow_moved_branches: false,
            }),
        };
        let command = service.command();
        let variables: BTreeMap<String, String> = command
            .as_std()
            .get_envs()
            .map(|(key, value)| (key.to_str().unwrap().to_owned(), value.unwrap().to_str().unwrap().to_owned()))
            .collect();
        let others: Vec<&str> =
            variables.keys().map(String::as_str).filter(|key| !key.starts_with("GIT_CONFIG_")).collect();
        assert_eq!(
            others,
            [
                "GIT_ALLOC_LIMIT",
                "GIT_ATTR_NOSYSTEM",
                "GIT_NO_REPLACE_OBJECTS",
                "GIT_TERMINAL_PROMPT",
                "HOME",
                "LC_ALL",
                "PATH",
                HOOK_SOCKET_VARIABLE
            ]
        );
        let value = |wanted: &str| {
            let (key, _) = variables.iter().find(|(_, value)| *value == wanted).unwrap();
            variables.get(&key.replace("KEY", "VALUE")).unwrap().as_str()
        };
        assert_eq!(value("core.hooksPath"), "/h");
        assert_eq!(value("receive.maxInputSize"), "7");
        assert_eq!(value("receive.denyNonFastForwards"), "true");
    }

    #[test]
    fn a_hook_that_is_not_executable_is_an_error() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(check_hook_executable(directory.path()), Err(GitError::HookNotExecutable(_))));
        let hook = directory.path().join(HOOK_NAME);
        std::fs::write(&hook, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(check_hook_executable(directory.path()), Err(GitError::HookNotExecutable(_))));
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(check_hook_executable(directory.path()).is_ok());
    }

    #[test]
    fn receive_pack_does_not_start_without_a_hook() {
        let settings = ServiceSettings { max_pack: 0, deny_force: false };
        let service = ServiceCommand {
            service: GitService::ReceivePack,
            repository: Path::new("/nonexistent"),
            protocol: None,
            settings: &settings,
            hook: None,
        };
        assert!(service.spawn().is_err());
    }
}
