//! Commands that are run to completion, and assertions about their output.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

/// The timeout of each command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(240);

#[derive(Debug, Clone)]
pub struct Output {
    /// `None` if a signal ended the process.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Asserts that the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "failed:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that the command failed with an exit code, and not by a signal.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "did not fail:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that either stream contains the text.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.contains(text), "{text:?} is not in:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that the streams contain each of the texts.
    #[track_caller]
    pub fn prints_all(self, texts: &[&str]) -> Self {
        texts.iter().fold(self, |output, text| output.prints(text))
    }

    /// Asserts that neither stream contains the text.
    #[track_caller]
    pub fn does_not_print(self, text: &str) -> Self {
        assert!(!self.contains(text), "{text:?} is in:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    pub fn contains(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }
}

/// Runs a command, which must succeed.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    try_run(command).ok()
}

/// Runs a command, which may fail.
#[track_caller]
pub fn try_run(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    wait_for_output(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Runs a command, which may fail, with a text on its standard input.
#[track_caller]
pub fn try_run_with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends without reading closes the pipe. Its output explains the reason better than the pipe's error.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
    wait_for_output(child)
}

#[track_caller]
fn wait_for_output(child: Child) -> Output {
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(COMMAND_TIMEOUT).unwrap_or_else(|_| {
        send_signal(id, Signal::SIGKILL);
        panic!("process {id} ran for more than {COMMAND_TIMEOUT:?}")
    });
    let output = output.unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal to a process. The process may have ended.
pub fn send_signal(pid: u32, signal: Signal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}
