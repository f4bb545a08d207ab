//! Settings of pushes.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use crate::auth::AppCreationPolicy;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pushes")]
pub struct PushArgs {
    /// Users who may create an app with a first push
    #[arg(long, env = "SLIPWAY_APP_CREATION", value_enum, default_value = "anyone")]
    pub app_creation: AppCreationPolicy,
    /// Refuse force pushes, which rewrite a branch
    #[arg(long, env = "SLIPWAY_DENY_FORCE")]
    pub deny_force: bool,
    /// Maximum size of the pack that git receives in a push
    #[arg(long, env = "SLIPWAY_MAX_PACK", value_name = "SIZE", default_value = "2GiB")]
    pub max_pack: ByteSize,
    /// How long `git push -o wait` waits for another deploy of the app
    #[arg(long, env = "SLIPWAY_LOCK_WAIT", value_name = "DURATION", default_value = "15m", value_parser = humantime::parse_duration)]
    pub lock_wait: Duration,
}
