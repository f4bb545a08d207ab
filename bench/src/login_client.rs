//! An SSH client that only logs in, so that the start of an `ssh` process is not measured. It runs as a process of its own,
//! which can be pinned to one processor.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use futures_util::{StreamExt, stream};
use russh::client::{self, Handle};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{Preferred, cipher, kex};
use serde::{Deserialize, Serialize};

use crate::command;
use crate::environment::BenchEnv;
use crate::gateway::pinned_command;

/// The algorithms that the client requests of both servers.
pub const CIPHER: &str = "aes256-gcm@openssh.com, curve25519-sha256, ssh-ed25519";
const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Subcommand)]
pub enum ClientCommand {
    /// Log in repeatedly, and print the duration of each login
    Logins(LoginOptions),
    /// Open connections and keep them open until standard input ends
    Hold(LoginTarget),
}

#[derive(Debug, Clone, Args)]
pub struct LoginTarget {
    /// Address of the server
    #[arg(long)]
    pub address: SocketAddr,
    /// File of the private key
    #[arg(long)]
    pub key: PathBuf,
    /// Number of connections
    #[arg(long)]
    pub count: usize,
    /// Number of concurrent logins
    #[arg(long, default_value = "1")]
    pub parallel: usize,
}

#[derive(Debug, Clone, Args)]
pub struct LoginOptions {
    #[command(flatten)]
    pub target: LoginTarget,
    /// The server has to refuse the key
    #[arg(long)]
    pub refused: bool,
}

/// The durations of logins, in seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginTimes {
    pub each: Vec<f64>,
    /// From the start of the first login to the end of the last one.
    pub total: f64,
}

/// The servers are on this machine, so their host keys are not checked.
struct AcceptAnyHostKey;

impl client::Handler for AcceptAnyHostKey {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Runs the client in this process.
pub async fn run(client: ClientCommand) -> Result<()> {
    match client {
        ClientCommand::Logins(options) => {
            let times = time_logins(&options).await?;
            println!("{}", serde_json::to_string(&times).context("cannot print the times")?);
        }
        ClientCommand::Hold(target) => hold_connections(&target).await?,
    }
    Ok(())
}

async fn time_logins(options: &LoginOptions) -> Result<LoginTimes> {
    let LoginOptions { target, refused } = options;
    let key = load_key(&target.key)?;
    let began = Instant::now();
    let each = stream::iter(0..target.count).map(|_| async {
        let began = Instant::now();
        let (session, accepted) = login(target.address, key.clone()).await?;
        let seconds = began.elapsed().as_secs_f64();
        if accepted == *refused {
            bail!("the server {} the key", if accepted { "accepted" } else { "refused" });
        }
        drop(session);
        Ok(seconds)
    });
    let each: Vec<Result<f64>> = each.buffer_unordered(target.parallel).collect().await;
    let total = began.elapsed().as_secs_f64();
    Ok(LoginTimes { each: each.into_iter().collect::<Result<_>>()?, total })
}

async fn hold_connections(target: &LoginTarget) -> Result<()> {
    let key = load_key(&target.key)?;
    let mut held = Vec::new();
    for _ in 0..target.count {
        let (session, accepted) = login(target.address, key.clone()).await?;
        if !accepted {
            bail!("the server refused the key");
        }
        held.push(session);
    }
    println!("held");
    std::io::stdout().flush().context("cannot write to standard output")?;
    let wait = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(wait).await.context("cannot wait")?.context("cannot read standard input")?;
    drop(held);
    Ok(())
}

fn load_key(path: &Path) -> Result<Arc<PrivateKey>> {
    Ok(Arc::new(load_secret_key(path, None).with_context(|| format!("cannot read {}", path.display()))?))
}

/// Connects and authenticates, and returns whether the server accepted the key.
async fn login(address: SocketAddr, key: Arc<PrivateKey>) -> Result<(Handle<AcceptAnyHostKey>, bool)> {
    let preferred =
        Preferred { kex: vec![kex::CURVE25519].into(), cipher: vec![cipher::AES_256_GCM].into(), ..Preferred::DEFAULT };
    let config = Arc::new(client::Config { preferred, nodelay: true, ..client::Config::default() });
    let session = async {
        let mut session = client::connect(config, address, AcceptAnyHostKey).await.context("cannot connect")?;
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let signed = PrivateKeyWithHashAlg::new(key, None);
        let result = session.authenticate_publickey(user, signed).await.context("cannot log in")?;
        Ok((session, result.success()))
    };
    tokio::time::timeout(LOGIN_TIMEOUT, session).await.with_context(|| format!("no login within {LOGIN_TIMEOUT:?}"))?
}

/// Runs the client in a process of its own, and returns the times that it measured.
pub async fn run_in_process(env: &BenchEnv, core: Option<u32>, options: &LoginOptions) -> Result<LoginTimes> {
    let LoginOptions { target: LoginTarget { address, key, count, parallel }, refused } = options;
    let mut command = pinned_command(&env.bench_program, core);
    command.args(["client", "logins", "--address", &address.to_string(), "--count", &count.to_string()]);
    command.args(["--parallel", &parallel.to_string()]).arg("--key").arg(key);
    if *refused {
        command.arg("--refused");
    }
    let mut command = tokio::process::Command::from(command);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let text = command::run(&mut command).await?;
    serde_json::from_str(&text).with_context(|| format!("the client printed {text:?}"))
}
