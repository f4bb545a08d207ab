//! Bare repositories and the git processes that work on them.
//!
//! slipway runs the real git: `receive-pack`, `upload-pack` and `upload-archive` serve clients, and short-lived commands
//! query a repository. The pre-receive hook is slipway itself: it relays the push to the gateway over a unix socket, and
//! [`ref_policy`] decides there about each ref before anything is built.

mod archive;
mod command;
mod destroyed_mark;
mod error;
mod hook;
mod process;
mod queries;
mod ref_policy;
mod refnames;
mod repositories;
mod service;
mod service_command;
mod stale_files;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod tree_survey;

pub use hook::{run_hook, run_proc_receive_hook};
pub use process::ServiceProcess;

pub(crate) use archive::archive;
pub(crate) use error::GitError;
pub(crate) use hook::{HookListener, HookRequest, PendingHook, Verdict};
pub(crate) use queries::{deploy_branch_head, describe_commit, push_facts, refresh_refs, resolve_ref, set_head};
pub(crate) use ref_policy::{PushFacts, RefDecision, RefPolicy, RefRejection, RefUpdate, decide_refs};
pub(crate) use repositories::{GarbageCollection, Repositories};
pub(crate) use service::GitService;
pub(crate) use service_command::{HookConfig, ServiceCommand, ServiceSettings};
pub(crate) use tree::{find_files_named, list_directory, read_file};
pub(crate) use tree_survey::{TreeLimits, TreeSurvey, survey_tree};
