//! Arguments that several commands share.

use clap::{Args, ValueEnum};

use crate::service;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct FormatFlag {
    /// The output format.
    #[arg(long, value_name = "text|json", value_enum, default_value_t, hide_possible_values = true)]
    pub format: OutputFormat,
}

// The options of `redeploy` and `rollback`. Not a doc comment: clap would print it in place of the command's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct DeployArgs {
    /// Wait for a running deploy of the app instead of failing.
    #[arg(long)]
    pub wait: bool,
    /// Leave a failed release in place instead of rolling back to the previous one.
    #[arg(long)]
    pub no_rollback: bool,
    /// Deploy without running the commands of the release phase.
    #[arg(long)]
    pub skip_release_phase: bool,
}

impl From<DeployArgs> for service::DeployFlags {
    fn from(flags: DeployArgs) -> Self {
        let DeployArgs { wait, no_rollback, skip_release_phase } = flags;
        Self { wait, no_rollback, force_conflicts: false, skip_release_phase }
    }
}
