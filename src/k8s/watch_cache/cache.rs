//! The state of one watch, and what its user keeps of the selected objects.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Debug;
use std::mem::{replace, take};

use kube::Resource;
use kube::runtime::watcher::{self, Event};
use metrics::counter;

use crate::domain::metric_names;

/// The part of the selected objects that the user of a watch keeps. Their names are distinct: they belong to one namespace, or to
/// none.
pub trait WatchView {
    type Object: Resource + Debug;

    /// The value of the label `watch` of [`metric_names::WATCH_RESTARTS_TOTAL`].
    const WATCH: &'static str;
    /// The log message of an interruption. It states the consequence.
    const INTERRUPTED: &'static str;

    /// Keeps an object that the watch selects, in its newest state.
    fn apply(&mut self, name: &str, object: Self::Object);

    /// Removes an object that the watch no longer selects. `last` is its last state; `None` if the object vanished between
    /// two lists.
    fn remove(&mut self, name: &str, last: Option<Self::Object>);
}

/// A view, kept current by the events of a watch.
#[derive(Debug)]
pub struct WatchCache<V: WatchView> {
    view: V,
    /// The UIDs of the selected objects by name.
    selected: BTreeMap<String, Option<String>>,
    /// The objects of a list that is not complete yet.
    listing: Vec<V::Object>,
    is_synced: bool,
    freshness: Freshness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Current,
    /// The first list is not complete, or a change that slipway made has not arrived.
    Outdated,
    /// The watch failed, and no event has arrived since.
    Interrupted,
}

impl<V: WatchView + Default> Default for WatchCache<V> {
    fn default() -> Self {
        Self::new(V::default())
    }
}

impl<V: WatchView> WatchCache<V> {
    pub fn new(view: V) -> Self {
        let (selected, listing) = (BTreeMap::new(), Vec::new());
        Self { view, selected, listing, is_synced: false, freshness: Freshness::Outdated }
    }

    pub fn view(&self) -> &V {
        &self.view
    }

    pub(super) fn view_mut(&mut self) -> &mut V {
        &mut self.view
    }

    /// Whether the first list is complete. Stays true while the watch is interrupted.
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Whether the view is complete, and as recent as an uninterrupted watch is.
    pub fn is_current(&self) -> bool {
        self.freshness == Freshness::Current
    }

    /// The view counts as outdated until the next event.
    pub(super) fn mark_outdated(&mut self) {
        if self.is_current() {
            self.freshness = Freshness::Outdated;
        }
    }

    /// Applies an event or an interruption. A new list replaces the view only when the list is complete. Returns whether
    /// the view or the state of the watch may have changed.
    pub fn apply(&mut self, event: watcher::Result<Event<V::Object>>) -> bool {
        match event {
            Ok(Event::Init) => {
                self.listing.clear();
                return false;
            }
            Ok(Event::InitApply(object)) => {
                self.listing.push(object);
                return false;
            }
            Ok(Event::InitDone) => self.replace_all(),
            Ok(Event::Apply(object)) => self.select(object),
            Ok(Event::Delete(object)) => self.unselect(object),
            Err(error) => {
                self.interrupt(&error);
                return true;
            }
        }
        self.mark_current();
        true
    }

    fn replace_all(&mut self) {
        let listed = take(&mut self.listing);
        let names: BTreeSet<&str> = listed.iter().filter_map(|object| object.meta().name.as_deref()).collect();
        let Self { view, selected, .. } = self;
        selected.retain(|name, _| {
            let is_listed = names.contains(name.as_str());
            if !is_listed {
                view.remove(name, None);
            }
            is_listed
        });
        listed.into_iter().for_each(|object| self.select(object));
        self.is_synced = true;
    }

    fn select(&mut self, object: V::Object) {
        let Some(name) = object.meta().name.clone() else { return };
        let uid = object.meta().uid.clone();
        let known = self.selected.insert(name.clone(), uid.clone());
        if known.is_some_and(|known| known != uid) {
            self.view.remove(&name, None);
        }
        self.view.apply(&name, object);
    }

    fn unselect(&mut self, object: V::Object) {
        let Some(name) = object.meta().name.clone() else { return };
        self.selected.remove(&name);
        self.view.remove(&name, Some(object));
    }

    fn mark_current(&mut self) {
        if replace(&mut self.freshness, Freshness::Current) == Freshness::Interrupted {
            tracing::info!("the watch of the {} has recovered", V::WATCH);
        }
    }

    /// Counts every failure of the watch, and logs the first one as a warning.
    fn interrupt(&mut self, error: &watcher::Error) {
        // A list that failed begins again.
        self.listing.clear();
        counter!(metric_names::WATCH_RESTARTS_TOTAL, "watch" => V::WATCH).increment(1);
        let error: &dyn Error = error;
        if replace(&mut self.freshness, Freshness::Interrupted) == Freshness::Interrupted {
            tracing::debug!(error, "the watch of the {} still fails", V::WATCH);
        } else {
            tracing::warn!(error, "{}", V::INTERRUPTED);
        }
    }
}
