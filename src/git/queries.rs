//! Queries about a repository's refs and about the objects of a push.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::command::{for_each_record, git_in_repository, run};
use super::error::GitError;
use super::ref_policy::{Connectivity, ObjectKind, PushFacts, RefUpdate};
use super::refnames;
use super::stale_files::{SHALLOW_FILE_PREFIX, list_directory};
use crate::domain::progress::strip_control;
use crate::domain::{BranchName, CommitSha, GitObjects};

const MAX_REFS: usize = 100_000;
/// In bytes, for commands that print at most one line.
const LINE_LIMIT: u64 = 4096;
/// In bytes, for a ref and the refs below it, which exist only if the ref itself does not.
const REF_LIST_LIMIT: u64 = 1 << 20;
/// `git describe` may walk a long history, and its result is only a label.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// In bytes: a million shallow roots.
const SHALLOW_FILE_LIMIT: u64 = 41 << 20;

/// Collects what [`super::decide_refs`] needs about a push.
///
/// # Errors
/// When git fails or the repository exceeds a limit.
pub async fn push_facts(objects: &GitObjects, updates: &[RefUpdate]) -> Result<PushFacts, GitError> {
    let (refs, head, kinds) =
        tokio::try_join!(list_refs(objects), read_head(objects), read_object_kinds(objects, updates))?;
    let (rewritten, connectivity, tag_names) = tokio::try_join!(
        find_rewritten_branches(objects, updates, &refs),
        check_connectivity(objects, updates, &kinds),
        read_tag_names(objects, updates, &kinds)
    )?;
    let (head, unborn) = split_unborn(head, &refs);
    Ok(PushFacts { refs, head, unborn, kinds, tag_names, rewritten, connectivity })
}

/// Reads the refs and the deploy branch again. The facts about objects cannot have changed.
///
/// # Errors
/// When git fails.
pub async fn refresh_refs(
    objects: &GitObjects,
    updates: &[RefUpdate],
    facts: PushFacts,
) -> Result<PushFacts, GitError> {
    let (refs, head) = tokio::try_join!(list_refs(objects), read_head(objects))?;
    let has_moved = |update: &RefUpdate| refs.get(&update.reference) != facts.refs.get(&update.reference);
    let rewritten = match updates.iter().any(has_moved) {
        true => find_rewritten_branches(objects, updates, &refs).await?,
        false => facts.rewritten,
    };
    let (head, unborn) = split_unborn(head, &refs);
    Ok(PushFacts { refs, head, unborn, rewritten, ..facts })
}

/// The deploy branch and its commit; `None` before the first deploy.
///
/// # Errors
/// When git fails.
pub async fn deploy_branch_head(objects: &GitObjects) -> Result<Option<(BranchName, CommitSha)>, GitError> {
    let (mut refs, head) = tokio::try_join!(list_refs(objects), read_head(objects))?;
    Ok(head.and_then(|branch| refs.remove(&branch.to_ref()).map(|commit| (branch, commit))))
}

/// Returns the branch that HEAD names first if it exists, second if it is unborn.
fn split_unborn(
    head: Option<BranchName>,
    refs: &BTreeMap<String, CommitSha>,
) -> (Option<BranchName>, Option<BranchName>) {
    let exists = head.as_ref().is_some_and(|branch| refs.contains_key(&branch.to_ref()));
    if exists { (head, None) } else { (None, head) }
}

/// Points HEAD at `branch`, which makes it the deploy branch and what a clone checks out.
///
/// # Errors
/// When git fails.
pub async fn set_head(repository: &Path, branch: &BranchName) -> Result<(), GitError> {
    let objects = GitObjects { repository: repository.to_owned(), quarantine: None };
    let command = git_in_repository(&objects, &["symbolic-ref", "HEAD", &branch.to_ref()]);
    // In its own task: cancelling the caller must not kill a git process that holds HEAD.lock.
    let completed = tokio::spawn(run(command, &[], LINE_LIMIT)).await;
    let completed = completed.map_err(|error| GitError::Io { action: "wait for git", source: error.into() })??;
    completed.into_result().map(drop)
}

/// The object id of a ref, given its full name; `None` if there is no such ref.
///
/// # Errors
/// When git fails.
pub async fn resolve_ref(repository: &Path, reference: &str) -> Result<Option<CommitSha>, GitError> {
    if !reference.starts_with("refs/") || !refnames::is_valid(reference) {
        return Ok(None);
    }
    let objects = GitObjects { repository: repository.to_owned(), quarantine: None };
    // `git rev-parse` would also try other refs and abbreviated object ids.
    let list = git_in_repository(&objects, &["for-each-ref", "--format=%(refname) %(objectname)", reference]);
    let output = run(list, &[], REF_LIST_LIMIT).await?.into_result()?;
    let output = String::from_utf8_lossy(&output);
    let mut ids = output.lines().filter_map(|line| line.strip_prefix(reference)?.strip_prefix(' ')?.parse().ok());
    Ok(ids.next())
}

/// The commit's name relative to its nearest tag, or its abbreviated id.
pub async fn describe_commit(objects: &GitObjects, commit: &CommitSha) -> String {
    let arguments = ["describe", "--tags", "--always", "--abbrev=7", commit.as_str()];
    let describe = run(git_in_repository(objects, &arguments), &[], LINE_LIMIT);
    let text = match tokio::time::timeout(DESCRIBE_TIMEOUT, describe).await {
        Ok(Ok(completed)) if completed.is_success() => strip_control(&first_line(&completed.stdout)),
        _ => String::new(),
    };
    if text.is_empty() { commit.short().to_owned() } else { text }
}

pub(super) async fn list_refs(objects: &GitObjects) -> Result<BTreeMap<String, CommitSha>, GitError> {
    let command = git_in_repository(objects, &["for-each-ref", "--format=%(objectname) %(refname)"]);
    let mut refs = BTreeMap::new();
    let read = for_each_record(command, &[], b'\n', |line| {
        let line = String::from_utf8_lossy(line);
        if let Some((id, name)) = line.split_once(' ')
            && let Ok(id) = id.parse()
        {
            refs.insert(name.to_owned(), id);
        }
        if refs.len() > MAX_REFS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match read.await? {
        None => Err(GitError::TooManyRefs(MAX_REFS)),
        Some(completed) => completed.into_result().map(|_| refs),
    }
}

/// The branch that HEAD names, unborn or not; `None` for a detached HEAD.
async fn read_head(objects: &GitObjects) -> Result<Option<BranchName>, GitError> {
    let completed = run(git_in_repository(objects, &["symbolic-ref", "--quiet", "HEAD"]), &[], LINE_LIMIT).await?;
    if completed.exit_code() == Some(1) {
        return Ok(None); // detached
    }
    Ok(BranchName::from_ref(&first_line(&completed.into_result()?)))
}

/// The object kinds of the new ids; ids without an object are left out.
async fn read_object_kinds(
    objects: &GitObjects,
    updates: &[RefUpdate],
) -> Result<HashMap<CommitSha, ObjectKind>, GitError> {
    let ids = new_ids(updates);
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let command = git_in_repository(objects, &["cat-file", "--batch-check=%(objectname) %(objecttype)"]);
    let output = run(command, &id_lines(&ids), 128 * (ids.len() as u64)).await?.into_result()?;
    Ok(String::from_utf8_lossy(&output).lines().filter_map(parse_object_kind).collect())
}

fn parse_object_kind(line: &str) -> Option<(CommitSha, ObjectKind)> {
    let (id, kind) = line.split_once(' ')?;
    let kind = match kind {
        "commit" => ObjectKind::Commit,
        "tag" => ObjectKind::Tag,
        "tree" => ObjectKind::Tree,
        "blob" => ObjectKind::Blob,
        _ => return None,
    };
    Some((id.parse().ok()?, kind))
}

/// The names, as the tag objects state them, of annotated tags that are pushed to a branch.
async fn read_tag_names(
    objects: &GitObjects,
    updates: &[RefUpdate],
    kinds: &HashMap<CommitSha, ObjectKind>,
) -> Result<HashMap<CommitSha, String>, GitError> {
    let mut names = HashMap::new();
    let is_tag = |update: &&RefUpdate| kinds.get(&update.new) == Some(&ObjectKind::Tag);
    for update in updates.iter().filter(|update| update.reference.starts_with("refs/heads/")).filter(is_tag) {
        let read = run(git_in_repository(objects, &["cat-file", "tag", update.new.as_str()]), &[], LINE_LIMIT).await?;
        let text = String::from_utf8_lossy(&read.stdout);
        let header = text.lines().take_while(|line| !line.is_empty());
        if let Some(name) = header.filter_map(|line| line.strip_prefix("tag ")).next() {
            names.insert(update.new.clone(), name.to_owned());
        }
    }
    Ok(names)
}

/// The existing branches whose update is no fast-forward.
async fn find_rewritten_branches(
    objects: &GitObjects,
    updates: &[RefUpdate],
    refs: &BTreeMap<String, CommitSha>,
) -> Result<BTreeSet<String>, GitError> {
    let mut rewritten = BTreeSet::new();
    let moved = updates.iter().filter(|update| !update.is_deletion() && update.reference.starts_with("refs/heads/"));
    for update in moved {
        let Some(current) = refs.get(&update.reference) else { continue };
        let arguments = ["merge-base", "--is-ancestor", current.as_str(), update.new.as_str()];
        if !run(git_in_repository(objects, &arguments), &[], LINE_LIMIT).await?.is_success() {
            rewritten.insert(update.reference.clone());
        }
    }
    Ok(rewritten)
}

/// Repeats git's own connectivity check of a push (connected.c) and its rule about shallow clones.
async fn check_connectivity(
    objects: &GitObjects,
    updates: &[RefUpdate],
    kinds: &HashMap<CommitSha, ObjectKind>,
) -> Result<Connectivity, GitError> {
    let ids = new_ids(updates);
    if ids.iter().any(|id| !kinds.contains_key(*id)) {
        return Ok(Connectivity::Incomplete);
    }
    if ids.is_empty() {
        return Ok(Connectivity::Complete);
    }
    let input = id_lines(&ids);
    if contains_shallow_root(objects, &input).await? {
        return Ok(Connectivity::Shallow);
    }
    if run(rev_list_new(objects, &["--objects", "--quiet"]), &input, LINE_LIMIT).await?.is_success() {
        return Ok(Connectivity::Complete);
    }
    let has_all_commits = run(rev_list_new(objects, &["--quiet"]), &input, LINE_LIMIT).await?.is_success();
    Ok(if has_all_commits { Connectivity::Incomplete } else { Connectivity::Shallow })
}

/// `git rev-list` of everything reachable from the ids on its input and from no ref.
fn rev_list_new(objects: &GitObjects, options: &[&str]) -> Command {
    // `--not` applies to what follows it, so `--stdin` has to precede it.
    git_in_repository(objects, &[&["rev-list"], options, &["--stdin", "--not", "--all"]].concat())
}

/// Whether the push contains a commit at which the client's clone is shallow. git rejects such a push after the hook,
/// even if the server has the parents of that commit.
async fn contains_shallow_root(objects: &GitObjects, input: &[u8]) -> Result<bool, GitError> {
    let roots = read_shallow_roots(&objects.repository).await.map_err(GitError::io("read the repository"))?;
    if roots.is_empty() {
        return Ok(false);
    }
    let is_root = |line: &[u8]| std::str::from_utf8(line).is_ok_and(|id| roots.contains(id));
    let walk = for_each_record(rev_list_new(objects, &[]), input, b'\n', |line| {
        if is_root(line) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    Ok(walk.await?.is_none())
}

/// The shallow roots of every push that is being received. receive-pack passes them to its child processes in a temporary
/// file; the hook's environment does not name that file.
async fn read_shallow_roots(repository: &Path) -> io::Result<HashSet<String>> {
    let mut roots = HashSet::new();
    for path in list_directory(repository, |name| name.starts_with(SHALLOW_FILE_PREFIX)).await? {
        match tokio::fs::metadata(&path).await {
            Ok(metadata) if metadata.len() > SHALLOW_FILE_LIMIT => {
                return Err(io::Error::other("too many shallow roots"));
            }
            _ => {}
        }
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => roots.extend(text.lines().map(str::to_owned)),
            // The file of another push, which has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(roots)
}

fn new_ids(updates: &[RefUpdate]) -> Vec<&CommitSha> {
    updates.iter().filter(|update| !update.is_deletion()).map(|update| &update.new).collect()
}

fn id_lines(ids: &[&CommitSha]) -> Vec<u8> {
    ids.iter().flat_map(|id| [id.as_str().as_bytes(), b"\n"]).flatten().copied().collect()
}

fn first_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().next().unwrap_or_default().to_owned()
}
