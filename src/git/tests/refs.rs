//! The effects of pushes on refs, and queries about refs.

use std::path::Path;

use super::super::ref_policy::Connectivity;
use super::super::testing::TestServer;
use super::super::*;
use super::{accept, loose_object_path, unpack_objects, untar};
use crate::domain::{BranchName, CommitSha};

#[tokio::test]
async fn pushes_deploy_store_and_delete_refs() {
    let server = TestServer::start().await;
    let work = server.work.clone();
    let main: BranchName = "main".parse().unwrap();
    let first = server.git(&["rev-parse", "HEAD"]).await.parse().unwrap();
    let (outcome, decision) = server.push_by_policy(&work, &["main"]).await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(decision.unwrap().deploy, Some((main.clone(), first)));

    server.git(&["tag", "-a", "-m", "one", "v1"]).await;
    let second = server.commit("two", "2").await;
    let (outcome, decision) = server.push_by_policy(&work, &["main", "main:dev", "v1"]).await;
    assert!(outcome.success, "{}", outcome.stderr);
    let decision = decision.unwrap();
    assert_eq!((decision.deploy, decision.notes.len()), (Some((main, second.clone())), 2));
    assert_eq!(describe_commit(&server.objects(), &second).await, format!("v1-1-g{}", second.short()));

    // A push that only deletes has no quarantine.
    let (outcome, decision) = server.push_by_policy(&work, &[":dev", ":v1"]).await;
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(decision.unwrap().deploy, None);
    let (outcome, decision) = server.push_by_policy(&work, &[":main"]).await;
    assert!(!outcome.success);
    assert!(matches!(decision, Err(RefRejection::DeployBranchDeletion(_))));
}

#[tokio::test]
async fn the_deploy_branch_is_the_branch_that_head_names() {
    let server = TestServer::start().await;
    let dev: BranchName = "dev".parse().unwrap();
    assert_eq!(push_facts(&server.objects(), &[]).await.unwrap().unborn.unwrap().as_str(), "main");
    set_head(&server.repository, &dev).await.unwrap();
    assert_eq!(push_facts(&server.objects(), &[]).await.unwrap().unborn, Some(dev.clone()));
    assert!(server.push(&["main:dev"], accept).await.success);
    let facts = push_facts(&server.objects(), &[]).await.unwrap();
    assert_eq!((facts.head, facts.unborn), (Some(dev), None));
}

#[tokio::test]
async fn a_push_that_is_no_fast_forward_is_rejected_before_git_moves_the_ref() {
    let mut server = TestServer::start().await;
    server.commit("two", "2").await;
    assert!(server.push(&["main"], accept).await.success);
    server.git(&["reset", "-q", "--hard", "HEAD~1"]).await;
    server.commit("three", "3").await;
    server.settings.deny_force = true;
    let work = server.work.clone();
    let (outcome, decision) = server.push_by_policy(&work, &["-f", "main"]).await;
    assert!(!outcome.success);
    assert!(matches!(decision, Err(RefRejection::NonFastForward(_))));
    // git rejects the push as well.
    assert!(!server.push(&["-f", "main"], accept).await.success);
    server.settings.deny_force = false;
    let (outcome, decision) = server.push_by_policy(&work, &["-f", "main"]).await;
    assert!(outcome.success && decision.is_ok(), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_shallow_push_is_rejected_exactly_when_git_would_reject_it() {
    let server = TestServer::start().await;
    server.commit("two", "2").await;
    let shallow = server.directory.path().join("shallow");
    let source = format!("file://{}", server.work.display());
    server.git_in(server.directory.path(), &["clone", "-q", "--depth=1", &source, "shallow"]).await;
    // The parent of the pushed commit is missing.
    let (outcome, decision) = server.push_by_policy(&shallow, &["main"]).await;
    assert!(!outcome.success);
    assert_eq!(decision, Err(RefRejection::ShallowClone));
    // The parent exists, but git rejects the push after its hook.
    assert!(server.push(&["main~1:refs/heads/main"], accept).await.success);
    let (_, decision) = server.push_by_policy(&shallow, &["-f", "main"]).await;
    assert_eq!(decision, Err(RefRejection::ShallowClone));
    let accepted_by_hook = server.push_from(&shallow, &["-f", "main"], accept).await;
    assert!(
        !accepted_by_hook.success && accepted_by_hook.stderr.contains("shallow update not allowed"),
        "{}",
        accepted_by_hook.stderr
    );
    // The push does not contain the shallow root: git accepts it, and so does the policy.
    assert!(server.push(&["main"], accept).await.success);
    std::fs::write(shallow.join("three"), "3").unwrap();
    server.git_in(&shallow, &["add", "three"]).await;
    server.git_in(&shallow, &["commit", "-q", "-m", "three"]).await;
    let (outcome, decision) = server.push_by_policy(&shallow, &["main"]).await;
    assert!(outcome.success && decision.is_ok(), "{}", outcome.stderr);
}

#[tokio::test]
async fn missing_objects_are_detected() {
    let server = TestServer::start().await;
    let head = server.commit("two", "2").await;
    assert!(server.push(&["main"], accept).await.success);
    unpack_objects(&server).await;
    let blob = server.git(&["rev-parse", "HEAD:two"]).await;
    let parent = server.git(&["rev-parse", "HEAD~1"]).await;
    let zero: CommitSha = "0".repeat(40).parse().unwrap();
    let updates = [RefUpdate { old: zero, new: head.clone(), reference: "refs/heads/x".into() }];
    std::fs::remove_file(server.repository.join("refs/heads/main")).unwrap();
    let connectivity = async || push_facts(&server.objects(), &updates).await.unwrap().connectivity;
    assert_eq!(connectivity().await, Connectivity::Complete);
    std::fs::remove_file(loose_object_path(&server, &blob)).unwrap();
    assert_eq!(connectivity().await, Connectivity::Incomplete);
    // An archive of it ends with an error and is not truncated.
    assert!(untar(&server.objects(), &head).await.is_err());
    std::fs::remove_file(loose_object_path(&server, &parent)).unwrap();
    assert_eq!(connectivity().await, Connectivity::Shallow);
    std::fs::remove_file(loose_object_path(&server, head.as_str())).unwrap();
    assert_eq!(connectivity().await, Connectivity::Incomplete);
    assert!(push_facts(&server.objects(), &updates).await.unwrap().kinds.is_empty());
}

#[tokio::test]
async fn refs_are_resolved_by_their_full_name_only() {
    let server = TestServer::start().await;
    assert!(server.push(&["main"], accept).await.success);
    for name in ["main", "HEAD", "refs/heads/none", "refs/heads/main^{}", "refs/heads/", "--all", "refs/heads/main@{0}"]
    {
        assert_eq!(resolve_ref(&server.repository, name).await.unwrap(), None, "{name}");
    }
    assert!(resolve_ref(Path::new("/nonexistent"), "refs/heads/main").await.is_err());
}
