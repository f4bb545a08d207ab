//! The watch of the key ConfigMaps. A broken ConfigMap locks nobody out: its previous keys stay valid.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::watcher::{Event, ExponentialBackoff};
use kube::runtime::{WatchStreamExt, watcher};
use metrics::counter;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::cache::KeyCache;
use super::index::KeyIndex;
use super::issue::KeyIssue;
use super::shard::{Shard, label_selector};
use crate::domain::metric_names;

/// How long a watch lasts, in seconds, before it is reopened. A connection that died silently hides changes for as
/// long.
const WATCH_SECONDS: u32 = 30;
/// How often ConfigMaps without the label are read, because the watch does not select them.
const RECHECK_INTERVAL: Duration = Duration::from_secs(2);
/// How long such a read may take.
const RECHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How many issues of a ConfigMap are logged.
const MAX_LOGGED_ISSUES: usize = 5;

/// Watches the ConfigMaps for ever. The cached keys stay valid while the API server cannot be reached.
pub(super) async fn watch_config_maps(api: Api<ConfigMap>, cache: Arc<KeyCache>) {
    let config = watcher::Config::default().labels(&label_selector()).timeout(WATCH_SECONDS);
    let backoff = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times();
    let mut events = watcher(api.clone(), config).backoff(ExponentialBackoff::from(backoff)).boxed();
    let mut rechecks = interval(RECHECK_INTERVAL);
    rechecks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listed = BTreeSet::new();
    let mut is_failing = false;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = rechecks.tick() => {
                recheck_unlabelled(&api, &cache).await;
                continue;
            }
        };
        match event {
            None => return,
            Some(Ok(event)) => {
                if std::mem::take(&mut is_failing) {
                    tracing::info!("the watch of the keys has recovered");
                }
                let missing = apply_event(&cache, event, &mut listed);
                handle_missing(&api, &cache, missing).await;
            }
            Some(Err(error)) => {
                counter!(metric_names::WATCH_RESTARTS_TOTAL, "watch" => "keys").increment(1);
                let error: &dyn std::error::Error = &error;
                if std::mem::replace(&mut is_failing, true) {
                    tracing::debug!(error, "the watch of the keys still fails");
                } else {
                    tracing::warn!(error, "the watch of the keys fails; the cached keys stay valid");
                }
            }
        }
    }
}

/// Updates the cache. Returns the ConfigMaps that the watch no longer selects. `listed` collects the ConfigMaps of a
/// list in progress.
fn apply_event(cache: &KeyCache, event: Event<ConfigMap>, listed: &mut BTreeSet<String>) -> Vec<String> {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(map) => listed.extend(apply_config_map(cache, map)),
        Event::Apply(map) => {
            apply_config_map(cache, map);
        }
        Event::Delete(map) => return map.metadata.name.into_iter().collect(),
        Event::InitDone => {
            // An update also without any ConfigMap: it exports the metrics.
            let missing = cache.update(|index| index.shards_not_in(listed));
            cache.mark_synced();
            return missing;
        }
    }
    Vec::new()
}

/// Returns the name of the ConfigMap.
fn apply_config_map(cache: &KeyCache, map: ConfigMap) -> Option<String> {
    let (name, shard) = Shard::from_config_map(map)?;
    let (issues, is_repaired) = cache.update(|index| {
        let was_broken = index.has_issues(&name);
        (index.apply(&name, shard), was_broken && !index.has_issues(&name))
    });
    report_issues(cache, &name, &issues);
    if is_repaired {
        tracing::info!(configmap = name, "a ConfigMap of keys is repaired");
    }
    Some(name)
}

/// Reports all issues of a ConfigMap in one log line and one Kubernetes Event.
fn report_issues(cache: &KeyCache, name: &str, issues: &[KeyIssue]) {
    if issues.is_empty() {
        return;
    }
    let first: Vec<String> = issues.iter().take(MAX_LOGGED_ISSUES).map(ToString::to_string).collect();
    let (first, more) = (first.join("; "), issues.len().saturating_sub(MAX_LOGGED_ISSUES));
    cache.report_issues(name, &first);
    tracing::warn!(
        configmap = name,
        issues = first,
        more,
        "a ConfigMap of keys is broken; its valid lines still count"
    );
}

/// The state of a ConfigMap that the watch no longer selects.
enum Presence {
    Deleted,
    /// The ConfigMap exists without its label.
    Unlabelled(Box<ConfigMap>),
    /// The ConfigMap exists with its label, and the watch reports it next.
    Labelled,
    /// The API server did not respond.
    Unknown,
}

/// Removes deleted ConfigMaps from the cache, and retains those that only lost their label.
async fn handle_missing(api: &Api<ConfigMap>, cache: &KeyCache, missing: Vec<String>) {
    for name in missing {
        match check_presence(api, cache, &name).await {
            Presence::Labelled => {}
            Presence::Unlabelled(map) => report_issues(cache, &name, &retain_unlabelled(cache, &name, *map)),
            // Without a response, the keys may be revoked, and must not log in.
            Presence::Deleted | Presence::Unknown => remove_shard(cache, &name),
        }
    }
}

/// Reads the ConfigMaps without the label again, because no watch reports their changes.
async fn recheck_unlabelled(api: &Api<ConfigMap>, cache: &KeyCache) {
    for name in cache.read(KeyIndex::unlabelled_shards) {
        match check_presence(api, cache, &name).await {
            Presence::Labelled | Presence::Unknown => {}
            Presence::Unlabelled(map) => drop(retain_unlabelled(cache, &name, *map)),
            Presence::Deleted => remove_shard(cache, &name),
        }
    }
}

fn retain_unlabelled(cache: &KeyCache, name: &str, map: ConfigMap) -> Vec<KeyIssue> {
    cache.update(|index| match index.shard(name).map(|shard| shard.role) {
        Some(role) => index.retain_unlabelled(name, Shard::with_role(map, role)),
        None => Vec::new(),
    })
}

fn remove_shard(cache: &KeyCache, name: &str) {
    tracing::info!(configmap = name, "a ConfigMap of keys was deleted");
    cache.update(|index| index.remove(name));
}

/// Reads the ConfigMap with a list request, which needs no other permission than the watch.
async fn check_presence(api: &Api<ConfigMap>, cache: &KeyCache, name: &str) -> Presence {
    let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = match timeout(RECHECK_TIMEOUT, api.list(&by_name)).await {
        Ok(Ok(list)) => list.items.into_iter().next(),
        Ok(Err(error)) => {
            tracing::debug!(%error, configmap = name, "a ConfigMap of keys could not be read");
            return Presence::Unknown;
        }
        Err(_) => return Presence::Unknown,
    };
    let uid = cache.read(|index| index.shard(name).map(|shard| shard.uid.clone()));
    match found {
        Some(map) if Shard::role_of(&map).is_some() => Presence::Labelled,
        Some(map) if map.metadata.uid == uid => Presence::Unlabelled(Box::new(map)),
        // A ConfigMap of the same name with another UID was created after the deletion.
        Some(_) | None => Presence::Deleted,
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
    fn a_new_list_replaces_the_cache_only_when_the_list_is_complete() {
        let cache = KeyCache::new(None);
        let mut listed = BTreeSet::new();
        let mut state_after = |events: Vec<Event<ConfigMap>>| {
            for event in events {
                apply_event(&cache, event, &mut listed).iter().for_each(|missing| remove_shard(&cache, missing));
            }
            let is_known = |number| cache.read(|index| index.identify(&key(number).fingerprint()).is_some());
            (is_known(1), is_known(2), cache.is_synced())
        };
        let first = config_map("slipway-keys-0", "alice", 1);
        let second = config_map("slipway-keys-1", "bob", 2);
        assert_eq!(state_after(vec![Event::Init, Event::InitApply(first.clone())]), (true, false, false));
        assert_eq!(state_after(vec![Event::InitDone, Event::Apply(second.clone())]), (true, true, true));
        assert_eq!(state_after(vec![Event::Init, Event::InitApply(second)]), (true, true, true));
        assert_eq!(state_after(vec![Event::InitDone]), (false, true, true));
        assert_eq!(state_after(vec![Event::Apply(first.clone()), Event::Delete(first)]), (false, true, true));
    }
}
