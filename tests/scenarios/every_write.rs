//! A gateway killed with -9 at each write to the cluster in turn: the next start leaves nothing half done.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::api::{Api, Fate, Request};
use crate::support::{App, Gateway, eventually, try_run, world};

/// More writes than any deploy makes.
const ENOUGH: u32 = 40;

/// A gateway that can be killed by what it writes.
struct Mortal {
    gateway: Gateway,
    api: Api,
    fired: Arc<AtomicBool>,
    /// The writes since [`Mortal::dies_at`], as they were asked for.
    writes: Arc<Mutex<Vec<Request>>>,
}

impl Mortal {
    fn start() -> Self {
        let api = Api::start();
        let mut gateway = Gateway::prepared(&[]);
        let kubeconfig = api.kubeconfig(gateway.dir.path());
        gateway.set(&[("KUBECONFIG", &kubeconfig)]);
        gateway.launch();
        Self { gateway, api, fired: Arc::default(), writes: Arc::default() }
    }

    /// The gateway does not live to see its write number `n`, which never arrives. Its lock is renewed in between.
    fn dies_at(&self, n: u32) {
        self.fired.store(false, Ordering::Release);
        self.writes.lock().unwrap().clear();
        let (count, fired, writes) = (AtomicU32::new(0), self.fired.clone(), self.writes.clone());
        let pid = Pid::from_raw(i32::try_from(self.gateway.pid()).unwrap());
        self.api.decide(move |request| {
            if !request.is_write() {
                return Fate::Pass;
            }
            writes.lock().unwrap().push(request.clone());
            if count.fetch_add(1, Ordering::AcqRel) + 1 < n {
                return Fate::Pass;
            }
            fired.store(true, Ordering::Release);
            kill(pid, Signal::SIGKILL).unwrap();
            Fate::Cut
        });
    }

    /// Whether it died; it runs again then.
    fn rose(&mut self) -> bool {
        self.api.mend();
        let died = self.fired.load(Ordering::Acquire);
        if died {
            self.gateway.kill();
            self.gateway.launch();
        }
        died
    }

    fn last_write(&self) -> String {
        let writes = self.writes.lock().unwrap();
        writes.last().map(|request| format!("{} {}", request.method, request.path)).unwrap_or_default()
    }
}

/// Waits until nobody works on the app, and nothing is pending: what the newest record that counts says.
#[track_caller]
fn settled(app: &App, at: &str) -> Vec<(u32, String)> {
    eventually(&format!("nothing is left half done after {at}"), || {
        let releases = app.releases();
        let pending = releases.iter().any(|(_, status)| status.starts_with("pending"));
        (!pending && app.lock_holder().is_none()).then_some(releases)
    })
}

/// What helm says must agree: one revision is deployed, and helm is not locked out.
#[track_caller]
fn assert_usable_by_helm(app: &App, at: &str) {
    let deployed = app.releases().into_iter().filter(|(_, status)| status == "deployed").count();
    assert!(deployed >= 1, "{at}: {:?}", app.releases());
    let status = try_run(std::process::Command::new("helm").args(["status", &app.name, "-n", &app.name])).ok();
    assert!(status.contains("STATUS: deployed"), "{at}: {status:?}");
}

#[test]
fn of_an_upgrade() {
    let mut mortal = Mortal::start();
    let app = App::web("page 0");
    app.push(&mortal.gateway).ok();
    let mut serving = "page 0".to_owned();
    for n in 1..ENOUGH {
        let page = format!("page {n}");
        app.write("index.html", &page);
        app.commit(&page);
        mortal.dies_at(n);
        let pushed = app.push(&mortal.gateway);
        let died = mortal.rose();
        let at = format!("write {n}, {}", mortal.last_write());
        if !died {
            pushed.ok();
            app.shows(&page);
            assert!(n > 6, "an upgrade with {n} writes only: {:?}", mortal.writes.lock().unwrap());
            return;
        }
        settled(&app, &at);
        assert_usable_by_helm(&app, &at);
        // all of it, or nothing
        let shown =
            eventually(&at, || Some(app.page().trim().to_owned()).filter(|shown| *shown == page || *shown == serving));
        app.shows(&shown);
        if shown == page {
            assert!(mortal.writes.lock().unwrap().len() > 5, "{at} made it live");
        }
        serving = shown;
    }
    panic!("no end to the writes");
}

#[test]
fn of_a_first_deploy() {
    let mut mortal = Mortal::start();
    for n in 1..ENOUGH {
        let app = App::web("page");
        mortal.dies_at(n);
        let pushed = app.push(&mortal.gateway);
        let died = mortal.rose();
        let at = format!("write {n}, {}", mortal.last_write());
        if !died {
            pushed.ok();
            app.shows("page");
            return;
        }
        if world::object(&["namespace", &app.name]).is_some() {
            let releases = settled(&app, &at);
            let live = releases.last().is_some_and(|(_, status)| status == "deployed");
            let objects = app.object("deployment", &app.name).or_else(|| app.object("service", &app.name));
            assert_eq!(objects.is_some(), live, "{at}: {releases:?}");
        }
        // what was left to do may have been to free the lock: git had moved the ref then
        let done = app.deployed_ref(&mortal.gateway, "refs/heads/main") == Some(app.head());
        let again = app.push(&mortal.gateway).ok();
        assert!(again.contains(if done { "Everything up-to-date" } else { "Released" }), "{at}: {again:?}");
        app.shows("page");
    }
    panic!("no end to the writes");
}

#[test]
fn of_bringing_back_what_ran_before() {
    let mut mortal = Mortal::start();
    let app = App::web("page");
    app.push(&mortal.gateway).ok();
    let commit = app.head();
    let crash = "CMD [\"sh\", \"-c\", \"echo it crashes; exit 3\"]";
    app.write("Dockerfile", &format!("FROM {}\n{crash}\n", world::base_image()));
    app.commit("crash");
    // once to its end, to see where going back begins: after the last object was applied
    mortal.dies_at(ENOUGH);
    app.push(&mortal.gateway).fails().says("v1 serves again");
    let begins = {
        let writes = mortal.writes.lock().unwrap();
        let record = |request: &Request| request.method == "POST" && request.path.contains("/secrets");
        u32::try_from(writes.iter().rposition(record).unwrap()).unwrap() + 1
    };
    for n in begins..ENOUGH {
        app.git(&["commit", "-q", "--amend", "--allow-empty", "-m", &format!("crash {n}")]);
        mortal.dies_at(n);
        app.push(&mortal.gateway).fails();
        let died = mortal.rose();
        let at = format!("write {n}, {}", mortal.last_write());
        settled(&app, &at);
        assert_usable_by_helm(&app, &at);
        app.shows("page");
        assert_eq!(app.deployed_ref(&mortal.gateway, "refs/heads/main"), Some(commit.clone()), "{at}");
        if !died {
            return;
        }
    }
    panic!("no end to the writes");
}
