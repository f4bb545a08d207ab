//! What happens to each kind of ref.

use crate::support::gateway::{ADMIN, git};
use crate::support::{App, Gateway, run, try_run, world};

#[test]
fn the_first_branch_is_deployed_and_another_one_is_stored() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.git(&["checkout", "-q", "-b", "trunk"]);
    app.push_as(&gateway, ADMIN, &["trunk"]).ok().says("Released v1");

    app.git(&["checkout", "-q", "-b", "feature"]);
    app.write("index.html", "feature");
    let feature = app.commit("feature");
    app.push_as(&gateway, ADMIN, &["feature"]).ok().never_says("Building").says("feature:trunk");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/feature"), Some(feature));
    assert_eq!(app.deployed_ref(&gateway, "HEAD"), app.deployed_ref(&gateway, "refs/heads/trunk"));
    assert_eq!(app.releases().len(), 1);

    app.push_as(&gateway, ADMIN, &["feature:trunk"]).ok().says("Released v2");
    app.shows("feature");
}

#[test]
fn a_tag_is_stored_and_never_built() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.git(&["tag", "v1.0"]);
    app.push_as(&gateway, ADMIN, &["v1.0"]).ok().never_says("Building");
    assert_eq!(app.deployed_ref(&gateway, "refs/tags/v1.0"), Some(app.head()));
    assert_eq!(app.releases().len(), 1);
}

#[test]
fn an_app_is_not_created_by_a_tag() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.git(&["tag", "v1.0"]);
    app.push_as(&gateway, ADMIN, &["v1.0"]).fails().says("has to bring a branch");
    assert_eq!(world::object(&["namespace", &app.name]), None);
    assert!(!gateway.repository(&app.name).exists());
    app.push_as(&gateway, ADMIN, &["main", "v1.0"]).ok().says("Released v1");
}

#[test]
fn the_deploy_branch_cannot_be_deleted_and_others_can() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.push_as(&gateway, ADMIN, &["main:other"]).ok();
    app.push_as(&gateway, ADMIN, &[":other"]).ok().never_says("Building");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/other"), None);
    app.push_as(&gateway, ADMIN, &[":main"]).fails().says("main");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(app.head()));
}

#[test]
fn of_several_refs_the_deploy_branch_is_built_once() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.git(&["tag", "v1.0"]);
    let output = app.push_as(&gateway, ADMIN, &["main", "main:other", "v1.0"]).ok();
    assert_eq!(output.stderr.matches("-----> Building").count(), 1);
    for reference in ["refs/heads/main", "refs/heads/other", "refs/tags/v1.0"] {
        assert_eq!(app.deployed_ref(&gateway, reference), Some(app.head()), "{reference}");
    }
}

#[test]
fn an_allowed_and_a_forbidden_ref_in_one_push_move_neither() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let first = app.head();
    app.write("index.html", "two");
    app.commit("second");
    app.push_as(&gateway, ADMIN, &["main", "main:refs/hidden/x"]).fails().says("refs/hidden/x");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(first));
    assert_eq!(app.releases().len(), 1);
}

#[test]
fn a_forced_push_is_allowed_unless_the_operator_denies_it() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.write("index.html", "rewritten");
    app.git(&["commit", "-q", "-a", "--amend", "-m", "rewritten"]);
    app.push(&gateway).fails().says("non-fast-forward");
    app.push_as(&gateway, ADMIN, &["--force", "main"]).ok().says("Released v2");
    app.shows("rewritten");

    let strict = Gateway::with(&[("SLIPWAY_DENY_FORCE", "true")]);
    let app = App::web("one");
    app.push(&strict).ok();
    app.write("index.html", "rewritten");
    app.git(&["commit", "-q", "-a", "--amend", "-m", "rewritten"]);
    app.push_as(&strict, ADMIN, &["--force", "main"]).fails().never_says("Building").says(" !     ");
    app.shows("one");
}

#[test]
fn a_shallow_push_is_refused_with_the_way_out() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.commit("second");
    app.commit("third");
    let shallow = tempfile::tempdir().unwrap();
    let source = format!("file://{}", app.path().display());
    run(git(shallow.path()).args(["clone", "-q", "--depth=1", &source, "copy"]));
    let copy = shallow.path().join("copy");
    try_run(gateway.git(ADMIN, &copy).args(["push", &gateway.url(&app.name), "main"]))
        .fails()
        .says("git fetch --unshallow")
        .says("fetch-depth: 0")
        .never_says("Building");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), None);
    run(git(&copy).args(["fetch", "-q", "--unshallow"]));
    try_run(gateway.git(ADMIN, &copy).args(["push", &gateway.url(&app.name), "main"])).ok();
}

#[test]
fn an_empty_push_is_what_git_makes_of_it() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.push(&gateway).ok().says("Everything up-to-date");
    assert_eq!(app.releases().len(), 1);
}

#[test]
fn a_branch_that_git_could_not_store_is_refused_before_the_build() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    app.write("index.html", "two");
    app.commit("second");
    // git would refuse the second ref only after the hook: a directory cannot be made where a file is
    app.push_as(&gateway, ADMIN, &["main", "main:main/sub"]).fails().never_says("Building");
    assert_eq!(app.releases().len(), 1);
    app.shows("one");
}

#[test]
fn attributes_of_the_tree_do_not_change_what_is_built() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let attributes =
        "index.html export-ignore\nDockerfile export-subst text eol=crlf\nindex.html ident text eol=crlf\n";
    app.write(".gitattributes", attributes);
    app.write("index.html", "one $Id$\n");
    app.commit("attributes");
    app.push(&gateway).ok();
    app.shows("one $Id$\n");
}

#[test]
fn an_archive_of_a_branch_can_be_fetched() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let remote = format!("--remote={}", gateway.url(&app.name));
    let output = run(gateway.git(ADMIN, app.path()).args(["archive", &remote, "--format=tar", "main"]));
    assert!(output.stdout.contains("index.html"));
}
