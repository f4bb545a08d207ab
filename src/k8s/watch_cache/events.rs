//! The events of a watch that resumes after errors.

use std::fmt::Debug;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures_util::{Stream, TryStreamExt};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::runtime::utils::ResetTimerBackoff;
use kube::runtime::watcher::{self, Config, Event, ExponentialBackoff};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource};

/// The `timeoutSeconds` of a watch, after which it is opened again. A connection that broke unnoticed hides changes for as
/// long.
const WATCH_SECONDS: u32 = 30;
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// How long after an error the delay starts again at [`MIN_BACKOFF`]. Longer than the longest delay with its jitter, which
/// doubles it at most: a list that fails again and again is an error after each delay.
const BACKOFF_RESET: Duration = Duration::from_secs(15);

/// The events of a watch with the selectors of `config`. The stream never ends: after an error it resumes, with a delay that
/// grows. The objects lack their managed fields, which are often half of an object.
pub fn watch_events<K>(api: Api<K>, config: Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let events = watch(api, config.timeout(WATCH_SECONDS)).backoff(backoff());
    events.map_ok(|event| event.modify(|object| object.meta_mut().managed_fields = None))
}

fn backoff() -> ResetTimerBackoff<ExponentialBackoff> {
    let delays = ExponentialBuilder::new().with_min_delay(MIN_BACKOFF).with_max_delay(MAX_BACKOFF);
    ResetTimerBackoff::new(delays.with_jitter().without_max_times().into(), BACKOFF_RESET)
}
