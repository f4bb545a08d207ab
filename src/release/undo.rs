//! Bringing back what ran before, as a new revision; or, where there was nothing, removing what was made.

use super::catalog::Catalog;
use super::error::{Aftermath, ReleaseError};
use super::history::{self, End};
use super::past::{Past, Standing};
use super::perform::{Scope, failure, go_live, supersede};
use super::record::Status;
use super::{apply, plan, replicas};
use crate::domain::{Revision, traced};

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
        return match traced("undo", remove(scope, &mut catalog, past, failed, description)).await {
            Ok(()) => Aftermath::Removed,
            Err(error) => Aftermath::NotRemoved(Box::new(logged(scope, failed, error))),
        };
    };
    let to = standing.revision();
    scope.progress.stage(format!("Rolling back to {to}")).await;
    match traced("undo", bring_back(scope, &mut catalog, past, standing, failed, description)).await {
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
    let record = standing.repeated(failed.next(), format!("Rollback to {}", standing.revision()), scope.lock.now());
    let revision = record.version;
    let pending = history::create(scope.client, scope.lock, &record, &standing.tags).await?;
    close(scope, past, failed, description).await?;
    match restore(scope, catalog, past, standing).await {
        Ok(()) => {
            let end = End { revision, status: Status::Deployed, description: None };
            history::close_known(scope.client, scope.lock, pending, &end).await?;
            supersede(scope, past, revision).await;
            Ok(revision)
        }
        Err(error) => {
            let why = failure(&record.info.description, &error);
            let end = End { revision, status: Status::Failed, description: Some(&why) };
            history::close_known(scope.client, scope.lock, pending, &end).await?;
            Err(error)
        }
    }
}

async fn restore(
    scope: &Scope<'_>,
    catalog: &mut Catalog,
    past: &Past,
    standing: &Standing,
) -> Result<(), ReleaseError> {
    let manifests = replicas::leave_out(catalog, standing.manifests.clone()).await?;
    go_live(scope, catalog, &manifests, past, &mut Vec::new()).await
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
        let end = End { revision, status: Status::Failed, description: Some(description) };
        history::close(scope.client, scope.lock, &end).await?;
    }
    Ok(())
}

fn logged(scope: &Scope<'_>, failed: Revision, error: ReleaseError) -> ReleaseError {
    tracing::error!(app = %scope.lock.app(), %failed, %error, cause = ?error, "a failed release could not be undone");
    error
}
