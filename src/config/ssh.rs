//! Settings of the SSH server and its limits.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::parse::positive_duration;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "SSH")]
pub struct SshArgs {
    /// Address of the SSH server
    #[arg(long, env = "SLIPWAY_SSH_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:2222")]
    pub ssh_listen: SocketAddr,
    /// HOST:PORT at which users reach the SSH server, for the known_hosts line [default: 127.0.0.1 and the port of
    /// --ssh-listen]
    #[arg(long, env = "SLIPWAY_SSH_PUBLIC", value_name = "HOST:PORT")]
    pub ssh_public: Option<String>,
    /// Directory of the public keys of admins (NAME.pub), which slipway registers when it starts
    #[arg(long, env = "SLIPWAY_ADMIN_KEYS", value_name = "DIR")]
    pub admin_keys: Option<PathBuf>,
    /// How long a client may take to authenticate
    #[arg(long, env = "SLIPWAY_LOGIN_GRACE", value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    pub login_grace: Duration,
    /// Maximum number of unauthenticated connections; above it, slipway closes the oldest of them
    #[arg(long, env = "SLIPWAY_MAX_STARTUPS", value_name = "N", default_value = "100")]
    pub max_startups: NonZeroUsize,
    /// Maximum number of connections
    #[arg(long, env = "SLIPWAY_MAX_CONNECTIONS", value_name = "N", default_value = "4096")]
    pub max_connections: NonZeroUsize,
    /// Maximum number of commands that run at the same time in one connection
    #[arg(long, env = "SLIPWAY_MAX_SESSIONS", value_name = "N", default_value = "10")]
    pub max_sessions: NonZeroUsize,
    /// Maximum number of keys that a client may offer in one connection; an agent offers all of its keys in turn
    #[arg(long, env = "SLIPWAY_MAX_AUTH_TRIES", value_name = "N", default_value = "20")]
    pub max_auth_tries: NonZeroUsize,
    /// Time without data from the client after which slipway sends a keepalive request; slipway closes the connection when the
    /// third request in a row is unanswered
    #[arg(long, env = "SLIPWAY_KEEPALIVE", value_name = "DURATION", default_value = "15s", value_parser = positive_duration)]
    pub keepalive: Duration,
}
