//! An installation whose own registry is full, or has lost its volume.

use crate::support::small_disk::SmallDisk;
use crate::support::{App, Installation, kubectl, wait_until};

/// The metric after one garbage collection.
const ONE_COLLECTION: &str = "slipway_registry_collections_total{result=\"collected\"} 1\n";

#[test]
fn a_full_registry_refuses_the_push_and_frees_its_space() {
    let mut slipway = Installation::prepared();
    let _disk = SmallDisk::mount(&slipway.volume_path("registry"), 60, "uid=10001,gid=10001");
    slipway.values.push("settings.historyMax=1".to_owned());
    slipway.start();
    // an app whose namespace has lost slipway's annotation still runs, and needs its image
    let unmarked = App::web("unmarked");
    slipway.push(&unmarked).ok();
    kubectl(&["annotate", "namespace", &unmarked.name, "slipway.dev/owner-"]);
    // each image has 20 MiB that differ from the previous one's
    let app = App::web("one");
    app.edit_dockerfile("COPY index.html", "COPY random index.html");
    app.commit_random_file(20);
    slipway.push(&app).ok().prints("Released v1");
    // each push deletes the previous image, whose space a garbage collection frees; the second collection is not due yet
    app.commit_random_file(20);
    slipway.push(&app).ok().prints("Released v2");
    wait_until("the first collection", || slipway.metrics().contains(ONE_COLLECTION));
    app.commit_random_file(20);
    slipway.push(&app).ok().prints("Released v3");
    app.commit_random_file(20);
    slipway
        .push(&app)
        .fails()
        .prints("is full: there is no space left on its disk")
        .prints("slipway now deletes images that no release uses: push again in a minute");
    app.shows("one");
    wait_until("the registry has space again", || slipway.push(&app).code == Some(0));
    assert!(!slipway.metrics().contains(ONE_COLLECTION), "there was no second collection");
    kubectl(&["annotate", "namespace", &unmarked.name, "slipway.dev/owner=admin"]);
    slipway.run_command(&format!("doctor {}", unmarked.name)).ok().prints("Nothing is wrong.");
}

#[test]
fn images_that_are_lost_with_their_volume_are_reported_and_built_again() {
    let mut slipway = Installation::prepared();
    let pod = slipway.start();
    let app = App::web("one");
    slipway.push(&app).ok();
    slipway.run_command("doctor").ok().prints("Nothing is wrong.");

    slipway.lose_volume("registry");
    slipway.wait_for_new_pod(&pod);
    slipway.run_command("doctor").fails().prints_all(&[&app.name, "is not in the registry", "redeploy"]);
    app.shows("one");
    slipway.run_command(&format!("redeploy {}", app.name)).ok().prints("Released v2");
    // the same commit gives the same image, which is v1's image too
    slipway.run_command(&format!("doctor {}", app.name)).ok().prints("Nothing is wrong.");
    app.commit_page("two");
    slipway.push(&app).ok().prints("Released v3");
    kubectl(&["delete", "pod", "--all", "-n", &app.name]);
    app.shows("two");
}
