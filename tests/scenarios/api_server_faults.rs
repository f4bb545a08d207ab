//! An API server that is overloaded, fails, or closes connections.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::api_proxy::{Action, ApiProxy, ApiRequest};
use crate::support::{App, registry_api, wait_for_history, wait_until};

/// Applies the action to the first of all requests about the app that have the same method and path.
fn once_for_each_request(
    app: &App,
    action: Action,
    matches: fn(&ApiRequest) -> bool,
) -> impl FnMut(&ApiRequest) -> Action + Send + 'static {
    let (name, mut seen) = (format!("/{}", app.name), HashSet::new());
    move |request| {
        let is_about_app = request.path.contains(&name) || request.path.ends_with("/namespaces");
        let is_new = is_about_app && matches(request) && seen.insert(format!("{} {}", request.method, request.path));
        if is_new { action.clone() } else { Action::Forward }
    }
}

#[track_caller]
fn assert_deploys_in_spite_of(action: Action, matches: fn(&ApiRequest) -> bool) {
    let (api, gateway) = ApiProxy::start_with_gateway(&[]);
    let app = App::web("one");
    api.set_rule(once_for_each_request(&app, action.clone(), matches));
    app.push(&gateway).ok().prints("Released v1");
    app.shows("one");
    app.commit_page("two");
    api.set_rule(once_for_each_request(&app, action, matches));
    app.push(&gateway).ok().prints("Released v2");
    app.shows("two");
    wait_for_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(app.head()));
}

/// A Kubernetes `Status` object.
fn failure_status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

fn internal_server_error(message: &str) -> Action {
    Action::Respond("500 Internal Server Error", failure_status(500, "InternalError", message).to_string())
}

fn is_no_watch(request: &ApiRequest) -> bool {
    !request.is_watch()
}

#[test]
fn a_deploy_repeats_requests_that_were_throttled() {
    let mut status = failure_status(429, "TooManyRequests", "too many requests");
    status["details"] = json!({"retryAfterSeconds": 1});
    let action = Action::Respond("429 Too Many Requests\r\nRetry-After: 1", status.to_string());
    assert_deploys_in_spite_of(action, ApiRequest::is_write);
}

#[test]
fn a_deploy_repeats_requests_that_failed() {
    assert_deploys_in_spite_of(internal_server_error("etcdserver: leader changed"), is_no_watch);
}

#[test]
fn a_deploy_repeats_requests_that_did_not_arrive() {
    assert_deploys_in_spite_of(Action::DropRequest, is_no_watch);
}

#[test]
fn a_write_whose_response_was_lost_is_not_done_twice() {
    assert_deploys_in_spite_of(Action::DropResponse, ApiRequest::is_write);
}

#[test]
fn a_rollout_survives_watches_that_end_early() {
    let (api, gateway) = ApiProxy::start_with_gateway(&[]);
    let app = App::web("one");
    let lifetime = Duration::from_millis(300);
    api.set_rule(move |request| if request.is_watch() { Action::CloseAfter(lifetime) } else { Action::Forward });
    app.push(&gateway).ok().prints("1 of 1 ready").prints("Released v1");
    app.shows("one");
}

#[test]
fn a_watch_whose_resource_version_has_expired_lists_again() {
    let event = json!({"type": "ERROR", "object": failure_status(410, "Expired", "too old resource version")});
    assert_deploys_in_spite_of(Action::Respond("200 OK", format!("{event}\n")), ApiRequest::is_watch);
}

/// Whether the request lists or watches the namespaces of all apps.
fn is_about_all_apps(request: &ApiRequest) -> bool {
    request.path.starts_with("/api/v1/namespaces?")
}

#[test]
fn apps_are_listed_from_memory_unless_their_watch_fails() {
    let (api, mut gateway) = ApiProxy::start_with_gateway(&[]);
    let app = App::deployed(&gateway);
    let lists = Arc::new(Mutex::new(0));
    let count = lists.clone();
    let count_lists = move |request: &ApiRequest| {
        *count.lock().unwrap() += usize::from(is_about_all_apps(request) && !request.is_watch());
        Action::Forward
    };
    api.set_rule(count_lists.clone());
    gateway.run_command("apps").ok().prints(&app.name);
    assert_eq!(*lists.lock().unwrap(), 0);

    api.set_rule(move |request| match is_about_all_apps(request) && request.is_watch() {
        true => internal_server_error("no"),
        false => count_lists(request),
    });
    gateway.kill();
    gateway.launch();
    wait_until("the gateway logs the failed watch", || gateway.has_logged("the apps cannot be watched"));
    let before = *lists.lock().unwrap();
    gateway.run_command("apps").ok().prints(&app.name);
    assert!(*lists.lock().unwrap() > before);
}

/// Records the requests of a gateway, except for the renewals of the deploy lock, which have to go on.
fn record_requests(api: &ApiProxy) -> Arc<Mutex<Vec<String>>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let recorded = requests.clone();
    api.set_rule(move |request| {
        if !(request.method == "PUT" && request.path.contains("/leases/")) {
            recorded.lock().unwrap().push(format!("{} {}", request.method, request.path));
        }
        Action::Forward
    });
    requests
}

#[test]
fn a_rollout_without_changes_sends_no_requests() {
    // Time itself is tested here: a polling interval of up to QUIET would be found.
    const QUIET: Duration = Duration::from_secs(8);
    let (api, gateway) = ApiProxy::start_with_gateway(&[]);
    let app = App::web("one");
    app.commit_slow_start(25);
    let push = app.start_push(&gateway);
    push.wait_for_output("0 of 1 ready");
    // The requests end once the pod is known to run. After that, its probe fails until it listens.
    let requests = record_requests(&api);
    let (mut count, mut last_change) = (0, Instant::now());
    wait_until("two seconds without requests", || {
        let now = requests.lock().unwrap().len();
        if now != count {
            (count, last_change) = (now, Instant::now());
        }
        last_change.elapsed() > Duration::from_secs(2)
    });
    requests.lock().unwrap().clear();
    std::thread::sleep(QUIET);
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    assert!(requests.is_empty(), "{requests:?}");
    push.wait().ok().prints("1 of 1 ready");
}

#[test]
fn an_image_that_no_record_names_is_deleted_from_the_registry() {
    let (api, gateway) = ApiProxy::start_with_gateway(&[]);
    let app = App::deployed(&gateway);
    let is_kept = registry_api::get(&app, "manifests/v1")["config"]["digest"].clone();
    app.commit_page("two");
    let records = format!("/namespaces/{}/secrets", app.name);
    api.set_rule(move |request| match request.is_write() && request.path.contains(&records) {
        true => Action::Respond("403 Forbidden", failure_status(403, "Forbidden", "no Secrets today").to_string()),
        false => Action::Forward,
    });
    app.push(&gateway).fails().prints("no Secrets today");
    wait_until("the image is deleted", || !registry_api::has_image(&app, "v2"));
    assert_eq!(registry_api::get(&app, "manifests/v1")["config"]["digest"], is_kept);
    api.set_rule(|_| Action::Forward);
    app.push(&gateway).ok().prints("Released v2");
}
