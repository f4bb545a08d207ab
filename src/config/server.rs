//! Settings of the process: its data, its namespaces and its shutdown.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::apps::ServiceAccount;
use crate::domain::{AppName, UserName};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Directory for the git repositories; created if it does not exist
    #[arg(long, env = "SLIPWAY_DATA_DIR", value_name = "DIR", default_value = "/var/lib/slipway")]
    pub data_dir: PathBuf,
    /// Namespace for slipway's own state, such as user keys and the host key; created if it does not exist
    #[arg(long, env = "SLIPWAY_NAMESPACE", value_name = "NAME", default_value = "slipway", value_parser = namespace)]
    pub namespace: String,
    /// Name of this slipway in the locks of deploys. A slipway that restarts with the same name takes over its own locks at
    /// once, so the name must be unique [default: the host name]
    #[arg(long, env = "SLIPWAY_IDENTITY", value_name = "NAME")]
    pub identity: Option<String>,
    /// Address of the HTTP server for health checks and metrics
    #[arg(long, env = "SLIPWAY_HTTP_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_listen: SocketAddr,
    /// ClusterRole that slipway binds to its service account in the namespace of each app [default: none; slipway needs the
    /// permissions in all namespaces]
    #[arg(long, env = "SLIPWAY_APP_ROLE", value_name = "NAME", requires = "service_account")]
    pub app_role: Option<String>,
    /// slipway's own service account, to which it binds --app-role
    #[arg(long, env = "SLIPWAY_SERVICE_ACCOUNT", value_name = "NAMESPACE/NAME")]
    pub service_account: Option<ServiceAccount>,
    /// The only namespaces that slipway may use for apps, separated by commas. They must exist: slipway creates none, and needs
    /// no cluster-wide permissions [default: slipway creates a namespace for each app]
    #[arg(long, env = "SLIPWAY_NAMESPACES", value_name = "NAMES", value_delimiter = ',', conflicts_with = "app_role")]
    pub namespaces: Vec<AppName>,
    /// File that slipway keeps locked (flock) while it runs. A registry or an Engine in the same pod can wait for the lock
    /// before it stops: deploys that finish after SIGTERM still need both
    #[arg(long, env = "SLIPWAY_RUNNING_FILE", value_name = "FILE")]
    pub running_file: Option<PathBuf>,
    /// How long running deploys may continue after SIGTERM
    #[arg(long, env = "SLIPWAY_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,
}

/// The name of a namespace is an RFC 1123 label. User names follow the same rule, with more characters.
fn namespace(text: &str) -> Result<String, String> {
    let is_valid = text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.parse::<UserName>().is_ok();
    is_valid.then(|| text.to_owned()).ok_or_else(|| "not a valid name of a namespace".to_owned())
}
