//! The three git services that a client talks to.

use std::io;
use std::path::Path;

use nix::unistd::AccessFlags;
use tokio::process::Command;

use super::child::Child;
use super::command;
use super::error::GitError;

/// The file that git starts.
pub(super) const HOOK: &str = "pre-receive";
/// The variable that tells the hook where the gateway listens.
pub(super) const SOCKET: &str = "SLIPWAY_HOOK_SOCKET";

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The other end of `git push`.
    ReceivePack,
    /// The other end of `git fetch` and `git clone`.
    UploadPack,
    /// The other end of `git archive --remote`.
    UploadArchive,
}

impl Service {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::ReceivePack => &["receive-pack"],
            // Strict: no guessing of `.git` behind the path.
            Self::UploadPack => &["upload-pack", "--strict"],
            Self::UploadArchive => &["upload-archive"],
        }
    }
}

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// The largest pack that is received, in bytes; 0 is no limit.
    pub max_pack: u64,
    /// Whether a push may only add commits to a branch.
    pub deny_force: bool,
}

/// Where the pre-receive hook is, and where it reports to.
#[derive(Debug, Clone, Copy)]
pub struct Hook<'a> {
    /// The directory with slipway's hooks.
    pub directory: &'a Path,
    /// The socket of this push.
    pub socket: &'a Path,
}

/// One service for one client.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// Which service.
    pub service: Service,
    /// The bare repository.
    pub repository: &'a Path,
    /// What the client asked for in `GIT_PROTOCOL`; ignored unless it is well formed.
    pub protocol: Option<&'a str>,
    /// The operator's settings.
    pub settings: &'a ServiceSettings,
    /// Needed to receive: without it no hook would run and any push would pass.
    pub hook: Option<Hook<'a>>,
}

impl Invocation<'_> {
    /// Starts the service.
    ///
    /// # Errors
    /// When git can't be started, or is to receive without a hook.
    pub fn spawn(&self) -> Result<Child, GitError> {
        let receives = self.service == Service::ReceivePack;
        if receives {
            let none = || GitError::Io { doing: "start git", source: io::Error::other("receive-pack without a hook") };
            check_hook(self.hook.ok_or_else(none)?.directory)?;
        }
        Child::spawn(&mut self.command(), receives).map_err(GitError::io("start git"))
    }

    pub(super) fn command(&self) -> Command {
        let hooks = self.hook.map_or(Path::new("/dev/null"), |hook| hook.directory);
        let settings = settings(self.settings);
        let mut command = match self.service {
            Service::UploadArchive => command::bounded_git(&settings, hooks),
            Service::ReceivePack | Service::UploadPack => command::git(&settings, hooks),
        };
        command.args(self.service.arguments()).arg(self.repository).current_dir("/");
        if let Some(protocol) = self.protocol.filter(|protocol| is_protocol(protocol)) {
            command.env("GIT_PROTOCOL", protocol);
        }
        if let Some(hook) = self.hook {
            command.env(SOCKET, hook.socket);
        }
        command
    }
}

/// git passes over a hook that it may not execute, and everything would be let through.
pub(super) fn check_hook(directory: &Path) -> Result<(), GitError> {
    let executable = nix::unistd::access(&directory.join(HOOK), AccessFlags::X_OK);
    executable.map_err(|error| GitError::Hook(error.into()))
}

fn settings(settings: &ServiceSettings) -> Vec<(&'static str, String)> {
    let fixed = [
        ("transfer.fsckObjects", "true"),
        ("receive.fsckObjects", "true"),
        // Harmless flaws that old histories are full of; as errors they would lock real projects out.
        ("receive.fsck.zeroPaddedFilemode", "ignore"),
        ("receive.fsck.badTimezone", "ignore"),
        ("receive.fsck.missingSpaceBeforeDate", "ignore"),
        ("receive.denyDeletes", "false"),
        ("receive.denyDeleteCurrent", "true"),
        ("receive.shallowUpdate", "false"),
        ("receive.advertisePushOptions", "true"),
        ("receive.advertiseAtomic", "true"),
        ("receive.autogc", "false"),
        // A pack is kept as it came. git would unpack one of few objects and compress each anew, at 50 MB a second.
        ("receive.unpackLimit", "1"),
        ("receive.updateServerInfo", "false"),
        ("uploadpack.allowFilter", "true"),
        ("uploadpack.allowAnySHA1InWant", "false"),
        ("uploadarchive.allowUnreachable", "false"),
        ("pack.windowMemory", "128m"),
        ("pack.threads", "2"),
    ];
    let mut all: Vec<_> = fixed.into_iter().map(|(key, value)| (key, value.to_owned())).collect();
    all.push(("receive.maxInputSize", settings.max_pack.to_string()));
    all.push(("receive.denyNonFastForwards", settings.deny_force.to_string()));
    all
}

/// `version=0`, 1 or 2, and further keys behind colons, as gitprotocol-v2(5) has them.
fn is_protocol(text: &str) -> bool {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._=".contains(&b));
    let mut keys = text.split(':');
    text.len() <= 128 && matches!(keys.next(), Some("version=0" | "version=1" | "version=2")) && keys.all(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn only_a_well_formed_protocol_passes() {
        for good in ["version=0", "version=1", "version=2", "version=2:object-format=sha1"] {
            assert!(is_protocol(good), "{good}");
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
            assert!(!is_protocol(bad), "{bad}");
        }
    }

    #[test]
    fn a_child_sees_only_what_slipway_gives_it() {
        let settings = ServiceSettings { max_pack: 7, deny_force: true };
        let invocation = Invocation {
            service: Service::ReceivePack,
            repository: Path::new("/r/a.git"),
            protocol: Some("version=2; rm"),
            settings: &settings,
            hook: Some(Hook { directory: Path::new("/h"), socket: Path::new("/s") }),
        };
        let command = invocation.command();
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
                SOCKET
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
    fn a_hook_that_git_would_pass_over_is_noticed() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(check_hook(directory.path()), Err(GitError::Hook(_))));
        let hook = directory.path().join(HOOK);
        std::fs::write(&hook, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(check_hook(directory.path()), Err(GitError::Hook(_))));
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(check_hook(directory.path()).is_ok());
    }

    #[test]
    fn nothing_is_received_without_a_hook() {
        let settings = ServiceSettings { max_pack: 0, deny_force: false };
        let invocation = Invocation {
            service: Service::ReceivePack,
            repository: Path::new("/nonexistent"),
            protocol: None,
            settings: &settings,
            hook: None,
        };
        assert!(invocation.spawn().is_err());
    }
}
