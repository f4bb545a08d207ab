//! Settings of the log, for all commands.

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::Targets;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `human` on a terminal, else `json`
    Auto,
    /// Text for people
    Human,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// Format of the log on standard error
    #[arg(long, global = true, env = "SLIPWAY_LOG_FORMAT", value_enum, default_value = "auto")]
    pub log_format: LogFormat,
    /// Log lines to write: a level, or directives such as `info,slipway::ssh=debug`
    #[arg(long, global = true, env = "SLIPWAY_LOG", value_name = "FILTER", default_value = "info,kube_client=off", value_parser = log_filter)]
    pub log: String,
}

fn log_filter(text: &str) -> Result<String, String> {
    text.parse::<Targets>().map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
