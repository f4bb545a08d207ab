//! The connection to the Docker Engine.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::error::{BuildError, is_transport};
use super::tls::EngineTls;
use crate::domain::Progress;

/// How long the Engine may take to answer a question that costs it nothing.
const ANSWER: Duration = Duration::from_secs(10);
/// How long counts what is known of the Engine.
const FRESH: Duration = Duration::from_secs(30);
/// How many builds run at once, unless set.
const BUILDS: usize = 4;
/// What the Engine's client takes as a limit for one answer, in seconds; builds set their own.
const REQUEST_SECONDS: u64 = 60;

/// Which builder of the Engine is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Builder {
    /// BuildKit where the Engine has it.
    #[default]
    Auto,
    /// BuildKit.
    Buildkit,
    /// The builder that the Engine had before.
    Classic,
}

/// The Docker Engine that builds. It may restart, change its version, or come up after slipway: what is known of it does
/// not count for long.
#[derive(Debug, Clone)]
pub struct Engine {
    address: Address,
    builder: Builder,
    places: Arc<Semaphore>,
    known: Arc<Mutex<Option<Known>>>,
}

/// An Engine that was asked what it speaks. It starts programs of its own to answer that.
#[derive(Debug, Clone)]
struct Known {
    docker: Docker,
    has_buildkit: bool,
    since: Instant,
}

#[derive(Debug, Clone)]
enum Address {
    Unix(String),
    Tcp(String),
    Http(String),
    Tls(String, EngineTls),
}

impl Engine {
    /// The Engine at `unix://PATH`, `tcp://HOST:PORT` or `http://HOST:PORT`. Does not ask it anything yet.
    ///
    /// # Errors
    /// If `url` is nothing like that.
    pub fn connect(url: &str) -> Result<Self, BuildError> {
        let address = address(url).ok_or_else(|| BuildError::Address(url.to_owned()))?;
        let places = Arc::new(Semaphore::new(BUILDS));
        Ok(Self { address, builder: Builder::Auto, places, known: Arc::default() })
    }

    /// Speaks TLS with the Engine, which has to be at `tcp://HOST:PORT`.
    ///
    /// # Errors
    /// [`BuildError::NoTls`] if it is elsewhere.
    pub fn with_tls(mut self, tls: EngineTls) -> Result<Self, BuildError> {
        self.address = match self.address {
            Address::Tcp(host) => Address::Tls(host, tls),
            Address::Unix(_) | Address::Http(_) | Address::Tls(..) => return Err(BuildError::NoTls),
        };
        Ok(self)
    }

    /// Whether it is spoken to over a network without TLS.
    pub fn is_exposed(&self) -> bool {
        matches!(&self.address, Address::Tcp(host) | Address::Http(host) if !is_this_machine(host))
    }

    /// Uses this builder.
    pub fn with_builder(mut self, builder: Builder) -> Self {
        self.builder = builder;
        self
    }

    /// Runs at most this many builds at once; the others wait.
    pub fn with_max_builds(mut self, builds: usize) -> Self {
        self.places = Arc::new(Semaphore::new(builds.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// Whether the Engine answers now.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn ping(&self) -> Result<(), BuildError> {
        if let Some(known) = self.known() {
            let answer = tokio::time::timeout(ANSWER, known.docker.ping()).await;
            if matches!(answer, Ok(Ok(_))) {
                return Ok(());
            }
        }
        self.negotiate().await.map(drop)
    }

    /// A client that speaks a version of the API that the Engine knows.
    ///
    /// # Errors
    /// If the Engine cannot be reached.
    pub async fn client(&self) -> Result<Docker, BuildError> {
        self.negotiated().await.map(|known| known.docker)
    }

    /// A client and whether it is to use BuildKit.
    pub(super) async fn builder(&self) -> Result<(Docker, bool), BuildError> {
        let Known { docker, has_buildkit, since: _ } = self.negotiated().await?;
        let buildkit = match self.builder {
            Builder::Auto => has_buildkit,
            Builder::Buildkit => true,
            Builder::Classic => false,
        };
        Ok((docker, buildkit))
    }

    /// Waits for a free place; says so if there is none.
    pub(super) async fn place(&self, progress: &Progress) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.places.try_acquire() {
            return Some(permit);
        }
        progress.line("Waiting for a build slot: as many builds run as slipway allows").await;
        self.places.acquire().await.ok()
    }

    async fn negotiated(&self) -> Result<Known, BuildError> {
        match self.known() {
            Some(known) => Ok(known),
            None => self.negotiate().await,
        }
    }

    fn known(&self) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|known| known.since.elapsed() < FRESH).cloned()
    }

    /// Asks the Engine anew what it speaks.
    async fn negotiate(&self) -> Result<Known, BuildError> {
        let answer = tokio::time::timeout(ANSWER, async {
            let docker = self.address.open()?.negotiate_version().await?;
            let version = docker.version().await?;
            Ok(Known { docker, has_buildkit: has_buildkit(&version), since: Instant::now() })
        });
        let timed_out = |_| Err(bollard::errors::Error::RequestTimeoutError);
        let known = answer.await.unwrap_or_else(timed_out).map_err(BuildError::unreachable);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known.as_ref().ok().cloned();
        known
    }
}

impl Address {
    fn open(&self) -> Result<Docker, bollard::errors::Error> {
        match self {
            Self::Unix(path) => Docker::connect_with_unix(path, REQUEST_SECONDS, API_DEFAULT_VERSION),
            Self::Tcp(host) | Self::Http(host) => Docker::connect_with_http(host, REQUEST_SECONDS, API_DEFAULT_VERSION),
            Self::Tls(host, tls) => tls.open(host, REQUEST_SECONDS),
        }
    }
}

fn address(url: &str) -> Option<Address> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match scheme {
        "unix" if rest.starts_with('/') => Some(Address::Unix(rest.to_owned())),
        "tcp" if is_host_and_port(rest) => Some(Address::Tcp(rest.to_owned())),
        "http" if is_host_and_port(rest) => Some(Address::Http(rest.to_owned())),
        _ => None,
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn is_this_machine(host_and_port: &str) -> bool {
    let host = host_and_port.rsplit_once(':').map_or(host_and_port, |(host, _)| host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// BuildKit is part of Docker's own Engine on Linux since API 1.39. What else speaks this API,
/// Podman above all, calls its component otherwise and has no session for BuildKit.
fn has_buildkit(version: &bollard::models::SystemVersion) -> bool {
    let docker = version.components.iter().flatten().any(|component| component.name == "Engine");
    let linux = version.os.as_deref() == Some("linux");
    let new_enough = version.api_version.as_deref().and_then(api_version).is_some_and(|api| api >= (1, 39));
    docker && linux && new_enough
}

fn api_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What an error of the client means once a build has begun.
pub(super) fn gone_or(error: bollard::errors::Error, otherwise: impl FnOnce(String) -> BuildError) -> BuildError {
    use bollard::errors::Error::{DockerResponseServerError, DockerStreamError};
    match error {
        DockerResponseServerError { message, .. } => otherwise(message),
        DockerStreamError { error } => otherwise(error),
        error if is_transport(&error) => BuildError::EngineGone(Some(error)),
        error => BuildError::Inspect(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_or_a_host_and_port() {
        for good in ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "http://builder:2375/", "tcp://[::1]:1"] {
            assert!(Engine::connect(good).is_ok(), "{good}");
        }
        for bad in ["", "docker", "unix://", "unix://relative", "tcp://host", "tcp://:1", "tcp://h:0", "ssh://h:22"] {
            assert!(matches!(Engine::connect(bad), Err(BuildError::Address(_))), "{bad}");
        }
    }

    #[test]
    fn another_machine_without_tls_is_exposed() {
        for (url, exposed) in [
            ("tcp://builder:2375", true),
            ("http://10.0.0.1:2375", true),
            ("tcp://127.0.0.1:2375", false),
            ("tcp://[::1]:2375", false),
            ("tcp://localhost:2375", false),
            ("unix:///var/run/docker.sock", false),
        ] {
            assert_eq!(Engine::connect(url).unwrap().is_exposed(), exposed, "{url}");
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_said_to_be_unreachable() {
        for url in ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1"] {
            let error = Engine::connect(url).unwrap().ping().await.unwrap_err();
            assert_eq!(error.to_string(), "the Docker Engine cannot be reached");
        }
    }

    #[test]
    fn buildkit_is_expected_of_dockers_engine_only() {
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
