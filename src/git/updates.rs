//! What becomes of each pushed ref: decided before anything is built.
//!
//! git runs the pre-receive hook also for updates that it will reject afterwards. Those checks are
//! repeated here, or an app would go live and its push be refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::refnames;
use crate::domain::progress::clean;
use crate::domain::{BranchName, CommitSha};

/// How many refs one push may change.
pub const MAX_UPDATES: usize = 1000;

/// The branches that are deployed first where a first push brings several.
const USUAL: [&str; 2] = ["main", "master"];

/// One ref that a push wants to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// What the client believes the ref to be; zero for a new ref.
    pub old: CommitSha,
    /// What it is to be; zero to delete it.
    pub new: CommitSha,
    /// The full ref name.
    pub reference: String,
}

impl RefUpdate {
    /// Whether the ref is to go.
    pub fn is_deletion(&self) -> bool {
        self.new.is_zero()
    }

    fn branch(&self) -> Option<BranchName> {
        BranchName::from_ref(&self.reference)
    }
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
    /// A tree.
    Tree,
    /// A blob.
    Blob,
}

/// Whether everything that the pushed objects refer to is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// All of it.
    Complete,
    /// Parents of commits are missing, or git will count them as missing: the client is a shallow clone.
    Shallow,
    /// Something else is missing.
    Missing,
}

/// What the repository says about a push.
#[derive(Debug, Clone)]
pub struct RepoFacts {
    /// Every ref there is.
    pub refs: BTreeMap<String, CommitSha>,
    /// The deploy branch: the one HEAD names, if it exists.
    pub head: Option<BranchName>,
    /// The branch that HEAD names although it does not exist (yet).
    pub unborn: Option<BranchName>,
    /// What the new ids are; one that is absent here is no object.
    pub kinds: HashMap<CommitSha, ObjectKind>,
    /// The branches whose new commit does not descend from the old one.
    pub rewritten: BTreeSet<String>,
    /// Whether the new objects are complete.
    pub connectivity: Connectivity,
}

/// What a push leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefPlan {
    /// The branch to deploy, and its new commit.
    pub deploy: Option<(BranchName, CommitSha)>,
    /// What to tell the pusher about everything else, one line each.
    pub notes: Vec<String>,
}

/// Why a push is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUpdate {
    /// More refs than [`MAX_UPDATES`].
    #[error("this push changes more than {MAX_UPDATES} branches and tags: push them in parts")]
    TooMany,
    /// HEAD itself.
    #[error("HEAD can't be pushed or deleted: it names the branch that is deployed")]
    Head,
    /// Neither a branch nor a tag.
    #[error("{} can't be pushed: only branches (refs/heads/…) and tags (refs/tags/…) are kept here", clean(.0))]
    Elsewhere(String),
    /// A name that git would refuse.
    #[error("{:?} is not a valid name of a branch or tag", clean(.0))]
    Name(String),
    /// The same ref more than once.
    #[error("{} is in this push more than once", clean(.0))]
    Twice(String),
    /// The deploy branch is to be deleted.
    #[error("{} is the branch that is deployed: it can't be deleted", clean(.0.as_str()))]
    DeployBranch(BranchName),
    /// A branch that points to something else than a commit.
    #[error("{} must point to a commit", clean(.0))]
    NotACommit(String),
    /// Objects are missing.
    #[error("this push lacks objects that it refers to: run `git fsck` in your clone, then push again")]
    Missing,
    /// History is missing.
    #[error(
        "this push comes from a shallow clone: run `git fetch --unshallow` and push again \
         (in CI, check out with `fetch-depth: 0`)"
    )]
    Shallow,
    /// The ref is not what the client believes.
    #[error("{} has changed since you looked: run `git fetch` and push again", clean(.0))]
    Moved(String),
    /// Directory/file conflict.
    #[error("{} can't exist beside {}: delete that one first, in a push of its own", clean(reference), clean(other))]
    Conflict {
        /// The ref that is to be.
        reference: String,
        /// The one that is in its way.
        other: String,
    },
    /// A forced push where that is not allowed.
    #[error("{} would lose commits, and this server refuses forced pushes: merge or rebase, then push again", clean(.0))]
    Forced(String),
    /// A first push with several branches, none of which is the obvious one.
    #[error("which branch is to be deployed? Push that one first, for example: git push REMOTE {}", quoted(.0.as_str()))]
    WhichBranch(BranchName),
}

/// Decides on a push as a whole: either each ref can move, or none is to.
///
/// # Errors
/// Why the push is refused.
pub fn plan(updates: &[RefUpdate], facts: &RepoFacts, deny_force: bool) -> Result<RefPlan, RefusedUpdate> {
    check_names(updates)?;
    check_deletions(updates, facts)?;
    check_objects(updates, facts)?;
    check_old_ids(updates, facts)?;
    let deploy = deploy_branch(updates, facts)?;
    check_conflicts(updates, facts, deploy.is_some())?;
    if deny_force {
        check_forced(updates, facts)?;
    }
    Ok(RefPlan { notes: notes(updates, facts, deploy.as_ref()), deploy })
}

fn check_names(updates: &[RefUpdate]) -> Result<(), RefusedUpdate> {
    if updates.len() > MAX_UPDATES {
        return Err(RefusedUpdate::TooMany);
    }
    let mut seen = BTreeSet::new();
    for update in updates {
        check_name(update)?;
        if !seen.insert(&update.reference) {
            return Err(RefusedUpdate::Twice(update.reference.clone()));
        }
    }
    Ok(())
}

fn check_name(update: &RefUpdate) -> Result<(), RefusedUpdate> {
    let name = &update.reference;
    if name == "HEAD" {
        return Err(RefusedUpdate::Head);
    }
    let branch = name.starts_with("refs/heads/");
    if !branch && !name.starts_with("refs/tags/") {
        return Err(RefusedUpdate::Elsewhere(name.clone()));
    }
    if !refnames::is_valid(name) || (branch && update.branch().is_none()) {
        return Err(RefusedUpdate::Name(name.clone()));
    }
    Ok(())
}

fn check_deletions(updates: &[RefUpdate], facts: &RepoFacts) -> Result<(), RefusedUpdate> {
    let Some(head) = &facts.head else { return Ok(()) };
    match updates.iter().any(|update| update.is_deletion() && update.reference == head.to_ref()) {
        true => Err(RefusedUpdate::DeployBranch(head.clone())),
        false => Ok(()),
    }
}

fn check_objects(updates: &[RefUpdate], facts: &RepoFacts) -> Result<(), RefusedUpdate> {
    for update in updates.iter().filter(|update| !update.is_deletion()) {
        let kind = facts.kinds.get(&update.new).ok_or(RefusedUpdate::Missing)?;
        if *kind != ObjectKind::Commit && update.branch().is_some() {
            return Err(RefusedUpdate::NotACommit(update.reference.clone()));
        }
    }
    match facts.connectivity {
        Connectivity::Complete => Ok(()),
        Connectivity::Shallow => Err(RefusedUpdate::Shallow),
        Connectivity::Missing => Err(RefusedUpdate::Missing),
    }
}

/// The old id of an update is what the client says; git compares it when it moves the ref.
fn check_old_ids(updates: &[RefUpdate], facts: &RepoFacts) -> Result<(), RefusedUpdate> {
    for update in updates {
        let same = match facts.refs.get(&update.reference) {
            Some(current) => *current == update.old,
            // Deleting what is not there is a warning of git's, no error.
            None => update.old.is_zero() || update.is_deletion(),
        };
        if !same {
            return Err(RefusedUpdate::Moved(update.reference.clone()));
        }
    }
    Ok(())
}

/// git moves the refs in the order of the push, so a deletion makes room for what comes after it.
/// With `--atomic`, which a hook can't see, it does not: what is to go live must not rely on that.
fn check_conflicts(updates: &[RefUpdate], facts: &RepoFacts, deploys: bool) -> Result<(), RefusedUpdate> {
    let mut present: BTreeSet<&str> = facts.refs.keys().map(String::as_str).collect();
    let mut freed = BTreeSet::new();
    for update in updates {
        let name = update.reference.as_str();
        if update.is_deletion() {
            present.remove(name);
            freed.insert(name);
            continue;
        }
        let beside = refnames::conflict(&present, name);
        let freed = || refnames::conflict(&freed, name).filter(|_| deploys);
        if let Some(other) = beside.or_else(freed) {
            return Err(RefusedUpdate::Conflict { reference: name.to_owned(), other: other.to_owned() });
        }
        present.insert(name);
    }
    Ok(())
}

fn check_forced(updates: &[RefUpdate], facts: &RepoFacts) -> Result<(), RefusedUpdate> {
    match updates.iter().find(|update| facts.rewritten.contains(&update.reference)) {
        Some(update) => Err(RefusedUpdate::Forced(update.reference.clone())),
        None => Ok(()),
    }
}

/// The deploy branch is HEAD's; before the first deploy, the obvious one of the pushed branches.
fn deploy_branch(updates: &[RefUpdate], facts: &RepoFacts) -> Result<Option<(BranchName, CommitSha)>, RefusedUpdate> {
    let pushed: Vec<(BranchName, CommitSha)> = updates
        .iter()
        .filter(|update| !update.is_deletion())
        .filter_map(|update| Some((update.branch()?, update.new.clone())))
        .collect();
    let find = |name: &str| pushed.iter().find(|(branch, _)| branch.as_str() == name);
    if let Some(head) = &facts.head {
        return Ok(find(head.as_str()).cloned());
    }
    let obvious = facts.unborn.iter().map(BranchName::as_str).chain(USUAL).find_map(find);
    match (obvious, pushed.as_slice()) {
        (Some(found), _) => Ok(Some(found.clone())),
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only.clone())),
        (None, [(branch, _), ..]) => Err(RefusedUpdate::WhichBranch(branch.clone())),
    }
}

fn notes(updates: &[RefUpdate], facts: &RepoFacts, deploy: Option<&(BranchName, CommitSha)>) -> Vec<String> {
    let deployed = facts.head.as_ref().or(deploy.map(|(branch, _)| branch));
    updates.iter().filter(|update| !update.is_deletion()).filter_map(|update| note(update, deployed)).collect()
}

fn note(update: &RefUpdate, deployed: Option<&BranchName>) -> Option<String> {
    if let Some(tag) = update.reference.strip_prefix("refs/tags/") {
        return Some(format!("Stored the tag {}; a tag is not deployed", clean(tag)));
    }
    let branch = update.branch()?;
    let deployed = deployed.filter(|deployed| **deployed != branch)?;
    let refspec = quoted(&format!("{branch}:{deployed}"));
    let (branch, deployed) = (clean(branch.as_str()), clean(deployed.as_str()));
    Some(format!("Stored {branch}, not deployed: that is {deployed}. To deploy it: git push REMOTE {refspec}"))
}

/// Ready to be pasted into a shell, whatever the name was made of.
fn quoted(text: &str) -> String {
    shell_words::quote(&clean(text)).into_owned()
}

#[cfg(test)]
#[path = "updates_tests.rs"]
mod tests;
