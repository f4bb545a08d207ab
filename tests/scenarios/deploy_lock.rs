//! The deploy lock: one deploy of an app at a time.

use crate::support::{ADMIN, App, Gateway};

/// Lasts long enough for a second push to be refused, or to begin waiting.
const SLOW_STEP: &str = "sleep 8";

#[test]
fn a_second_push_is_refused_immediately_with_the_first_pusher() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let first = app.start_push_with_build_step(&gateway, SLOW_STEP);
    app.push(&gateway)
        .fails()
        .prints("root is deploying")
        .prints(&app.head()[..7])
        .prints("since")
        .prints("git push -o wait");
    assert!(!first.output().contains("Pushing"), "the second pusher had to wait");
    first.wait().ok().prints("Released v1");
}

#[test]
fn a_push_that_waits_goes_live_on_top_of_the_one_that_it_waited_for() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let first = app.start_push_with_build_step(&gateway, SLOW_STEP);
    let commit = app.head();
    app.git(&["checkout", "-q", "-b", "next"]);
    let child = app.commit_page("two");
    // the first push creates the branch, so that git's old id of it is outdated then
    let waiting = app.start_push_with(&gateway, &["--push-option=wait", "next:main"]);
    waiting.wait_for_output("waiting");
    first.wait().ok();
    let moved = format!("{}..{}", &commit[..7], &child[..7]);
    waiting.wait().ok().prints("Released v2").prints(&moved);
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(child));
    app.shows("two");
    app.commit_page("three");
    app.push_as(&gateway, ADMIN, &["next:main"]).ok().prints("Released v3");
}

#[test]
fn a_push_that_waits_is_refused_if_it_would_drop_the_commits_of_the_other_one() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let base = app.head();
    let first = app.start_push_with_build_step(&gateway, SLOW_STEP);
    let commit = app.head();
    app.git(&["checkout", "-q", "-b", "next", &base]);
    app.commit_page("two");
    let waiting = app.start_push_with(&gateway, &["--push-option=wait", "next:main"]);
    waiting.wait_for_output("waiting");
    first.wait().ok();
    waiting.wait().fails().prints("another push has changed").prints("git fetch");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(commit));
}

#[test]
fn a_command_that_finds_a_running_deploy_says_how_to_wait_for_it() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let push = app.start_push_with_build_step(&gateway, "sleep 1000");
    for command in ["redeploy", "rollback"] {
        let waiting = format!("{command} APP --wait");
        gateway.run_command(&format!("{command} {}", app.name)).fails().prints("root is deploying").prints(&waiting);
    }
    drop(push);
}

#[test]
fn a_first_push_that_waited_cannot_choose_another_deploy_branch() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let first = app.start_push_with_build_step(&gateway, SLOW_STEP);
    // when this push begins, the app has no deploy branch yet
    let waiting = app.start_push_with(&gateway, &["--push-option=wait", "main:develop"]);
    waiting.wait_for_output("waiting");
    first.wait().ok();
    waiting.wait().fails().prints("another push has changed");
    assert_eq!(app.history().len(), 1);
    app.push_as(&gateway, ADMIN, &["main:develop"]).ok().prints("not deployed");
}

#[test]
fn two_gateways_of_a_cluster_share_the_lock() {
    let gateway = Gateway::start();
    let twin = gateway.twin(&[]);
    let app = App::web("one");
    let first = app.start_push_with_build_step(&gateway, SLOW_STEP);
    app.push(&twin).fails().prints("root is deploying");
    first.wait().ok();
    app.push(&twin).ok().prints("Released v2");
}
