//! Commands that run while the test continues.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::process::{COMMAND_TIMEOUT, Output, try_run};
use super::wait::within;

/// A process group, like a job of a shell. It is killed when the value is dropped.
pub struct BackgroundCommand {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl BackgroundCommand {
    /// Starts the command and collects both of its streams.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        let readers = streams.into_iter().map(|stream| {
            let lines = lines.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                }
            })
        });
        let readers = readers.collect();
        Self { child, lines, readers }
    }

    /// The output so far.
    pub fn output(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// The output so far, and the state of each process of the group: what it waits for in the kernel.
    pub fn describe(&self) -> String {
        let group = self.child.id().to_string();
        let processes = try_run(Command::new("ps").args(["-o", "pid,stat,wchan:24,etime,args", "-g", &group]));
        format!("{}\n{}", self.output(), processes.stdout)
    }

    /// Waits until the output contains the text.
    #[track_caller]
    pub fn wait_for_output(&self, text: &str) -> &Self {
        let is_printed = || {
            let has_ended = self.has_closed_output();
            let printed = self.output().contains(text);
            assert!(printed || !has_ended, "the command ended without {text:?}:\n{}", self.output());
            printed.then_some(())
        };
        within(COMMAND_TIMEOUT, &format!("{text:?}"), is_printed, || self.describe());
        self
    }

    /// Sends a signal to the whole process group, as a terminal does on Ctrl-C.
    pub fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        // fails if the group has ended
        let _ = killpg(group, signal);
    }

    /// Waits for the end, and returns the exit code with everything that both streams printed.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let status = within(COMMAND_TIMEOUT, "a command's end", || self.child.try_wait().unwrap(), String::new);
        let is_read = || self.has_closed_output().then_some(());
        within(COMMAND_TIMEOUT, "the end of a command's output", is_read, || self.output());
        Output { code: status.code(), stdout: self.output(), stderr: String::new() }
    }

    fn has_closed_output(&self) -> bool {
        self.readers.iter().all(JoinHandle::is_finished)
    }
}

impl Drop for BackgroundCommand {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
