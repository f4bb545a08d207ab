//! Input of clients that may attack the gateway: exec lines, packs, and files in repositories.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::refused_pushes::assert_nothing_stored;
use crate::support::client::git;
use crate::support::{ADMIN, App, Gateway, run};

#[test]
fn exec_lines_that_are_no_command_start_no_process() {
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
        let output = gateway.run_command(line);
        assert!(output.code.is_some_and(|code| code != 0), "{line:.80} succeeded: {}", output.stdout);
    }
    assert!(!canary.exists());
    assert_eq!(std::fs::read_dir(gateway.path("data/repos")).unwrap().count(), 0);
    gateway.run_command("help").ok().prints("upload-key");
}

#[test]
fn a_pack_above_the_limit_is_refused() {
    let gateway = Gateway::with(&[("SLIPWAY_MAX_PACK", "64KiB")]);
    let app = App::web("x");
    app.commit_random_file(1);
    app.push(&gateway).fails();
    assert_nothing_stored(&gateway, &app);
}

/// Runs a shell script in the working copy, with git's environment, and returns the commit that it prints.
fn create_commit(app: &App, script: &str) -> String {
    run(git(app.path()).args(["-c", &format!("alias.script=!{script}"), "script"])).stdout.trim().to_owned()
}

#[test]
fn a_small_pack_with_a_huge_object_is_refused() {
    let gateway = Gateway::start();
    let app = App::web("x");
    let commit = create_commit(&app, include_str!("fixtures/commit-with-huge-message.sh"));
    app.push_as(&gateway, ADMIN, &[&format!("{commit}:refs/heads/main")]).fails().prints("over limit");
    assert_nothing_stored(&gateway, &app);
}

#[test]
fn a_pack_with_a_malformed_tree_is_refused() {
    let gateway = Gateway::start();
    let app = App::web("x");
    let commit = create_commit(&app, include_str!("fixtures/commit-with-dot-git-entry.sh"));
    app.push_as(&gateway, ADMIN, &[&format!("{commit}:refs/heads/main")]).fails();
    assert_nothing_stored(&gateway, &app);
}

#[test]
fn hooks_in_a_repository_are_never_run() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let hooks = gateway.repository_path(&app.name).join("hooks");
    let canary = gateway.path("canary");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in ["pre-receive", "update", "post-receive", "post-update", "reference-transaction"] {
        let path = hooks.join(hook);
        std::fs::write(&path, format!("#!/bin/sh\necho {hook} >> {}\n", canary.display())).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    app.commit_page("y");
    app.push(&gateway).ok();
    assert!(!canary.exists());
}
