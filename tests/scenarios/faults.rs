//! Parts that cannot be reached, before a push and during it.

use crate::support::gateway::ADMIN;
use crate::support::proxy::{self, Proxy, Target};
use crate::support::{App, Gateway, eventually, run, try_run, world};

#[test]
fn an_engine_that_cannot_be_reached_refuses_the_push() {
    let proxy = Proxy::to(Target::of(&world::engine()));
    let gateway = Gateway::with(&[("SLIPWAY_ENGINE", &format!("tcp://{}", proxy.address()))]);
    let app = App::web("one");
    proxy.cut();
    app.push(&gateway).fails().says("Docker Engine");
    assert_eq!(world::object(&["namespace", &app.name]), None);
    proxy.mend();
    app.push(&gateway).ok().says("Released v1");
}

#[test]
fn an_engine_that_goes_during_the_build_fails_the_push() {
    let proxy = Proxy::to(Target::of(&world::engine()));
    let gateway = Gateway::with(&[("SLIPWAY_ENGINE", &format!("tcp://{}", proxy.address()))]);
    let app = App::web("one");
    app.build_step("sleep 30");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 30");
    proxy.cut();
    push.finish().fails().says("Docker Engine");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), None);
    proxy.mend();
    app.web_files("two");
    app.commit("mended");
    app.push(&gateway).ok().says("Released v1");
}

#[test]
fn a_registry_that_cannot_be_reached_refuses_the_push() {
    let proxy = Proxy::to(Target::of(&world::registry()));
    let address = format!("localhost:{}", proxy.address().port());
    let pull = world::registry();
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", &address), ("SLIPWAY_REGISTRY_PULL", &pull)]);
    let app = App::web("one");
    proxy.cut();
    app.push(&gateway).fails().says("registry").never_says("Building");
    proxy.mend();
    // two addresses for one registry
    app.push(&gateway).ok().says(&format!("Pushing {address}/{}", app.name));
    let deployment = app.object("deployment", &app.name).unwrap();
    assert!(deployment.to_string().contains(&format!("{pull}/{}@sha256:", app.name)));
}

#[test]
fn a_registry_that_goes_before_the_image_is_pushed_fails_the_push() {
    let proxy = Proxy::to(Target::of(&world::registry()));
    let address = format!("localhost:{}", proxy.address().port());
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PUSH", &address), ("SLIPWAY_REGISTRY_PULL", &world::registry())]);
    let app = App::web("one");
    app.build_step("sleep 3");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 3");
    proxy.cut();
    push.finish().fails().says("registry");
    assert_eq!(app.releases(), []);
    proxy.mend();
    app.push(&gateway).ok().says("Released v1");
}

#[test]
fn an_api_server_that_cannot_be_reached_refuses_the_push() {
    let dir = tempfile::tempdir().unwrap();
    let (proxy, kubeconfig) = proxy::api_server(dir.path());
    let gateway = Gateway::with(&[("KUBECONFIG", &kubeconfig)]);
    let app = App::web("one");
    proxy.cut();
    app.push(&gateway).fails().says("Kubernetes");
    proxy.mend();
    app.push(&gateway).ok().says("Released v1");
}

#[test]
fn an_api_server_that_goes_during_the_build_fails_the_push() {
    let dir = tempfile::tempdir().unwrap();
    let (proxy, kubeconfig) = proxy::api_server(dir.path());
    let gateway = Gateway::with(&[("KUBECONFIG", &kubeconfig)]);
    let app = App::web("one");
    app.build_step("sleep 3");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 3");
    proxy.cut();
    push.finish().fails().says(" !     ");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), None);
    proxy.mend();
    eventually("the lock is free", || app.lock_holder().is_none().then_some(()));
    app.push(&gateway).ok();
    app.shows("one");
}

#[test]
fn an_api_server_that_goes_during_the_rollout_fails_the_push_which_is_undone_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (proxy, kubeconfig) = proxy::api_server(dir.path());
    let gateway = Gateway::with(&[("KUBECONFIG", &kubeconfig)]);
    let app = App::web("one");
    app.push(&gateway).ok();
    app.write("index.html", "two");
    let second = app.slow_start(5);
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("0 of 1 ready");
    proxy.cut();
    push.finish().fails().says("Kubernetes API");
    assert_ne!(app.deployed_ref(&gateway, "refs/heads/main"), Some(second));
    proxy.mend();
    // by this gateway, or by one of another test that starts now: a dead lock is everyone's to heal
    eventually("the release is undone", || {
        let releases = app.releases();
        let undone = releases.contains(&(2, "failed".to_owned())) && releases.last()?.1 == "deployed";
        undone.then_some(())
    });
    app.shows("one");
    eventually("the lock is free", || app.lock_holder().is_none().then_some(()));
    app.push(&gateway).ok().says("Released v");
    app.shows("two");
}

/// A file system of 8 MiB that is unmounted in the end.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn at(path: std::path::PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        run(std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&path));
        Self(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = try_run(std::process::Command::new("umount").arg("-l").arg(&self.0));
    }
}

#[test]
fn a_disk_that_fills_up_while_receiving_refuses_the_push_and_gives_the_space_back() {
    let mut gateway = Gateway::prepared(&[]);
    let _disk = SmallDisk::at(gateway.path("data"));
    gateway.launch();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.noise(20);
    app.push(&gateway).fails();
    assert_eq!(app.releases().len(), 1);
    app.git(&["reset", "-q", "--hard", "HEAD~1"]);
    app.write("index.html", "two");
    app.commit("small");
    app.push(&gateway).ok().says("Released v2");
    gateway.kill();
}
