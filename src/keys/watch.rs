//! The watch of the key ConfigMaps, and the reads of those that it no longer selects.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::watcher::Config;
use tokio::sync::watch::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use super::cache::{KeyCache, KeyView, Presence};
use super::report::ShardReporter;
use super::shard::{Shard, label_selector};
use crate::k8s::{WatchCache, with_timeout};

/// How often ConfigMaps without the label are read, because the watch does not select them.
const RECHECK_INTERVAL: Duration = Duration::from_secs(2);
/// How long such a read may take.
const RECHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Keeps the cache current for ever.
pub(super) async fn watch_config_maps(api: Api<ConfigMap>, cache: Arc<KeyCache>, reporter: ShardReporter) {
    let changes = cache.subscribe();
    let selected = Config::default().labels(&label_selector());
    tokio::join!(cache.run(api.clone(), selected), follow_changes(&api, &cache, changes, &reporter));
}

/// Reports each change, and reads the ConfigMaps that the watch does not select.
async fn follow_changes(
    api: &Api<ConfigMap>,
    cache: &KeyCache,
    mut changes: Receiver<WatchCache<KeyView>>,
    reporter: &ShardReporter,
) {
    let mut rechecks = interval(RECHECK_INTERVAL);
    rechecks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let names = tokio::select! {
            changed = changes.changed() => match changed {
                Ok(()) => {
                    report_changes(cache, reporter);
                    cache.read(|cache| cache.view().unselected())
                }
                Err(_) => return,
            },
            _ = rechecks.tick() => cache.read(|cache| cache.view().index().unlabelled_shards()),
        };
        for name in names {
            let presence = check_presence(api, cache, &name).await;
            cache.update(|view| view.conclude(&name, presence));
        }
    }
}

fn report_changes(cache: &KeyCache, reporter: &ShardReporter) {
    let mut reports = Vec::new();
    cache.update(|view| {
        reports = view.take_reports();
        false
    });
    reporter.report(&reports);
    cache.read(|cache| cache.view().index().metrics()).export();
}

/// Reads the ConfigMap with a list request, which needs no other permission than the watch.
async fn check_presence(api: &Api<ConfigMap>, cache: &KeyCache, name: &str) -> Presence {
    let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = match with_timeout("reading a ConfigMap of keys", RECHECK_TIMEOUT, api.list(&by_name)).await {
        Ok(list) => list.items.into_iter().next(),
        Err(error) => {
            tracing::debug!(%error, configmap = name, "a ConfigMap of keys could not be read");
            return Presence::Unknown;
        }
    };
    let uid = cache.read(|cache| cache.view().index().shard(name).map(|shard| shard.uid.clone()));
    match found {
        Some(map) if Shard::role_of(&map).is_some() => Presence::Labelled,
        Some(map) if map.metadata.uid == uid => Presence::Unlabelled(Box::new(map)),
        // A ConfigMap of the same name with another UID was created after the deletion.
        Some(_) | None => Presence::Deleted,
    }
}
