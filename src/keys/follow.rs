//! The watch of the ConfigMaps of keys. Whoever breaks one does not lock others out: what it held before counts on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event, ExponentialBackoff};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use metrics::counter;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::flaw::Flaw;
use super::index::Index;
use super::shard::{Shard, selector};
use super::store::Seen;
use crate::domain::metric;

/// How long a watch lasts, in seconds, before it is opened anew. A connection that died unnoticed
/// hides changes for as long.
const WATCH_SECONDS: u32 = 30;
/// How often ConfigMaps are looked at that the watch does not show, since they have lost their label.
const LOOK_AFTER: Duration = Duration::from_secs(2);
/// How long such a look may take.
const LOOK: Duration = Duration::from_secs(2);
/// How many flaws a log line tells.
const TOLD: usize = 5;

/// Follows the ConfigMaps for ever. While the cluster can't be reached, what is known stays.
pub(super) async fn follow(api: Api<ConfigMap>, seen: Arc<Seen>) {
    let settings = watcher::Config::default().labels(&selector()).timeout(WATCH_SECONDS);
    let backoff = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times();
    let mut events = watch_objects(api.clone(), settings).backoff(ExponentialBackoff::from(backoff)).boxed();
    let mut looks = interval(LOOK_AFTER);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listed = BTreeSet::new();
    let mut failing = false;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = looks.tick() => {
                look_after(&api, &seen).await;
                continue;
            }
        };
        match event {
            None => return,
            Some(Ok(event)) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("the keys in the cluster are watched again");
                }
                let gone = take(&seen, event, &mut listed);
                part_with(&api, &seen, gone).await;
            }
            Some(Err(error)) => {
                counter!(metric::WATCH_RESTARTS_TOTAL, "watch" => "keys").increment(1);
                let error: &dyn std::error::Error = &error;
                if std::mem::replace(&mut failing, true) {
                    tracing::debug!(error, "the keys in the cluster still can't be watched");
                } else {
                    tracing::warn!(error, "the keys in the cluster can't be watched; those that are known stay valid");
                }
            }
        }
    }
}

/// `listed` are the ConfigMaps that a list in progress has named. Those that the watch does not show any more are returned.
fn take(seen: &Seen, event: Event<ConfigMap>, listed: &mut BTreeSet<String>) -> Vec<String> {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(map) => listed.extend(apply(seen, map)),
        Event::Apply(map) => {
            apply(seen, map);
        }
        Event::Delete(map) => return map.metadata.name.into_iter().collect(),
        Event::InitDone => {
            // also where there is none, which the metrics have to say
            let missing = seen.change(|index| index.missing(listed));
            seen.complete();
            return missing;
        }
    }
    Vec::new()
}

/// The ConfigMap's name.
fn apply(seen: &Seen, map: ConfigMap) -> Option<String> {
    let (name, shard) = Shard::from_config_map(map)?;
    let (flaws, mended) = seen.change(|index| {
        let broken = index.is_broken(&name);
        (index.apply(&name, shard), broken && !index.is_broken(&name))
    });
    tell(seen, &name, &flaws);
    if mended {
        tracing::info!(configmap = name, "a ConfigMap of keys is mended");
    }
    Some(name)
}

/// One line and one event, whatever is broken.
fn tell(seen: &Seen, name: &str, flaws: &[Flaw]) {
    if flaws.is_empty() {
        return;
    }
    let told: Vec<String> = flaws.iter().take(TOLD).map(ToString::to_string).collect();
    let (told, more) = (told.join("; "), flaws.len().saturating_sub(TOLD));
    seen.tell(name, &told);
    tracing::warn!(configmap = name, flaws = told, more, "a ConfigMap of keys is broken; what can be read counts");
}

/// What has become of a ConfigMap that the watch does not show any more.
enum Fate {
    Deleted,
    /// It is there, without its label.
    Unlabelled(Box<ConfigMap>),
    /// It is there, and the watch shows it next.
    Labelled,
    /// The cluster did not say.
    Unknown,
}

/// Those that were deleted are forgotten; one that has only lost its label is not.
async fn part_with(api: &Api<ConfigMap>, seen: &Seen, gone: Vec<String>) {
    for name in gone {
        match fate(api, seen, &name).await {
            Fate::Labelled => {}
            Fate::Unlabelled(map) => tell(seen, &name, &keep(seen, &name, *map)),
            // Whose ConfigMap is gone must not get in for want of an answer.
            Fate::Deleted | Fate::Unknown => forget(seen, &name),
        }
    }
}

/// Nobody watches a ConfigMap without its label.
async fn look_after(api: &Api<ConfigMap>, seen: &Seen) {
    for name in seen.read(Index::unlabelled) {
        match fate(api, seen, &name).await {
            Fate::Labelled | Fate::Unknown => {}
            Fate::Unlabelled(map) => drop(keep(seen, &name, *map)),
            Fate::Deleted => forget(seen, &name),
        }
    }
}

fn keep(seen: &Seen, name: &str, map: ConfigMap) -> Vec<Flaw> {
    seen.change(|index| match index.shard(name).map(|shard| shard.role) {
        Some(role) => index.keep(name, Shard::with_role(map, role)),
        None => Vec::new(),
    })
}

fn forget(seen: &Seen, name: &str) {
    tracing::info!(configmap = name, "a ConfigMap of keys is gone");
    seen.change(|index| index.remove(name));
}

/// Asked for with the right that the watch has.
async fn fate(api: &Api<ConfigMap>, seen: &Seen, name: &str) -> Fate {
    let only = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = match timeout(LOOK, api.list(&only)).await {
        Ok(Ok(list)) => list.items.into_iter().next(),
        Ok(Err(error)) => {
            tracing::debug!(%error, configmap = name, "cannot see whether it was deleted");
            return Fate::Unknown;
        }
        Err(_) => return Fate::Unknown,
    };
    let uid = seen.read(|index| index.shard(name).map(|shard| shard.uid.clone()));
    match found {
        Some(map) if Shard::role(&map).is_some() => Fate::Labelled,
        Some(map) if map.metadata.uid == uid => Fate::Unlabelled(Box::new(map)),
        // Another one of its name is a stranger.
        Some(_) | None => Fate::Deleted,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    use super::super::testing::key;
    use super::*;
    use crate::domain::labels;

    fn config_map(name: &str, user: &str, number: usize) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.into()),
                labels: Some([(labels::KEYS.to_owned(), "users".to_owned())].into()),
                ..ObjectMeta::default()
            },
            data: Some([(user.to_owned(), key(number).line().to_owned())].into()),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn a_new_list_replaces_what_was_known_only_when_it_is_complete() {
        let seen = Seen::new(None);
        let mut listed = BTreeSet::new();
        let mut give = |events: Vec<Event<ConfigMap>>| {
            for event in events {
                take(&seen, event, &mut listed).iter().for_each(|gone| forget(&seen, gone));
            }
            let known = |number| seen.read(|index| index.identify(&key(number).fingerprint()).is_some());
            (known(1), known(2), seen.is_complete())
        };
        let first = config_map("slipway-keys-0", "alice", 1);
        let second = config_map("slipway-keys-1", "bob", 2);
        assert_eq!(give(vec![Event::Init, Event::InitApply(first.clone())]), (true, false, false));
        assert_eq!(give(vec![Event::InitDone, Event::Apply(second.clone())]), (true, true, true));
        assert_eq!(give(vec![Event::Init, Event::InitApply(second)]), (true, true, true));
        assert_eq!(give(vec![Event::InitDone]), (false, true, true));
        assert_eq!(give(vec![Event::Apply(first.clone()), Event::Delete(first)]), (false, true, true));
    }
}
