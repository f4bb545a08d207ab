//! An upgrade of slipway during a deploy.

use crate::support::{App, Installation, wait_until};

/// Upgrades the release with a new pod annotation, which replaces the pod.
fn upgrade(slipway: &mut Installation, annotation: &str) {
    slipway.values.push(format!("podAnnotations.{annotation}=x"));
    slipway.install().ok();
}

#[test]
fn an_upgrade_of_slipway_waits_for_short_deploys_and_undoes_long_ones() {
    let mut slipway = Installation::prepared();
    let first_pod = slipway.start();
    let app = App::web("one");
    slipway.push(&app).ok();

    // a deploy that ends within the drain timeout
    app.commit_web("two");
    app.commit_slow_start(6);
    let push = slipway.start_push(&app);
    push.wait_for_output("0 of 1 ready");
    upgrade(&mut slipway, "first");
    push.wait().ok().prints("Released v2");
    let second_pod = slipway.wait_for_new_pod(&first_pod);
    app.shows("two");

    // a deploy that does not
    slipway.values.push("settings.drainTimeout=1s".to_owned());
    upgrade(&mut slipway, "second");
    let third_pod = slipway.wait_for_new_pod(&second_pod);
    app.commit_web("three");
    app.commit_slow_start(600);
    let push = slipway.start_push(&app);
    push.wait_for_output("0 of 1 ready");
    upgrade(&mut slipway, "third");
    push.wait().fails();
    slipway.wait_for_new_pod(&third_pod);
    wait_until("the new pod undoes the deploy", || {
        let releases = slipway.run_command(&format!("releases {}", app.name)).ok().stdout;
        releases.lines().any(|line| line.contains("v3") && line.contains("failed"))
    });
    app.shows("two");
    app.commit_web("four");
    slipway.push(&app).ok().prints("Released");
    app.shows("four");
}
