//! Using a gateway over SSH: keys, slipway's commands, git.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::client::{generate_key, git, git_ssh_command, ssh_options};
use super::process::{Output, try_run, try_run_with_input};
use super::{ADMIN, Gateway, kubectl};

impl Gateway {
    /// Generates a key pair in the test's directory, and returns the path of the private key.
    pub fn generate_key(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        generate_key(&path, name);
        path
    }

    /// Generates a key pair, and returns the line of the public key.
    pub fn generate_public_key(&self, name: &str) -> String {
        std::fs::read_to_string(self.generate_key(name).with_extension("pub")).unwrap()
    }

    /// Generates a key pair, and uploads the public key as the admin.
    #[track_caller]
    pub fn register_user(&self, name: &str) {
        let key = self.generate_public_key(name);
        try_run_with_input(self.ssh(ADMIN).args(["upload-key", name]), &key).ok();
    }

    pub fn can_log_in(&self, user: &str) -> bool {
        self.run_command_as(user, "help").code == Some(0)
    }

    /// Runs one of slipway's commands over SSH as the admin.
    #[track_caller]
    pub fn run_command(&self, line: &str) -> Output {
        self.run_command_as(ADMIN, line)
    }

    #[track_caller]
    pub fn run_command_as(&self, user: &str, line: &str) -> Output {
        try_run(self.ssh(user).arg(line))
    }

    /// Runs a command with `--format json` as the admin, which must succeed.
    #[track_caller]
    pub fn run_json(&self, line: &str) -> Value {
        let output = self.run_command(&format!("{line} --format json")).ok();
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// `ssh` with a user's key, to be followed by a command.
    pub fn ssh(&self, user: &str) -> Command {
        self.ssh_with_options(user, &[])
    }

    pub fn ssh_with_options(&self, user: &str, options: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.args(ssh_options(&self.path(user), &self.known_hosts())).args(options);
        command.args(self.ssh_destination());
        command
    }

    /// The last arguments of `ssh` before the command.
    pub fn ssh_destination(&self) -> [String; 3] {
        ["-p".to_owned(), self.ssh_address().port().to_string(), "git@127.0.0.1".to_owned()]
    }

    /// `git` with a user's key.
    pub fn git(&self, user: &str, dir: &Path) -> Command {
        let mut command = git(dir);
        command.env("GIT_SSH_COMMAND", git_ssh_command(&self.path(user), &self.known_hosts()));
        command
    }

    pub fn repository_url(&self, app: &str) -> String {
        format!("ssh://git@127.0.0.1:{}/{app}", self.ssh_address().port())
    }

    /// The host keys from the ConfigMap, as a `known_hosts` file.
    pub fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    pub(super) fn write_known_hosts(&self) {
        let map = kubectl::get(&["configmap", "slipway-known-hosts", "-n", &self.namespace]).expect("known hosts");
        let lines = map["data"].as_object().unwrap().values().flat_map(|text| text.as_str().unwrap().lines());
        let port = self.ssh_address().port();
        // a twin has the same key, and another port than the gateway that wrote the ConfigMap
        let lines = lines.map(|line| format!("[127.0.0.1]:{port} {}\n", line.split_once(' ').unwrap().1));
        std::fs::write(self.known_hosts(), lines.collect::<String>()).unwrap();
    }
}
