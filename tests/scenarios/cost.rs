//! What a push costs others: each request to the API server, and the bytes that go to it and to the registry. Exact figures,
//! not times, so that a change which makes pushes dearer is seen in its own diff.
//!
//! Where a figure was meant to change: `INSTA_UPDATE=always cargo test --test scenarios cost`, or `cargo insta review`, and
//! commit the snapshot; the upper bounds stand below.

use std::sync::{Arc, Mutex};

use crate::support::api::{Api, Fate, Request};
use crate::support::proxy::{Proxy, Target};
use crate::support::{App, Gateway, eventually, world};

/// The most that the requests of a push may have, heads and bodies. Measured: 23,986; a record is compressed, and how well
/// depends on its times and digests.
const TO_THE_API_SERVER: usize = 24_700;
/// The most that a push with one changed page may send to the registry. Measured: 8,438; how well a layer is compressed
/// depends on the times in it, and the registry's own tokens vary in length.
const TO_THE_REGISTRY: u64 = 8_900;

/// The requests that a push of a change makes, counted until the app is free again.
#[test]
fn a_push_makes_these_requests_and_sends_no_more_than_this() {
    let (api, registry) = (Api::start(), Proxy::to(Target::of(&format!("http://{}", world::registry()))));
    let mut gateway = Gateway::prepared(&[]);
    let kubeconfig = api.kubeconfig(gateway.dir.path());
    let address = format!("localhost:{}", registry.address().port());
    gateway.set(&[
        ("KUBECONFIG", &kubeconfig),
        ("SLIPWAY_REGISTRY_PUSH", &address),
        ("SLIPWAY_REGISTRY_PULL", &world::registry()),
    ]);
    gateway.launch();
    let app = App::upgraded(&gateway);
    eventually("the app is free", || app.lock_holder().is_none().then_some(()));

    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let (log, own) = (seen.clone(), format!("/namespaces/{}", gateway.namespace));
    let sent = registry.sent();
    api.decide(move |request| {
        // the keys and the apps are watched all the time
        let watches_apps = request.is_watch() && request.path.starts_with("/api/v1/namespaces?");
        if !request.path.contains(&own) && !watches_apps {
            log.lock().unwrap().push(request.clone());
        }
        Fate::Pass
    });
    app.write("index.html", "three");
    app.commit("third");
    app.push(&gateway).ok().says("Released v3");
    eventually("the app is free, and its events are written", || {
        let events = seen.lock().unwrap().iter().filter(|request| request.path.contains("/events")).count();
        (events >= 2 && app.lock_holder().is_none()).then_some(())
    });

    let seen = seen.lock().unwrap();
    insta::assert_snapshot!("requests_of_a_push", listed(&seen, &app));
    let bytes: usize = seen.iter().filter(|request| !by_chance(request)).map(|request| request.size).sum();
    assert!(bytes <= TO_THE_API_SERVER, "a push sends {bytes} bytes to the API server");
    let bytes = registry.sent() - sent;
    assert!(bytes <= TO_THE_REGISTRY, "a push sends {bytes} bytes to the registry");
}

/// How often these are made depends on how long the push takes: the lock is renewed every few seconds, and a watch lasts
/// for half a minute.
fn by_chance(request: &Request) -> bool {
    request.is_watch() || (request.method != "GET" && request.path.contains("/leases/"))
}

/// Each request and how often it was made, in an order that does not depend on chance.
fn listed(requests: &[Request], app: &App) -> String {
    let (certain, by_chance): (Vec<&Request>, Vec<&Request>) = requests.iter().partition(|request| !by_chance(request));
    let mut lines: Vec<String> = certain.iter().map(|request| named(request, app)).collect();
    let mut others: Vec<String> = by_chance.iter().map(|request| named(request, app)).collect();
    lines.sort();
    others.sort();
    others.dedup();
    format!("{} requests:\n{}\n\nas often as it takes:\n{}", lines.len(), lines.join("\n"), others.join("\n"))
}

/// A request without what is new in each run.
fn named(request: &Request, app: &App) -> String {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("resourceVersion=")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{} {path}{mark}{}", request.method, query.join("&")).replace(&app.name, "APP")
}
