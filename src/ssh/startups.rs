//! Connections that have not authenticated yet, and which of them has to go when there are too many.
//!
//! Refusing new ones would let a few hundred stalled sockets lock everybody out. So the new one is let in,
//! and of the address that holds the most, the one that has waited longest is dropped: an honest client is
//! done in a fraction of a second, a stalled one is always the oldest.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// The table of them.
#[derive(Debug)]
pub struct Startups {
    maximum: usize,
    waiting: Mutex<VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    address: IpAddr,
    evicted: CancellationToken,
}

/// The place of one connection in the table. Dropped when it has authenticated, or is gone.
#[derive(Debug)]
pub struct Startup {
    table: Arc<Startups>,
    evicted: CancellationToken,
    left: CancellationToken,
}

impl Startups {
    /// A table with at most `maximum` places, at least one.
    pub fn new(maximum: usize) -> Arc<Self> {
        Arc::new(Self { maximum: maximum.max(1), waiting: Mutex::default() })
    }

    /// Takes a place, at the cost of an older connection if there is none.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Startup {
        let evicted = CancellationToken::new();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.len() >= self.maximum {
            let Some(victim) = victim(&waiting).and_then(|index| waiting.remove(index)) else { break };
            victim.evicted.cancel();
        }
        waiting.push_back(Waiting { address, evicted: evicted.clone() });
        drop(waiting);
        Startup { table: Arc::clone(self), evicted, left: CancellationToken::new() }
    }

    fn remove(&self, token: &CancellationToken) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| one.evicted != *token);
    }
}

/// The oldest connection of the address that has the most; of several such addresses, the oldest of all.
fn victim(waiting: &VecDeque<Waiting>) -> Option<usize> {
    let mut held: HashMap<IpAddr, usize> = HashMap::new();
    for one in waiting {
        *held.entry(one.address).or_default() += 1;
    }
    let most = held.values().max()?;
    waiting.iter().position(|one| held.get(&one.address) == Some(most))
}

impl Startup {
    /// Cancelled when another connection needed the place.
    pub fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }

    /// Cancelled when the place was given up.
    pub fn left(&self) -> CancellationToken {
        self.left.clone()
    }
}

impl Drop for Startup {
    fn drop(&mut self) {
        self.table.remove(&self.evicted);
        self.left.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn evicted(startups: &[Startup]) -> Vec<bool> {
        startups.iter().map(|one| one.evicted.is_cancelled()).collect()
    }

    #[test]
    fn the_longest_waiting_makes_room() {
        let table = Startups::new(2);
        let held: Vec<_> = (0..3).map(|_| table.admit(address(1))).collect();
        assert_eq!(evicted(&held), [true, false, false]);
    }

    #[test]
    fn the_address_that_holds_most_pays() {
        let table = Startups::new(3);
        let held: Vec<_> = [1, 2, 2, 3].map(|last| table.admit(address(last))).into();
        assert_eq!(evicted(&held), [false, true, false, false]);
    }

    #[test]
    fn who_has_authenticated_holds_no_place() {
        let table = Startups::new(1);
        let first = table.admit(address(1));
        let (evicted, left) = (first.evicted(), first.left());
        drop(first);
        let _second = table.admit(address(1));
        assert!(left.is_cancelled() && !evicted.is_cancelled());
    }
}
