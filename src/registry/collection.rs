//! Giving space back: the garbage collection of a registry that is slipway's own.
//!
//! Docker's registry may collect only while nothing is pushed to it, and cannot be told to do so over HTTP
//! (<https://distribution.github.io/distribution/about/garbage-collection/>). So a process beside it does, whenever slipway,
//! which knows when nothing is pushed, makes a file; when it is done, it removes the file, and where it failed leaves another
//! one: `FILE.failed`.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use metrics::counter;
use tokio::sync::{RwLock, RwLockReadGuard, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::metric;

/// How long a collection may take.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// How long it is put off for the sake of pushes; then the next push waits for it.
const PUT_OFF: Duration = Duration::from_secs(10 * 60);
/// How often is looked whether it is over, or may begin.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    No,
    /// When it is time for the next one.
    Soon,
    Now,
}

/// When garbage is collected, and that nothing is pushed meanwhile.
#[derive(Debug)]
pub struct Collection {
    file: PathBuf,
    interval: Duration,
    /// Read by pushes, written by the collection.
    quiet: RwLock<()>,
    wanted: watch::Sender<Wanted>,
}

impl Collection {
    /// One that the process beside the registry begins when it sees `file`; two of them are `interval` apart.
    pub fn new(file: PathBuf, interval: Duration) -> Self {
        Self { file, interval, quiet: RwLock::default(), wanted: watch::Sender::new(Wanted::No) }
    }

    /// Keeps garbage from being collected as long as the value lives, if none is being collected now.
    pub(super) fn try_push(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.quiet.try_read().ok()
    }

    /// Waits until none is being collected, and keeps it so as long as the value lives.
    pub(super) async fn push(&self) -> RwLockReadGuard<'_, ()> {
        self.quiet.read().await
    }

    /// There is garbage.
    pub(super) fn want(&self) {
        self.wanted.send_if_modified(|wanted| std::mem::replace(wanted, Wanted::Soon) == Wanted::No);
    }

    /// There is garbage, and no space.
    pub(super) fn want_now(&self) {
        self.wanted.send_replace(Wanted::Now);
    }

    /// Has garbage collected whenever there is some, until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut wanted = self.wanted.subscribe();
        let mut next = Instant::now();
        let collecting = async {
            while wanted.wait_for(|wanted| *wanted != Wanted::No).await.is_ok() {
                tokio::select! {
                    () = sleep_until(next) => {}
                    _ = wanted.wait_for(|wanted| *wanted == Wanted::Now) => {}
                }
                self.wanted.send_replace(Wanted::No);
                self.collect().await;
                next = Instant::now() + self.interval;
            }
        };
        stop.run_until_cancelled(collecting).await;
    }

    async fn collect(&self) {
        let quiet = async {
            loop {
                match self.quiet.try_write() {
                    Ok(quiet) => return quiet,
                    Err(_) => sleep(LOOK).await,
                }
            }
        };
        let _quiet = match timeout(PUT_OFF, quiet).await {
            Ok(quiet) => quiet,
            Err(_) => self.quiet.write().await,
        };
        let began = Instant::now();
        let result = match self.have_it_done().await {
            Ok(()) => {
                tracing::info!(seconds = began.elapsed().as_secs_f64(), "the registry has collected its garbage");
                "collected"
            }
            Err(error) => {
                tracing::error!(%error, file = %self.file.display(), "the registry's garbage is not collected");
                "failed"
            }
        };
        counter!(metric::REGISTRY_COLLECTIONS_TOTAL, "result" => result).increment(1);
    }

    async fn have_it_done(&self) -> io::Result<()> {
        tokio::fs::write(&self.file, "").await?;
        let gone = async {
            while tokio::fs::try_exists(&self.file).await? {
                sleep(LOOK).await;
            }
            Ok::<_, io::Error>(())
        };
        match timeout(PATIENCE, gone).await {
            Ok(gone) => {
                gone?;
                self.heed_failure().await
            }
            Err(_) => {
                tokio::fs::remove_file(&self.file).await?;
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }
}

impl Collection {
    async fn heed_failure(&self) -> io::Result<()> {
        match tokio::fs::remove_file(self.file.with_extension("failed")).await {
            Ok(()) => Err(io::Error::other("the process beside the registry says why")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// One whose file is removed as soon as it is there, and how often that was.
    fn collected(interval: Duration) -> (Arc<Collection>, Arc<AtomicU32>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (file, times) = (dir.path().join("wanted"), Arc::<AtomicU32>::default());
        let (collection, counted) = (Arc::new(Collection::new(file.clone(), interval)), times.clone());
        tokio::spawn(async move {
            loop {
                if tokio::fs::remove_file(&file).await.is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        let running = collection.clone();
        tokio::spawn(async move { running.run(&CancellationToken::new()).await });
        (collection, times, dir)
    }

    async fn until(times: &AtomicU32, expected: u32) {
        while times.load(Ordering::Relaxed) < expected {
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn garbage_is_collected_only_while_nothing_is_pushed() {
        let (collection, times, dir) = collected(Duration::from_secs(3600));
        let push = collection.push().await;
        collection.want();
        sleep(LOOK * 3).await;
        assert!(!dir.path().join("wanted").exists() && times.load(Ordering::Relaxed) == 0);
        drop(push);
        until(&times, 1).await;
        let _next = collection.push().await;
    }

    #[tokio::test]
    async fn a_collection_that_failed_is_told_from_one_that_did_not() {
        let dir = tempfile::tempdir().unwrap();
        let collection = Collection::new(dir.path().join("collect"), Duration::ZERO);
        collection.heed_failure().await.unwrap();
        tokio::fs::write(dir.path().join("collect.failed"), "").await.unwrap();
        assert!(collection.heed_failure().await.is_err());
        collection.heed_failure().await.unwrap();
    }

    #[tokio::test]
    async fn collections_are_apart_unless_there_is_no_space() {
        let (collection, times, _dir) = collected(Duration::from_secs(3600));
        collection.want();
        until(&times, 1).await;
        collection.want();
        sleep(LOOK * 3).await;
        assert_eq!(times.load(Ordering::Relaxed), 1);
        collection.want_now();
        until(&times, 2).await;
    }
}
