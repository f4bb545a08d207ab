//! The request for a deploy, made by a push, a redeploy or a rollback.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use tracing::Span;
use uuid::Uuid;

use crate::auth::PushGrant;
use crate::deploy_logs::LogHeader;
use crate::domain::{AppName, DeployTrace, PushedCommit, Revision, Target, UserName};
use crate::git::{PushFacts, RefPolicy, RefUpdate};

use super::options::{DeployMode, DeployOptions, EnvironmentOption};

/// [`Deployer::decide_push`](super::Deployer::decide_push), [`DeployRequest::redeploy`] and [`DeployRequest::rollback`]
/// make requests; [`Deployer::run`](super::Deployer::run) takes them.
pub struct DeployRequest {
    pub(super) grant: PushGrant,
    pub(super) source: DeploySource,
    pub(super) options: DeployOptions,
    /// The app's repository, which stores the output.
    pub(super) repository: PathBuf,
    /// The client's address.
    pub(super) remote: SocketAddr,
    pub(super) trace: DeployTrace,
}

/// A commit or a recorded revision.
pub(super) enum DeploySource {
    /// A commit, which is built.
    Commit(Box<CommitSource>),
    /// The objects of a recorded revision; by default, of the one that was deployed before the current one.
    Revision(Option<Revision>),
}

pub(super) struct CommitSource {
    pub pushed: PushedCommit,
    pub trigger: Trigger,
    pub mode: DeployMode,
    pub environment: EnvironmentOption,
}

/// The reason for the deploy of a commit, with the state on which it was decided. The decision is repeated under the
/// lock.
pub(super) enum Trigger {
    /// A push that moves the deploy branch; the repository was in the state of `facts`.
    Push { updates: Vec<RefUpdate>, facts: Box<PushFacts>, policy: RefPolicy },
    /// A redeploy of the commit that the deploy branch points to.
    Redeploy,
}

impl DeployRequest {
    pub(super) fn app(&self) -> &AppName {
        self.grant.app()
    }

    pub(super) fn target(&self) -> Target {
        Target::of_app(self.app())
    }

    pub(super) fn user(&self) -> &UserName {
        self.grant.user()
    }

    /// The value of the metrics label `kind`, and the kind in the deploy log.
    pub(super) fn kind(&self) -> &'static str {
        match &self.source {
            DeploySource::Commit(source) => match source.trigger {
                Trigger::Push { .. } => "push",
                Trigger::Redeploy => "redeploy",
            },
            DeploySource::Revision(_) => "rollback",
        }
    }

    /// How the user can have the same deploy wait for another one.
    pub(super) fn how_to_wait(&self) -> &'static str {
        match &self.source {
            DeploySource::Commit(source) => match source.trigger {
                Trigger::Push { .. } => "git push -o wait",
                Trigger::Redeploy => "redeploy APP --wait",
            },
            DeploySource::Revision(_) => "rollback APP --wait",
        }
    }

    /// None for a dry run, whose output is not stored.
    pub(super) fn log_header(&self) -> Option<LogHeader> {
        let commit = match &self.source {
            DeploySource::Commit(source) if source.mode == DeployMode::DryRun => return None,
            DeploySource::Commit(source) => Some(source.pushed.commit.clone()),
            DeploySource::Revision(_) => None,
        };
        Some(LogHeader { kind: self.kind().to_owned(), user: self.user().clone(), commit, began: Timestamp::now() })
    }

    /// The span of the deploy's log lines.
    pub(super) fn log_span(&self, id: Uuid) -> Span {
        let (app, user, remote) = (self.app(), self.user(), self.remote);
        match &self.source {
            DeploySource::Commit(source) => {
                let commit = &source.pushed.commit;
                tracing::info_span!("deploy", deploy_id = %id, %app, %commit, %user, %remote)
            }
            DeploySource::Revision(_) => tracing::info_span!("rollback", deploy_id = %id, %app, %user, %remote),
        }
    }

    /// Adds the deploy's id and its commit to the trace.
    pub(super) fn describe_in_trace(&self, id: Uuid) {
        self.trace.set_run_id(id);
        if let DeploySource::Commit(source) = &self.source {
            self.trace.set_head(&source.pushed.branch, &source.pushed.commit);
        }
    }
}

impl CommitSource {
    /// The first line of the progress.
    pub(super) fn title(&self) -> String {
        let PushedCommit { branch, commit, pusher, .. } = &self.pushed;
        match self.trigger {
            Trigger::Push { .. } => format!("Receiving {branch} at {} from {pusher}", commit.short()),
            Trigger::Redeploy => format!("Redeploying {branch} at {} for {pusher}", commit.short()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AppCreationPolicy, Identity, authorize_push};
    use crate::domain::{AppOwner, GitObjects};

    fn request(source: DeploySource) -> DeployRequest {
        let identity = Identity { user: "alice".parse().unwrap(), admin: false, fingerprint: String::new() };
        let owner = AppOwner::User(identity.user.clone());
        let grant = authorize_push(&identity, &"web".parse().unwrap(), &owner, AppCreationPolicy::Anyone).unwrap();
        let remote = "127.0.0.1:22".parse().unwrap();
        let trace = DeployTrace::start("test", grant.app(), grant.user(), remote);
        let repository = PathBuf::from("web.git");
        DeployRequest { grant, source, options: DeployOptions::default(), repository, remote, trace }
    }

    fn commit(trigger: Trigger, mode: DeployMode) -> DeploySource {
        let pushed = PushedCommit {
            app: "web".parse().unwrap(),
            commit: "a".repeat(40).parse().unwrap(),
            branch: "main".parse().unwrap(),
            pusher: "alice".parse().unwrap(),
            objects: GitObjects { repository: "web.git".into(), quarantine: None },
        };
        DeploySource::Commit(Box::new(CommitSource { pushed, trigger, mode, environment: EnvironmentOption::Keep }))
    }

    #[test]
    fn the_log_header_states_the_kind_and_the_commit_of_a_deploy() {
        let redeploy = request(commit(Trigger::Redeploy, DeployMode::Deploy)).log_header().unwrap();
        assert_eq!((redeploy.kind.as_str(), redeploy.user.as_str()), ("redeploy", "alice"));
        assert_eq!(redeploy.commit.unwrap().as_str(), "a".repeat(40));
        let rollback = request(DeploySource::Revision(Some(Revision(2)))).log_header().unwrap();
        assert_eq!((rollback.kind.as_str(), rollback.commit), ("rollback", None));
    }

    #[test]
    fn the_output_of_a_dry_run_is_not_stored() {
        assert_eq!(request(commit(Trigger::Redeploy, DeployMode::DryRun)).log_header(), None);
    }
}
