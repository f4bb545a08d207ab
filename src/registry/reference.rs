//! Names of images in a registry.

use std::net::IpAddr;
use std::str::FromStr;

use crate::domain::{AppName, Digest, ImageRef, Revision};

/// Not the address of a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the address of a registry: use HOST:PORT, localhost, or a name with a dot, and a path if need be"
)]
pub struct InvalidAddress(String);

/// Where a registry is: `HOST[:PORT][/PATH]`, without a scheme, as image names begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    /// In front of each repository; empty or ending in `/`.
    prefix: String,
}

impl Address {
    /// The host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository of an app.
    pub fn repository(&self, app: &AppName) -> String {
        format!("{}{app}", self.prefix)
    }

    /// The app whose repository that is, if it is one's.
    pub fn app(&self, repository: &str) -> Option<AppName> {
        repository.strip_prefix(&self.prefix)?.parse().ok()
    }

    /// A repository of this name beside those of the apps.
    pub(super) fn in_place_of_an_app(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What an app's images are called: host and repository.
    pub fn name(&self, app: &AppName) -> String {
        format!("{}/{}", self.host, self.repository(app))
    }

    /// The image of one release, by tag. Each kept revision has one, so that the registry's garbage
    /// collector keeps what a rollback needs.
    pub fn tagged(&self, app: &AppName, revision: Revision) -> String {
        format!("{}:{revision}", self.name(app))
    }

    /// An image by digest.
    pub fn by_digest(&self, app: &AppName, digest: &Digest) -> ImageRef {
        ImageRef::by_digest(&self.host, &self.repository(app), digest)
    }

    /// Whether it is spoken to without TLS: on this machine, as the Engine and containerd do it, or
    /// where `insecure` names the host, with or without its port.
    pub fn is_insecure(&self, insecure: &[String]) -> bool {
        let name = host_name(&self.host);
        let local = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        local || insecure.iter().any(|listed| *listed == self.host || *listed == name)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.prefix.strip_suffix('/') {
            Some(path) => write!(f, "{}/{path}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (host, path) = text.trim_end_matches('/').split_once('/').unwrap_or((text.trim_end_matches('/'), ""));
        if !is_registry_host(host) || !path.split('/').all(|part| path.is_empty() || is_path_component(part)) {
            return Err(InvalidAddress(text.to_owned()));
        }
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        Ok(Self { host: host.to_owned(), prefix })
    }
}

/// What the Engine takes for a host and not for a name on Docker Hub.
fn is_registry_host(host: &str) -> bool {
    let name = host_name(host);
    let known = name == "localhost" || host.contains(['.', ':']);
    let port = host.rsplit_once(':').filter(|(before, _)| !before.is_empty() && !host.ends_with(']'));
    let port_valid = port.is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let name_valid = bare.parse::<IpAddr>().is_ok() || (!name.is_empty() && name.chars().all(allowed));
    known && port_valid && name_valid && !name.starts_with('-')
}

/// The host without its port; an IPv6 address without its brackets.
fn host_name(host: &str) -> &str {
    if let Some((name, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return name;
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_path_component(part: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn images_are_named_after_the_app() {
        let app = "myapp".parse().unwrap();
        assert_eq!(address("localhost:15000").tagged(&app, Revision(3)), "localhost:15000/myapp:v3");
        assert_eq!(address("ghcr.io/acme/apps/").name(&app), "ghcr.io/acme/apps/myapp");
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        assert_eq!(
            address("localhost:5000/x").by_digest(&app, &digest).as_str(),
            format!("localhost:5000/x/myapp@{digest}")
        );
    }

    #[test]
    fn an_address_begins_with_a_host_that_is_no_docker_hub_name() {
        for good in
            ["localhost", "localhost:5000", "registry:5000", "ghcr.io", "127.0.0.1:1", "[::1]:5000", "a.b/c/d-e"]
        {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "registry",
            "http://a.b",
            "a.b/",
            "a.b//c",
            "a.b/C",
            "a.b:x",
            "a.b:0",
            ":5000",
            "-a.b",
            "a.b/-c",
            "a b.c",
        ] {
            assert_eq!(bad.parse::<Address>().is_ok(), bad == "a.b/", "{bad}");
        }
    }

    #[test]
    fn this_machine_and_listed_hosts_are_spoken_to_without_tls() {
        for local in ["localhost:5000", "127.0.0.1:5000", "127.8.8.8", "[::1]:5000"] {
            assert!(address(local).is_insecure(&[]), "{local}");
        }
        assert!(!address("registry.example:5000").is_insecure(&[]));
        assert!(address("registry.example:5000").is_insecure(&["registry.example".to_owned()]));
        assert!(address("registry.example:5000").is_insecure(&["registry.example:5000".to_owned()]));
        assert!(!address("registry.example:5000").is_insecure(&["example".to_owned()]));
    }
}
