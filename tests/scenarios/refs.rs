//! The treatment of each kind of ref.

use crate::support::client::git;
use crate::support::{ADMIN, App, Gateway, run, try_run};

#[test]
fn the_first_branch_is_deployed_and_another_one_is_stored() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.git(&["checkout", "-q", "-b", "trunk"]);
    app.push_as(&gateway, ADMIN, &["trunk"]).ok().prints("Released v1");

    app.git(&["checkout", "-q", "-b", "feature"]);
    let feature = app.commit_page("feature");
    app.push_as(&gateway, ADMIN, &["feature"]).ok().does_not_print("Building").prints("feature:trunk");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/feature"), Some(feature));
    assert_eq!(app.remote_ref(&gateway, "HEAD"), app.remote_ref(&gateway, "refs/heads/trunk"));
    assert_eq!(app.history().len(), 1);

    app.push_as(&gateway, ADMIN, &["feature:trunk"]).ok().prints("Released v2");
    app.shows("feature");
}

#[test]
fn a_tag_is_stored_and_never_built() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.git(&["tag", "v1.0"]);
    app.push_as(&gateway, ADMIN, &["v1.0"]).ok().does_not_print("Building");
    assert_eq!(app.remote_ref(&gateway, "refs/tags/v1.0"), Some(app.head()));
    assert_eq!(app.history().len(), 1);
}

#[test]
fn a_tag_does_not_create_an_app() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.git(&["tag", "v1.0"]);
    app.push_as(&gateway, ADMIN, &["v1.0"]).fails().prints("must include a branch");
    assert!(!app.namespace_exists());
    assert!(!gateway.repository_path(&app.name).exists());
    app.push_as(&gateway, ADMIN, &["main", "v1.0"]).ok().prints("Released v1");
}

#[test]
fn the_deploy_branch_cannot_be_deleted_and_other_branches_can() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.push_as(&gateway, ADMIN, &["main:other"]).ok();
    app.push_as(&gateway, ADMIN, &[":other"]).ok().does_not_print("Building");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/other"), None);
    app.push_as(&gateway, ADMIN, &[":main"]).fails().prints("main");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(app.head()));
}

#[test]
fn a_push_of_several_refs_builds_the_deploy_branch_once() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.git(&["tag", "v1.0"]);
    let output = app.push_as(&gateway, ADMIN, &["main", "main:other", "v1.0"]).ok();
    assert_eq!(output.stderr.matches("-----> Building").count(), 1);
    for reference in ["refs/heads/main", "refs/heads/other", "refs/tags/v1.0"] {
        assert_eq!(app.remote_ref(&gateway, reference), Some(app.head()), "{reference}");
    }
}

#[test]
fn a_push_with_a_forbidden_ref_moves_no_ref() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.head();
    app.commit_page("two");
    app.push_as(&gateway, ADMIN, &["main", "main:refs/hidden/x"]).fails().prints("refs/hidden/x");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    assert_eq!(app.history().len(), 1);
}

/// Replaces the newest commit with one that has another page.
fn rewrite_history(app: &App, page: &str) {
    app.write("index.html", page);
    app.git(&["commit", "-q", "-a", "--amend", "-m", page]);
}

#[test]
fn a_forced_push_is_deployed_unless_the_operator_denies_it() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    rewrite_history(&app, "rewritten");
    app.push(&gateway).fails().prints("non-fast-forward");
    app.push_as(&gateway, ADMIN, &["--force", "main"]).ok().prints("Released v2");
    app.shows("rewritten");

    let strict = Gateway::with(&[("SLIPWAY_DENY_FORCE", "true")]);
    let app = App::deployed(&strict);
    rewrite_history(&app, "rewritten");
    app.push_as(&strict, ADMIN, &["--force", "main"]).fails().does_not_print("Building").prints(" !     ");
    app.shows("one");
}

#[test]
fn a_shallow_push_is_refused_with_the_remedy() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.commit("second");
    app.commit("third");
    let shallow = tempfile::tempdir().unwrap();
    let source = format!("file://{}", app.path().display());
    run(git(shallow.path()).args(["clone", "-q", "--depth=1", &source, "copy"]));
    let copy = shallow.path().join("copy");
    let push = || try_run(gateway.git(ADMIN, &copy).args(["push", &gateway.repository_url(&app.name), "main"]));
    push().fails().prints("git fetch --unshallow").prints("fetch-depth: 0").does_not_print("Building");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
    run(git(&copy).args(["fetch", "-q", "--unshallow"]));
    push().ok();
}

#[test]
fn a_push_without_new_commits_deploys_nothing() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.push(&gateway).ok().prints("Everything up-to-date");
    assert_eq!(app.history().len(), 1);
}

#[test]
fn a_branch_that_git_cannot_store_is_refused_before_the_build() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_page("two");
    // git refuses the second ref only after the hook: main is a file, and cannot be a directory too
    app.push_as(&gateway, ADMIN, &["main", "main:main/sub"]).fails().does_not_print("Building");
    assert_eq!(app.history().len(), 1);
    app.shows("one");
}

#[test]
fn a_name_that_git_would_find_ambiguous_is_refused_with_the_one_that_was_meant() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    for (name, meant) in [
        ("refs/heads/refs/heads/main", "git push REMOTE HEAD:refs/heads/main"),
        ("refs/heads/heads/dev", "git push REMOTE HEAD:refs/heads/dev"),
        ("refs/tags/refs/tags/v1", "git push REMOTE HEAD:refs/tags/v1"),
        ("refs/heads/HEAD", "Name the branch"),
    ] {
        app.push_as(&gateway, ADMIN, &[&format!("HEAD:{name}")]).fails().prints(name).prints(meant);
        assert_eq!(app.remote_ref(&gateway, name), None);
    }
    // a ref that an earlier version stored can be deleted
    let repository = gateway.repository_path(&app.name);
    let stored = "refs/heads/refs/heads/main";
    run(git(&repository).args(["update-ref", stored, &app.head()]));
    app.push_as(&gateway, ADMIN, &[&format!(":{stored}")]).ok();
    assert_eq!(app.remote_ref(&gateway, stored), None);
}

#[test]
fn the_deploy_branch_can_be_changed_and_the_old_one_deleted() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let app = App::web("one");
    let change = format!("deploy-branch {}", app.name);
    app.push_as(&gateway, ADMIN, &["main:master"]).ok();
    gateway.run_command(&change).ok().prints("master");
    app.push_as(&gateway, ADMIN, &[":master"]).fails().prints("deploy-branch APP BRANCH");
    gateway.run_command(&format!("{change} main")).fails().prints("has no branch main").prints("push it first");

    let second = app.commit_page("two");
    app.push_as(&gateway, ADMIN, &["main"]).ok().does_not_print("Building").prints("deploy-branch APP main");
    gateway.run_command_as("bob", &format!("{change} main")).fails().prints("there is no app");
    gateway.run_command(&format!("{change} main")).ok().prints(&format!("redeploy {}", app.name));
    app.shows("one");
    gateway
        .run_command(&format!("redeploy {}", app.name))
        .ok()
        .prints(&format!("Redeploying main at {}", &second[..7]));
    app.shows("two");
    app.push_as(&gateway, ADMIN, &[":master"]).ok();
    app.commit_page("three");
    app.push_as(&gateway, ADMIN, &["main"]).ok().prints("Released v3");
    app.shows("three");
}

#[test]
fn the_deploy_branch_does_not_change_while_a_deploy_is_running() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.push_as(&gateway, ADMIN, &["main:other"]).ok();
    let push = app.start_push_with_build_step(&gateway, "sleep 1000");
    gateway.run_command(&format!("deploy-branch {} other", app.name)).fails().prints("root is deploying");
    drop(push);
}

#[test]
fn an_annotated_tag_on_a_branch_is_refused_with_the_refspec_of_its_commit() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let commit = app.commit_page("two");
    app.git(&["tag", "-a", "-m", "first", "v1.0"]);
    let advice = "'v1.0^{commit}:refs/heads/main'";
    app.push_as(&gateway, ADMIN, &["v1.0:refs/heads/main"]).fails().prints("annotated tag").prints(advice);
    app.push_as(&gateway, ADMIN, &["v1.0^{commit}:refs/heads/main"]).ok().prints("Released v2");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(commit));
}
