//! Real clients against real services: what the tests of this room share.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::{AsyncReadExt, copy};
use tokio::process::Command;

use super::updates::RefUpdate;
use super::{
    Hook, HookCall, HookListener, Invocation, RefPlan, RefusedUpdate, Repositories, Service, ServiceSettings, facts,
    plan,
};
use crate::domain::{AppName, CommitSha, ObjectStore};

/// The test that acts as `slipway hook` when the hook starts this test binary.
const AS_HOOK: &str = "git::tests::act_as_the_hook";

/// A data directory with one repository, and a clone to push from.
pub(super) struct Server {
    pub(super) directory: tempfile::TempDir,
    pub(super) repositories: Repositories,
    pub(super) repository: PathBuf,
    pub(super) work: PathBuf,
    pub(super) settings: ServiceSettings,
}

/// How a conversation ended.
pub(super) struct Ended {
    pub(super) success: bool,
    /// What the client and the service said on standard error.
    pub(super) said: String,
    /// Whether the hook called.
    pub(super) called: bool,
}

impl Server {
    /// With one commit of one file in the clone, on `main`.
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        let this_binary = std::env::current_exe().unwrap();
        let script = format!("#!/bin/sh\nexec {} --exact {AS_HOOK} --ignored --nocapture\n", this_binary.display());
        executable(&program, &script);
        let repositories = Repositories::open(&directory.path().join("data"), &program).await.unwrap();
        let repository = repositories.ensure(&"hello".parse::<AppName>().unwrap()).await.unwrap();
        let work = directory.path().join("work");
        let settings = ServiceSettings { max_pack: 10 << 20, deny_force: false };
        let server = Self { directory, repositories, repository, work, settings };
        server.client(&["init", "-q", "-b", "main", server.work.to_str().unwrap()], server.directory.path()).await;
        server.commit("README", "hello").await;
        server
    }

    /// Runs a client's git in `directory`; what it printed.
    pub(super) async fn client(&self, arguments: &[&str], directory: &Path) -> String {
        let output = client(Command::new("git").args(arguments), directory).output().await.unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs git in the clone.
    pub(super) async fn git(&self, arguments: &[&str]) -> String {
        self.client(arguments, &self.work).await
    }

    /// Commits a file in the clone.
    pub(super) async fn commit(&self, file: &str, text: &str) -> CommitSha {
        let path = self.work.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", file]).await;
        self.git(&["rev-parse", "HEAD"]).await.parse().unwrap()
    }

    /// The repository without a quarantine.
    pub(super) fn store(&self) -> ObjectStore {
        ObjectStore { repository: self.repository.clone(), quarantine: None }
    }

    /// Pushes from the clone and lets `gateway` decide.
    pub(super) async fn push(&self, arguments: &[&str], gateway: impl AsyncFnOnce(HookCall)) -> Ended {
        self.push_from(&self.work, arguments, gateway).await
    }

    /// Pushes, and decides as [`plan`] does.
    pub(super) async fn push_by_policy(
        &self,
        directory: &Path,
        arguments: &[&str],
    ) -> (Ended, Result<RefPlan, RefusedUpdate>) {
        let mut planned = None;
        let decide = async |call: HookCall| {
            let updates: &[RefUpdate] = &call.request.updates;
            let facts = facts(&self.pushed(&call), updates).await.unwrap();
            let decision = plan(updates, &facts, self.settings.deny_force);
            let verdict = u8::from(decision.is_err());
            planned = Some(decision);
            call.finish(verdict).await.unwrap();
        };
        let ended = self.push_from(directory, arguments, decide).await;
        let Some(planned) = planned else { panic!("the hook did not call: {}", ended.said) };
        (ended, planned)
    }

    /// What the hook's objects are read from.
    pub(super) fn pushed(&self, call: &HookCall) -> ObjectStore {
        ObjectStore { repository: self.repository.clone(), quarantine: call.request.quarantine.clone() }
    }

    pub(super) fn invocation<'a>(&'a self, service: Service, socket: &'a Path) -> Invocation<'a> {
        Invocation {
            service,
            repository: &self.repository,
            protocol: Some("version=2"),
            settings: &self.settings,
            hook: Some(Hook { directory: self.repositories.hooks(), socket }),
        }
    }

    /// Runs a client's git against a service that reads: the service takes the place of ssh.
    pub(super) async fn fetch(&self, service: Service, arguments: &[&str]) -> Ended {
        let invocation = Invocation { hook: None, ..self.invocation(service, Path::new("/nonexistent")) };
        let command = invocation.command();
        let quoted = |text: &std::ffi::OsStr| shell_words::quote(text.to_str().unwrap()).into_owned();
        let mut script = "#!/bin/sh\nexec env -i".to_owned();
        for (key, value) in command.as_std().get_envs() {
            script += &format!(" {}={}", key.to_str().unwrap(), quoted(value.unwrap()));
        }
        script += &format!(" {}", quoted(command.as_std().get_program()));
        command.as_std().get_args().for_each(|argument| script += &format!(" {}", quoted(argument)));
        let ssh = self.directory.path().join("ssh");
        executable(&ssh, &script);
        let mut git = Command::new("git");
        let git = client(git.args(arguments), self.directory.path());
        let output = git.env("GIT_SSH", &ssh).env("GIT_SSH_VARIANT", "simple").output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ended { success: output.status.success(), said, called: false }
    }

    /// Pushes from `directory`. The client has the pipes of the service as descriptors 3 and 4,
    /// which its `fd::` transport takes.
    pub(super) async fn push_from(
        &self,
        directory: &Path,
        arguments: &[&str],
        gateway: impl AsyncFnOnce(HookCall),
    ) -> Ended {
        let listener = HookListener::bind(self.repositories.run()).unwrap();
        let mut child = self.invocation(Service::ReceivePack, listener.path()).spawn().unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "exec 3<&0 4>&1; exec git push fd::3,4 \"$@\" </dev/null >&2", "sh"]).args(arguments);
        let mut client = client(&mut shell, directory).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut from_client, mut to_client) = (client.stdout.take().unwrap(), client.stdin.take().unwrap());
        let (mut from_child, mut to_child) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let up = tokio::spawn(async move { copy(&mut from_client, &mut to_child).await });
        let down = tokio::spawn(async move { copy(&mut from_child, &mut to_client).await });
        let mut errors = child.stderr.take().unwrap();
        let complaints = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.map(|_| text)
        });
        let call = tokio::select! {
            call = listener.accept() => Some(call.unwrap()),
            _ = child.wait() => None,
        };
        let called = call.is_some();
        if let Some(call) = call {
            gateway(call).await;
        }
        let Output { status, stderr, .. } = client.wait_with_output().await.unwrap();
        let _ = (up.await, down.await);
        child.wait().await.unwrap();
        let said = String::from_utf8_lossy(&stderr).into_owned() + &complaints.await.unwrap().unwrap();
        Ended { success: status.success(), said, called }
    }

    /// The files below `objects`: none where nothing was ever accepted.
    pub(super) fn objects(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = vec![self.repository.join("objects")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { directories.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

/// Writes a script that can be run.
pub(super) fn executable(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn client<'a>(command: &'a mut Command, directory: &Path) -> &'a mut Command {
    let names = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs([("HOME", "/nonexistent"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
        .envs(names.map(|name| (name, "a@example.com")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
}
