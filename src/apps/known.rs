//! The apps in memory, as a watch of their namespaces shows them. The API server takes very much longer to list a thousand
//! namespaces than one, and whoever asks for his apps would wait for that.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PartialObjectMeta;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use metrics::counter;
use tokio::sync::watch;

use super::error::AppsError;
use super::namespace::{App, app};
use super::reach::Apps;
use crate::domain::{AppName, labels, metric};

/// How long a watch lasts, in seconds, before it is opened anew. A connection that died unnoticed hides changes for as long.
const WATCH_SECONDS: u32 = 30;
/// How long what slipway has changed itself may take to show.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the watch has shown.
pub(super) struct Known(watch::Sender<State>);

#[derive(Default)]
struct State {
    apps: BTreeMap<AppName, App>,
    /// Those of a list that is not complete yet.
    listing: BTreeMap<AppName, App>,
    /// Whether `apps` are all that there are: not before the first list, nor while the watch is interrupted.
    is_current: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self(watch::Sender::new(State::default()))
    }
}

impl Known {
    /// All apps by name; `None` where they have to be asked for.
    fn all(&self) -> Option<Vec<App>> {
        let state = self.0.borrow();
        state.is_current.then(|| state.apps.values().cloned().collect())
    }

    /// Waits until a change that slipway made shows, so that whoever made it sees it. A watch that does not show it is not
    /// relied on.
    pub(super) async fn until(&self, app: &AppName, is_there: bool) {
        let mut states = self.0.subscribe();
        let shown = states.wait_for(|state| !state.is_current || state.apps.contains_key(app) == is_there);
        if tokio::time::timeout(PATIENCE, shown).await.is_err() {
            self.lose();
        }
    }

    fn take(&self, event: Event<PartialObjectMeta<Namespace>>, home: &str) {
        let found = |namespace: PartialObjectMeta<Namespace>| app(&namespace.metadata, home);
        let name =
            |namespace: &PartialObjectMeta<Namespace>| namespace.metadata.name.as_deref()?.parse::<AppName>().ok();
        self.0.send_modify(|state| match event {
            Event::Init => state.listing.clear(),
            Event::InitApply(namespace) => {
                state.listing.extend(found(namespace).map(|app| (app.name.clone(), app)));
            }
            Event::InitDone => {
                state.apps = std::mem::take(&mut state.listing);
                state.is_current = true;
            }
            Event::Apply(namespace) => {
                name(&namespace).map(|name| state.apps.remove(&name));
                state.apps.extend(found(namespace).map(|app| (app.name.clone(), app)));
                state.is_current = true;
            }
            Event::Delete(namespace) => {
                name(&namespace).map(|name| state.apps.remove(&name));
                state.is_current = true;
            }
        });
    }

    /// Whether it was current before.
    fn lose(&self) -> bool {
        self.0.send_if_modified(|state| std::mem::take(&mut state.is_current))
    }
}

impl Apps {
    /// All apps by name, as the watch shows them; asked for while there is none.
    ///
    /// # Errors
    /// As [`Apps::list`].
    pub async fn known(&self) -> Result<Vec<App>, AppsError> {
        match self.known.all() {
            Some(apps) => Ok(apps),
            None => self.list().await,
        }
    }

    /// Watches the namespaces of apps for ever. Listed ones are few, and may not all be watched.
    pub async fn follow(&self) {
        if self.is_listed() {
            return;
        }
        let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let ours = Config::default().labels(labels::APP).timeout(WATCH_SECONDS);
        let mut events = watcher(namespaces, ours).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.known.take(event, &self.home),
                Err(error) => {
                    counter!(metric::WATCH_RESTARTS_TOTAL, "watch" => "apps").increment(1);
                    if self.known.lose() {
                        tracing::warn!(%error, "the apps cannot be watched; whoever asks for them waits for a list");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(name: &str) -> PartialObjectMeta<Namespace> {
        let metadata = json!({
            "name": name,
            "labels": {labels::APP: name},
            "annotations": {labels::OWNER: "alice", labels::INSTALLATION: "slipway"},
        });
        serde_json::from_value(json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                                      "metadata": metadata}))
        .unwrap()
    }

    fn names(known: &Known) -> Option<Vec<String>> {
        Some(known.all()?.iter().map(|app| app.name.to_string()).collect())
    }

    fn following(events: impl IntoIterator<Item = Event<PartialObjectMeta<Namespace>>>) -> Known {
        let known = Known::default();
        events.into_iter().for_each(|event| known.take(event, "slipway"));
        known
    }

    #[test]
    fn what_the_watch_shows_is_known_once_its_first_list_is_complete() {
        let known = following([Event::Init, Event::InitApply(namespace("b")), Event::InitApply(namespace("a"))]);
        assert_eq!(names(&known), None);
        known.take(Event::InitDone, "slipway");
        assert_eq!(names(&known).unwrap(), ["a", "b"]);
        known.take(Event::Apply(namespace("c")), "slipway");
        known.take(Event::Delete(namespace("a")), "slipway");
        let mut given_back = namespace("b");
        given_back.metadata.annotations = None;
        known.take(Event::Apply(given_back), "slipway");
        assert_eq!(names(&known).unwrap(), ["c"]);
    }

    #[test]
    fn an_interrupted_watch_is_not_relied_on() {
        let known = following([Event::Init, Event::InitApply(namespace("a")), Event::InitDone]);
        assert!(known.lose() && !known.lose());
        assert_eq!(names(&known), None);
        for event in [Event::Init, Event::InitDone] {
            known.take(event, "slipway");
        }
        assert_eq!(names(&known).unwrap(), Vec::<String>::new(), "what is not listed again is gone");
    }

    #[tokio::test]
    async fn a_change_that_does_not_show_in_time_makes_the_watch_unreliable() {
        let known = following([Event::Init, Event::InitApply(namespace("a")), Event::InitDone]);
        known.until(&"a".parse().unwrap(), true).await;
        assert!(known.all().is_some());
        known.until(&"a".parse().unwrap(), false).await;
        assert!(known.all().is_none());
    }
}
