//! Keys that are removed while a command waits for its client.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::background::BackgroundCommand;
use crate::support::client::shell_line;
use crate::support::{App, Gateway, kubectl, wait_until};

const USER_KEYS: &str = "slipway-keys-0";

fn revoke(gateway: &Gateway, user: &str) {
    let patch = format!(r#"{{"data":{{"{user}":null}}}}"#);
    kubectl(&["patch", "configmap", USER_KEYS, "-n", &gateway.namespace, "--type=merge", "-p", &patch]);
    wait_until("the key is revoked", || !gateway.can_log_in(user));
}

/// Has git run a hook before it sends its commits, which waits for the file `go`.
fn wait_before_push(app: &App, go: &Path) {
    let hook = app.path().join(".git/hooks/pre-push");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let wait = format!("#!/bin/sh\necho before the push >&2\nuntil test -e {}; do sleep 0.1; done\n", go.display());
    std::fs::write(&hook, wait).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_key_that_is_revoked_during_an_upload_uploads_nothing() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let second = gateway.generate_key("bob2").with_extension("pub");
    let go = gateway.path("go");
    let mut ssh = gateway.ssh_with_options("bob", &["-vv"]);
    let input = format!("until test -e {}; do sleep 0.1; done; cat {}", go.display(), second.display());
    let line = format!("({input}) | {}", shell_line(ssh.args(["upload-key", "bob"])));
    let upload = BackgroundCommand::start(Command::new("sh").args(["-c", &line]));
    upload.wait_for_output("exec request accepted");
    revoke(&gateway, "bob");
    std::fs::write(&go, "").unwrap();
    upload.wait().fails().prints("no longer registered");
    assert!(!gateway.can_log_in("bob2"));
}

#[test]
fn a_key_that_is_revoked_during_a_push_deploys_nothing() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let (app, go) = (App::web("one"), gateway.path("go"));
    wait_before_push(&app, &go);
    let url = gateway.repository_url(&app.name);
    let push = BackgroundCommand::start(gateway.git("bob", app.path()).args(["push", &url, "main"]));
    push.wait_for_output("before the push");
    revoke(&gateway, "bob");
    std::fs::write(&go, "").unwrap();
    push.wait().fails().prints("no longer registered");
    assert!(!app.namespace_exists());
}

#[test]
fn a_push_that_has_sent_nothing_does_not_delay_the_deletion_of_its_app() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_page("two");
    wait_before_push(&app, &gateway.path("never"));
    let push = app.start_push(&gateway);
    push.wait_for_output("before the push");
    let destroy = gateway.run_command(&format!("apps:destroy {} --force", app.name));
    destroy.ok().prints("waiting for a push of").prints("is deleted");
    std::fs::write(gateway.path("never"), "").unwrap();
    // SIGPIPE ends git if it still tries to send.
    let output = push.wait().prints("the app is being deleted");
    assert_ne!(output.code, Some(0));
}
