//! The connection to the Docker Engine.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::error::BuildError;
use super::tls::EngineTls;
use crate::domain::Progress;

/// For a ping and for the negotiation of the API version.
const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a negotiated version is used: the Engine may restart, or be upgraded.
const NEGOTIATION_TTL: Duration = Duration::from_secs(30);
const DEFAULT_MAX_BUILDS: usize = 4;
/// The limit of one request by the Engine's client; a build has a limit of its own.
const REQUEST_TIMEOUT_SECONDS: u64 = 60;

/// The builder of the Engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Builder {
    /// BuildKit if the Engine has it, else the classic builder
    #[default]
    Auto,
    /// BuildKit
    Buildkit,
    /// The classic builder, from before BuildKit
    Classic,
}

/// The Docker Engine that builds the images. It may start after slipway, restart or change its version, so that a
/// negotiated connection is used only for a short time.
#[derive(Debug, Clone)]
pub struct Engine {
    address: Address,
    builder: Builder,
    slots: Arc<Semaphore>,
    negotiated: Arc<Mutex<Option<NegotiatedEngine>>>,
}

/// A client with a negotiated API version. It is cached because the Engine starts other programs to report its version.
#[derive(Debug, Clone)]
struct NegotiatedEngine {
    docker: Docker,
    has_buildkit: bool,
    negotiated_at: Instant,
}

#[derive(Debug, Clone)]
enum Address {
    Unix(String),
    Tcp(String),
    Http(String),
    Tls(String, EngineTls),
}

impl Engine {
    /// The Engine at `unix://PATH`, `tcp://HOST:PORT` or `http://HOST:PORT`. Does not connect yet.
    ///
    /// # Errors
    /// [`BuildError::InvalidAddress`] if `url` has another form.
    pub fn from_url(url: &str) -> Result<Self, BuildError> {
        let address = Address::parse(url).ok_or_else(|| BuildError::InvalidAddress(url.to_owned()))?;
        let slots = Arc::new(Semaphore::new(DEFAULT_MAX_BUILDS));
        Ok(Self { address, builder: Builder::Auto, slots, negotiated: Arc::default() })
    }

    /// Uses TLS, which needs an Engine at `tcp://HOST:PORT`.
    ///
    /// # Errors
    /// [`BuildError::TlsNeedsTcp`] if the Engine has another address.
    pub fn with_tls(mut self, tls: EngineTls) -> Result<Self, BuildError> {
        self.address = match self.address {
            Address::Tcp(host) => Address::Tls(host, tls),
            Address::Unix(_) | Address::Http(_) | Address::Tls(..) => return Err(BuildError::TlsNeedsTcp),
        };
        Ok(self)
    }

    pub fn is_remote_without_tls(&self) -> bool {
        matches!(&self.address, Address::Tcp(host) | Address::Http(host) if !is_loopback(host))
    }

    pub fn with_builder(mut self, builder: Builder) -> Self {
        self.builder = builder;
        self
    }

    /// Runs at most `builds` builds at once; further builds wait for a slot.
    pub fn with_max_builds(mut self, builds: usize) -> Self {
        self.slots = Arc::new(Semaphore::new(builds.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// Checks whether the Engine answers.
    ///
    /// # Errors
    /// [`BuildError::EngineUnreachable`] or [`BuildError::Tls`].
    pub async fn ping(&self) -> Result<(), BuildError> {
        if let Some(cached) = self.cached() {
            let answer = tokio::time::timeout(NEGOTIATION_TIMEOUT, cached.docker.ping()).await;
            if matches!(answer, Ok(Ok(_))) {
                return Ok(());
            }
        }
        self.negotiate().await.map(drop)
    }

    /// A client with an API version that the Engine supports.
    ///
    /// # Errors
    /// [`BuildError::EngineUnreachable`] or [`BuildError::Tls`].
    pub async fn client(&self) -> Result<Docker, BuildError> {
        self.cached_or_negotiate().await.map(|engine| engine.docker)
    }

    /// A client, and whether the build uses BuildKit.
    pub(super) async fn client_for_build(&self) -> Result<(Docker, bool), BuildError> {
        let NegotiatedEngine { docker, has_buildkit, negotiated_at: _ } = self.cached_or_negotiate().await?;
        let buildkit = match self.builder {
            Builder::Auto => has_buildkit,
            Builder::Buildkit => true,
            Builder::Classic => false,
        };
        Ok((docker, buildkit))
    }

    /// Waits for a free build slot, and reports the wait to the pusher.
    pub(super) async fn acquire_slot(&self, progress: &Progress) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.slots.try_acquire() {
            return Some(permit);
        }
        progress.log("Waiting for a build slot: the maximum number of builds is running").await;
        self.slots.acquire().await.ok()
    }

    async fn cached_or_negotiate(&self) -> Result<NegotiatedEngine, BuildError> {
        match self.cached() {
            Some(engine) => Ok(engine),
            None => self.negotiate().await,
        }
    }

    fn cached(&self) -> Option<NegotiatedEngine> {
        let cached = self.negotiated.lock().unwrap_or_else(PoisonError::into_inner);
        cached.as_ref().filter(|engine| engine.negotiated_at.elapsed() < NEGOTIATION_TTL).cloned()
    }

    /// Connects, negotiates the API version and caches the result.
    async fn negotiate(&self) -> Result<NegotiatedEngine, BuildError> {
        let answer = tokio::time::timeout(NEGOTIATION_TIMEOUT, async {
            let docker = self.address.connect()?.negotiate_version().await?;
            let version = docker.version().await?;
            Ok(NegotiatedEngine { docker, has_buildkit: has_buildkit(&version), negotiated_at: Instant::now() })
        });
        let timed_out = |_| Err(bollard::errors::Error::RequestTimeoutError);
        let engine = answer.await.unwrap_or_else(timed_out).map_err(BuildError::from_failed_connection);
        *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) = engine.as_ref().ok().cloned();
        engine
    }
}

impl Address {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        match scheme {
            "unix" if rest.starts_with('/') => Some(Self::Unix(rest.to_owned())),
            "tcp" if is_host_and_port(rest) => Some(Self::Tcp(rest.to_owned())),
            "http" if is_host_and_port(rest) => Some(Self::Http(rest.to_owned())),
            _ => None,
        }
    }

    fn connect(&self) -> Result<Docker, bollard::errors::Error> {
        match self {
            Self::Unix(path) => Docker::connect_with_unix(path, REQUEST_TIMEOUT_SECONDS, API_DEFAULT_VERSION),
            Self::Tcp(host) | Self::Http(host) => {
                Docker::connect_with_http(host, REQUEST_TIMEOUT_SECONDS, API_DEFAULT_VERSION)
            }
            Self::Tls(host, tls) => tls.connect(host, REQUEST_TIMEOUT_SECONDS),
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn is_loopback(host_and_port: &str) -> bool {
    let host = host_and_port.rsplit_once(':').map_or(host_and_port, |(host, _)| host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Docker's own Engine on Linux has BuildKit since API version 1.39. Other implementations of this API, such as Podman,
/// name their component differently and have no BuildKit session.
fn has_buildkit(version: &bollard::models::SystemVersion) -> bool {
    let is_docker = version.components.iter().flatten().any(|component| component.name == "Engine");
    let is_linux = version.os.as_deref() == Some("linux");
    let api_version = version.api_version.as_deref().and_then(parse_api_version);
    is_docker && is_linux && api_version.is_some_and(|version| version >= (1, 39))
}

fn parse_api_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_or_a_host_and_port() {
        for good in ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "http://builder:2375/", "tcp://[::1]:1"] {
            assert!(Engine::from_url(good).is_ok(), "{good}");
        }
        for bad in ["", "docker", "unix://", "unix://relative", "tcp://host", "tcp://:1", "tcp://h:0", "ssh://h:22"] {
            assert!(matches!(Engine::from_url(bad), Err(BuildError::InvalidAddress(_))), "{bad}");
        }
    }

    #[test]
    fn an_engine_on_another_machine_without_tls_is_recognized() {
        for (url, expected) in [
            ("tcp://builder:2375", true),
            ("http://10.0.0.1:2375", true),
            ("tcp://127.0.0.1:2375", false),
            ("tcp://[::1]:2375", false),
            ("tcp://localhost:2375", false),
            ("unix:///var/run/docker.sock", false),
        ] {
            assert_eq!(Engine::from_url(url).unwrap().is_remote_without_tls(), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_missing_engine_is_reported_as_unreachable() {
        for url in ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1"] {
            let error = Engine::from_url(url).unwrap().ping().await.unwrap_err();
            assert_eq!(error.to_string(), "the Docker Engine cannot be reached");
        }
    }

    #[test]
    fn only_dockers_own_engine_has_buildkit() {
        let version = |component: &str, api: &str| bollard::models::SystemVersion {
            components: Some(vec![bollard::models::SystemVersionComponents {
                name: component.to_owned(),
                ..Default::default()
            }]),
            api_version: Some(api.to_owned()),
            os: Some("linux".to_owned()),
            ..Default::default()
        };
        assert!(has_buildkit(&version("Engine", "1.41")));
        assert!(has_buildkit(&version("Engine", "1.53")));
        assert!(!has_buildkit(&version("Engine", "1.38")));
        assert!(!has_buildkit(&version("Podman Engine", "1.41")));
    }
}
