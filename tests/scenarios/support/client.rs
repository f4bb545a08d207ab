//! git and ssh as users run them.

use std::path::Path;
use std::process::Command;

/// `git` in a directory, isolated from the configuration of the user and of the system.
pub fn git(dir: &Path) -> Command {
    // a shell that runs the tests in the background makes them ignore SIGINT, which git would inherit
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT", "git"])
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Ann")
        .env("GIT_AUTHOR_EMAIL", "ann@example.com")
        .env("GIT_COMMITTER_NAME", "Ann")
        .env("GIT_COMMITTER_EMAIL", "ann@example.com");
    command
}

/// The options of `ssh` for a private key and a file of host keys.
pub fn ssh_options(key: &Path, known_hosts: &Path) -> Vec<String> {
    let mut options: Vec<String> = ["-F", "/dev/null", "-i"].map(str::to_owned).into();
    options.push(key.display().to_string());
    let known_hosts = format!("UserKnownHostsFile={}", known_hosts.display());
    for option in ["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes", &known_hosts] {
        options.extend(["-o".to_owned(), option.to_owned()]);
    }
    options
}

/// The value of `GIT_SSH_COMMAND` for the same.
pub fn git_ssh_command(key: &Path, known_hosts: &Path) -> String {
    format!("ssh {}", ssh_options(key, known_hosts).join(" "))
}

/// Generates a key pair, whose private key is written to `path`.
pub fn generate_key(path: &Path, comment: &str) {
    let mut keygen = Command::new("ssh-keygen");
    super::run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(path));
}

/// A command as a line for a shell.
pub fn shell_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    shell_words::join(words.map(|word| word.to_str().unwrap()))
}
