//! Test fixtures: a data directory with a repository, and real git clients that use its services.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::{AsyncReadExt, copy};
use tokio::process::Command;

use super::{
    GitService, HookConfig, HookListener, PendingHook, RefDecision, RefPolicy, RefRejection, Repositories,
    ServiceCommand, ServiceSettings, Verdict, decide_refs, push_facts,
};
use crate::domain::{AppName, CommitSha, GitObjects};

/// The test that runs `slipway hook` when the hook script starts this test binary.
const HOOK_TEST: &str = "git::tests::run_the_hook";

/// A data directory with one repository, and a work tree to push from.
pub(super) struct TestServer {
    pub(super) directory: tempfile::TempDir,
    pub(super) repositories: Repositories,
    pub(super) repository: PathBuf,
    pub(super) work: PathBuf,
    pub(super) settings: ServiceSettings,
}

/// The result of a client's command and of the service that it used.
pub(super) struct ClientOutcome {
    pub(super) success: bool,
    /// The standard error of the client and of the service.
    pub(super) stderr: String,
    pub(super) hook_connected: bool,
}

impl TestServer {
    /// Starts with one commit on `main` in the work tree.
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        let this_binary = std::env::current_exe().unwrap();
        let script = format!("#!/bin/sh\nexec {} --exact {HOOK_TEST} --ignored --nocapture\n", this_binary.display());
        write_executable(&program, &script);
        let repositories = Repositories::open(&directory.path().join("data"), &program).await.unwrap();
        let repository = repositories.get_or_create(&"hello".parse::<AppName>().unwrap()).await.unwrap();
        let work = directory.path().join("work");
        let settings = ServiceSettings { max_pack: 10 << 20, deny_force: false };
        let server = Self { directory, repositories, repository, work, settings };
        server.git_in(server.directory.path(), &["init", "-q", "-b", "main", server.work.to_str().unwrap()]).await;
        server.commit("README", "hello").await;
        server
    }

    /// Runs a client's git in `directory` and returns its output.
    pub(super) async fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let output = client_command(Command::new("git").args(arguments), directory).output().await.unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs a client's git in the work tree.
    pub(super) async fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.work, arguments).await
    }

    /// Commits a file in the work tree.
    pub(super) async fn commit(&self, file: &str, text: &str) -> CommitSha {
        let path = self.work.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", file]).await;
        self.git(&["rev-parse", "HEAD"]).await.parse().unwrap()
    }

    /// The repository's objects, without a quarantine.
    pub(super) fn objects(&self) -> GitObjects {
        GitObjects { repository: self.repository.clone(), quarantine: None }
    }

    /// Pushes from the work tree; `gateway` decides in the hook.
    pub(super) async fn push(&self, arguments: &[&str], gateway: impl AsyncFnOnce(PendingHook)) -> ClientOutcome {
        self.push_from(&self.work, arguments, gateway).await
    }

    /// Pushes; [`decide_refs`] decides in the hook.
    pub(super) async fn push_by_policy(
        &self,
        directory: &Path,
        arguments: &[&str],
    ) -> (ClientOutcome, Result<RefDecision, RefRejection>) {
        let mut decided = None;
        let decide = async |hook: PendingHook| {
            let updates = &hook.request.updates;
            let facts = push_facts(&self.pushed_objects(&hook), updates).await.unwrap();
            let policy = RefPolicy { deny_force: self.settings.deny_force, follow_moved_branches: false };
            let decision = decide_refs(updates, &facts, policy);
            let verdict = if decision.is_ok() { Verdict::Accept } else { Verdict::Reject };
            decided = Some(decision);
            hook.send_verdict(verdict).await.unwrap();
        };
        let outcome = self.push_from(directory, arguments, decide).await;
        let Some(decision) = decided else { panic!("the hook did not connect: {}", outcome.stderr) };
        (outcome, decision)
    }

    /// The repository's objects and those of the push.
    pub(super) fn pushed_objects(&self, hook: &PendingHook) -> GitObjects {
        GitObjects { repository: self.repository.clone(), quarantine: hook.request.quarantine.clone() }
    }

    pub(super) fn service_command<'a>(&'a self, service: GitService, socket: &'a Path) -> ServiceCommand<'a> {
        ServiceCommand {
            service,
            repository: &self.repository,
            protocol: Some("version=2"),
            settings: &self.settings,
            hook: Some(HookConfig { directory: self.repositories.hooks_dir(), socket, follow_moved_branches: false }),
        }
    }

    /// Runs a client's git against upload-pack or upload-archive, which it starts in place of ssh.
    pub(super) async fn fetch(&self, service: GitService, arguments: &[&str]) -> ClientOutcome {
        let service_command = ServiceCommand { hook: None, ..self.service_command(service, Path::new("/nonexistent")) };
        let command = service_command.command();
        let quoted = |text: &std::ffi::OsStr| shell_words::quote(text.to_str().unwrap()).into_owned();
        let mut script = "#!/bin/sh\nexec env -i".to_owned();
        for (key, value) in command.as_std().get_envs() {
            script += &format!(" {}={}", key.to_str().unwrap(), quoted(value.unwrap()));
        }
        script += &format!(" {}", quoted(command.as_std().get_program()));
        command.as_std().get_args().for_each(|argument| script += &format!(" {}", quoted(argument)));
        let ssh = self.directory.path().join("ssh");
        write_executable(&ssh, &script);
        let mut git = Command::new("git");
        let git = client_command(git.args(arguments), self.directory.path());
        let output = git.env("GIT_SSH", &ssh).env("GIT_SSH_VARIANT", "simple").output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        ClientOutcome { success: output.status.success(), stderr, hook_connected: false }
    }

    /// Pushes from `directory`. The client gets the service's pipes as descriptors 3 and 4, which its `fd::` transport
    /// uses.
    pub(super) async fn push_from(
        &self,
        directory: &Path,
        arguments: &[&str],
        gateway: impl AsyncFnOnce(PendingHook),
    ) -> ClientOutcome {
        let listener = HookListener::bind(self.repositories.socket_dir()).unwrap();
        let mut child = self.service_command(GitService::ReceivePack, listener.path()).spawn().unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "exec 3<&0 4>&1; exec git push fd::3,4 \"$@\" </dev/null >&2", "sh"]).args(arguments);
        let mut client =
            client_command(&mut shell, directory).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut from_client, mut to_client) = (client.stdout.take().unwrap(), client.stdin.take().unwrap());
        let (mut from_child, mut to_child) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let up = tokio::spawn(async move { copy(&mut from_client, &mut to_child).await });
        let down = tokio::spawn(async move { copy(&mut from_child, &mut to_client).await });
        let mut service_stderr = child.stderr.take().unwrap();
        let service_stderr = tokio::spawn(async move {
            let mut text = String::new();
            service_stderr.read_to_string(&mut text).await.map(|_| text)
        });
        let hook = tokio::select! {
            hook = listener.accept() => Some(hook.unwrap()),
            _ = child.wait() => None,
        };
        let hook_connected = hook.is_some();
        if let Some(hook) = hook {
            gateway(hook).await;
        }
        let Output { status, stderr, .. } = client.wait_with_output().await.unwrap();
        let _ = (up.await, down.await);
        child.wait().await.unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned() + &service_stderr.await.unwrap().unwrap();
        ClientOutcome { success: status.success(), stderr, hook_connected }
    }

    /// The files below the repository's `objects`. There are none before the first accepted push.
    pub(super) fn object_files(&self) -> Vec<PathBuf> {
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

/// Writes an executable script.
pub(super) fn write_executable(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn client_command<'a>(command: &'a mut Command, directory: &Path) -> &'a mut Command {
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
