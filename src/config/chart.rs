//! Settings of the app chart.

use std::time::Duration;

use clap::Args;

use super::parse::positive_duration;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Releases")]
pub struct ChartArgs {
    /// How long a rollout may make no progress (no further pod is created, started, ready or replaced) before slipway rolls the
    /// release back
    #[arg(long, env = "SLIPWAY_ROLLOUT_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = positive_duration)]
    pub rollout_timeout: Duration,
    /// How long a new pod has to stay ready before it replaces an old one
    #[arg(long, env = "SLIPWAY_SETTLE_TIME", value_name = "DURATION", default_value = "5s", value_parser = whole_seconds)]
    pub settle_time: Duration,
    /// How long the nodes may take to follow a Service's endpoints: a stopping pod serves, and a deploy lasts, that much
    /// longer
    #[arg(long, env = "SLIPWAY_ENDPOINT_DELAY", value_name = "DURATION", default_value = "3s", value_parser = whole_seconds)]
    pub endpoint_delay: Duration,
}

/// The fields of Kubernetes objects hold whole seconds.
fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match duration.subsec_nanos() {
        0 if duration.as_secs() <= 600 => Ok(duration),
        0 => Err("must be at most 10m".to_owned()),
        _ => Err("must be whole seconds".to_owned()),
    }
}
