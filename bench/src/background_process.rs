//! A server process that runs in the background and is stopped when its value is dropped.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between SIGTERM and SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub struct BackgroundProcess {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl BackgroundProcess {
    /// Starts the command with both output streams redirected to the file `log`.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let stdout = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let stderr = stdout.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn();
        let child = child.with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Polls `probe` until it returns a value. Fails, with the log, if the process exits first or the start times out.
    pub async fn wait_until<T>(&mut self, what: &str, mut probe: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            if let Some(found) = probe(self) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait().with_context(|| format!("cannot wait for {}", self.name))? {
                bail!("{} ended with {status}:\n{}", self.name, self.log());
            }
            if began.elapsed() > START_TIMEOUT {
                bail!("{}: not within {START_TIMEOUT:?}: {what}\n{}", self.name, self.log());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until a connection to `address` is accepted.
    pub async fn wait_until_listening(&mut self, address: SocketAddr) -> Result<()> {
        self.wait_until("a listening port", |_| std::net::TcpStream::connect(address).ok().map(drop)).await
    }
}

impl Drop for BackgroundProcess {
    fn drop(&mut self) {
        let Ok(id) = i32::try_from(self.child.id()) else { return };
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let began = Instant::now();
        while began.elapsed() < STOP_TIMEOUT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address with a port that is free now.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("there is no free port")?;
    listener.local_addr().context("there is no free port")
}
