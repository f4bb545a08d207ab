//! The registry's address, and the names of images in it.

use std::net::IpAddr;
use std::str::FromStr;

use crate::domain::{AppName, Digest, ImageRef, Revision};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the address of a registry: use HOST:PORT, localhost or a name with a dot, and optionally a /PATH"
)]
pub struct InvalidAddress(String);

/// `HOST[:PORT][/PATH]` without a scheme, as image names begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    /// The prefix of each repository: empty, or a path that ends in `/`.
    prefix: String,
}

impl Address {
    /// The host, and the port if there is one.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn repository(&self, app: &AppName) -> String {
        format!("{}{app}", self.prefix)
    }

    pub(super) fn app_of_repository(&self, repository: &str) -> Option<AppName> {
        repository.strip_prefix(&self.prefix)?.parse().ok()
    }

    /// A repository beside those of the apps.
    pub(super) fn sibling_repository(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The name of an app's images without a tag: host and repository.
    pub(crate) fn image_name(&self, app: &AppName) -> String {
        format!("{}/{}", self.host, self.repository(app))
    }

    /// An app's image by tag. Each kept revision has a tag, so that the registry's garbage collection keeps the images that a
    /// rollback needs.
    pub(super) fn tagged_image(&self, app: &AppName, revision: Revision) -> String {
        format!("{}:{revision}", self.image_name(app))
    }

    pub(super) fn by_digest(&self, app: &AppName, digest: &Digest) -> ImageRef {
        ImageRef::by_digest(&self.host, &self.repository(app), digest)
    }

    /// Whether requests go over HTTP without TLS: to a loopback address, as with the Engine and containerd, or to a host that
    /// `insecure` lists with or without its port.
    pub(super) fn is_insecure(&self, insecure: &[String]) -> bool {
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

/// Whether the Engine reads the first part of an image name as a host and not as a name on Docker Hub.
fn is_registry_host(host: &str) -> bool {
    let name = host_name(host);
    let is_host = name == "localhost" || host.contains(['.', ':']);
    let port = host.rsplit_once(':').filter(|(before, _)| !before.is_empty() && !host.ends_with(']'));
    let port_valid = port.is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let name_valid = bare.parse::<IpAddr>().is_ok() || (!name.is_empty() && name.chars().all(allowed));
    is_host && port_valid && name_valid && !name.starts_with('-')
}

/// The host without its port, and an IPv6 address without its brackets.
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
    fn images_are_named_after_their_app() {
        let app = "myapp".parse().unwrap();
        assert_eq!(address("localhost:15000").tagged_image(&app, Revision(3)), "localhost:15000/myapp:v3");
        assert_eq!(address("ghcr.io/acme/apps/").image_name(&app), "ghcr.io/acme/apps/myapp");
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        assert_eq!(
            address("localhost:5000/x").by_digest(&app, &digest).as_str(),
            format!("localhost:5000/x/myapp@{digest}")
        );
    }

    #[test]
    fn an_address_begins_with_a_host_that_is_not_a_docker_hub_name() {
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
    fn loopback_addresses_and_listed_hosts_are_insecure() {
        for loopback in ["localhost:5000", "127.0.0.1:5000", "127.8.8.8", "[::1]:5000"] {
            assert!(address(loopback).is_insecure(&[]), "{loopback}");
        }
        assert!(!address("registry.example:5000").is_insecure(&[]));
        assert!(address("registry.example:5000").is_insecure(&["registry.example".to_owned()]));
        assert!(address("registry.example:5000").is_insecure(&["registry.example:5000".to_owned()]));
        assert!(!address("registry.example:5000").is_insecure(&["example".to_owned()]));
    }
}
