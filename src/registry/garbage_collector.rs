//! Garbage collection of slipway's own registry.
//!
//! Docker's registry may collect garbage only while nothing is pushed to it, and has no HTTP request for it
//! (<https://distribution.github.io/distribution/about/garbage-collection/>). While nothing is pushed, slipway
//! creates a file. A process beside the registry collects the garbage and removes the file. If the collection failed, the
//! process creates `FILE.failed` first.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use metrics::counter;
use tokio::sync::{RwLock, RwLockReadGuard, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::metric_names;

const GC_TIMEOUT: Duration = Duration::from_secs(20 * 60);
/// How long a collection waits for a moment without pushes. After that, new pushes wait for the collection.
const MAX_DEFERRAL: Duration = Duration::from_secs(10 * 60);
/// How often the request file and the pushes are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GcRequest {
    None,
    /// After the interval.
    Scheduled,
    Immediate,
}

/// Schedules garbage collection, and keeps it apart from pushes.
#[derive(Debug)]
pub(crate) struct GarbageCollector {
    request_file: PathBuf,
    interval: Duration,
    /// Pushes hold it for reading, a collection for writing.
    push_lock: RwLock<()>,
    request: watch::Sender<GcRequest>,
}

impl GarbageCollector {
    /// The process beside the registry collects garbage when `request_file` exists. `interval` is the least time between two
    /// collections.
    pub(crate) fn new(request_file: PathBuf, interval: Duration) -> Self {
        Self { request_file, interval, push_lock: RwLock::default(), request: watch::Sender::new(GcRequest::None) }
    }

    /// Prevents garbage collection while the guard lives. `None` if a collection is running.
    pub(super) fn try_block(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.push_lock.try_read().ok()
    }

    /// Waits for a running collection, and prevents others while the guard lives.
    pub(super) async fn block(&self) -> RwLockReadGuard<'_, ()> {
        self.push_lock.read().await
    }

    /// Requests a collection after the interval. A request that is pending stays as it is.
    pub(super) fn request(&self) {
        self.request.send_if_modified(|request| {
            let is_first = *request == GcRequest::None;
            if is_first {
                *request = GcRequest::Scheduled;
            }
            is_first
        });
    }

    /// Requests a collection at once.
    pub(super) fn request_now(&self) {
        self.request.send_replace(GcRequest::Immediate);
    }

    /// Collects garbage on request, until `stop`.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let mut request = self.request.subscribe();
        let mut next = Instant::now();
        let collecting = async {
            while request.wait_for(|request| *request != GcRequest::None).await.is_ok() {
                tokio::select! {
                    () = sleep_until(next) => {}
                    _ = request.wait_for(|request| *request == GcRequest::Immediate) => {}
                }
                self.request.send_replace(GcRequest::None);
                self.collect_without_pushes().await;
                next = Instant::now() + self.interval;
            }
        };
        stop.run_until_cancelled(collecting).await;
    }

    async fn collect_without_pushes(&self) {
        // A queued writer makes new readers wait, so the lock is polled at first.
        let no_push = async {
            loop {
                match self.push_lock.try_write() {
                    Ok(guard) => return guard,
                    Err(_) => sleep(POLL_INTERVAL).await,
                }
            }
        };
        let _guard = match timeout(MAX_DEFERRAL, no_push).await {
            Ok(guard) => guard,
            Err(_) => self.push_lock.write().await,
        };
        let started = Instant::now();
        let result = match self.run_gc().await {
            Ok(()) => {
                let seconds = started.elapsed().as_secs_f64();
                tracing::info!(seconds, "the registry's garbage collection finished");
                "collected"
            }
            Err(error) => {
                tracing::error!(%error, file = %self.request_file.display(), "the registry's garbage collection failed");
                "failed"
            }
        };
        counter!(metric_names::REGISTRY_COLLECTIONS_TOTAL, "result" => result).increment(1);
    }

    async fn run_gc(&self) -> io::Result<()> {
        tokio::fs::write(&self.request_file, "").await?;
        let file_removed = async {
            while tokio::fs::try_exists(&self.request_file).await? {
                sleep(POLL_INTERVAL).await;
            }
            Ok::<_, io::Error>(())
        };
        match timeout(GC_TIMEOUT, file_removed).await {
            Ok(removed) => {
                removed?;
                self.check_failed_marker().await
            }
            Err(_) => {
                tokio::fs::remove_file(&self.request_file).await?;
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    async fn check_failed_marker(&self) -> io::Result<()> {
        let mut marker = self.request_file.clone().into_os_string();
        marker.push(".failed");
        match tokio::fs::remove_file(marker).await {
            Ok(()) => Err(io::Error::other("see the log of the container that collects the registry's garbage")),
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

    /// A collector with a process that removes the request file at once and counts the requests.
    fn running_collector(interval: Duration) -> (Arc<GarbageCollector>, Arc<AtomicU32>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (file, collections) = (dir.path().join("wanted"), Arc::<AtomicU32>::default());
        let (collector, counter) = (Arc::new(GarbageCollector::new(file.clone(), interval)), collections.clone());
        tokio::spawn(async move {
            loop {
                if tokio::fs::remove_file(&file).await.is_ok() {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        let running = collector.clone();
        tokio::spawn(async move { running.run(&CancellationToken::new()).await });
        (collector, collections, dir)
    }

    async fn wait_for_count(collections: &AtomicU32, expected: u32) {
        let counted = async {
            while collections.load(Ordering::Relaxed) < expected {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), counted).await.unwrap();
    }

    #[tokio::test]
    async fn garbage_is_collected_only_while_nothing_is_pushed() {
        let (collector, collections, dir) = running_collector(Duration::from_secs(3600));
        let push = collector.block().await;
        collector.request();
        sleep(POLL_INTERVAL * 3).await;
        assert!(!dir.path().join("wanted").exists() && collections.load(Ordering::Relaxed) == 0);
        drop(push);
        wait_for_count(&collections, 1).await;
        let _next = collector.block().await;
    }

    #[tokio::test]
    async fn a_failed_marker_makes_one_collection_fail() {
        let dir = tempfile::tempdir().unwrap();
        for (request_file, marker) in [("collect", "collect.failed"), ("collect.now", "collect.now.failed")] {
            let collector = GarbageCollector::new(dir.path().join(request_file), Duration::ZERO);
            collector.check_failed_marker().await.unwrap();
            tokio::fs::write(dir.path().join(marker), "").await.unwrap();
            assert!(collector.check_failed_marker().await.is_err());
            collector.check_failed_marker().await.unwrap();
        }
    }

    #[tokio::test]
    async fn only_an_immediate_request_skips_the_interval() {
        let (collector, collections, _dir) = running_collector(Duration::from_secs(3600));
        collector.request();
        wait_for_count(&collections, 1).await;
        collector.request();
        sleep(POLL_INTERVAL * 3).await;
        assert_eq!(collections.load(Ordering::Relaxed), 1);
        collector.request_now();
        wait_for_count(&collections, 2).await;
    }

    #[tokio::test]
    async fn an_immediate_request_stays_immediate_when_another_push_requests_a_collection() {
        let collector = GarbageCollector::new("unused".into(), Duration::ZERO);
        for (first, expected) in [(GcRequest::None, GcRequest::Scheduled), (GcRequest::Immediate, GcRequest::Immediate)]
        {
            collector.request.send_replace(first);
            collector.request();
            assert_eq!(*collector.request.borrow(), expected);
        }
    }
}
