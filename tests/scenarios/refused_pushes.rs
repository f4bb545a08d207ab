//! Refused pushes: the error names the reason, and nothing is stored.

use crate::support::client::git;
use crate::support::{ADMIN, App, Gateway, assert_history, kubectl, run, try_run};

/// Asserts that the repository of an app that was never deployed has no ref and no objects.
#[track_caller]
pub fn assert_nothing_stored(gateway: &Gateway, app: &App) {
    assert_eq!(app.remote_ref(gateway, "refs/heads/main"), None);
    let objects = gateway.repository_path(&app.name).join("objects");
    if objects.exists() {
        let files = run(std::process::Command::new("find").arg(&objects).args(["-type", "f"])).stdout;
        assert_eq!(files, "", "objects were stored");
    }
}

#[test]
fn a_tree_without_a_dockerfile_is_refused() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write("readme.txt", "nothing to build");
    app.commit("first");
    app.push(&gateway).fails().prints("Dockerfile").prints(" !     ").does_not_print("Building with");
    assert_nothing_stored(&gateway, &app);
    assert!(!app.namespace_exists());
}

#[test]
fn a_failing_build_step_refuses_the_push_with_the_steps_output() {
    let gateway = Gateway::start();
    let app = App::from_dockerfile("RUN echo about to fail && exit 7");
    app.push(&gateway).fails().prints("about to fail").prints("7").does_not_print("Releasing");
    assert_nothing_stored(&gateway, &app);
    assert_history(&app, &[]);
}

#[test]
fn a_dockerfile_with_a_syntax_error_refuses_the_push() {
    let gateway = Gateway::start();
    let app = App::from_dockerfile("FLY to the moon");
    app.push(&gateway).fails().prints(" !     ").prints("FLY");
    assert_nothing_stored(&gateway, &app);
}

#[test]
fn a_refused_upgrade_leaves_the_ref_and_the_release() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.head();
    app.commit_dockerfile("RUN exit 1");
    app.push(&gateway).fails();
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), Some(first));
    assert_history(&app, &[("v1", "deployed")]);
    app.shows("one");
}

#[test]
fn invalid_and_reserved_app_names_are_refused_with_the_rule() {
    let gateway = Gateway::start();
    let app = App::web("x");
    let push = |url: &str| try_run(gateway.git(ADMIN, app.path()).args(["push", url, "main"])).fails();
    let long = "a".repeat(54);
    for name in
        ["Upper", "under_score", "1st", "a.b", "trailing-", "--help", "-oProxyCommand=x", "%2e%2e", "ümlaut", &long]
    {
        let output = push(&gateway.repository_url(name));
        assert!(
            output.contains("invalid app name") || output.contains("lower-case letters"),
            "{name}: {}",
            output.stderr
        );
        assert!(!gateway.repository_path(name).exists());
    }
    for name in ["kube-system", "default"] {
        push(&gateway.repository_url(name)).prints("reserved");
    }
    for path in ["../x", "a/../../x", "a/b", "~/x", "./x"] {
        push(&gateway.repository_url(path));
    }
    let repositories = std::fs::read_dir(gateway.path("data/repos")).unwrap().count();
    assert_eq!(repositories, 0);
}

#[test]
fn a_namespace_that_slipway_did_not_create_is_left_alone() {
    let gateway = Gateway::start();
    let app = App::web("x");
    kubectl(&["create", "namespace", &app.name]);
    app.push(&gateway).fails().prints("not made by slipway");
    assert_nothing_stored(&gateway, &app);
    assert!(kubectl::list(&["deployment", "-n", &app.name]).is_empty());
    // slipway's own namespace is not an app either
    let url = gateway.repository_url(&gateway.namespace);
    let push = try_run(gateway.git(ADMIN, app.path()).args(["push", &url, "main"])).fails();
    push.prints("is slipway's own namespace").does_not_print("apps:adopt");
}

#[test]
fn an_unknown_push_option_is_refused_by_name() {
    let gateway = Gateway::start();
    let app = App::web("x");
    app.push_as(&gateway, ADMIN, &["--push-option=wiat", "main"]).fails().prints("wiat");
    assert_nothing_stored(&gateway, &app);
}

#[test]
fn a_dockerfile_that_is_elsewhere_is_named_in_the_refusal() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write("deep/er/Dockerfile", "FROM scratch");
    app.write("web/Dockerfile", "FROM scratch");
    app.commit("in a subdirectory");
    app.push(&gateway).fails().prints("\"web/Dockerfile\"").prints("git subtree push --prefix web");
    app.write("dockerfile", "FROM scratch");
    app.commit("in lower case");
    app.push(&gateway).fails().prints("rename \"dockerfile\" to \"Dockerfile\"");
}

#[test]
fn a_copy_of_an_ignored_file_fails_with_the_name_of_the_ignore_file() {
    for builder in ["buildkit", "classic"] {
        let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder)]);
        let app = App::empty();
        app.write("conf/secret.txt", "x");
        app.write(".dockerignore", "conf\n");
        app.commit_dockerfile("COPY conf/secret.txt /");
        app.push(&gateway).fails().prints(".dockerignore excludes \"conf");
        app.write(".dockerignore", "other\n");
        app.commit_dockerfile("COPY gone.txt /");
        app.push(&gateway).fails().prints("gone.txt").does_not_print(".dockerignore excludes");
    }
}

#[test]
fn files_whose_content_is_not_in_the_commit_are_named() {
    let gateway = Gateway::start();
    let library = App::web("library");
    let app = App::web("one");
    let clone = app.path().join("vendor/lib");
    run(git(app.path()).args(["clone", "-q"]).arg(library.path()).arg(&clone));
    app.write(".gitattributes", "*.png filter=lfs diff=lfs merge=lfs -text\n");
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n", "a".repeat(64));
    app.write("images/logo.png", &pointer);
    app.write("small.txt", &"not a pointer\n".repeat(10));
    // git add warns about the clone inside the working copy, and stores only its commit
    app.commit("pointers");
    app.push(&gateway)
        .ok()
        .prints("warning: vendor/lib: a submodule")
        .prints("warning: images/logo.png: a Git LFS pointer")
        .does_not_print("small.txt");
}

#[test]
fn the_commands_of_git_lfs_are_refused_with_the_reason() {
    let gateway = Gateway::start();
    for line in ["git-lfs-authenticate myapp.git upload", "git-lfs-transfer myapp.git upload"] {
        gateway.run_command(line).fails().prints("slipway does not support Git LFS").prints("git lfs migrate export");
    }
}
