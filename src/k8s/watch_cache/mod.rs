//! A cache of the objects that a watch selects, over kube's [`watcher`](kube::runtime::watcher).
//!
//! [`WatchCache`] applies the events of one watch to a [`WatchView`], in which its user keeps what it needs of the objects:
//! an index of keys, a map of apps, the objects of a rollout. [`SharedCache`] runs the watch and shares the cache with its
//! readers.
//!
//! kube's `reflector::Store` alone does not suffice. It keeps whole objects, so that keys and apps would be held
//! twice. It drops a deleted object, which a rollout has to distinguish from an object that is not created yet, and
//! replaces all objects at a new list without telling which of them vanished. It reports neither an interruption of the
//! watch nor a change for which an upload or a push waits.

mod cache;
mod events;
mod shared;
#[cfg(test)]
mod tests;

pub use cache::{WatchCache, WatchView};
pub use events::watch_events;
pub use shared::SharedCache;
