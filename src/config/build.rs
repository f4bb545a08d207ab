//! Settings of builds.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::parse::positive_duration;
use crate::build::Builder;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Builds")]
pub struct BuildArgs {
    /// Address of the Docker Engine that builds and pushes images
    #[arg(long, env = "SLIPWAY_ENGINE", value_name = "URL", default_value = "unix:///var/run/docker.sock")]
    pub engine: String,
    /// Directory with ca.pem, cert.pem and key.pem (or ca.crt, tls.crt and tls.key), for TLS to an Engine at tcp://HOST:PORT
    #[arg(long, env = "SLIPWAY_ENGINE_TLS", value_name = "DIR")]
    pub engine_tls: Option<PathBuf>,
    /// The Engine's builder
    #[arg(long, env = "SLIPWAY_BUILDER", value_enum, default_value = "auto")]
    pub builder: Builder,
    /// How long a build may take
    #[arg(long, env = "SLIPWAY_BUILD_TIMEOUT", value_name = "DURATION", default_value = "30m", value_parser = positive_duration)]
    pub build_timeout: Duration,
    /// Maximum number of builds that run at the same time; further builds wait
    #[arg(long, env = "SLIPWAY_MAX_BUILDS", value_name = "N", default_value = "4")]
    pub max_builds: NonZeroUsize,
}
