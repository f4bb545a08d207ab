//! Pushes that are accepted, rejected, cancelled or interrupted.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::super::testing::{TestServer, write_executable};
use super::super::*;
use super::{accept, incompressible_text, untar};

#[tokio::test]
async fn an_accepted_push_moves_the_ref_and_prints_the_gateways_lines() {
    let server = TestServer::start().await;
    let head = server.commit("Dockerfile", "FROM scratch").await;
    let outcome = server
        .push(&["-o", "wait", "main"], async |hook: PendingHook| {
            assert_eq!(hook.request.options, ["wait"]);
            assert_eq!(hook.request.updates[0].new, head);
            // The repository does not contain the push yet, but all of its objects can be read.
            let objects = server.pushed_objects(&hook);
            assert_eq!(resolve_ref(&server.repository, "refs/heads/main").await.unwrap(), None);
            assert!(untar(&server.objects(), &head).await.is_err());
            assert_eq!(untar(&objects, &head).await.unwrap(), ["Dockerfile 644", "README 644"]);
            assert_eq!(list_directory(&objects, &head, "").await.unwrap(), ["Dockerfile", "README"]);
            assert_eq!(describe_commit(&objects, &head).await, head.short());
            hook.print("-----> Receiving main").await.unwrap();
            hook.send_verdict(Verdict::Accept).await.unwrap();
        })
        .await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("remote: -----> Receiving main"), "{}", outcome.stderr);
    assert_eq!(resolve_ref(&server.repository, "refs/heads/main").await.unwrap(), Some(head));
}

/// By default git would unpack such a small pack and compress its objects again.
#[tokio::test]
async fn a_pack_is_stored_as_received() {
    let server = TestServer::start().await;
    assert!(server.push(&["main"], accept).await.success);
    let objects = server.object_files();
    assert!(objects.iter().any(|path| path.extension().is_some_and(|extension| extension == "pack")), "{objects:?}");
    assert!(objects.iter().all(|path| path.parent().unwrap().ends_with("pack")), "{objects:?}");
}

#[tokio::test]
async fn a_rejected_push_leaves_no_ref_and_no_objects() {
    let server = TestServer::start().await;
    let outcome =
        server.push(&["main"], async |hook: PendingHook| hook.send_verdict(Verdict::Reject).await.unwrap()).await;
    assert!(!outcome.success && outcome.stderr.contains("pre-receive hook declined"), "{}", outcome.stderr);
    assert_eq!(push_facts(&server.objects(), &[]).await.unwrap().refs.len(), 0);
    assert_eq!(server.object_files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_dropped_hook_rejects_the_push() {
    let server = TestServer::start().await;
    let outcome = server.push(&["main"], async |hook: PendingHook| drop(hook)).await;
    assert!(
        !outcome.success && outcome.stderr.contains("slipway: the gateway closed the connection"),
        "{}",
        outcome.stderr
    );
    assert_eq!(server.object_files(), Vec::<std::path::PathBuf>::new());
}

/// The bytes that a client sends for a first push of the work tree's HEAD to `main`.
async fn raw_push(server: &TestServer) -> Vec<u8> {
    let head = server.git(&["rev-parse", "HEAD"]).await;
    let script = format!(
        "line='{} {head} refs/heads/main'; printf '%04x%s\\0 report-status' $((${{#line}} + 19)) \"$line\"; \
         printf 0000; echo {head} | git pack-objects --revs --stdout -q",
        "0".repeat(40),
    );
    let mut shell = tokio::process::Command::new("/bin/sh");
    let output = shell.args(["-c", &script]).current_dir(&server.work).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[tokio::test]
async fn a_push_that_is_cancelled_in_the_hook_leaves_no_objects() {
    let server = TestServer::start().await;
    let listener = HookListener::bind(server.repositories.socket_dir()).unwrap();
    let mut child = server.service_command(GitService::ReceivePack, listener.path()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&raw_push(&server).await).await.unwrap();
    let hook = listener.accept().await.unwrap();
    assert!(hook.request.quarantine.as_ref().unwrap().path.is_dir());
    // The client has disconnected: its output is not read, and the hook gets no verdict.
    drop((child.stdout.take(), hook));
    let started = tokio::time::Instant::now();
    child.terminate().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(server.object_files(), Vec::<std::path::PathBuf>::new());
    assert!(server.repositories.remove_if_empty(&"hello".parse().unwrap()).await.unwrap());
}

#[tokio::test]
async fn a_push_that_is_interrupted_while_it_is_received_leaves_no_objects() {
    let server = TestServer::start().await;
    server.commit("noise", &incompressible_text(4000)).await;
    let listener = HookListener::bind(server.repositories.socket_dir()).unwrap();
    let mut child = server.service_command(GitService::ReceivePack, listener.path()).spawn().unwrap();
    let bytes = raw_push(&server).await;
    child.stdin.as_mut().unwrap().write_all(&bytes[..bytes.len() / 2]).await.unwrap();
    let receiving = async {
        while !has_quarantine(&server) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), receiving).await.unwrap();
    drop(child.stdout.take());
    child.terminate().await.unwrap();
    assert!(!has_quarantine(&server));
    assert_eq!(server.object_files(), Vec::<std::path::PathBuf>::new());
}

fn has_quarantine(server: &TestServer) -> bool {
    let names = std::fs::read_dir(server.repository.join("objects")).unwrap();
    names.into_iter().any(|entry| entry.unwrap().file_name().to_str().unwrap().starts_with("tmp_objdir"))
}

#[tokio::test]
async fn the_gateway_detects_that_the_hook_was_killed() {
    let server = TestServer::start().await;
    let listener = HookListener::bind(server.repositories.socket_dir()).unwrap();
    let mut child = server.service_command(GitService::ReceivePack, listener.path()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(&raw_push(&server).await).await.unwrap();
    let hook = listener.accept().await.unwrap();
    child.terminate().await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), hook.closed()).await.unwrap();
    assert_eq!(resolve_ref(&server.repository, "refs/heads/main").await.unwrap(), None);
    // git leaves its quarantine when a signal ends it; the next start removes the directory.
    drop((listener, child));
    let TestServer { directory, repositories, repository, .. } = server;
    drop(repositories);
    reopen(&directory.path().join("data")).await;
    assert_eq!(std::fs::read_dir(repository.join("objects")).unwrap().count(), 2, "info and pack");
}

/// Retries, because a process that another test is starting holds a copy of the lock until its `exec`.
async fn reopen(data: &Path) -> Repositories {
    let opening = async {
        loop {
            match Repositories::open(data, Path::new("/slipway")).await {
                Err(GitError::DataDirInUse) => tokio::time::sleep(Duration::from_millis(5)).await,
                opened => return opened.unwrap(),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), opening).await.unwrap()
}

#[tokio::test]
async fn a_pack_above_the_limit_is_rejected_before_the_hook() {
    let mut server = TestServer::start().await;
    server.settings.max_pack = 1000;
    server.commit("noise", &incompressible_text(4000)).await;
    let outcome = server.push(&["main"], accept).await;
    assert!(
        !outcome.success && !outcome.hook_connected && outcome.stderr.contains("exceeds maximum allowed size"),
        "{}",
        outcome.stderr
    );
    assert_eq!(server.object_files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_tree_that_could_write_into_a_git_directory_is_rejected() {
    let server = TestServer::start().await;
    let script = "blob=$(git rev-parse HEAD:README); tree=$(printf '100644 blob %s\\t.GIT\\n' $blob | git mktree); \
                  git update-ref refs/heads/main $(GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a \
                  GIT_COMMITTER_EMAIL=a git commit-tree -m evil $tree)";
    let made = tokio::process::Command::new("/bin/sh").args(["-c", script]).current_dir(&server.work).status().await;
    assert!(made.unwrap().success());
    let outcome = server.push(&["main"], accept).await;
    assert!(!outcome.success && !outcome.hook_connected, "{}", outcome.stderr);
    assert_eq!(server.object_files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn the_hooks_and_the_configuration_of_a_repository_are_ignored() {
    let server = TestServer::start().await;
    let canary = server.directory.path().join("canary");
    let hooks = server.repository.join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for name in ["pre-receive", "update", "post-receive", "reference-transaction", "post-update"] {
        write_executable(&hooks.join(name), &format!("#!/bin/sh\ntouch {}\n", canary.display()));
    }
    let config = server.repository.join("config");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text += &format!("[core]\n\thooksPath = {}\n[receive]\n\tmaxInputSize = 1\n", hooks.display());
    std::fs::write(&config, text).unwrap();
    assert!(server.push(&["main"], accept).await.success);
    set_head(&server.repository, &"main".parse().unwrap()).await.unwrap();
    assert!(!canary.exists());
}

#[tokio::test]
async fn a_repository_can_belong_to_another_user() {
    let server = TestServer::start().await;
    if std::os::unix::fs::chown(&server.repository, Some(12345), Some(12345)).is_err() {
        return; // only root can give files away
    }
    assert!(server.push(&["main"], accept).await.success);
    let head = server.git(&["rev-parse", "HEAD"]).await.parse().unwrap();
    assert_eq!(resolve_ref(&server.repository, "refs/heads/main").await.unwrap(), Some(head));
    let cloned = server.fetch(GitService::UploadPack, &["clone", "-q", "ssh://host/hello", "clone"]).await;
    assert!(cloned.success, "{}", cloned.stderr);
}
