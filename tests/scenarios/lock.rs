//! One deploy of an app at a time.

use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway};

/// A web server whose build takes a while.
fn slow_app() -> App {
    let app = App::web("one");
    app.build_step("sleep 8");
    app
}

#[test]
fn the_second_pusher_learns_at_once_who_deploys() {
    let gateway = Gateway::start();
    let app = slow_app();
    let first = app.start_push(&gateway, ADMIN, &["main"]);
    first.until("sleep 8");
    app.push(&gateway).fails().says("root is deploying").says(&app.head()[..7]).says("since");
    assert!(!first.text().contains("Pushing"), "the second pusher had to wait");
    first.finish().ok().says("Released v1");
}

#[test]
fn a_push_may_wait_for_its_turn() {
    let gateway = Gateway::start();
    let app = slow_app();
    let first = app.start_push(&gateway, ADMIN, &["main"]);
    first.until("sleep 8");
    app.git(&["checkout", "-q", "-b", "next"]);
    app.write("index.html", "two");
    app.commit("next");
    // the same branch again would be refused by git itself: its old id has moved meanwhile
    let waiting = app.start_push(&gateway, ADMIN, &["--push-option=wait", "next:main"]);
    waiting.until("waiting");
    first.finish().ok();
    waiting.finish().fails().says("was pushed to in the meantime");
    app.push_as(&gateway, ADMIN, &["--push-option=wait", "next:main"]).ok().says("Released v2");
}

#[test]
fn a_first_push_that_waited_does_not_choose_another_deploy_branch() {
    let gateway = Gateway::start();
    let app = slow_app();
    let first = app.start_push(&gateway, ADMIN, &["main"]);
    first.until("sleep 8");
    // as far as this push can see, there is no deploy branch yet
    let waiting = app.start_push(&gateway, ADMIN, &["--push-option=wait", "main:develop"]);
    waiting.until("waiting");
    first.finish().ok();
    waiting.finish().fails().says("was pushed to in the meantime");
    assert_eq!(app.releases().len(), 1);
    app.push_as(&gateway, ADMIN, &["main:develop"]).ok().says("not deployed");
}

#[test]
fn two_gateways_on_one_cluster_share_the_lock() {
    let gateway = Gateway::start();
    let twin = gateway.twin(&[]);
    let app = slow_app();
    let first = app.start_push(&gateway, ADMIN, &["main"]);
    first.until("sleep 8");
    app.push(&twin).fails().says("root is deploying");
    first.finish().ok();
    app.push(&twin).ok().says("Released v2");
}
