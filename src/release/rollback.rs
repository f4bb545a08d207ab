//! Bringing back what ran before, as a new revision; or, where there was nothing, removing what was made.

use jiff::Timestamp;

use super::apply;
use super::catalog::Catalog;
use super::error::{Aftermath, ReleaseError};
use super::history;
use super::past::{Past, Standing};
use super::plan;
use super::record::{Record, SERVER_SIDE, Status};
use super::upgrade::{Scope, failure, go_live, supersede};
use crate::domain::Revision;

/// Undoes `failed`, which is recorded as pending and whose objects are among those of `past`; `description` says in
/// its record why.
pub(super) async fn undo(
    scope: &Scope<'_>,
    mut catalog: Catalog,
    past: &Past,
    failed: Revision,
    description: &str,
) -> Aftermath {
    let Some(standing) = &past.deployed else {
        return match remove(scope, &mut catalog, past, failed, description).await {
            Ok(()) => Aftermath::Removed,
            Err(error) => Aftermath::NotRemoved(Box::new(logged(scope, failed, error))),
        };
    };
    let to = standing.revision();
    scope.progress.stage(format!("Rolling back to {to}")).await;
    match bring_back(scope, &mut catalog, past, standing, failed, description).await {
        Ok(recorded) => Aftermath::RolledBack { to, recorded },
        Err(error) => Aftermath::NotRolledBack { to, why: Box::new(logged(scope, failed, error)) },
    }
}

/// Repeats `standing` as the revision after `failed`. Its record is written before that of `failed` is closed, so that
/// at every moment one of them is pending, and a gateway that dies here is followed by one that heals.
async fn bring_back(
    scope: &Scope<'_>,
    catalog: &mut Catalog,
    past: &Past,
    standing: &Standing,
    failed: Revision,
    description: &str,
) -> Result<Revision, ReleaseError> {
    let record = repeated(standing, failed.next());
    let revision = record.version;
    history::create(scope.client, scope.lock, &record, &standing.tags).await?;
    close(scope, past, failed, description).await?;
    match go_live(scope, catalog, &standing.manifests, &past.objects, &mut Vec::new()).await {
        Ok(()) => {
            history::close(scope.client, scope.lock, revision, Status::Deployed, None).await?;
            supersede(scope, past, revision).await;
            Ok(revision)
        }
        Err(error) => {
            let why = failure(&record.info.description, &error);
            history::close(scope.client, scope.lock, revision, Status::Failed, Some(&why)).await?;
            Err(error)
        }
    }
}

/// Removes the objects of a first release. The namespace stays, and the record, which is closed last.
async fn remove(
    scope: &Scope<'_>,
    catalog: &mut Catalog,
    past: &Past,
    failed: Revision,
    description: &str,
) -> Result<(), ReleaseError> {
    let removed = apply::delete(scope.lock, catalog, &plan::prune(&past.objects, &[]), scope.progress).await;
    close(scope, past, failed, description).await?;
    removed
}

/// Closes the record of `failed`, and any that an earlier death left pending before it.
async fn close(scope: &Scope<'_>, past: &Past, failed: Revision, description: &str) -> Result<(), ReleaseError> {
    for revision in past.pending().filter(|revision| *revision != failed).chain([failed]) {
        history::close(scope.client, scope.lock, revision, Status::Failed, Some(description)).await?;
    }
    Ok(())
}

fn repeated(standing: &Standing, revision: Revision) -> Record {
    let mut record = standing.record.clone();
    record.version = revision;
    record.info.status = Status::PendingRollback;
    record.info.last_deployed = Timestamp::now().to_string();
    record.info.description = format!("Rollback to {}", standing.revision());
    // How the repeated one was applied is of no account: this one is on the server's side, as all of slipway's.
    record.apply_method = Some(SERVER_SIDE.to_owned());
    record
}

fn logged(scope: &Scope<'_>, failed: Revision, error: ReleaseError) -> ReleaseError {
    tracing::error!(app = %scope.lock.app(), %failed, %error, cause = ?error, "a failed release could not be undone");
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::history::Tags;
    use crate::release::record;

    #[test]
    fn what_helm_3_applied_is_repeated_on_the_servers_side() {
        let value: String = include_str!("fixtures/helm-3.17.2.b64").split_whitespace().collect();
        let record = record::decode(value.as_bytes()).unwrap();
        let before = record.clone();
        let standing = Standing { record, tags: Tags::default(), manifests: Vec::new() };
        let repeated = repeated(&standing, Revision(7));
        assert_eq!((before.apply_method.as_deref(), repeated.apply_method.as_deref()), (None, Some("ssa")));
        assert_eq!((repeated.version, repeated.info.status), (Revision(7), Status::PendingRollback));
        assert_eq!(repeated.manifest, before.manifest);
    }
}
