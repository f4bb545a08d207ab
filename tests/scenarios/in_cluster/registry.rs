//! slipway in the cluster, whose registry is full, or has lost its volume.

use std::process::Command;

use crate::support::{App, Installed, eventually, run, world};

/// What the metrics say after one.
const COLLECTED: &str = "slipway_registry_collections_total{result=\"collected\"} 1\n";

/// A file system of this size, in MB, where the installation has its registry. It ends with the value.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn under(slipway: &Installed, size: u32) -> Self {
        let path = slipway.volume("registry");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}m,uid=10001,gid=10001"), "tmpfs"])
            .arg(&path));
        Self(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// An app whose image holds 20 MB that are new each time.
fn heavy() -> App {
    let app = App::web("one");
    app.write("Dockerfile", &(std::fs::read_to_string(app.path().join("Dockerfile")).unwrap() + "COPY noise /noise\n"));
    app.noise(20);
    app
}

#[test]
fn a_full_registry_refuses_the_push_and_gives_its_space_back() {
    let mut slipway = Installed::prepared();
    let _disk = SmallDisk::under(&slipway, 60);
    slipway.values.push("settings.historyMax=1".to_owned());
    slipway.install().ok();
    slipway.write_known_hosts();
    slipway.ready("");
    // somebody takes slipway's mark from a namespace: its app runs on, and needs its image
    let unmarked = App::web("unmarked");
    slipway.push(&unmarked).ok();
    world::kubectl(&["annotate", "namespace", &unmarked.name, "slipway.dev/owner-"]);
    let app = heavy();
    slipway.push(&app).ok().says("Released v1");
    // the one before goes each time, and its space is free after a collection; the second one is not due yet
    app.noise(20);
    slipway.push(&app).ok().says("Released v2");
    eventually("the first collection", || slipway.metrics().contains(COLLECTED).then_some(()));
    app.noise(20);
    slipway.push(&app).ok().says("Released v3");
    app.noise(20);
    let refused = slipway.push(&app).fails().says("is full: there is no space left on its disk");
    refused.says("Images that no release names are removed now: push again in a minute");
    app.shows("one");
    eventually("there is room again", || (slipway.push(&app).code == Some(0)).then_some(()));
    assert!(!slipway.metrics().contains(COLLECTED), "there was no second one");
    world::kubectl(&["annotate", "namespace", &unmarked.name, "slipway.dev/owner=admin"]);
    slipway.tell(&format!("doctor {}", unmarked.name)).ok().says("Nothing is wrong.");
}

#[test]
fn images_that_are_lost_with_their_volume_are_named_and_made_again() {
    let slipway = Installed::prepared();
    slipway.install().ok();
    slipway.write_known_hosts();
    let pod = slipway.ready("");
    let app = App::web("one");
    slipway.push(&app).ok();
    slipway.tell("doctor").ok().says("Nothing is wrong.");

    slipway.lose("registry");
    slipway.ready(&pod);
    slipway.tell("doctor").fails().says(&app.name).says("its image is not in the registry").says("redeploy");
    app.shows("one");
    slipway.tell(&format!("redeploy {}", app.name)).ok().says("Released v2");
    // the same commit makes the same image, which is that of v1 as well
    slipway.tell(&format!("doctor {}", app.name)).ok().says("Nothing is wrong.");
    // and a push works as ever
    app.write("index.html", "two");
    app.commit("second");
    slipway.push(&app).ok().says("Released v3");
    world::kubectl(&["delete", "pod", "--all", "-n", &app.name]);
    app.shows("two");
}
