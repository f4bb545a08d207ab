//! The settings of `slipway serve`: a flag, a `SLIPWAY_*` variable and a help line for each.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};

use crate::apps::ServiceAccount;
use crate::domain::{AppName, UserName};
use crate::keys::AppCreation;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `human` on a terminal, `json` otherwise.
    Auto,
    /// For reading.
    Human,
    /// One JSON object a line, the fields beside the message.
    Json,
}

/// Log settings, shared by every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// How log lines are written (to standard error)
    #[arg(long, global = true, env = "SLIPWAY_LOG_FORMAT", value_enum, default_value = "auto")]
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or directives such as `info,slipway::ssh=debug`
    #[arg(long, global = true, env = "SLIPWAY_LOG", value_name = "FILTER", default_value = "info,kube_client=off", value_parser = filter)]
    pub log: String,
}

/// Everything that `slipway serve` can be told.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where it runs.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The SSH server.
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Pushes.
    #[command(flatten)]
    pub push: PushArgs,
    /// Builds.
    #[command(flatten)]
    pub build: BuildArgs,
    /// The registry.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Releases.
    #[command(flatten)]
    pub release: ReleaseArgs,
}

/// Where slipway runs and keeps things.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Place")]
pub struct PlaceArgs {
    /// Directory for repositories; made if it is missing
    #[arg(long, env = "SLIPWAY_DATA_DIR", value_name = "DIR", default_value = "/var/lib/slipway")]
    pub data_dir: PathBuf,
    /// Namespace for slipway's own state: keys, host key; made if it is missing
    #[arg(long, env = "SLIPWAY_NAMESPACE", value_name = "NAME", default_value = "slipway", value_parser = namespace)]
    pub namespace: String,
    /// Name of this gateway in locks. A gateway that restarts under its name takes over its own locks
    /// at once, so no two may share one [default: the host name]
    #[arg(long, env = "SLIPWAY_IDENTITY", value_name = "NAME")]
    pub identity: Option<String>,
    /// Address for health checks
    #[arg(long, env = "SLIPWAY_HTTP_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_listen: SocketAddr,
    /// ClusterRole that slipway binds to itself in the namespace of each app [default: none; it has its rights in the
    /// whole cluster]
    #[arg(long, env = "SLIPWAY_APP_ROLE", value_name = "NAME", requires = "service_account")]
    pub app_role: Option<String>,
    /// slipway's own service account, which --app-role is bound to
    #[arg(long, env = "SLIPWAY_SERVICE_ACCOUNT", value_name = "NAMESPACE/NAME")]
    pub service_account: Option<ServiceAccount>,
    /// Namespaces that slipway may use for apps, separated by commas. They have to be there; it makes none, and needs no
    /// right in the whole cluster [default: it makes one for each app]
    #[arg(long, env = "SLIPWAY_NAMESPACES", value_name = "NAMES", value_delimiter = ',', conflicts_with = "app_role")]
    pub namespaces: Vec<AppName>,
    /// File that is locked (flock) as long as slipway runs, so that what runs beside it can wait for its end: deploys that
    /// finish after SIGTERM still need the registry and the Engine
    #[arg(long, env = "SLIPWAY_RUNNING_FILE", value_name = "FILE")]
    pub running_file: Option<PathBuf>,
    /// How long running deploys may go on after SIGTERM
    #[arg(long, env = "SLIPWAY_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,
}

/// The SSH server and its limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "SSH")]
pub struct SshArgs {
    /// Address of the SSH server
    #[arg(long, env = "SLIPWAY_SSH_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:2222")]
    pub ssh_listen: SocketAddr,
    /// HOST:PORT by which people reach the SSH server, for the known_hosts line [default: 127.0.0.1 and
    /// the port it listens on]
    #[arg(long, env = "SLIPWAY_SSH_PUBLIC", value_name = "HOST:PORT")]
    pub ssh_public: Option<String>,
    /// Directory of public keys (NAME.pub) whose holders become admins at start
    #[arg(long, env = "SLIPWAY_ADMIN_KEYS", value_name = "DIR")]
    pub admin_keys: Option<PathBuf>,
    /// How long a client may take to authenticate
    #[arg(long, env = "SLIPWAY_LOGIN_GRACE", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub login_grace: Duration,
    /// Connections that may be unauthenticated at once; one more ends the oldest of them
    #[arg(long, env = "SLIPWAY_MAX_STARTUPS", value_name = "N", default_value = "100")]
    pub max_startups: NonZeroUsize,
    /// Connections at once
    #[arg(long, env = "SLIPWAY_MAX_CONNECTIONS", value_name = "N", default_value = "4096")]
    pub max_connections: NonZeroUsize,
    /// Commands at once in one connection
    #[arg(long, env = "SLIPWAY_MAX_SESSIONS", value_name = "N", default_value = "10")]
    pub max_sessions: NonZeroUsize,
    /// Keys a client may offer before it is disconnected
    #[arg(long, env = "SLIPWAY_MAX_AUTH_TRIES", value_name = "N", default_value = "6")]
    pub max_auth_tries: NonZeroUsize,
    /// Silence after which the client is asked whether it is still there; the third unanswered question ends the connection
    #[arg(long, env = "SLIPWAY_KEEPALIVE", value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub keepalive: Duration,
}

/// What may be pushed, and by whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pushes")]
pub struct PushArgs {
    /// Who may create an app by a first push
    #[arg(long, env = "SLIPWAY_APP_CREATION", value_enum, default_value = "anyone")]
    pub app_creation: AppCreation,
    /// Refuse pushes that rewrite a branch
    #[arg(long, env = "SLIPWAY_DENY_FORCE")]
    pub deny_force: bool,
    /// Largest pack that is accepted
    #[arg(long, env = "SLIPWAY_MAX_PACK", value_name = "SIZE", default_value = "2GiB")]
    pub max_pack: ByteSize,
    /// How long `git push -o wait` waits for another deploy of the app
    #[arg(long, env = "SLIPWAY_LOCK_WAIT", value_name = "DURATION", default_value = "15m", value_parser = humantime::parse_duration)]
    pub lock_wait: Duration,
}

/// The builder.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Builds")]
pub struct BuildArgs {
    /// The Docker Engine that builds and pushes
    #[arg(long, env = "SLIPWAY_ENGINE", value_name = "URL", default_value = "unix:///var/run/docker.sock")]
    pub engine: String,
    /// Directory with ca.pem, cert.pem and key.pem (or ca.crt, tls.crt and tls.key) for TLS with an Engine at
    /// tcp://HOST:PORT
    #[arg(long, env = "SLIPWAY_ENGINE_TLS", value_name = "DIR")]
    pub engine_tls: Option<PathBuf>,
    /// Which builder of the Engine is used
    #[arg(long, env = "SLIPWAY_BUILDER", value_enum, default_value = "auto")]
    pub builder: crate::build::Builder,
    /// How long a build may take
    #[arg(long, env = "SLIPWAY_BUILD_TIMEOUT", value_name = "DURATION", default_value = "30m", value_parser = duration)]
    pub build_timeout: Duration,
    /// Builds at once; one more waits
    #[arg(long, env = "SLIPWAY_MAX_BUILDS", value_name = "N", default_value = "4")]
    pub max_builds: NonZeroUsize,
}

/// One registry, two addresses.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// HOST:PORT by which the Engine and this gateway reach the registry
    #[arg(long, env = "SLIPWAY_REGISTRY_PUSH", value_name = "HOST:PORT", default_value = "localhost:5000")]
    pub registry_push: String,
    /// HOST:PORT by which kubelets pull from it [default: as --registry-push]
    #[arg(long, env = "SLIPWAY_REGISTRY_PULL", value_name = "HOST:PORT")]
    pub registry_pull: Option<String>,
    /// Registries that speak plain HTTP, separated by commas; one on this host does so without being told
    #[arg(long, env = "SLIPWAY_REGISTRY_INSECURE", value_name = "HOST:PORT", value_delimiter = ',')]
    pub registry_insecure: Vec<String>,
    /// Who the gateway is at the registry, where that asks
    #[arg(long, env = "SLIPWAY_REGISTRY_USER", value_name = "NAME", requires = "registry_password_file")]
    pub registry_user: Option<String>,
    /// File with the password or token of --registry-user; read again when it changes
    #[arg(long, env = "SLIPWAY_REGISTRY_PASSWORD_FILE", value_name = "FILE", requires = "registry_user")]
    pub registry_password_file: Option<PathBuf>,
    /// Give nodes a password to pull with, in a Secret in the namespace of each app, which its pods name. Not needed where
    /// nodes know the registry already
    #[arg(long, env = "SLIPWAY_REGISTRY_PULL_SECRET")]
    pub registry_pull_secret: bool,
    /// Who nodes pull as with --registry-pull-secret; best somebody who may not push [default: as --registry-user]
    #[arg(long, env = "SLIPWAY_REGISTRY_PULL_USER", value_name = "NAME", requires = "registry_pull_password_file")]
    pub registry_pull_user: Option<String>,
    /// File with the password or token of --registry-pull-user; read again when it changes
    #[arg(long, env = "SLIPWAY_REGISTRY_PULL_PASSWORD_FILE", value_name = "FILE", requires = "registry_pull_user")]
    pub registry_pull_password_file: Option<PathBuf>,
    /// Where the registry is slipway's own: a file that slipway makes when its garbage is to be collected, which only may
    /// be while nothing is pushed. The process beside the registry that does it removes the file,
    /// and makes FILE.failed first if it could not
    #[arg(long, env = "SLIPWAY_REGISTRY_COLLECT", value_name = "FILE")]
    pub registry_collect: Option<PathBuf>,
    /// How long after a collection the next one begins, unless the registry is full
    #[arg(long, env = "SLIPWAY_REGISTRY_COLLECT_INTERVAL", value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    pub registry_collect_interval: Duration,
}

/// The release and its chart.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Releases")]
pub struct ReleaseArgs {
    /// Directory of chart templates to use instead of the built-in ones
    #[arg(long, env = "SLIPWAY_TEMPLATES", value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// How long a rollout may take before it is rolled back
    #[arg(long, env = "SLIPWAY_ROLLOUT_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub rollout_timeout: Duration,
    /// Revisions of an app that are kept; older records go, with the images that only they name
    #[arg(long, env = "SLIPWAY_HISTORY_MAX", value_name = "N", default_value = "10")]
    pub history_max: NonZeroUsize,
    /// Address of an app as printed after a push; {app} and {cluster_ip} are filled in
    #[arg(long, env = "SLIPWAY_APP_URL", value_name = "URL", default_value = "http://{app}.{app}.svc", value_parser = app_url)]
    pub app_url: String,
}

/// A limit that is 0 would shut everybody out.
fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be more than 0".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

fn filter(text: &str) -> Result<String, String> {
    text.parse::<tracing_subscriber::filter::Targets>().map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// A namespace follows the rule of label values (RFC 1123), which user names fit into as well.
fn namespace(text: &str) -> Result<String, String> {
    let valid = text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.parse::<UserName>().is_ok();
    valid.then(|| text.to_owned()).ok_or_else(|| "not a namespace name".to_owned())
}

fn app_url(text: &str) -> Result<String, String> {
    let known = text.replace("{app}", "").replace("{cluster_ip}", "");
    match known.contains(['{', '}']) {
        true => Err("the placeholders are {app} and {cluster_ip}".to_owned()),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_0_is_refused() {
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0s"), Err("must be more than 0".to_owned()));
        assert!(duration("soon").is_err());
    }
}
