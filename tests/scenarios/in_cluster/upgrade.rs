//! slipway in the cluster, whose pod ends while somebody deploys, or whose nodes cannot pull.

use crate::support::{App, Installed, eventually};

/// Makes another pod of it.
fn upgrade(slipway: &mut Installed, annotation: &str) {
    slipway.values.push(format!("podAnnotations.{annotation}=x"));
    slipway.install().ok();
}

#[test]
fn an_upgrade_of_slipway_lets_running_deploys_finish_and_heals_those_that_take_too_long() {
    let mut slipway = Installed::prepared();
    slipway.install().ok();
    slipway.write_known_hosts();
    let first = slipway.ready("");
    let app = App::web("one");
    slipway.push(&app).ok();

    // one that finishes in time, beyond the end of its pod
    app.web_files("two");
    app.slow_start(6);
    let push = slipway.start_push(&app);
    push.until("0 of 1 ready");
    upgrade(&mut slipway, "first");
    push.finish().ok().says("Released v2");
    let second = slipway.ready(&first);
    app.shows("two");

    // one that does not
    slipway.values.push("settings.drainTimeout=1s".to_owned());
    upgrade(&mut slipway, "second");
    let third = slipway.ready(&second);
    app.web_files("three");
    app.slow_start(600);
    let push = slipway.start_push(&app);
    push.until("0 of 1 ready");
    upgrade(&mut slipway, "third");
    push.finish().fails();
    slipway.ready(&third);
    let status = || slipway.tell(&format!("releases {}", app.name)).ok().stdout;
    eventually("the new pod undoes it", || {
        status().lines().any(|line| line.contains("v3") && line.contains("failed")).then_some(())
    });
    app.shows("two");
    app.web_files("four");
    app.commit("fourth");
    slipway.push(&app).ok().says("Released");
    app.shows("four");
}

#[test]
fn a_node_that_cannot_pull_is_named_with_what_it_lacks() {
    let slipway = Installed::prepared();
    slipway.install().ok();
    slipway.write_known_hosts();
    slipway.ready("");
    let nowhere = r#"{"spec": {"template": {"spec": {"nodeSelector": {"nowhere": "x"}}}}}"#;
    slipway.kubectl(&["patch", "daemonset", &format!("{}-cache", slipway.name), "--patch", nowhere]);
    let gone = "--selector=app.kubernetes.io/component=cache";
    slipway.kubectl(&["wait", "pod", gone, "--for=delete", "--timeout=1m"]);
    let app = App::web("one");
    let refused = slipway.push(&app).fails().says("cannot be pulled");
    refused.says("nothing answers at localhost:").says("registry's cache");

    let everywhere = r#"{"spec": {"template": {"spec": {"nodeSelector": null}}}}"#;
    slipway.kubectl(&["patch", "daemonset", &format!("{}-cache", slipway.name), "--patch", everywhere]);
    slipway.kubectl(&["rollout", "status", "daemonset", &format!("{}-cache", slipway.name), "--timeout=1m"]);
    slipway.push(&app).ok().says("Released v2");
    app.shows("one");
}
