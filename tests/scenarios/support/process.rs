//! Running the programs that users run.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::wait::within;

/// What a program left behind when it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The output, if the program succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "failed:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The output, if the program failed as programs do, by an exit code.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "did not fail:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that a text was printed, on either stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.contains(text), "{text:?} is not in:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that a text was not printed.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.contains(text), "{text:?} is in:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    pub fn contains(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }
}

/// The longest that any program of a scenario may run.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs a program to its end; it must succeed.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    try_run(command).ok()
}

/// Runs a program to its end, whatever that is.
#[track_caller]
pub fn try_run(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    finish(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Runs a program with a text as its standard input.
#[track_caller]
pub fn try_run_with(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // the program may end without reading: what it says of that counts, not the broken pipe
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
    finish(child)
}

/// Waits for a child's end, bounded.
#[track_caller]
pub fn finish(child: std::process::Child) -> Output {
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(LIMIT).unwrap_or_else(|_| {
        super::gateway::signal(id, nix::sys::signal::Signal::SIGKILL);
        panic!("process {id} ran for more than {LIMIT:?}")
    });
    let output = output.unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running program whose output can be waited for line by line. It and what it starts are a process group, as a
/// shell's job is.
pub struct Running {
    child: std::process::Child,
    lines: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts a program and collects both of its streams.
    pub fn start(command: &mut Command) -> Self {
        use std::io::BufRead;
        use std::os::unix::process::CommandExt;
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        let readers = streams.into_iter().map(|stream| {
            let lines = lines.clone();
            std::thread::spawn(move || {
                for line in std::io::BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                }
            })
        });
        let readers = readers.collect();
        Self { child, lines, readers }
    }

    /// Everything printed so far.
    pub fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits until a text was printed.
    #[track_caller]
    pub fn until(&self, text: &str) -> &Self {
        let printed = || {
            let ended = self.readers.iter().all(std::thread::JoinHandle::is_finished);
            let printed = self.text().contains(text);
            assert!(printed || !ended, "it ended without {text:?}:\n{}", self.text());
            printed.then_some(())
        };
        within(LIMIT, &format!("{text:?}"), printed, || self.text());
        self
    }

    /// Sends a signal to the whole group, as the terminal does on Ctrl-C.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        // an error says that the group has ended
        let _ = nix::sys::signal::killpg(group, signal);
    }

    /// Waits for the end: the exit code, and everything printed.
    pub fn finish(mut self) -> Output {
        let status = within(LIMIT, "the end of a program", || self.child.try_wait().unwrap(), String::new);
        let read = || self.readers.iter().all(std::thread::JoinHandle::is_finished).then_some(());
        within(LIMIT, "the end of a program's output", read, || self.text());
        Output { code: status.code(), stdout: self.text(), stderr: String::new() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
