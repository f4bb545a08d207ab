//! The environment of the tests: the Engine, the registry and the cluster's node that `make test` set up.

use std::sync::atomic::{AtomicU32, Ordering};

use super::kubectl;

/// The value of a variable that `make env` prints.
pub fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or `eval \"$(make -s env)\"` after `make up`"))
}

/// `HOST:PORT` of the registry.
pub fn registry_address() -> String {
    variable("SLIPWAY_REGISTRY")
}

pub fn engine_url() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// The node's internal IP address, which pods can connect to.
pub fn node_address() -> String {
    let address = "jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}";
    kubectl(&["get", "nodes", "-o", address])
}

/// A name that no other test and no other run uses.
pub fn unique_name(hint: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{hint}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A port that no process listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
