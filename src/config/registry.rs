//! Settings of the registry.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// HOST:PORT at which the Engine and slipway reach the registry
    #[arg(long, env = "SLIPWAY_REGISTRY_PUSH", value_name = "HOST:PORT", default_value = "localhost:5000")]
    pub registry_push: String,
    /// HOST:PORT at which kubelets reach the registry [default: the value of --registry-push]
    #[arg(long, env = "SLIPWAY_REGISTRY_PULL", value_name = "HOST:PORT")]
    pub registry_pull: Option<String>,
    /// Registries that use plain HTTP, separated by commas; a registry at a loopback address always does
    #[arg(long, env = "SLIPWAY_REGISTRY_INSECURE", value_name = "HOST:PORT", value_delimiter = ',')]
    pub registry_insecure: Vec<String>,
    /// User name at the registry, if it requires one
    #[arg(long, env = "SLIPWAY_REGISTRY_USER", value_name = "NAME", requires = "registry_password_file")]
    pub registry_user: Option<String>,
    /// File with the password or token of --registry-user; slipway reads it again when it changes
    #[arg(long, env = "SLIPWAY_REGISTRY_PASSWORD_FILE", value_name = "FILE", requires = "registry_user")]
    pub registry_password_file: Option<PathBuf>,
    /// Write a pull secret with the registry's password into the namespace of each app, for its pods. Not needed if the nodes
    /// can already pull from the registry
    #[arg(long, env = "SLIPWAY_REGISTRY_PULL_SECRET")]
    pub registry_pull_secret: bool,
    /// User name of the pull secret, preferably of a user that cannot push [default: the value of --registry-user]
    #[arg(long, env = "SLIPWAY_REGISTRY_PULL_USER", value_name = "NAME", requires = "registry_pull_password_file")]
    pub registry_pull_user: Option<String>,
    /// File with the password or token of --registry-pull-user; slipway reads it again when it changes
    #[arg(long, env = "SLIPWAY_REGISTRY_PULL_PASSWORD_FILE", value_name = "FILE", requires = "registry_pull_user")]
    pub registry_pull_password_file: Option<PathBuf>,
    /// For a registry that nothing but slipway pushes to: the file that slipway creates to request garbage collection. slipway
    /// starts no push until the file is gone. A process beside the registry has to collect the garbage and remove the file, and
    /// to create FILE.failed first if the collection failed
    #[arg(long, env = "SLIPWAY_REGISTRY_COLLECT", value_name = "FILE")]
    pub registry_collect: Option<PathBuf>,
    /// Minimum time between two garbage collections, unless the registry is full
    #[arg(long, env = "SLIPWAY_REGISTRY_COLLECT_INTERVAL", value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    pub registry_collect_interval: Duration,
}
