//! Pushes that are taken, refused, cancelled and cut off.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::super::testing::{Server, executable};
use super::super::*;
use super::{accept, noise, untar};

#[tokio::test]
async fn an_accepted_push_moves_the_ref_and_shows_the_gateways_lines() {
    let server = Server::start().await;
    let head = server.commit("Dockerfile", "FROM scratch").await;
    let ended = server
        .push(&["-o", "wait", "main"], async |call: HookCall| {
            assert_eq!(call.request.options, ["wait"]);
            assert_eq!(call.request.updates[0].new, head);
            // Nothing of it is in the repository yet, and all of it can be read.
            let store = server.pushed(&call);
            assert_eq!(ref_value(&server.repository, "refs/heads/main").await.unwrap(), None);
            assert!(untar(&server.store(), &head).await.is_err());
            assert_eq!(untar(&store, &head).await.unwrap(), ["Dockerfile 644", "README 644"]);
            assert_eq!(top_level(&store, &head).await.unwrap(), ["Dockerfile", "README"]);
            assert_eq!(describe(&store, &head).await, head.short());
            call.line("-----> Receiving main").await.unwrap();
            call.finish(0).await.unwrap();
        })
        .await;
    assert!(ended.success, "{}", ended.said);
    assert!(ended.said.contains("remote: -----> Receiving main"), "{}", ended.said);
    assert_eq!(ref_value(&server.repository, "refs/heads/main").await.unwrap(), Some(head));
}

/// git would unpack so small a pack, and compress each of its objects anew.
#[tokio::test]
async fn a_pack_is_kept_as_it_came() {
    let server = Server::start().await;
    assert!(server.push(&["main"], accept).await.success);
    let objects = server.objects();
    assert!(objects.iter().any(|path| path.extension().is_some_and(|extension| extension == "pack")), "{objects:?}");
    assert!(objects.iter().all(|path| path.parent().unwrap().ends_with("pack")), "{objects:?}");
}

#[tokio::test]
async fn a_refused_push_leaves_no_ref_and_no_objects() {
    let server = Server::start().await;
    let ended = server.push(&["main"], async |call: HookCall| call.finish(1).await.unwrap()).await;
    assert!(!ended.success && ended.said.contains("pre-receive hook declined"), "{}", ended.said);
    assert_eq!(facts(&server.store(), &[]).await.unwrap().refs.len(), 0);
    assert_eq!(server.objects(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_gateway_that_drops_the_call_refuses_the_push() {
    let server = Server::start().await;
    let ended = server.push(&["main"], async |call: HookCall| drop(call)).await;
    assert!(!ended.success && ended.said.contains("slipway: the gateway went away"), "{}", ended.said);
    assert_eq!(server.objects(), Vec::<std::path::PathBuf>::new());
}

/// What a client sends for a first push of the clone's HEAD to `main`.
async fn raw_push(server: &Server) -> Vec<u8> {
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
async fn a_push_that_is_cancelled_while_it_is_decided_leaves_nothing() {
    let server = Server::start().await;
    let listener = HookListener::bind(server.repositories.run()).unwrap();
    let mut child = server.invocation(Service::ReceivePack, listener.path()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&raw_push(&server).await).await.unwrap();
    let call = listener.accept().await.unwrap();
    assert!(call.request.quarantine.as_ref().unwrap().path.is_dir());
    // The client is gone: nobody reads, nobody decides.
    drop((child.stdout.take(), call));
    let begun = tokio::time::Instant::now();
    child.terminate().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(server.objects(), Vec::<std::path::PathBuf>::new());
    assert!(server.repositories.remove_if_empty(&"hello".parse().unwrap()).await.unwrap());
}

#[tokio::test]
async fn a_push_that_is_cut_off_while_it_is_received_leaves_nothing() {
    let server = Server::start().await;
    server.commit("noise", &noise(4000)).await;
    let listener = HookListener::bind(server.repositories.run()).unwrap();
    let mut child = server.invocation(Service::ReceivePack, listener.path()).spawn().unwrap();
    let bytes = raw_push(&server).await;
    child.stdin.as_mut().unwrap().write_all(&bytes[..bytes.len() / 2]).await.unwrap();
    let receiving = async {
        while !receives(&server) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), receiving).await.unwrap();
    drop(child.stdout.take());
    child.terminate().await.unwrap();
    assert!(!receives(&server));
    assert_eq!(server.objects(), Vec::<std::path::PathBuf>::new());
}

/// Whether there is a quarantine.
fn receives(server: &Server) -> bool {
    let names = std::fs::read_dir(server.repository.join("objects")).unwrap();
    names.into_iter().any(|entry| entry.unwrap().file_name().to_str().unwrap().starts_with("tmp_objdir"))
}

#[tokio::test]
async fn a_hook_that_is_killed_is_noticed() {
    let server = Server::start().await;
    let listener = HookListener::bind(server.repositories.run()).unwrap();
    let mut child = server.invocation(Service::ReceivePack, listener.path()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(&raw_push(&server).await).await.unwrap();
    let call = listener.accept().await.unwrap();
    child.terminate().await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), call.gone()).await.unwrap();
    assert_eq!(ref_value(&server.repository, "refs/heads/main").await.unwrap(), None);
    // Signals make git leave its quarantine: the next start removes it.
    drop((listener, child));
    let Server { directory, repositories, repository, .. } = server;
    drop(repositories);
    opened_again(&directory.path().join("data")).await;
    assert_eq!(std::fs::read_dir(repository.join("objects")).unwrap().count(), 2, "info and pack");
}

/// A process that another test is starting has a copy of the directory's lock until it executes.
async fn opened_again(data: &Path) -> Repositories {
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
async fn a_pack_above_the_limit_is_refused_before_the_hook() {
    let mut server = Server::start().await;
    server.settings.max_pack = 1000;
    server.commit("noise", &noise(4000)).await;
    let ended = server.push(&["main"], accept).await;
    assert!(!ended.success && !ended.called && ended.said.contains("exceeds maximum allowed size"), "{}", ended.said);
    assert_eq!(server.objects(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_tree_that_could_write_into_a_clones_git_directory_is_refused() {
    let server = Server::start().await;
    let script = "blob=$(git rev-parse HEAD:README); tree=$(printf '100644 blob %s\\t.GIT\\n' $blob | git mktree); \
                  git update-ref refs/heads/main $(GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a \
                  GIT_COMMITTER_EMAIL=a git commit-tree -m evil $tree)";
    let made = tokio::process::Command::new("/bin/sh").args(["-c", script]).current_dir(&server.work).status().await;
    assert!(made.unwrap().success());
    let ended = server.push(&["main"], accept).await;
    assert!(!ended.success && !ended.called, "{}", ended.said);
    assert_eq!(server.objects(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_repositorys_own_hooks_and_settings_do_not_count() {
    let server = Server::start().await;
    let canary = server.directory.path().join("canary");
    let hooks = server.repository.join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for name in ["pre-receive", "update", "post-receive", "reference-transaction", "post-update"] {
        executable(&hooks.join(name), &format!("#!/bin/sh\ntouch {}\n", canary.display()));
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
async fn a_repository_on_a_volume_of_another_owner_works() {
    let server = Server::start().await;
    if std::os::unix::fs::chown(&server.repository, Some(12345), Some(12345)).is_err() {
        return; // only root can give files away
    }
    assert!(server.push(&["main"], accept).await.success);
    let head = server.git(&["rev-parse", "HEAD"]).await.parse().unwrap();
    assert_eq!(ref_value(&server.repository, "refs/heads/main").await.unwrap(), Some(head));
    let cloned = server.fetch(Service::UploadPack, &["clone", "-q", "ssh://host/hello", "clone"]).await;
    assert!(cloned.success, "{}", cloned.said);
}
