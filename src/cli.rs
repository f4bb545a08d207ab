//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::{ChartArgs, LogArgs, ServeArgs, StackArgs};
use crate::domain::{AppName, KubeVersion, UserName};
use crate::spec::Environment;

/// `git push` to Kubernetes: an SSH server that builds, publishes and releases pushed commits
#[derive(Debug, Parser)]
#[command(name = "slipway", version, about, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub log: LogArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "a process has one value of this type")]
pub enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Register public keys from standard input
    #[command(
        long_about = "Register public keys from standard input, one or more lines in the format of authorized_keys. The command \
        uses the Kubernetes permissions of its environment, as in `kubectl exec -i`. The SSH command has the same name."
    )]
    UploadKey(UploadKeyArgs),
    /// Print the manifests of an app, without a cluster
    Render(RenderArgs),
    /// Print what the files of an app say, with the origin of each value
    #[command(
        long_about = "Print what the files of an app say, with the origin of each value. The files are Procfile, app.json, \
        slipway.yaml and, with --environment, slipway.ENVIRONMENT.yaml; a later file wins. Everything that is wrong with them \
        is listed, and the exit code is 2."
    )]
    Spec(SpecArgs),
    /// Print the JSON Schema of slipway.yaml, for editors
    Schema,
    /// Print the Dockerfile with which a push of a directory is built
    #[command(
        long_about = "Print the Dockerfile with which a push of a directory is built: the directory's own, or the one that \
        slipway generates for its stack. The detected stack is printed to standard error. If no stack is detected, the exit code is 2."
    )]
    Dockerfile(DockerfileArgs),
    /// Print the version and the commit of the build
    Version,
    /// git's hooks; only git runs it
    #[command(hide = true)]
    Hook {
        #[arg(value_enum, default_value_t = HookKind::PreReceive)]
        kind: HookKind,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum HookKind {
    /// Asks the gateway for its verdict about a push
    PreReceive,
    /// Moves branches that another push has moved in the meantime
    ProcReceive,
}

/// The commit of the build, from the variable `SLIPWAY_COMMIT` of the compiler's environment.
pub const COMMIT: &str = match option_env!("SLIPWAY_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};

#[derive(Debug, clap::Args)]
pub struct UploadKeyArgs {
    /// The user to whom the keys belong
    pub name: UserName,
    /// Make the user an admin
    #[arg(long)]
    pub admin: bool,
    /// Namespace of slipway's own state
    #[arg(long, env = "SLIPWAY_NAMESPACE", value_name = "NAME", default_value = "slipway")]
    pub namespace: String,
}

#[derive(Debug, clap::Args)]
pub struct SpecArgs {
    /// Directory of the app
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// Environment whose file is read, too
    #[arg(long, value_name = "NAME")]
    pub environment: Option<Environment>,
    /// Format of the output
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub format: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// YAML with comments
    Text,
    /// A list of path, value and origin
    Json,
}

#[derive(Debug, clap::Args)]
pub struct DockerfileArgs {
    /// Directory with the app's files
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub stacks: StackArgs,
}

#[derive(Debug, clap::Args)]
pub struct RenderArgs {
    /// Name of the app
    #[arg(long, value_name = "NAME")]
    pub app: AppName,
    /// Image reference of the app's container
    #[arg(long, value_name = "REF")]
    pub image: String,
    /// File in the format of slipway.yaml
    #[arg(long, value_name = "FILE")]
    pub values: Option<PathBuf>,
    /// Directory of chart templates that replace the built-in ones
    #[arg(long, env = "SLIPWAY_TEMPLATES", value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Version of the Kubernetes API server that will receive the manifests
    #[arg(long, value_name = "VERSION", default_value_t = KubeVersion::default())]
    pub kube_version: KubeVersion,
    #[command(flatten)]
    pub chart: ChartArgs,
}
