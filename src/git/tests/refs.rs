//! What a push does to refs.

use std::path::Path;

use super::super::testing::Server;
use super::super::updates::{Connectivity, RefUpdate};
use super::super::*;
use super::{accept, loose, unpack, untar};
use crate::domain::{BranchName, CommitSha};

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

#[tokio::test]
async fn missing_objects_are_noticed() {
    let server = Server::start().await;
    let head = server.commit("two", "2").await;
    assert!(server.push(&["main"], accept).await.success);
    unpack(&server).await;
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
async fn refs_are_looked_up_by_their_whole_name() {
    let server = Server::start().await;
    assert!(server.push(&["main"], accept).await.success);
    for name in ["main", "HEAD", "refs/heads/none", "refs/heads/main^{}", "refs/heads/", "--all", "refs/heads/main@{0}"]
    {
        assert_eq!(ref_value(&server.repository, name).await.unwrap(), None, "{name}");
    }
    assert!(ref_value(Path::new("/nonexistent"), "refs/heads/main").await.is_err());
}
