//! The settings of `slipway serve`: each has a flag, a `SLIPWAY_*` variable and a help text.

mod build;
mod chart;
mod log;
mod parse;
mod push;
mod registry;
mod release;
mod server;
mod ssh;
mod stacks;

use clap::Args;

pub use build::BuildArgs;
pub use chart::ChartArgs;
pub use log::{LogArgs, LogFormat};
pub use push::PushArgs;
pub use registry::RegistryArgs;
pub use release::ReleaseArgs;
pub use server::ServerArgs;
pub use ssh::SshArgs;
pub use stacks::StackArgs;

#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub ssh: SshArgs,
    #[command(flatten)]
    pub push: PushArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    #[command(flatten)]
    pub stacks: StackArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub release: ReleaseArgs,
}
