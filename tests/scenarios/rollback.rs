//! Going back, deploying again, and keeping what failed.

use std::process::Command;

use crate::support::gateway::ADMIN;
use crate::support::process::Output;
use crate::support::{App, Gateway, run, try_run};

const CRASH: &str = "CMD [\"sh\", \"-c\", \"echo the last words; exit 3\"]";

fn tell(gateway: &Gateway, line: &str) -> Output {
    try_run(gateway.ssh(ADMIN).arg(line))
}

fn statuses(app: &App) -> Vec<String> {
    app.releases().into_iter().map(|(_, status)| status).collect()
}

#[test]
fn a_rollback_brings_an_earlier_revision_back_as_a_new_one() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    let image = |app: &App| {
        app.object("deployment", &app.name).unwrap()["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    let second = image(&app);
    let back = tell(&gateway, &format!("rollback {}", app.name)).ok();
    assert!(back.contains("Rolling back to v1, as v3") && back.contains("Released v3"), "{back:?}");
    assert!(back.contains(&format!("redeploy {}", app.name)), "{back:?}");
    app.shows("one");
    assert_eq!(statuses(&app), ["superseded", "superseded", "deployed"]);
    assert_ne!(image(&app), second);
    let helm = run(Command::new("helm").args(["history", &app.name, "-n", &app.name])).stdout;
    assert!(
        helm.lines().any(|line| line.starts_with('3') && line.contains(&format!("Rollback to v1 by {ADMIN}"))),
        "{helm}"
    );
    // the branch has not moved
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(app.head()));
    app.push(&gateway).ok().says("Everything up-to-date");
    app.shows("one");

    // and again: what served before and was another is v2
    tell(&gateway, &format!("rollback {}", app.name)).ok().says("Rolling back to v2, as v4");
    app.shows("two");
    assert_eq!(image(&app), second);
    app.write("index.html", "three");
    app.commit("third");
    app.push(&gateway).ok().says("Released v5");
}

#[test]
fn a_redeploy_deploys_the_branch_again() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    tell(&gateway, &format!("rollback {} v1", app.name)).ok();
    app.shows("one");
    let again = tell(&gateway, &format!("redeploy {}", app.name)).ok();
    assert!(again.contains("Redeploying main") && again.contains("Released v4"), "{again:?}");
    assert!(again.contains("(cached)"), "the same tree was built again: {again:?}");
    app.shows("two");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(app.head()));
    assert!(app.lock_holder().is_none(), "the app is still locked");
}

#[test]
fn what_cannot_be_gone_back_to_is_refused_and_nothing_changes() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let name = &app.name;
    tell(&gateway, &format!("rollback {name}")).fails().says("nothing else of").says("served before v1");
    tell(&gateway, &format!("rollback {name} v1")).fails().says(&format!("v1 is what {name} runs now"));
    tell(&gateway, &format!("rollback {name} v7")).fails().says("has no v7");
    app.write("Dockerfile", &format!("FROM {}\n{CRASH}\n", crate::support::world::base_image()));
    app.commit("broken");
    app.push(&gateway).fails();
    tell(&gateway, &format!("rollback {name} v2")).fails().says("v2 of").says("is failed");
    assert_eq!(statuses(&app), ["superseded", "failed", "deployed"]);
    app.shows("one");
}

#[test]
fn a_failed_upgrade_is_kept_where_that_was_asked_for() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.write("Dockerfile", &format!("FROM {}\n{CRASH}\n", crate::support::world::base_image()));
    app.commit("broken");
    let failed = app.push_as(&gateway, ADMIN, &["--push-option=no-rollback", "main"]);
    failed.fails().says("what it left was kept").never_says("Rolling back");
    assert_eq!(statuses(&app), ["deployed", "failed"]);
    let pods = crate::support::world::kubectl(&["get", "pods", "-n", &app.name]);
    assert!(pods.contains("CrashLoopBackOff") || pods.contains("Error"), "{pods}");

    // what counts as serving comes back, and the wreck goes
    tell(&gateway, &format!("rollback {}", app.name)).ok().says("Rolling back to v1, as v3");
    assert_eq!(statuses(&app), ["superseded", "failed", "deployed"]);
    app.shows("one");
    app.web_files("mended");
    app.commit("mended");
    app.push(&gateway).ok().says("Released v4");
    app.shows("mended");
}

#[test]
fn who_may_not_push_may_not_roll_back() {
    let gateway = Gateway::start();
    gateway.new_user("bob");
    let app = App::upgraded(&gateway);
    for verb in ["rollback", "redeploy"] {
        try_run(gateway.ssh("bob").arg(format!("{verb} {}", app.name))).fails();
    }
    assert_eq!(statuses(&app), ["superseded", "deployed"]);
}
