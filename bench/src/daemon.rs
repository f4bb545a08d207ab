//! A program that runs in the background, and ends with its value.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a program may take to come up.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A running program, whose output goes into a file.
pub struct Daemon {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let twin = file.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(twin).spawn();
        let child = child.with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until `look` finds what it looks for.
    ///
    /// # Errors
    /// If the program ends before that, or it takes too long; the error has its log.
    pub async fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait().with_context(|| format!("cannot look after {}", self.name))? {
                bail!("{} ended with {status}:\n{}", self.name, self.log());
            }
            if began.elapsed() > START {
                bail!("{}: not within {START:?}: {what}\n{}", self.name, self.log());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until something listens.
    ///
    /// # Errors
    /// As [`Daemon::until`].
    pub async fn until_listening(&mut self, address: SocketAddr) -> Result<()> {
        self.until("a listening port", |_| std::net::TcpStream::connect(address).ok().map(drop)).await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Ok(id) = i32::try_from(self.child.id()) else { return };
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let began = Instant::now();
        while began.elapsed() < FAREWELL {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on loopback where nothing listens yet.
///
/// # Errors
/// If there is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("there is no free port")?;
    listener.local_addr().context("there is no free port")
}
