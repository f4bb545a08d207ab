//! The cost of a push for others: each request to the API server, and the bytes that are sent to it and to the registry. The
//! figures are exact counts, not durations, so that a change which makes pushes more expensive shows in its own diff.
//!
//! If a change is meant to alter a figure, run `INSTA_UPDATE=always cargo test --test scenarios cost`, or `cargo insta review`,
//! and commit the snapshot. The upper bounds are below.

use std::sync::{Arc, Mutex};

use crate::support::api_proxy::{Action, ApiProxy, ApiRequest};
use crate::support::tcp_proxy::TcpProxy;
use crate::support::{App, environment, wait_until};

/// The upper bound for the bytes of a push's requests to the API server, heads and bodies. Measured: 24,918. Release records
/// are compressed, and their size depends on the times and digests in them.
const MAX_API_SERVER_BYTES: usize = 25_700;
/// The upper bound for the bytes that a push with one changed page sends to the registry. Measured: 8,438. The size of a
/// compressed layer depends on the times in it, and the registry's tokens vary in length.
const MAX_REGISTRY_BYTES: u64 = 8_900;

#[test]
fn a_push_sends_exactly_these_requests_and_a_bounded_number_of_bytes() {
    let registry = TcpProxy::to_registry();
    let (api, gateway) = ApiProxy::start_with_gateway(&[
        ("SLIPWAY_REGISTRY_PUSH", &registry.registry_address()),
        ("SLIPWAY_REGISTRY_PULL", &environment::registry_address()),
    ]);
    let app = App::upgraded(&gateway);
    app.wait_unlocked();

    let requests: Arc<Mutex<Vec<ApiRequest>>> = Arc::default();
    let (recorded, own_namespace) = (requests.clone(), format!("/namespaces/{}", gateway.namespace));
    let sent_before = registry.sent_bytes();
    api.set_rule(move |request| {
        // keys and apps are watched all the time, and not for the push
        let watches_apps = request.is_watch() && request.path.starts_with("/api/v1/namespaces?");
        if !request.path.contains(&own_namespace) && !watches_apps {
            recorded.lock().unwrap().push(request.clone());
        }
        Action::Forward
    });
    app.commit_page("three");
    app.push(&gateway).ok().prints("Released v3");
    wait_until("the lock is free and the events are written", || {
        let events = requests.lock().unwrap().iter().filter(|request| request.path.contains("/events")).count();
        events >= 2 && app.lock_holder().is_none()
    });

    let requests = requests.lock().unwrap();
    insta::assert_snapshot!("requests_of_a_push", format_requests(&requests, &app));
    let bytes: usize = requests.iter().filter(|request| !is_time_dependent(request)).map(|request| request.size).sum();
    assert!(bytes <= MAX_API_SERVER_BYTES, "a push sends {bytes} bytes to the API server");
    let bytes = registry.sent_bytes() - sent_before;
    assert!(bytes <= MAX_REGISTRY_BYTES, "a push sends {bytes} bytes to the registry");
}

/// Whether the number of such requests depends on the duration of the push: the lock is renewed every few seconds, and a watch
/// lasts for half a minute.
fn is_time_dependent(request: &ApiRequest) -> bool {
    request.is_watch() || (request.method != "GET" && request.path.contains("/leases/"))
}

/// Lists the requests in a stable order.
fn format_requests(requests: &[ApiRequest], app: &App) -> String {
    let (time_dependent, exact): (Vec<&ApiRequest>, Vec<&ApiRequest>) =
        requests.iter().partition(|request| is_time_dependent(request));
    let mut lines: Vec<String> = exact.iter().map(|request| format_request(request, app)).collect();
    let mut others: Vec<String> = time_dependent.iter().map(|request| format_request(request, app)).collect();
    lines.sort();
    others.sort();
    others.dedup();
    format!("{} requests:\n{}\n\nas often as it takes:\n{}", lines.len(), lines.join("\n"), others.join("\n"))
}

/// Formats a request without the parts that differ in each run.
fn format_request(request: &ApiRequest, app: &App) -> String {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("resourceVersion=")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{} {path}{mark}{}", request.method, query.join("&")).replace(&app.name, "APP")
}
