//! The ref policy: decides about each ref of a push before anything is built.
//!
//! git runs the pre-receive hook also for updates that it will reject afterwards. The policy repeats those checks;
//! otherwise an app could go live although git then rejects its push.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::refnames;
use crate::domain::progress::strip_control;
use crate::domain::{BranchName, CommitSha};

/// How many refs one push may change.
pub(super) const MAX_UPDATES: usize = 1000;

/// The branches that a first push of several branches deploys, in this order, if HEAD's branch is not among them.
const DEFAULT_BRANCHES: [&str; 2] = ["main", "master"];

/// A change of one ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// The value that the client expects; zero for a new ref.
    pub old: CommitSha,
    /// Zero deletes the ref.
    pub new: CommitSha,
    /// The full name of the ref.
    pub reference: String,
}

impl RefUpdate {
    pub fn is_deletion(&self) -> bool {
        self.new.is_zero()
    }

    fn branch(&self) -> Option<BranchName> {
        BranchName::from_ref(&self.reference)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    Commit,
    /// An annotated tag.
    Tag,
    Tree,
    Blob,
}

/// Whether everything that the pushed objects refer to exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    Complete,
    /// The client's clone is shallow: parents of commits are missing, or git will treat them as missing.
    Shallow,
    /// Other objects are missing.
    Incomplete,
}

/// The state of the repository and of the pushed objects.
#[derive(Debug, Clone)]
pub struct PushFacts {
    pub refs: BTreeMap<String, CommitSha>,
    /// The deploy branch: the branch that HEAD names, if it exists.
    pub head: Option<BranchName>,
    /// The branch that HEAD names, if it does not exist yet.
    pub unborn: Option<BranchName>,
    /// The object kinds of the new ids. An id that is missing here has no object.
    pub kinds: HashMap<CommitSha, ObjectKind>,
    /// The names of the annotated tags that were pushed to a branch.
    pub tag_names: HashMap<CommitSha, String>,
    /// The branches whose new commit does not descend from their current one.
    pub rewritten: BTreeSet<String>,
    pub connectivity: Connectivity,
}

/// The operator's and the push's settings for the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefPolicy {
    /// Whether a push that is no fast-forward is rejected.
    pub deny_force: bool,
    /// Whether a branch that another push has moved is moved on, if that is a fast-forward: the push has the
    /// proc-receive hook.
    pub follow_moved_branches: bool,
}

/// The decision about a push whose refs may all move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefDecision {
    /// The branch to deploy, and its new commit.
    pub deploy: Option<(BranchName, CommitSha)>,
    /// One line for the pusher about each ref that is stored but not deployed.
    pub notes: Vec<String>,
}

/// The reason for which a whole push is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefRejection {
    #[error("this push changes more than {MAX_UPDATES} branches and tags: push them in parts")]
    TooManyUpdates,
    #[error("HEAD cannot be pushed or deleted: it names the branch that is deployed")]
    HeadUpdate,
    #[error("{} cannot be pushed: slipway stores only branches (refs/heads/…) and tags (refs/tags/…)", strip_control(.0))]
    NotBranchOrTag(String),
    #[error("{:?} is not a valid name of a branch or tag", strip_control(.0))]
    InvalidName(String),
    #[error("{} is in this push more than once", strip_control(.0))]
    DuplicateUpdate(String),
    #[error(
        "{} would make other names ambiguous for git, and is not stored. {}",
        strip_control(reference),
        suggest(meant.as_deref())
    )]
    AmbiguousName {
        reference: String,
        /// The ref that was probably meant.
        meant: Option<String>,
    },
    #[error(
        "{} is the branch that is deployed: it cannot be deleted. To deploy another branch from now on, push that one, \
         then use the command `deploy-branch APP BRANCH` over SSH",
        strip_control(.0.as_str())
    )]
    DeployBranchDeletion(BranchName),
    #[error("{} must point to a commit", strip_control(.0))]
    NotACommit(String),
    #[error(
        "{} must point to a commit, and {} is an annotated tag. To push the commit of the tag: git push REMOTE {}",
        strip_control(branch.as_str()),
        strip_control(tag),
        quote_always(&format!("{tag}^{{commit}}:{}", branch.to_ref()))
    )]
    AnnotatedTag { branch: BranchName, tag: String },
    #[error("objects are missing from this push: run `git fsck` in your clone, then push again")]
    MissingObjects,
    #[error(
        "this push comes from a shallow clone: run `git fetch --unshallow` and push again \
         (in CI, check out with `fetch-depth: 0`)"
    )]
    ShallowClone,
    #[error("{} has changed on the server since your last fetch: run `git fetch` and push again", strip_control(.0))]
    StaleOldId(String),
    #[error(
        "{} cannot exist beside {}: delete that one first, in a separate push",
        strip_control(reference),
        strip_control(other)
    )]
    NameConflict {
        reference: String,
        /// The ref whose name is a path prefix of `reference`, or the other way round.
        other: String,
    },
    #[error("{} would lose commits, and this server rejects forced pushes: merge or rebase, then push again", strip_control(.0))]
    NonFastForward(String),
    #[error("which branch is to be deployed? Push that one first, for example: git push REMOTE {}", shell_quote(.0.as_str()))]
    AmbiguousDeployBranch(BranchName),
}

/// Decides about a push as a whole: either every ref can move, or none moves.
///
/// # Errors
/// The reason for which the push is rejected.
pub fn decide_refs(updates: &[RefUpdate], facts: &PushFacts, policy: RefPolicy) -> Result<RefDecision, RefRejection> {
    check_names(updates)?;
    check_deletions(updates, facts)?;
    check_objects(updates, facts)?;
    check_old_ids(updates, facts, policy)?;
    let deploy = select_deploy_branch(updates, facts)?;
    check_conflicts(updates, facts, deploy.is_some())?;
    if policy.deny_force {
        check_fast_forward(updates, facts)?;
    }
    Ok(RefDecision { notes: notes(updates, facts, deploy.as_ref()), deploy })
}

fn check_names(updates: &[RefUpdate]) -> Result<(), RefRejection> {
    if updates.len() > MAX_UPDATES {
        return Err(RefRejection::TooManyUpdates);
    }
    let mut seen = BTreeSet::new();
    for update in updates {
        check_name(update)?;
        if !seen.insert(&update.reference) {
            return Err(RefRejection::DuplicateUpdate(update.reference.clone()));
        }
    }
    Ok(())
}

fn check_name(update: &RefUpdate) -> Result<(), RefRejection> {
    let name = &update.reference;
    if name == "HEAD" {
        return Err(RefRejection::HeadUpdate);
    }
    let is_branch = name.starts_with("refs/heads/");
    if !is_branch && !name.starts_with("refs/tags/") {
        return Err(RefRejection::NotBranchOrTag(name.clone()));
    }
    if !refnames::is_valid(name) || (is_branch && update.branch().is_none()) {
        return Err(RefRejection::InvalidName(name.clone()));
    }
    // An existing ref of such a name can be deleted.
    if !update.is_deletion() && refnames::is_ambiguous(name) {
        return Err(RefRejection::AmbiguousName { reference: name.clone(), meant: refnames::find_meant(name) });
    }
    Ok(())
}

fn suggest(meant: Option<&str>) -> String {
    match meant {
        Some(meant) => {
            format!("Was {} meant? git push REMOTE {}", strip_control(meant), shell_quote(&format!("HEAD:{meant}")))
        }
        None => "Name the branch or tag, for example: git push REMOTE HEAD:refs/heads/main".to_owned(),
    }
}

fn check_deletions(updates: &[RefUpdate], facts: &PushFacts) -> Result<(), RefRejection> {
    let Some(head) = &facts.head else { return Ok(()) };
    match updates.iter().any(|update| update.is_deletion() && update.reference == head.to_ref()) {
        true => Err(RefRejection::DeployBranchDeletion(head.clone())),
        false => Ok(()),
    }
}

fn check_objects(updates: &[RefUpdate], facts: &PushFacts) -> Result<(), RefRejection> {
    for update in updates.iter().filter(|update| !update.is_deletion()) {
        let kind = facts.kinds.get(&update.new).ok_or(RefRejection::MissingObjects)?;
        if let Some(branch) = update.branch().filter(|_| *kind != ObjectKind::Commit) {
            return Err(match facts.tag_names.get(&update.new) {
                Some(tag) => RefRejection::AnnotatedTag { branch, tag: tag.clone() },
                None => RefRejection::NotACommit(update.reference.clone()),
            });
        }
    }
    match facts.connectivity {
        Connectivity::Complete => Ok(()),
        Connectivity::Shallow => Err(RefRejection::ShallowClone),
        Connectivity::Incomplete => Err(RefRejection::MissingObjects),
    }
}

/// The client sends the old id; git compares it with the ref only when it moves the ref.
fn check_old_ids(updates: &[RefUpdate], facts: &PushFacts, policy: RefPolicy) -> Result<(), RefRejection> {
    for update in updates {
        let is_current = match facts.refs.get(&update.reference) {
            Some(current) if *current == update.old => true,
            Some(_) => policy.follow_moved_branches && is_fast_forward(update, facts),
            // git only warns about the deletion of a ref that does not exist.
            None => update.old.is_zero() || update.is_deletion(),
        };
        if !is_current {
            return Err(RefRejection::StaleOldId(update.reference.clone()));
        }
    }
    Ok(())
}

/// Whether the update of an existing branch descends from what the branch is now, wherever the client saw it.
fn is_fast_forward(update: &RefUpdate, facts: &PushFacts) -> bool {
    !update.is_deletion() && update.branch().is_some() && !facts.rewritten.contains(&update.reference)
}

/// git moves the refs in the order of the push, so a deletion frees names for later updates. With `--atomic` it does
/// not, and a hook cannot see that option: a push that deploys must not depend on a freed name.
fn check_conflicts(updates: &[RefUpdate], facts: &PushFacts, has_deploy: bool) -> Result<(), RefRejection> {
    let mut present: BTreeSet<&str> = facts.refs.keys().map(String::as_str).collect();
    let mut deleted = BTreeSet::new();
    for update in updates {
        let name = update.reference.as_str();
        if update.is_deletion() {
            present.remove(name);
            deleted.insert(name);
            continue;
        }
        let with_present = refnames::find_conflict(&present, name);
        let with_deleted = || refnames::find_conflict(&deleted, name).filter(|_| has_deploy);
        if let Some(other) = with_present.or_else(with_deleted) {
            return Err(RefRejection::NameConflict { reference: name.to_owned(), other: other.to_owned() });
        }
        present.insert(name);
    }
    Ok(())
}

fn check_fast_forward(updates: &[RefUpdate], facts: &PushFacts) -> Result<(), RefRejection> {
    match updates.iter().find(|update| facts.rewritten.contains(&update.reference)) {
        Some(update) => Err(RefRejection::NonFastForward(update.reference.clone())),
        None => Ok(()),
    }
}

/// The deploy branch is the one that HEAD names. Before the first deploy it is selected from the pushed branches: the
/// unborn branch of HEAD, a default branch, or the only one.
fn select_deploy_branch(
    updates: &[RefUpdate],
    facts: &PushFacts,
) -> Result<Option<(BranchName, CommitSha)>, RefRejection> {
    let pushed: Vec<(BranchName, CommitSha)> = updates
        .iter()
        .filter(|update| !update.is_deletion())
        .filter_map(|update| Some((update.branch()?, update.new.clone())))
        .collect();
    let find = |name: &str| pushed.iter().find(|(branch, _)| branch.as_str() == name);
    if let Some(head) = &facts.head {
        return Ok(find(head.as_str()).cloned());
    }
    let preferred = facts.unborn.iter().map(BranchName::as_str).chain(DEFAULT_BRANCHES).find_map(find);
    match (preferred, pushed.as_slice()) {
        (Some(found), _) => Ok(Some(found.clone())),
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only.clone())),
        (None, [(branch, _), ..]) => Err(RefRejection::AmbiguousDeployBranch(branch.clone())),
    }
}

fn notes(updates: &[RefUpdate], facts: &PushFacts, deploy: Option<&(BranchName, CommitSha)>) -> Vec<String> {
    let deployed = facts.head.as_ref().or(deploy.map(|(branch, _)| branch));
    updates.iter().filter(|update| !update.is_deletion()).filter_map(|update| note(update, deployed)).collect()
}

fn note(update: &RefUpdate, deployed: Option<&BranchName>) -> Option<String> {
    if let Some(tag) = update.reference.strip_prefix("refs/tags/") {
        return Some(format!("Stored the tag {}; tags are not deployed", strip_control(tag)));
    }
    let branch = update.branch()?;
    let deployed = deployed.filter(|deployed| **deployed != branch)?;
    let (refspec, branch_argument) = (shell_quote(&format!("{branch}:{deployed}")), shell_quote(branch.as_str()));
    let (branch, deployed) = (strip_control(branch.as_str()), strip_control(deployed.as_str()));
    Some(format!(
        "Stored {branch}, not deployed: the deploy branch is {deployed}. To deploy {branch}: git push REMOTE {refspec}; \
         to make it the deploy branch: `deploy-branch APP {branch_argument}` over SSH"
    ))
}

/// As [`shell_quote`], also where only some shells need quotes: `^` is special in zsh and in cmd.
fn quote_always(text: &str) -> String {
    let quoted = shell_quote(text);
    if quoted.starts_with('\'') { quoted } else { format!("'{quoted}'") }
}

/// Quoted so that the pusher can paste it into a shell, whatever characters a name contains.
fn shell_quote(text: &str) -> String {
    shell_words::quote(&strip_control(text)).into_owned()
}

#[cfg(test)]
#[path = "ref_policy_tests.rs"]
mod tests;
