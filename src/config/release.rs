//! Settings of releases and their chart.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::chart::ChartArgs;
use super::parse::positive_duration;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Releases")]
pub struct ReleaseArgs {
    /// Directory of chart templates that replace the built-in ones
    #[arg(long, env = "SLIPWAY_TEMPLATES", value_name = "DIR")]
    pub templates: Option<PathBuf>,
    #[command(flatten)]
    pub chart: ChartArgs,
    /// How long a rollout may take in all; by default six times the rollout timeout
    #[arg(long, env = "SLIPWAY_ROLLOUT_LIMIT", value_name = "DURATION", value_parser = positive_duration)]
    pub rollout_limit: Option<Duration>,
    /// Revisions to keep of each app; slipway deletes older ones, and the images that only they use
    #[arg(long, env = "SLIPWAY_HISTORY_MAX", value_name = "N", default_value = "10")]
    pub history_max: NonZeroUsize,
    /// URL of an app, printed after a deploy; slipway fills in {app} and {cluster_ip}
    #[arg(long, env = "SLIPWAY_APP_URL", value_name = "URL", default_value = "http://{app}.{app}.svc", value_parser = app_url)]
    pub app_url: String,
}

fn app_url(text: &str) -> Result<String, String> {
    let without_placeholders = text.replace("{app}", "").replace("{cluster_ip}", "");
    match without_placeholders.contains(['{', '}']) {
        true => Err("the only placeholders are {app} and {cluster_ip}".to_owned()),
        false => Ok(text.to_owned()),
    }
}
