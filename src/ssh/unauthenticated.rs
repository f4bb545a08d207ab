//! Limits the connections that have not authenticated yet.
//!
//! If the server refused connections above the limit, a few hundred stalled sockets could lock all users out. So it accepts
//! the new connection and evicts the oldest one of the address that has the most: an honest client authenticates within a
//! fraction of a second, so the oldest connection is almost always a stalled one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(super) struct UnauthenticatedLimit {
    max_connections: usize,
    /// Oldest first.
    connections: Mutex<VecDeque<UnauthenticatedConnection>>,
}

#[derive(Debug)]
struct UnauthenticatedConnection {
    address: IpAddr,
    evicted: CancellationToken,
}

/// Counts one connection against the limit. Dropped when the connection has authenticated or ended.
#[derive(Debug)]
pub(super) struct UnauthenticatedSlot {
    limit: Arc<UnauthenticatedLimit>,
    evicted: CancellationToken,
    released: CancellationToken,
}

impl UnauthenticatedLimit {
    /// Allows at least one connection.
    pub(super) fn new(max_connections: usize) -> Arc<Self> {
        Arc::new(Self { max_connections: max_connections.max(1), connections: Mutex::default() })
    }

    /// Acquires a slot; evicts an older connection if all are in use.
    pub(super) fn acquire(self: &Arc<Self>, address: IpAddr) -> UnauthenticatedSlot {
        let evicted = CancellationToken::new();
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while connections.len() >= self.max_connections {
            let Some(oldest) = select_eviction(&connections).and_then(|index| connections.remove(index)) else { break };
            oldest.evicted.cancel();
        }
        connections.push_back(UnauthenticatedConnection { address, evicted: evicted.clone() });
        drop(connections);
        UnauthenticatedSlot { limit: Arc::clone(self), evicted, released: CancellationToken::new() }
    }

    fn release(&self, evicted: &CancellationToken) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| connection.evicted != *evicted);
    }
}

/// The index of the oldest connection among those from the addresses with the most connections.
fn select_eviction(connections: &VecDeque<UnauthenticatedConnection>) -> Option<usize> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for connection in connections {
        *counts.entry(connection.address).or_default() += 1;
    }
    let most = counts.values().max()?;
    connections.iter().position(|connection| counts.get(&connection.address) == Some(most))
}

impl UnauthenticatedSlot {
    /// Cancelled when a newer connection has taken the slot.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }

    /// Cancelled when the slot is dropped.
    pub(super) fn released(&self) -> CancellationToken {
        self.released.clone()
    }
}

impl Drop for UnauthenticatedSlot {
    fn drop(&mut self) {
        self.limit.release(&self.evicted);
        self.released.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn evicted(slots: &[UnauthenticatedSlot]) -> Vec<bool> {
        slots.iter().map(|slot| slot.evicted.is_cancelled()).collect()
    }

    #[test]
    fn the_oldest_connection_is_evicted() {
        let limit = UnauthenticatedLimit::new(2);
        let held: Vec<_> = (0..3).map(|_| limit.acquire(address(1))).collect();
        assert_eq!(evicted(&held), [true, false, false]);
    }

    #[test]
    fn the_address_with_the_most_connections_is_evicted() {
        let limit = UnauthenticatedLimit::new(3);
        let held: Vec<_> = [1, 2, 2, 3].map(|last| limit.acquire(address(last))).into();
        assert_eq!(evicted(&held), [false, true, false, false]);
    }

    #[test]
    fn an_authenticated_connection_releases_its_slot() {
        let limit = UnauthenticatedLimit::new(1);
        let first = limit.acquire(address(1));
        let (evicted, released) = (first.evicted(), first.released());
        drop(first);
        let _second = limit.acquire(address(1));
        assert!(released.is_cancelled() && !evicted.is_cancelled());
    }
}
