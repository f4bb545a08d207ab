//! OpenSSH's server beside us: same machine, same key exchange, same cipher, nothing that slows it down switched on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::daemon::{Daemon, free_address};
use crate::gateway::pinned;
use crate::keypair;
use crate::program;
use crate::world::World;

/// Where sshd keeps its unprivileged half; it refuses to start as root without.
const EMPTY_DIR: &str = "/run/sshd";

/// How it is to be started.
#[derive(Default)]
pub struct Wish<'a> {
    /// The only processor it may use.
    pub core: Option<u32>,
    /// The lines of `authorized_keys` beside the one of [`Sshd::key`], before and after it.
    pub others: Option<&'a Path>,
    /// What every login runs.
    pub command: Option<&'a Path>,
}

/// A running sshd that one key may log in to.
pub struct Sshd {
    daemon: Daemon,
    dir: TempDir,
    _empty: Option<EmptyDir>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Sshd {
    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// If it does not come up; the error has its log.
    pub async fn start(world: &World, wish: Wish<'_>) -> Result<Self> {
        let dir = TempDir::with_prefix_in("sshd-", world.disk.path()).context("cannot make sshd's directory")?;
        let path = |name: &str| dir.path().join(name);
        keypair::write(&path("host"))?;
        let line = keypair::write(&path("client"))?;
        match wish.others {
            Some(others) => drop(std::fs::copy(others, path("authorized_keys")).context("cannot copy the keys")?),
            None => std::fs::write(path("authorized_keys"), line).context("cannot write authorized_keys")?,
        }
        let address = free_address()?;
        let empty = EmptyDir::make()?;
        let program = find()?;
        std::fs::write(path("config"), config(address, dir.path(), wish.command, has_penalties(&program).await))
            .context("cannot write sshd_config")?;
        // sshd wants to be called by its whole path
        let mut command = pinned(&program, wish.core);
        command.args(["-D", "-e", "-f"]).arg(path("config"));
        let mut daemon = Daemon::start("sshd", &mut command, &path("log"))?;
        daemon.until_listening(address).await?;
        Ok(Self { daemon, dir, _empty: empty, address })
    }

    /// The private key that may log in.
    pub fn key(&self) -> PathBuf {
        self.dir.path().join("client")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }
}

fn config(address: SocketAddr, dir: &Path, command: Option<&Path>, penalties: bool) -> String {
    let dir = dir.display();
    let mut text = format!(
        "ListenAddress {address}\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/authorized_keys\nPidFile none\n\
         StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         UseDNS no\nX11Forwarding no\nPrintMotd no\nPrintLastLog no\nLogLevel ERROR\nMaxStartups 10000\n\
         MaxSessions 100\nMaxAuthTries 20\nLoginGraceTime 60\nAcceptEnv GIT_PROTOCOL\n"
    );
    if penalties {
        text.push_str("PerSourcePenalties no\n");
    }
    if let Some(command) = command {
        text.push_str(&format!("ForceCommand {}\n", command.display()));
    }
    text
}

/// Whether this sshd slows down who fails often (OpenSSH 9.8 and newer): it must not here.
async fn has_penalties(program: &Path) -> bool {
    let mut test = program::command(program);
    let output = program::finish(test.args(["-T", "-o", "PerSourcePenalties=no", "-f", "/dev/null"]));
    output.await.is_ok_and(|output| !String::from_utf8_lossy(&output.stderr).contains("Bad configuration option"))
}

/// sshd's path: /usr/sbin is not everybody's.
fn find() -> Result<PathBuf> {
    let candidates = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
    candidates.iter().map(PathBuf::from).find(|path| path.exists()).context("there is no sshd")
}

/// [`EMPTY_DIR`], where it was not there before.
struct EmptyDir;

impl EmptyDir {
    fn make() -> Result<Option<Self>> {
        match std::fs::create_dir(EMPTY_DIR) {
            Ok(()) => Ok(Some(Self)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(None),
            // who is not root needs none
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(error).context("cannot make sshd's empty directory"),
        }
    }
}

impl Drop for EmptyDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(EMPTY_DIR);
    }
}

/// A sshd's own words for `ssh`: the command that a client of it, or of slipway, is run with.
pub fn client(key: &Path, cipher: Option<&str>) -> String {
    let mut words = vec!["ssh -F /dev/null -i".to_owned(), key.display().to_string()];
    let options = ["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"];
    words.extend(options.iter().map(|option| format!("-o {option}")));
    words.push("-o LogLevel=ERROR -o IdentityAgent=none".to_owned());
    words.extend(cipher.map(|cipher| format!("-c {cipher}")));
    words.join(" ")
}
