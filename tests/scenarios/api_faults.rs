//! An API server that answers badly: overloaded, in error, not at all, or ending what it began.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::api::{Api, Fate, Request};
use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway, eventually, try_run};

/// A gateway behind the wire, and an app that is live there.
fn wired() -> (Api, Gateway, App) {
    let api = Api::start();
    let mut gateway = Gateway::prepared(&[]);
    let kubeconfig = api.kubeconfig(gateway.dir.path());
    gateway.set(&[("KUBECONFIG", &kubeconfig)]);
    gateway.launch();
    (api, gateway, App::web("one"))
}

/// Does the same to the first of all equal requests about the app.
fn first_time(app: &App, fate: Fate, matching: fn(&Request) -> bool) -> impl FnMut(&Request) -> Fate + Send + 'static {
    let (name, mut seen) = (format!("/{}", app.name), HashSet::new());
    move |request| {
        let about = request.path.contains(&name) || request.path.ends_with("/namespaces");
        let is_new = about && matching(request) && seen.insert(format!("{} {}", request.method, request.path));
        if is_new { fate.clone() } else { Fate::Pass }
    }
}

#[track_caller]
fn assert_deploys_in_spite_of(fate: Fate, matching: fn(&Request) -> bool) {
    let (api, gateway, app) = wired();
    api.decide(first_time(&app, fate.clone(), matching));
    app.push(&gateway).ok().says("Released v1");
    app.shows("one");
    app.write("index.html", "two");
    app.commit("second");
    api.decide(first_time(&app, fate, matching));
    app.push(&gateway).ok().says("Released v2");
    app.shows("two");
    eventually("the records are closed", || {
        (app.releases() == [(1, "superseded".to_owned()), (2, "deployed".to_owned())]).then_some(())
    });
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(app.head()));
}

fn is_short(request: &Request) -> bool {
    !request.is_watch()
}

#[test]
fn too_many_requests_are_made_again() {
    let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too many requests","reason":"TooManyRequests","details":{"retryAfterSeconds":1},"code":429}"#;
    assert_deploys_in_spite_of(Fate::Answer("429 Too Many Requests\r\nRetry-After: 1", body), Request::is_write);
}

#[test]
fn what_failed_is_asked_again() {
    let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcdserver: leader changed","reason":"InternalError","code":500}"#;
    assert_deploys_in_spite_of(Fate::Answer("500 Internal Server Error", body), is_short);
}

#[test]
fn what_never_arrived_is_sent_again() {
    assert_deploys_in_spite_of(Fate::Cut, is_short);
}

#[test]
fn a_write_whose_answer_was_lost_is_not_done_twice() {
    assert_deploys_in_spite_of(Fate::Lose, Request::is_write);
}

#[test]
fn watches_that_end_all_the_time_are_opened_again() {
    let (api, gateway, app) = wired();
    api.decide(|request| if request.is_watch() { Fate::PassFor(Duration::from_millis(300)) } else { Fate::Pass });
    app.push(&gateway).ok().says("1 of 1 ready").says("Released v1");
    app.shows("one");
}

#[test]
fn a_watch_whose_place_in_history_is_gone_lists_anew() {
    let expired = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"too old resource version\",\"reason\":\"Expired\",\"code\":410}}\n";
    assert_deploys_in_spite_of(Fate::Answer("200 OK", expired), Request::is_watch);
}

/// Of the namespaces of all apps.
fn is_list_of_apps(request: &Request) -> bool {
    request.path.starts_with("/api/v1/namespaces?") && !request.is_watch()
}

#[test]
fn the_apps_are_in_memory_and_asked_for_while_they_cannot_be_watched() {
    let (api, mut gateway, app) = wired();
    app.push(&gateway).ok();
    let lists = Arc::new(Mutex::new(0));
    let count = lists.clone();
    let counting = move |request: &Request| {
        *count.lock().unwrap() += usize::from(is_list_of_apps(request));
        Fate::Pass
    };
    api.decide(counting.clone());
    let apps = |gateway: &Gateway| try_run(gateway.ssh(ADMIN).arg("apps")).ok();
    apps(&gateway).says(&app.name);
    assert_eq!(*lists.lock().unwrap(), 0);

    let body =
        r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"InternalError","code":500}"#;
    api.decide(move |request| match request.path.starts_with("/api/v1/namespaces?") && request.is_watch() {
        true => Fate::Answer("500 Internal Server Error", body),
        false => counting(request),
    });
    gateway.kill();
    gateway.launch();
    eventually("the gateway sees that it cannot watch", || {
        let log = gateway.log();
        log.iter().any(|line| line.to_string().contains("the apps cannot be watched")).then_some(())
    });
    let before = *lists.lock().unwrap();
    apps(&gateway).says(&app.name);
    assert!(*lists.lock().unwrap() > before);
}

#[test]
fn while_nothing_happens_nothing_is_asked() {
    let (api, gateway, app) = wired();
    app.slow_start(20);
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("0 of 1 ready");
    // the pod has been told of as running by then, and its probe fails until it listens
    std::thread::sleep(Duration::from_secs(5));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    api.decide(move |request| {
        // whoever holds the lock says so now and then, or loses it
        if !(request.method == "PUT" && request.path.contains("/leases/")) {
            seen.lock().unwrap().push(format!("{} {}", request.method, request.path));
        }
        Fate::Pass
    });
    std::thread::sleep(Duration::from_secs(8));
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    assert!(asked.is_empty(), "{asked:?}");
    push.finish().ok().says("1 of 1 ready");
}
