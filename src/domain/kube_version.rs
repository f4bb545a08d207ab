//! The version of a Kubernetes API server.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a Kubernetes version: write MAJOR.MINOR, such as 1.30")]
pub struct ParseKubeVersionError(String);

/// The major and minor version, which decide what fields an API server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubeVersion {
    pub major: u32,
    pub minor: u32,
}

impl KubeVersion {
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Whether a container's `preStop` can be `sleep` (beta, and therefore on, since 1.30).
    pub fn has_sleep_action(self) -> bool {
        self >= Self::new(1, 30)
    }

    /// Whether a probe can be `grpc` (beta, and therefore on, since 1.24).
    pub fn has_grpc_probes(self) -> bool {
        self >= Self::new(1, 24)
    }

    /// Whether a CronJob can have a `timeZone` (stable since 1.27).
    pub fn has_cron_time_zones(self) -> bool {
        self >= Self::new(1, 27)
    }

    /// Whether a kubelet runs the readiness probe as soon as the startup probe has succeeded. An earlier kubelet runs it
    /// up to one period later.
    pub fn probes_readiness_after_startup(self) -> bool {
        self >= Self::new(1, 22)
    }
}

impl Default for KubeVersion {
    /// The version for which `slipway render` renders unless it is told another one.
    fn default() -> Self {
        Self::new(1, 30)
    }
}

impl FromStr for KubeVersion {
    type Err = ParseKubeVersionError;

    /// Reads `1.30`, `v1.30.4` and `1.30+`, as some providers report it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.');
        let mut next = || numbers.next()?.trim_end_matches('+').parse().ok();
        match (next(), next()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(ParseKubeVersionError(text.to_owned())),
        }
    }
}

impl fmt::Display for KubeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_servers_and_users_write_them() {
        let read = |text: &str| text.parse::<KubeVersion>().map(|version| version.to_string());
        for (text, version) in [("1.30", "1.30"), ("v1.20.2", "1.20"), ("1.31+", "1.31"), ("1.33.4-gke.1", "1.33")] {
            assert_eq!(read(text).as_deref(), Ok(version));
        }
        for text in ["", "1", "1.x", "latest", "v"] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(KubeVersion::new(1, 9) < KubeVersion::new(1, 30));
    }
}
