//! The room as a whole: real `git push`, `git clone` and `git archive` against its services.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::testing::{Server, executable};
use super::updates::{Connectivity, RefUpdate};
use super::*;
use crate::domain::{BranchName, CommitSha, ObjectStore};

/// `slipway hook`, for the hooks of this room's tests; it does nothing where no hook started it.
#[tokio::test]
#[ignore = "started by the hook of other tests"]
async fn act_as_the_hook() {
    if std::env::var_os(service::SOCKET).is_some() {
        let accepted = relay().await == ExitCode::SUCCESS;
        std::process::exit(i32::from(!accepted));
    }
}

async fn accept(call: HookCall) {
    call.finish(0).await.unwrap();
}

async fn untar(store: &ObjectStore, commit: &CommitSha) -> Result<Vec<String>, String> {
    let mut bytes = Vec::new();
    let mut reader = archive(store, commit, TreeLimits::default()).await.map_err(|error| error.to_string())?;
    reader.read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    let mut archive = tar::Archive::new(bytes.as_slice());
    let names = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        format!("{} {:o}", entry.path().unwrap().display(), entry.header().mode().unwrap())
    });
    Ok(names.filter(|name| !name.starts_with("pax_global_header")).collect())
}

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

/// Text that no compression makes much smaller.
fn noise(words: u32) -> String {
    (0..words).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect()
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
    Repositories::open(&directory.path().join("data"), Path::new("/slipway")).await.unwrap();
    assert_eq!(std::fs::read_dir(repository.join("objects")).unwrap().count(), 2, "info and pack");
}

#[tokio::test]
async fn what_was_pushed_can_be_cloned_and_archived() {
    let server = Server::start().await;
    let head = server.commit("sub/file", "text").await;
    assert!(server.push(&["main"], accept).await.success);
    let clone = server.directory.path().join("clone");
    let cloned = server.fetch(Service::UploadPack, &["clone", "-q", "ssh://host/hello", "clone"]).await;
    assert!(cloned.success, "{}", cloned.said);
    assert_eq!(server.client(&["rev-parse", "HEAD"], &clone).await, head.as_str());
    let partial = ["clone", "-q", "--filter=blob:none", "--no-checkout", "ssh://host/hello", "partial"];
    let partial = server.fetch(Service::UploadPack, &partial).await;
    assert!(partial.success && !partial.said.contains("filtering not recognized"), "{}", partial.said);
    let tar = ["archive", "--remote=ssh://host/hello", "--output=a.tar", "HEAD"];
    let archived = server.fetch(Service::UploadArchive, &tar).await;
    assert!(archived.success, "{}", archived.said);
    assert!(std::fs::metadata(server.directory.path().join("a.tar")).unwrap().len() > 1024);
}

#[tokio::test]
async fn the_policy_deploys_stores_and_deletes() {
    let server = Server::start().await;
    let work = server.work.clone();
    let main: BranchName = "main".parse().unwrap();
    let first = server.git(&["rev-parse", "HEAD"]).await.parse().unwrap();
    let (ended, planned) = server.push_by_policy(&work, &["main"]).await;
    assert!(ended.success, "{}", ended.said);
    assert_eq!(planned.unwrap().deploy, Some((main.clone(), first)));

    server.git(&["tag", "-a", "-m", "one", "v1"]).await;
    let second = server.commit("two", "2").await;
    let (ended, planned) = server.push_by_policy(&work, &["main", "main:dev", "v1"]).await;
    assert!(ended.success, "{}", ended.said);
    let planned = planned.unwrap();
    assert_eq!((planned.deploy, planned.notes.len()), (Some((main, second.clone())), 2));
    assert_eq!(describe(&server.store(), &second).await, format!("v1-1-g{}", second.short()));

    // A push that only deletes has no quarantine.
    let (ended, planned) = server.push_by_policy(&work, &[":dev", ":v1"]).await;
    assert!(ended.success, "{}", ended.said);
    assert_eq!(planned.unwrap().deploy, None);
    let (ended, planned) = server.push_by_policy(&work, &[":main"]).await;
    assert!(!ended.success);
    assert!(matches!(planned, Err(RefusedUpdate::DeployBranch(_))));
}

#[tokio::test]
async fn the_deploy_branch_is_the_one_that_head_names() {
    let server = Server::start().await;
    let dev: BranchName = "dev".parse().unwrap();
    assert_eq!(facts(&server.store(), &[]).await.unwrap().unborn.unwrap().as_str(), "main");
    set_head(&server.repository, &dev).await.unwrap();
    assert_eq!(facts(&server.store(), &[]).await.unwrap().unborn, Some(dev.clone()));
    assert!(server.push(&["main:dev"], accept).await.success);
    let facts = facts(&server.store(), &[]).await.unwrap();
    assert_eq!((facts.head, facts.unborn), (Some(dev), None));
}

#[tokio::test]
async fn a_rewritten_branch_is_known_before_git_moves_it() {
    let mut server = Server::start().await;
    server.commit("two", "2").await;
    assert!(server.push(&["main"], accept).await.success);
    server.git(&["reset", "-q", "--hard", "HEAD~1"]).await;
    server.commit("three", "3").await;
    server.settings.deny_force = true;
    let work = server.work.clone();
    let (ended, planned) = server.push_by_policy(&work, &["-f", "main"]).await;
    assert!(!ended.success);
    assert!(matches!(planned, Err(RefusedUpdate::Forced(_))));
    // git would refuse it as well.
    assert!(!server.push(&["-f", "main"], accept).await.success);
    server.settings.deny_force = false;
    let (ended, planned) = server.push_by_policy(&work, &["-f", "main"]).await;
    assert!(ended.success && planned.is_ok(), "{}", ended.said);
}

#[tokio::test]
async fn a_shallow_push_is_refused_exactly_where_git_would_refuse_it() {
    let server = Server::start().await;
    server.commit("two", "2").await;
    let shallow = server.directory.path().join("shallow");
    let source = format!("file://{}", server.work.display());
    server.client(&["clone", "-q", "--depth=1", &source, "shallow"], server.directory.path()).await;
    // The parent is missing.
    let (ended, planned) = server.push_by_policy(&shallow, &["main"]).await;
    assert!(!ended.success);
    assert_eq!(planned, Err(RefusedUpdate::Shallow));
    // The parent is there, and yet git rejects the push after its hook.
    assert!(server.push(&["main~1:refs/heads/main"], accept).await.success);
    let (_, planned) = server.push_by_policy(&shallow, &["-f", "main"]).await;
    assert_eq!(planned, Err(RefusedUpdate::Shallow));
    let anyway = server.push_from(&shallow, &["-f", "main"], accept).await;
    assert!(!anyway.success && anyway.said.contains("shallow update not allowed"), "{}", anyway.said);
    // What the clone was cut off at is there: git takes it, and so do we.
    assert!(server.push(&["main"], accept).await.success);
    std::fs::write(shallow.join("three"), "3").unwrap();
    server.client(&["add", "three"], &shallow).await;
    server.client(&["commit", "-q", "-m", "three"], &shallow).await;
    let (ended, planned) = server.push_by_policy(&shallow, &["main"]).await;
    assert!(ended.success && planned.is_ok(), "{}", ended.said);
}

/// The repository's loose object of this id.
fn loose(server: &Server, id: &str) -> std::path::PathBuf {
    server.repository.join("objects").join(&id[..2]).join(&id[2..])
}

#[tokio::test]
async fn missing_objects_are_noticed() {
    let server = Server::start().await;
    let head = server.commit("two", "2").await;
    assert!(server.push(&["main"], accept).await.success);
    let blob = server.git(&["rev-parse", "HEAD:two"]).await;
    let parent = server.git(&["rev-parse", "HEAD~1"]).await;
    let zero: CommitSha = "0".repeat(40).parse().unwrap();
    let updates = [RefUpdate { old: zero, new: head.clone(), reference: "refs/heads/x".into() }];
    std::fs::remove_file(server.repository.join("refs/heads/main")).unwrap();
    let connectivity = async || facts(&server.store(), &updates).await.unwrap().connectivity;
    assert_eq!(connectivity().await, Connectivity::Complete);
    std::fs::remove_file(loose(&server, &blob)).unwrap();
    assert_eq!(connectivity().await, Connectivity::Missing);
    // An archive ends with an error then, not early.
    assert!(untar(&server.store(), &head).await.is_err());
    std::fs::remove_file(loose(&server, &parent)).unwrap();
    assert_eq!(connectivity().await, Connectivity::Shallow);
    std::fs::remove_file(loose(&server, head.as_str())).unwrap();
    assert_eq!(connectivity().await, Connectivity::Missing);
    assert!(facts(&server.store(), &updates).await.unwrap().kinds.is_empty());
}

#[tokio::test]
async fn an_archive_that_breaks_in_the_middle_ends_with_an_error() {
    let server = Server::start().await;
    let head = server.commit("two", "2").await;
    assert!(server.push(&["main"], accept).await.success);
    let blob = loose(&server, &server.git(&["rev-parse", "HEAD:two"]).await);
    // Its size can still be read, its content can't.
    let mut bytes = std::fs::read(&blob).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0xff;
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, bytes).unwrap();
    assert_eq!(untar(&server.store(), &head).await.unwrap_err(), "git failed on the server");
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
async fn an_archive_holds_all_of_the_tree_whatever_its_attributes_say() {
    let server = Server::start().await;
    let text = "[attr]gone export-ignore\n*.md export-ignore\n/dir export-ignore\nREADME gone\nversion export-subst\n";
    server.commit(".gitattributes", text).await;
    server.commit("dir/a.md", "a").await;
    let head = server.commit("version", "$Format:%H$").await;
    assert!(server.push(&["main"], accept).await.success);
    let names = untar(&server.store(), &head).await.unwrap();
    assert_eq!(names, [".gitattributes 644", "README 644", "dir/ 755", "dir/a.md 644", "version 644"]);
    let mut bytes = Vec::new();
    let mut reader = archive(&server.store(), &head, TreeLimits::default()).await.unwrap();
    reader.read_to_end(&mut bytes).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("$Format:%H$"));
}

#[tokio::test]
async fn a_tree_that_unfolds_without_end_is_refused_before_it_is_archived() {
    let server = Server::start().await;
    let script = "entry=\"100644 blob $(git rev-parse HEAD:README)\"; \
                  for depth in 1 2 3 4 5 6 7 8 9; do tree=$(for n in 0 1 2 3 4 5 6 7 8 9; do \
                  printf '%s\\t%s\\n' \"$entry\" $n; done | git mktree); entry=\"040000 tree $tree\"; done; \
                  git update-ref refs/heads/main $(GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a \
                  GIT_COMMITTER_EMAIL=a git commit-tree -m bomb $tree)";
    let made = tokio::process::Command::new("/bin/sh").args(["-c", script]).current_dir(&server.work).status().await;
    assert!(made.unwrap().success());
    let head = server.git(&["rev-parse", "main"]).await.parse().unwrap();
    assert!(server.push(&["main"], accept).await.success);
    let limits = TreeLimits { entries: 20_000, bytes: 1 << 30 };
    let refused = archive(&server.store(), &head, limits).await.map(drop);
    assert!(matches!(refused, Err(GitError::TreeTooLarge { .. })), "{refused:?}");
    let limits = TreeLimits { entries: u64::MAX, bytes: 10_000 };
    assert!(archive(&server.store(), &head, limits).await.is_err());
}

#[tokio::test]
async fn a_file_is_read_within_its_limit_and_never_from_outside_of_the_tree() {
    let server = Server::start().await;
    std::fs::write(server.work.join("empty"), "").unwrap();
    std::os::unix::fs::symlink("dir/real", server.work.join("link")).unwrap();
    std::os::unix::fs::symlink("../../etc/passwd", server.work.join("out")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", server.work.join("absolute")).unwrap();
    let head = server.commit("dir/real", "0123456789").await;
    assert!(server.push(&["main"], accept).await.success);
    let store = server.store();
    let read = async |path: &str| read_file(&store, &head, path, 10).await.unwrap();
    for path in ["dir/real", "./dir//real", "link"] {
        assert_eq!(read(path).await.as_deref(), Some(&b"0123456789"[..]), "{path}");
    }
    assert_eq!(read("empty").await.as_deref(), Some(&b""[..]));
    for path in
        ["dir", "none", "out", "absolute", "../x", "dir/../dir/real", "/dir/real", "", ".", "dir/real\nx", ":x", "*"]
    {
        assert_eq!(read(path).await, None, "{path}");
    }
    let refused = read_file(&store, &head, "link", 9).await.unwrap_err();
    assert_eq!(refused.to_string(), "link is larger than 9 bytes");
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

#[tokio::test]
async fn refs_are_looked_up_by_their_whole_name() {
    let server = Server::start().await;
    assert!(server.push(&["main"], accept).await.success);
    for name in ["main", "HEAD", "refs/heads/none", "refs/heads/main^{}", "refs/heads/", "--all", "refs/heads/main@{0}"]
    {
        assert_eq!(ref_value(&server.repository, name).await.unwrap(), None, "{name}");
    }
    assert!(ref_value(Path::new("/nonexistent"), "refs/heads/main").await.is_err());
}
