//! OpenSSH's server as the baseline: the same machine, key exchange and cipher, and every option off that slows sshd down.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::background_process::{BackgroundProcess, free_address};
use crate::command;
use crate::environment::BenchEnv;
use crate::gateway::pinned_command;
use crate::ssh_keys;

/// The directory of sshd's privilege separation. As root, sshd refuses to start without it.
const PRIVSEP_DIR: &str = "/run/sshd";

#[derive(Default)]
pub struct SshdOptions<'a> {
    /// The only processor that it may run on.
    pub core: Option<u32>,
    /// A file to use as `authorized_keys`, in place of one with only [`Sshd::key`].
    pub authorized_keys: Option<&'a Path>,
    /// The command of every session.
    pub force_command: Option<&'a Path>,
}

pub struct Sshd {
    process: BackgroundProcess,
    dir: TempDir,
    _privsep_dir: Option<PrivsepDir>,
    pub address: SocketAddr,
}

impl Sshd {
    /// Starts sshd and waits until it listens.
    pub async fn start(env: &BenchEnv, options: SshdOptions<'_>) -> Result<Self> {
        let dir = TempDir::with_prefix_in("sshd-", env.disk.path()).context("cannot make sshd's directory")?;
        let path = |name: &str| dir.path().join(name);
        ssh_keys::generate_to_file(&path("host"))?;
        let line = ssh_keys::generate_to_file(&path("client"))?;
        match options.authorized_keys {
            Some(file) => drop(std::fs::copy(file, path("authorized_keys")).context("cannot copy the keys")?),
            None => std::fs::write(path("authorized_keys"), line).context("cannot write authorized_keys")?,
        }
        let address = free_address()?;
        let privsep_dir = PrivsepDir::create()?;
        let program = find_sshd()?;
        std::fs::write(
            path("config"),
            config(address, dir.path(), options.force_command, supports_penalties(&program).await),
        )
        .context("cannot write sshd_config")?;
        // sshd has to be started by its absolute path: it executes itself again
        let mut command = pinned_command(&program, options.core);
        command.args(["-D", "-e", "-f"]).arg(path("config"));
        let mut process = BackgroundProcess::start("sshd", &mut command, &path("log"))?;
        process.wait_until_listening(address).await?;
        Ok(Self { process, dir, _privsep_dir: privsep_dir, address })
    }

    /// The client's private key.
    pub fn key(&self) -> PathBuf {
        self.dir.path().join("client")
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

fn config(address: SocketAddr, dir: &Path, force_command: Option<&Path>, penalties: bool) -> String {
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
    if let Some(command) = force_command {
        text.push_str(&format!("ForceCommand {}\n", command.display()));
    }
    text
}

/// Whether this sshd can delay clients that fail to log in (OpenSSH 9.8 and newer), which has to be switched off.
async fn supports_penalties(program: &Path) -> bool {
    let mut test = command::command(program);
    let output = command::run_unchecked(test.args(["-T", "-o", "PerSourcePenalties=no", "-f", "/dev/null"]));
    output.await.is_ok_and(|output| !String::from_utf8_lossy(&output.stderr).contains("Bad configuration option"))
}

/// The path of sshd, which may not be in `PATH`.
fn find_sshd() -> Result<PathBuf> {
    let candidates = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
    candidates.iter().map(PathBuf::from).find(|path| path.exists()).context("sshd is not installed")
}

/// Removes [`PRIVSEP_DIR`] at the end, if the benchmark has created it.
struct PrivsepDir;

impl PrivsepDir {
    fn create() -> Result<Option<Self>> {
        match std::fs::create_dir(PRIVSEP_DIR) {
            Ok(()) => Ok(Some(Self)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(None),
            // without root, sshd needs no such directory
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(error).context("cannot make sshd's privilege separation directory"),
        }
    }
}

impl Drop for PrivsepDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(PRIVSEP_DIR);
    }
}

/// The `ssh` command line for a key, as one string for `GIT_SSH_COMMAND`.
pub fn client_command(key: &Path, cipher: Option<&str>) -> String {
    let mut words = vec!["ssh -F /dev/null -i".to_owned(), key.display().to_string()];
    let options = ["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"];
    words.extend(options.iter().map(|option| format!("-o {option}")));
    words.push("-o LogLevel=ERROR -o IdentityAgent=none".to_owned());
    words.extend(cipher.map(|cipher| format!("-c {cipher}")));
    words.join(" ")
}
