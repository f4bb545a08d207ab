//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::{LogArgs, ServeArgs};
use crate::domain::{AppName, UserName};

/// `git push` to Kubernetes: an SSH server that builds, publishes and releases what is pushed to it.
#[derive(Debug, Parser)]
#[command(name = "slipway", version, about, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Log settings.
    #[command(flatten)]
    pub log: LogArgs,
    /// What is asked for.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program is asked to do.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it lives for the whole run")]
pub enum Command {
    /// Run the gateway
    Serve(ServeArgs),
    /// Register the public keys that are read from standard input
    #[command(long_about = "Register the public keys that are read from standard input, one or more lines as in \
        authorized_keys. For `kubectl exec -i`, with the rights of the pod; over SSH the command has the same name.")]
    UploadKey(UploadKeyArgs),
    /// Print the manifests of an app, without a cluster
    Render(RenderArgs),
    /// Print the version and the commit that it was built from
    Version,
    /// git's pre-receive hook; git runs it
    #[command(hide = true)]
    Hook,
}

/// The commit that this program was built from, as far as whoever built it said so.
pub const COMMIT: &str = match option_env!("SLIPWAY_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};

/// `slipway upload-key`
#[derive(Debug, clap::Args)]
pub struct UploadKeyArgs {
    /// Whose keys they are
    pub name: UserName,
    /// Make the holder an admin
    #[arg(long)]
    pub admin: bool,
    /// Namespace of slipway's own state
    #[arg(long, env = "SLIPWAY_NAMESPACE", value_name = "NAME", default_value = "slipway")]
    pub namespace: String,
}

/// `slipway render`
#[derive(Debug, clap::Args)]
pub struct RenderArgs {
    /// Name of the app
    #[arg(long, value_name = "NAME")]
    pub app: AppName,
    /// The image, as a pod names it
    #[arg(long, value_name = "REF")]
    pub image: String,
    /// YAML file of values
    #[arg(long, value_name = "FILE")]
    pub values: Option<PathBuf>,
    /// Directory of chart templates to use instead of the built-in ones
    #[arg(long, env = "SLIPWAY_TEMPLATES", value_name = "DIR")]
    pub templates: Option<PathBuf>,
}
