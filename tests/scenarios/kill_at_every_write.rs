//! A gateway that is killed at each of its writes to the cluster in turn: the next start leaves nothing unfinished.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;

use crate::support::api_proxy::{Action, ApiProxy, ApiRequest};
use crate::support::helm::helm;
use crate::support::process::{Output, send_signal};
use crate::support::{App, Gateway, eventually};

/// More writes than any deploy makes.
const MAX_WRITES: u32 = 40;

/// A gateway that can be killed at a write.
struct MortalGateway {
    gateway: Gateway,
    api: ApiProxy,
    is_killed: Arc<AtomicBool>,
    /// The writes since [`MortalGateway::kill_at_write`].
    writes: Arc<Mutex<Vec<ApiRequest>>>,
}

impl MortalGateway {
    fn start() -> Self {
        let (api, gateway) = ApiProxy::start_with_gateway(&[]);
        Self { gateway, api, is_killed: Arc::default(), writes: Arc::default() }
    }

    /// Kills the gateway at its write number `n`, which is dropped.
    fn kill_at_write(&self, n: u32) {
        self.is_killed.store(false, Ordering::Release);
        self.writes.lock().unwrap().clear();
        let (count, is_killed, writes) = (AtomicU32::new(0), self.is_killed.clone(), self.writes.clone());
        let pid = self.gateway.pid();
        self.api.set_rule(move |request| {
            if !request.is_write() {
                return Action::Forward;
            }
            writes.lock().unwrap().push(request.clone());
            if count.fetch_add(1, Ordering::AcqRel) + 1 < n {
                return Action::Forward;
            }
            is_killed.store(true, Ordering::Release);
            send_signal(pid, Signal::SIGKILL);
            Action::DropRequest
        });
    }

    /// Pushes the app with the gateway killed at write number `n`, starts the gateway again, and returns whether it was killed.
    fn push_killed_at_write(&mut self, app: &App, n: u32) -> (Output, bool) {
        self.kill_at_write(n);
        let output = app.push(&self.gateway);
        self.api.forward_all();
        let was_killed = self.is_killed.load(Ordering::Acquire);
        if was_killed {
            self.gateway.kill();
            self.gateway.launch();
        }
        (output, was_killed)
    }

    fn last_write(&self) -> String {
        let writes = self.writes.lock().unwrap();
        writes.last().map(|request| format!("{} {}", request.method, request.path)).unwrap_or_default()
    }
}

/// Waits until the app is unlocked and no revision is pending, and returns its history.
#[track_caller]
fn wait_settled(app: &App, at: &str) -> Vec<(u32, String)> {
    eventually(&format!("nothing is unfinished after {at}"), || {
        let history = app.history();
        let is_pending = history.iter().any(|(_, status)| status.starts_with("pending"));
        (!is_pending && app.lock_holder().is_none()).then_some(history)
    })
}

/// Asserts that a revision is deployed, and that helm sees no pending operation.
#[track_caller]
fn assert_usable_by_helm(app: &App, at: &str) {
    let deployed = app.history().into_iter().filter(|(_, status)| status == "deployed").count();
    assert!(deployed >= 1, "{at}: {:?}", app.history());
    let status = helm(app, &["status", &app.name]);
    assert!(status.contains("STATUS: deployed"), "{at}: {status:?}");
}

#[test]
fn a_gateway_killed_at_any_write_of_an_upgrade_leaves_the_old_or_the_new_release() {
    let mut mortal = MortalGateway::start();
    let app = App::web("page 0");
    app.push(&mortal.gateway).ok();
    let mut live = "page 0".to_owned();
    for n in 1..MAX_WRITES {
        let page = format!("page {n}");
        app.commit_page(&page);
        let (push, was_killed) = mortal.push_killed_at_write(&app, n);
        let at = format!("write {n}, {}", mortal.last_write());
        if !was_killed {
            push.ok();
            app.shows(&page);
            assert!(n > 6, "an upgrade with {n} writes only: {:?}", mortal.writes.lock().unwrap());
            return;
        }
        wait_settled(&app, &at);
        assert_usable_by_helm(&app, &at);
        let shown =
            eventually(&at, || Some(app.page().trim().to_owned()).filter(|shown| *shown == page || *shown == live));
        app.shows(&shown);
        if shown == page {
            assert!(mortal.writes.lock().unwrap().len() > 5, "{at} made it live");
        }
        live = shown;
    }
    panic!("a push makes more than {MAX_WRITES} writes");
}

#[test]
fn a_gateway_killed_at_any_write_of_a_first_deploy_leaves_all_objects_or_none() {
    let mut mortal = MortalGateway::start();
    for n in 1..MAX_WRITES {
        let app = App::web("page");
        let (push, was_killed) = mortal.push_killed_at_write(&app, n);
        let at = format!("write {n}, {}", mortal.last_write());
        if !was_killed {
            push.ok();
            app.shows("page");
            return;
        }
        if app.namespace_exists() {
            let history = wait_settled(&app, &at);
            let is_live = history.last().is_some_and(|(_, status)| status == "deployed");
            let objects = app.get("deployment", &app.name).or_else(|| app.get("service", &app.name));
            assert_eq!(objects.is_some(), is_live, "{at}: {history:?}");
        }
        // if only the lock was still to be freed, git had moved the ref
        let is_pushed = app.remote_ref(&mortal.gateway, "refs/heads/main") == Some(app.head());
        let again = app.push(&mortal.gateway).ok();
        assert!(again.contains(if is_pushed { "Everything up-to-date" } else { "Released" }), "{at}: {again:?}");
        app.shows("page");
    }
    panic!("a push makes more than {MAX_WRITES} writes");
}

#[test]
fn a_gateway_killed_at_any_write_of_an_automatic_rollback_completes_it() {
    let mut mortal = MortalGateway::start();
    let app = App::web("page");
    app.push(&mortal.gateway).ok();
    let commit = app.head();
    app.commit_crash();
    // a complete run shows at which write the rollback begins: it applies the Service first
    mortal.kill_at_write(MAX_WRITES);
    app.push(&mortal.gateway).fails().prints("rolled back to v1");
    let first_write = {
        let writes = mortal.writes.lock().unwrap();
        let applies_service = |request: &ApiRequest| request.method == "PATCH" && request.path.contains("/services/");
        u32::try_from(writes.iter().rposition(applies_service).unwrap()).unwrap() + 1
    };
    for n in first_write..MAX_WRITES {
        app.git(&["commit", "-q", "--amend", "--allow-empty", "-m", &format!("crash {n}")]);
        let (push, was_killed) = mortal.push_killed_at_write(&app, n);
        push.fails();
        let at = format!("write {n}, {}", mortal.last_write());
        wait_settled(&app, &at);
        assert_usable_by_helm(&app, &at);
        app.shows("page");
        assert_eq!(app.remote_ref(&mortal.gateway, "refs/heads/main"), Some(commit.clone()), "{at}");
        if !was_killed {
            return;
        }
    }
    panic!("a push makes more than {MAX_WRITES} writes");
}
