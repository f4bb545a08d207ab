//! Pushes that have to be refused: a clear error, and nothing left behind.

use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway, run, try_run, world};

/// After a refused first push: no ref, no objects, and no namespace unless the push got as far as a build.
#[track_caller]
fn assert_nothing_kept(gateway: &Gateway, app: &App) {
    assert_eq!(app.deployed_ref(gateway, "refs/heads/main"), None);
    let objects = gateway.repository(&app.name).join("objects");
    if objects.exists() {
        let files = run(std::process::Command::new("find").arg(&objects).args(["-type", "f"])).stdout;
        assert_eq!(files, "", "objects were kept");
    }
}

#[test]
fn a_tree_without_a_dockerfile_is_refused_and_the_push_says_what_was_looked_for() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write("readme.txt", "nothing to build");
    app.commit("first");
    app.push(&gateway).fails().says("Dockerfile").says(" !     ").never_says("Building with");
    assert_nothing_kept(&gateway, &app);
    assert_eq!(world::object(&["namespace", &app.name]), None);
}

#[test]
fn a_dockerfile_that_fails_refuses_the_push_with_the_output_of_the_step() {
    let gateway = Gateway::start();
    let app = App::dockerfile("RUN echo about to fail && exit 7");
    app.push(&gateway).fails().says("about to fail").says("7").never_says("Releasing");
    assert_nothing_kept(&gateway, &app);
    assert_eq!(app.releases(), []);
}

#[test]
fn a_dockerfile_that_cannot_be_parsed_refuses_the_push() {
    let gateway = Gateway::start();
    let app = App::dockerfile("FLY to the moon");
    app.push(&gateway).fails().says(" !     ").says("FLY");
    assert_nothing_kept(&gateway, &app);
}

#[test]
fn a_refused_upgrade_leaves_the_ref_and_the_release() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let first = app.head();
    app.push(&gateway).ok();
    app.write("Dockerfile", &format!("FROM {}\nRUN exit 1\n", world::base_image()));
    app.commit("broken");
    app.push(&gateway).fails();
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(first));
    assert_eq!(app.releases(), [(1, "deployed".to_owned())]);
    app.shows("one");
}

#[test]
fn invalid_and_reserved_names_are_refused_with_the_rule() {
    let gateway = Gateway::start();
    let app = App::web("x");
    let long = "a".repeat(54);
    for name in
        ["Upper", "under_score", "1st", "a.b", "trailing-", "--help", "-oProxyCommand=x", "%2e%2e", "ümlaut", &long]
    {
        let url = gateway.url("x").replace("/x", &format!("/{name}"));
        let output = try_run(gateway.git(ADMIN, app.path()).args(["push", &url, "main"])).fails();
        assert!(
            output.contains("invalid app name") || output.contains("lower-case letters"),
            "{name}: {}",
            output.stderr
        );
        assert!(!gateway.repository(name).exists());
    }
    for name in ["kube-system", "default"] {
        try_run(gateway.git(ADMIN, app.path()).args(["push", &gateway.url(name), "main"])).fails().says("reserved");
    }
    for path in ["../x", "a/../../x", "a/b", "~/x", "./x"] {
        let url = format!("ssh://git@127.0.0.1:{}/{path}", gateway.ssh_address().port());
        try_run(gateway.git(ADMIN, app.path()).args(["push", &url, "main"])).fails();
    }
    let repositories = std::fs::read_dir(gateway.path("data/repos")).unwrap().count();
    assert_eq!(repositories, 0);
}

#[test]
fn a_namespace_that_slipway_did_not_make_is_left_alone() {
    let gateway = Gateway::start();
    let app = App::web("x");
    run(std::process::Command::new("kubectl").args(["create", "namespace", &app.name]));
    app.push(&gateway).fails().says("not made by slipway");
    assert_nothing_kept(&gateway, &app);
    let deployments = world::object(&["deployment", "-n", &app.name]).unwrap();
    assert_eq!(deployments["items"].as_array().unwrap().len(), 0);
    // slipway's own namespace is nobody's app either
    let url = gateway.url(&gateway.namespace);
    try_run(gateway.git(ADMIN, app.path()).args(["push", &url, "main"])).fails();
}

#[test]
fn an_unknown_key_gets_no_further_than_authentication() {
    let gateway = Gateway::start();
    gateway.new_key("mallory");
    let app = App::web("x");
    app.push_as(&gateway, "mallory", &["main"]).fails().says("Permission denied (publickey)");
    assert!(!gateway.repository(&app.name).exists());
}

#[test]
fn exec_lines_that_are_no_command_start_nothing() {
    let gateway = Gateway::start();
    let canary = gateway.path("canary");
    let touch = format!("touch {}", canary.display());
    let lines = [
        format!("git-receive-pack 'x'; {touch}"),
        format!("git-receive-pack 'x' && {touch}"),
        format!("git-receive-pack '$({touch})'"),
        format!("git-receive-pack `{touch}`"),
        format!("git-upload-pack --upload-pack='{touch}' x"),
        format!("git-upload-pack \"x\n{touch}\""),
        "git-receive-pack '../../etc'".to_owned(),
        "git-receive-pack 'x' 'y'".to_owned(),
        "git-receive-pack".to_owned(),
        "git-receive-pack 'unclosed".to_owned(),
        touch.clone(),
        format!("sh -c '{touch}'"),
        "a".repeat(1 << 16),
    ];
    for line in &lines {
        let output = try_run(gateway.ssh(ADMIN).arg(line));
        assert!(output.code.is_some_and(|code| code != 0), "{line:.80} succeeded: {}", output.stdout);
    }
    assert!(!canary.exists());
    assert_eq!(std::fs::read_dir(gateway.path("data/repos")).unwrap().count(), 0);
    try_run(gateway.ssh(ADMIN).arg("help")).ok().says("upload-key");
}

#[test]
fn a_pack_above_the_limit_is_refused() {
    let gateway = Gateway::with(&[("SLIPWAY_MAX_PACK", "64KiB")]);
    let app = App::web("x");
    let noise = run(std::process::Command::new("sh").args(["-c", "head -c 300000 /dev/urandom | base64"])).stdout;
    app.write("noise", &noise);
    app.commit("too much");
    app.push(&gateway).fails();
    assert_nothing_kept(&gateway, &app);
}

#[test]
fn a_small_pack_that_unfolds_into_much_is_refused() {
    let gateway = Gateway::start();
    let app = App::web("x");
    // a commit message of 600 MiB is half a megabyte in a pack
    let script = "{ git cat-file commit HEAD; head -c 629145600 /dev/zero | tr '\\0' x; } | git hash-object -t commit -w --stdin";
    let commit = run(crate::support::gateway::git(app.path()).args(["-c", &format!("alias.x=!{script}"), "x"])).stdout;
    app.push_as(&gateway, ADMIN, &[&format!("{}:refs/heads/main", commit.trim())]).fails().says("over limit");
    assert_nothing_kept(&gateway, &app);
}

#[test]
fn broken_objects_are_refused() {
    let gateway = Gateway::start();
    let app = App::web("x");
    // a tree with an entry called .git: git-fsck(1) hasDotgit
    let script = "blob=$(git hash-object -w index.html); printf '100644 .GIT\\0' > t; \
                  printf %s $blob | sed 's/../\\\\x&/g' | xargs -0 printf >> t; \
                  tree=$(git hash-object -t tree -w --literally --stdin < t); \
                  git commit-tree -m evil $tree";
    let commit = run(crate::support::gateway::git(app.path()).args(["-c", &format!("alias.x=!{script}"), "x"])).stdout;
    app.push_as(&gateway, ADMIN, &[&format!("{}:refs/heads/main", commit.trim())]).fails();
    assert_nothing_kept(&gateway, &app);
}

#[test]
fn hooks_and_settings_of_a_repository_are_never_used() {
    let gateway = Gateway::start();
    let app = App::web("x");
    app.push(&gateway).ok();
    let repository = gateway.repository(&app.name);
    let canary = gateway.path("canary");
    for hook in ["pre-receive", "update", "post-receive", "post-update", "reference-transaction"] {
        let path = repository.join("hooks").join(hook);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\necho {hook} >> {}\n", canary.display())).unwrap();
        run(std::process::Command::new("chmod").arg("+x").arg(&path));
    }
    app.write("index.html", "y");
    app.commit("second");
    app.push(&gateway).ok();
    assert!(!canary.exists());
}

#[test]
fn an_unknown_push_option_is_named() {
    let gateway = Gateway::start();
    let app = App::web("x");
    app.push_as(&gateway, ADMIN, &["--push-option=wiat", "main"]).fails().says("wiat");
    assert_nothing_kept(&gateway, &app);
}
