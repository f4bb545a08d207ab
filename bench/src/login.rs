//! A client that logs in and does nothing else, so that its own start is not measured. Run as a process of its own, which
//! can be kept to one processor.

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

use crate::gateway::pinned;
use crate::program;
use crate::world::World;

/// What both servers are asked for.
pub const CIPHER: &str = "aes256-gcm@openssh.com, curve25519-sha256, ssh-ed25519";
/// How long a login may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What the client does.
#[derive(Debug, Clone, Subcommand)]
pub enum Client {
    /// Logs in again and again, and prints the seconds of each login
    Logins(Logins),
    /// Opens connections and holds them until standard input ends
    Hold(Target),
}

/// Where to, and who.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The server
    #[arg(long)]
    pub address: SocketAddr,
    /// File of the private key
    #[arg(long)]
    pub key: PathBuf,
    /// How many connections
    #[arg(long)]
    pub count: usize,
    /// How many at once
    #[arg(long, default_value = "1")]
    pub parallel: usize,
}

/// Logins one after the other, or side by side.
#[derive(Debug, Clone, Args)]
pub struct Logins {
    /// Where to.
    #[command(flatten)]
    pub target: Target,
    /// The key is one that the server has to refuse
    #[arg(long)]
    pub refused: bool,
}

/// How long logins took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Times {
    /// Each of them, in seconds.
    pub each: Vec<f64>,
    /// All of them together.
    pub total: f64,
}

/// A host's key is not looked at: the host is this machine.
struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Runs the client in this process.
///
/// # Errors
/// If a login does not go as it has to.
pub async fn run(client: Client) -> Result<()> {
    match client {
        Client::Logins(logins) => {
            let times = times(&logins).await?;
            println!("{}", serde_json::to_string(&times).context("cannot print the times")?);
        }
        Client::Hold(target) => hold(&target).await?,
    }
    Ok(())
}

async fn times(logins: &Logins) -> Result<Times> {
    let Logins { target, refused } = logins;
    let key = load(&target.key)?;
    let began = Instant::now();
    let each = stream::iter(0..target.count).map(|_| async {
        let began = Instant::now();
        let (session, accepted) = login(target.address, key.clone()).await?;
        let seconds = began.elapsed().as_secs_f64();
        if accepted == *refused {
            bail!("the server {} the key", if accepted { "took" } else { "refused" });
        }
        drop(session);
        Ok(seconds)
    });
    let each: Vec<Result<f64>> = each.buffer_unordered(target.parallel).collect().await;
    let total = began.elapsed().as_secs_f64();
    Ok(Times { each: each.into_iter().collect::<Result<_>>()?, total })
}

async fn hold(target: &Target) -> Result<()> {
    let key = load(&target.key)?;
    let mut held = Vec::new();
    for _ in 0..target.count {
        let (session, accepted) = login(target.address, key.clone()).await?;
        if !accepted {
            bail!("the server refused the key");
        }
        held.push(session);
    }
    println!("held");
    std::io::stdout().flush().context("cannot say that they are held")?;
    let wait = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(wait).await.context("cannot wait")?.context("cannot wait")?;
    drop(held);
    Ok(())
}

fn load(path: &Path) -> Result<Arc<PrivateKey>> {
    Ok(Arc::new(load_secret_key(path, None).with_context(|| format!("cannot read {}", path.display()))?))
}

/// From the TCP connection to the server's answer to the signature.
async fn login(address: SocketAddr, key: Arc<PrivateKey>) -> Result<(Handle<Trusting>, bool)> {
    let preferred =
        Preferred { kex: vec![kex::CURVE25519].into(), cipher: vec![cipher::AES_256_GCM].into(), ..Preferred::DEFAULT };
    let config = Arc::new(client::Config { preferred, nodelay: true, ..client::Config::default() });
    let session = async {
        let mut session = client::connect(config, address, Trusting).await.context("cannot connect")?;
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let signed = PrivateKeyWithHashAlg::new(key, None);
        let result = session.authenticate_publickey(user, signed).await.context("cannot log in")?;
        Ok((session, result.success()))
    };
    tokio::time::timeout(LIMIT, session).await.with_context(|| format!("no login within {LIMIT:?}"))?
}

/// Has a process of its own log in: the times it took.
///
/// # Errors
/// If a login does not go as it has to.
pub async fn logins(world: &World, core: Option<u32>, logins: &Logins) -> Result<Times> {
    let Logins { target: Target { address, key, count, parallel }, refused } = logins;
    let mut command = pinned(&world.own, core);
    command.args(["client", "logins", "--address", &address.to_string(), "--count", &count.to_string()]);
    command.args(["--parallel", &parallel.to_string()]).arg("--key").arg(key);
    if *refused {
        command.arg("--refused");
    }
    let mut command = tokio::process::Command::from(command);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let text = program::run(&mut command).await?;
    serde_json::from_str(&text).with_context(|| format!("the client printed {text:?}"))
}
