//! The events of a watch that resumes after errors.

use std::fmt::Debug;
use std::future::ready;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures_util::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::runtime::watcher::{self, Config, Event, ExponentialBackoff};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource};

/// The `timeoutSeconds` of a watch, after which it is opened again. A connection that broke unnoticed hides changes for as
/// long.
const WATCH_SECONDS: u32 = 30;
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// The events of a watch with the selectors of `config`, without [`Event::Init`]. The stream never ends: after an error it
/// resumes, with a delay that grows until the next event. The objects lack their managed fields, which are often half of an
/// object.
pub fn watch_events<K>(api: Api<K>, config: Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let delays = ExponentialBuilder::new().with_min_delay(MIN_BACKOFF).with_max_delay(MAX_BACKOFF);
    let delays = ExponentialBackoff::from(delays.with_jitter().without_max_times());
    let events = watch(api, config.timeout(WATCH_SECONDS));
    // Init precedes each list, also one that fails: as a success it would reset the delay.
    let events = events.filter(|event| ready(!matches!(event, Ok(Event::Init)))).backoff(delays);
    events.map_ok(|event| event.modify(|object| object.meta_mut().managed_fields = None))
}
