//! Asking a repository about its refs and about the objects of a push.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::command::{each, inspect, run};
use super::error::GitError;
use super::refnames;
use super::sweep::{self, SHALLOW};
use super::updates::{Connectivity, ObjectKind, RefUpdate, RepoFacts};
use crate::domain::progress::clean;
use crate::domain::{BranchName, CommitSha, ObjectStore};

/// How many refs a repository may have.
const MAX_REFS: usize = 100_000;
/// Enough for an answer of one line.
const ONE_LINE: u64 = 4096;
/// Enough for a ref and those below it, of which there are none unless the ref is missing.
const MAX_ANSWER: u64 = 1 << 20;
/// How long `git describe` may walk a history for a mere label.
const DESCRIBE: Duration = Duration::from_secs(5);
/// The longest list of shallow roots that is read: a million of them.
const MAX_ROOTS: u64 = 41 << 20;

/// Collects what [`super::updates::plan`] wants to know.
///
/// # Errors
/// When git fails, or the repository is beyond the limits.
pub async fn facts(store: &ObjectStore, updates: &[RefUpdate]) -> Result<RepoFacts, GitError> {
    let (refs, target, kinds) = tokio::try_join!(refs(store), head_target(store), kinds(store, updates))?;
    let (rewritten, connectivity) =
        tokio::try_join!(rewritten(store, updates, &refs), connectivity(store, updates, &kinds))?;
    let (head, unborn) = deploy_branch(target, &refs);
    Ok(RepoFacts { refs, head, unborn, kinds, rewritten, connectivity })
}

/// The same facts with the refs and the deploy branch as they are now; what is true of the objects stays true.
///
/// # Errors
/// When git fails.
pub async fn facts_now(store: &ObjectStore, facts: RepoFacts) -> Result<RepoFacts, GitError> {
    let (refs, target) = tokio::try_join!(refs(store), head_target(store))?;
    let (head, unborn) = deploy_branch(target, &refs);
    Ok(RepoFacts { refs, head, unborn, ..facts })
}

/// The deploy branch and its commit, once there is one.
///
/// # Errors
/// When git fails.
pub async fn deploy_head(store: &ObjectStore) -> Result<Option<(BranchName, CommitSha)>, GitError> {
    let (mut refs, target) = tokio::try_join!(refs(store), head_target(store))?;
    Ok(target.and_then(|branch| refs.remove(&branch.to_ref()).map(|commit| (branch, commit))))
}

/// The branch that HEAD names: as one that exists, or as one that does not.
fn deploy_branch(
    target: Option<BranchName>,
    refs: &BTreeMap<String, CommitSha>,
) -> (Option<BranchName>, Option<BranchName>) {
    let exists = target.as_ref().is_some_and(|branch| refs.contains_key(&branch.to_ref()));
    if exists { (target, None) } else { (None, target) }
}

/// Makes HEAD name `branch`, so that it is the deploy branch and what a clone checks out.
///
/// # Errors
/// When git fails.
pub async fn set_head(repository: &Path, branch: &BranchName) -> Result<(), GitError> {
    let store = ObjectStore { repository: repository.to_owned(), quarantine: None };
    let command = inspect(&store, &["symbolic-ref", "HEAD", &branch.to_ref()]);
    // On a task of its own, so that cancelling never kills a git that holds HEAD's lock.
    let finished = tokio::spawn(run(command, &[], ONE_LINE)).await;
    let finished = finished.map_err(|error| GitError::Io { doing: "wait for git", source: error.into() })??;
    finished.succeeded().map(drop)
}

/// Where a ref points to, if it exists.
///
/// # Errors
/// When git fails.
pub async fn ref_value(repository: &Path, reference: &str) -> Result<Option<CommitSha>, GitError> {
    if !reference.starts_with("refs/") || !refnames::is_valid(reference) {
        return Ok(None);
    }
    let store = ObjectStore { repository: repository.to_owned(), quarantine: None };
    // rev-parse would guess: another ref, or a commit, may answer to the name of one that does not exist.
    let list = inspect(&store, &["for-each-ref", "--format=%(refname) %(objectname)", reference]);
    let answer = run(list, &[], MAX_ANSWER).await?.succeeded()?;
    let answer = String::from_utf8_lossy(&answer);
    let mut ids = answer.lines().filter_map(|line| line.strip_prefix(reference)?.strip_prefix(' ')?.parse().ok());
    Ok(ids.next())
}

/// What people call the commit: by its nearest tag, or by its first digits.
pub async fn describe(store: &ObjectStore, commit: &CommitSha) -> String {
    let arguments = ["describe", "--tags", "--always", "--abbrev=7", commit.as_str()];
    let described = tokio::time::timeout(DESCRIBE, run(inspect(store, &arguments), &[], ONE_LINE)).await;
    let text = match described {
        Ok(Ok(finished)) if finished.success() => clean(&first_line(&finished.stdout)),
        _ => String::new(),
    };
    if text.is_empty() { commit.short().to_owned() } else { text }
}

/// Every ref and its value.
pub(super) async fn refs(store: &ObjectStore) -> Result<BTreeMap<String, CommitSha>, GitError> {
    let command = inspect(store, &["for-each-ref", "--format=%(objectname) %(refname)"]);
    let mut refs = BTreeMap::new();
    let read = each(command, &[], b'\n', |line| {
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
        Some(finished) => finished.succeeded().map(|_| refs),
    }
}

/// The branch that HEAD names, existing or not.
async fn head_target(store: &ObjectStore) -> Result<Option<BranchName>, GitError> {
    let finished = run(inspect(store, &["symbolic-ref", "--quiet", "HEAD"]), &[], ONE_LINE).await?;
    if finished.code() == Some(1) {
        return Ok(None); // HEAD is a commit
    }
    Ok(BranchName::from_ref(&first_line(&finished.succeeded()?)))
}

/// What each of the new ids is; those of no object are left out.
async fn kinds(store: &ObjectStore, updates: &[RefUpdate]) -> Result<HashMap<CommitSha, ObjectKind>, GitError> {
    let ids = new_ids(updates);
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let command = inspect(store, &["cat-file", "--batch-check=%(objectname) %(objecttype)"]);
    let output = run(command, &lines(&ids), 128 * (ids.len() as u64)).await?.succeeded()?;
    Ok(String::from_utf8_lossy(&output).lines().filter_map(kind).collect())
}

fn kind(line: &str) -> Option<(CommitSha, ObjectKind)> {
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

/// The existing branches whose new commit leaves the old one behind.
async fn rewritten(
    store: &ObjectStore,
    updates: &[RefUpdate],
    refs: &BTreeMap<String, CommitSha>,
) -> Result<BTreeSet<String>, GitError> {
    let mut rewritten = BTreeSet::new();
    let moved = updates.iter().filter(|update| !update.is_deletion() && update.reference.starts_with("refs/heads/"));
    for update in moved {
        let Some(current) = refs.get(&update.reference) else { continue };
        let arguments = ["merge-base", "--is-ancestor", current.as_str(), update.new.as_str()];
        if !run(inspect(store, &arguments), &[], ONE_LINE).await?.success() {
            rewritten.insert(update.reference.clone());
        }
    }
    Ok(rewritten)
}

/// git's own check of a push (connected.c), and its rule about shallow clones.
async fn connectivity(
    store: &ObjectStore,
    updates: &[RefUpdate],
    kinds: &HashMap<CommitSha, ObjectKind>,
) -> Result<Connectivity, GitError> {
    let ids = new_ids(updates);
    if ids.iter().any(|id| !kinds.contains_key(*id)) {
        return Ok(Connectivity::Missing);
    }
    if ids.is_empty() {
        return Ok(Connectivity::Complete);
    }
    let input = lines(&ids);
    if brings_shallow_root(store, &input).await? {
        return Ok(Connectivity::Shallow);
    }
    if run(new_objects(store, &["--objects", "--quiet"]), &input, ONE_LINE).await?.success() {
        return Ok(Connectivity::Complete);
    }
    let history = run(new_objects(store, &["--quiet"]), &input, ONE_LINE).await?.success();
    Ok(if history { Connectivity::Missing } else { Connectivity::Shallow })
}

/// `git rev-list` of what is reachable from the ids on its input, and from no ref.
fn new_objects(store: &ObjectStore, options: &[&str]) -> Command {
    // `--not` counts for what follows it: the input has to come first.
    inspect(store, &[&["rev-list"], options, &["--stdin", "--not", "--all"]].concat())
}

/// Whether a commit of the push is one that the client's clone was cut off at. git rejects such a
/// push after the hook, even if the server has the parents of that commit.
async fn brings_shallow_root(store: &ObjectStore, input: &[u8]) -> Result<bool, GitError> {
    let roots = shallow_roots(&store.repository).await.map_err(GitError::io("read the repository"))?;
    if roots.is_empty() {
        return Ok(false);
    }
    let cut_off = |line: &[u8]| std::str::from_utf8(line).is_ok_and(|id| roots.contains(id));
    let walk = each(new_objects(store, &[]), input, b'\n', |line| {
        if cut_off(line) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    Ok(walk.await?.is_none())
}

/// The commits that shallow clients have named in the pushes of this moment. receive-pack keeps
/// them in a temporary file for its children; the hook's environment does not tell.
async fn shallow_roots(repository: &Path) -> io::Result<HashSet<String>> {
    let mut roots = HashSet::new();
    for path in sweep::entries(repository, |name| name.starts_with(SHALLOW)).await? {
        match tokio::fs::metadata(&path).await {
            Ok(metadata) if metadata.len() > MAX_ROOTS => return Err(io::Error::other("too many shallow roots")),
            _ => {}
        }
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => roots.extend(text.lines().map(str::to_owned)),
            // Of another push, which has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(roots)
}

fn new_ids(updates: &[RefUpdate]) -> Vec<&CommitSha> {
    updates.iter().filter(|update| !update.is_deletion()).map(|update| &update.new).collect()
}

fn lines(ids: &[&CommitSha]) -> Vec<u8> {
    ids.iter().flat_map(|id| [id.as_str().as_bytes(), b"\n"]).flatten().copied().collect()
}

fn first_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().next().unwrap_or_default().to_owned()
}
