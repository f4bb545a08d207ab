//! The Lease of the deploy lock: how it is written, and what it means for a process that wants it. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use uuid::Uuid;

use crate::domain::{CommitSha, Target, UserName, labels};

/// Time for which a Lease is held without a renewal.
pub(super) const LEASE_DURATION: Duration = Duration::from_secs(15);
/// Time for which a Lease is watched without seeing a renewal before it is taken over. The Lease's own times prove
/// nothing, as clocks differ. Longer than the holder trusts its lock ([`super::hold::RENEW_DEADLINE`]).
pub(super) const TAKEOVER_AFTER: Duration = LEASE_DURATION;

/// Identifies one running slipway process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// The same after a restart; different for each gateway that runs at the same time.
    pub identity: String,
    /// New in each process.
    pub instance: Uuid,
}

/// The holder's part of the Lease, for the message to others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HolderInfo {
    /// `None` where slipway itself holds the lock, for a recovery or for a cleanup.
    pub user: Option<UserName>,
    /// `None` where no commit is deployed.
    pub commit: Option<CommitSha>,
}

/// One attempt to take the lock, as it is written into the Lease.
#[derive(Debug, Clone)]
pub(super) struct LockClaim {
    pub process: ProcessIdentity,
    pub info: HolderInfo,
    /// New for each attempt.
    pub token: Uuid,
}

/// The holder of a lock, as its Lease describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    pub target: Target,
    pub info: HolderInfo,
    pub since: Option<Timestamp>,
    /// The gateway's [`ProcessIdentity::identity`].
    pub identity: String,
    /// When the Lease was read.
    pub now: Timestamp,
}

impl LockHolder {
    /// Whether slipway itself holds the lock, for a recovery or for a cleanup.
    pub fn is_maintenance(&self) -> bool {
        self.info.user.is_none()
    }

    pub(super) fn from_lease(target: &Target, lease: &Lease, now: Timestamp) -> Self {
        let spec = lease.spec.as_ref();
        Self {
            target: target.clone(),
            info: HolderInfo {
                user: annotation(lease, labels::PUSHER).and_then(|text| text.parse().ok()),
                commit: annotation(lease, labels::COMMIT).and_then(|text| text.parse().ok()),
            },
            since: spec.and_then(|spec| spec.acquire_time.as_ref()).map(|time| time.0),
            identity: holder(lease).unwrap_or_default().to_owned(),
            now,
        }
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        match (&self.info.user, &self.info.commit) {
            (Some(user), Some(commit)) => write!(f, "{user} is deploying {} to {target}", commit.short())?,
            (Some(user), None) => write!(f, "{user} is changing {target}")?,
            (None, _) => write!(f, "slipway is doing maintenance on {target}")?,
        }
        let Some(since) = self.since else { return Ok(()) };
        let elapsed = self.now.duration_since(since).as_secs().max(0);
        write!(f, " (since {} UTC, {elapsed} s)", since.strftime("%H:%M:%S"))
    }
}

/// The state of a Lease for a process that wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// The Lease has no holder, or its holder was an earlier process of this gateway, which is gone.
    Free,
    /// The Lease was renewed a moment ago.
    Held(LockHolder),
    /// The Lease has expired by this machine's clock. As clocks differ, the holder gets the chance to renew it.
    Expired(LockHolder),
}

/// Decides what `lease` means for `process` at `now`.
pub(super) fn lease_state(target: &Target, lease: &Lease, process: &ProcessIdentity, now: Timestamp) -> LeaseState {
    if holder(lease).is_none() || is_held_by_predecessor(lease, process) {
        return LeaseState::Free;
    }
    let holder = LockHolder::from_lease(target, lease, now);
    if is_fresh(lease, now) { LeaseState::Held(holder) } else { LeaseState::Expired(holder) }
}

/// The state of the holder that a Lease names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderState {
    /// The Lease has no holder.
    Unheld,
    /// The holder is running.
    Alive,
    /// The holder is an earlier process of this gateway, or let the Lease expire.
    Gone,
}

/// The state of the holder of `lease`, for `process` at `now`.
pub(super) fn holder_state(lease: &Lease, process: &ProcessIdentity, now: Timestamp) -> HolderState {
    match holder(lease) {
        None => HolderState::Unheld,
        Some(_) if is_held_by_predecessor(lease, process) || !is_fresh(lease, now) => HolderState::Gone,
        Some(_) => HolderState::Alive,
    }
}

/// Whether the holder is an earlier process of the same gateway, which is gone.
fn is_held_by_predecessor(lease: &Lease, process: &ProcessIdentity) -> bool {
    holder(lease) == Some(&process.identity) && instance(lease) != Some(process.instance)
}

/// Whether the Lease is still the one that `claim` took.
pub(super) fn is_held_by(lease: &Lease, claim: &LockClaim) -> bool {
    holder(lease) == Some(claim.process.identity.as_str())
        && annotation(lease, labels::LOCK_ID).and_then(|text| text.parse().ok()) == Some(claim.token)
}

/// The Lease with the holder of `claim`; a new Lease if `lease` is `None`. The number of transitions grows each time,
/// as a fencing number.
pub(super) fn with_holder(lease: Option<Lease>, claim: &LockClaim, now: Timestamp) -> Lease {
    let fence = lease.as_ref().map_or(0, transitions).wrapping_add(1);
    let mut lease = lease.unwrap_or_default();
    lease.metadata = ObjectMeta {
        name: lease.metadata.name,
        resource_version: lease.metadata.resource_version,
        annotations: Some(annotations(claim)),
        labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned())])),
        ..ObjectMeta::default()
    };
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(claim.process.identity.clone()),
        lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(fence),
        ..LeaseSpec::default()
    });
    lease
}

/// The Lease with a new time of renewal.
pub(super) fn with_renew_time(mut lease: Lease, now: Timestamp) -> Lease {
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(now));
    lease
}

/// The Lease without a holder.
pub(super) fn without_holder(mut lease: Lease) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = None;
    spec.renew_time = None;
    spec.acquire_time = None;
    lease.metadata.annotations = None;
    lease
}

fn transitions(lease: &Lease) -> i32 {
    lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default()
}

fn annotations(claim: &LockClaim) -> BTreeMap<String, String> {
    let HolderInfo { user, commit } = &claim.info;
    let mut annotations = BTreeMap::from([
        (labels::INSTANCE.to_owned(), claim.process.instance.to_string()),
        (labels::LOCK_ID.to_owned(), claim.token.to_string()),
    ]);
    annotations.extend(user.iter().map(|user| (labels::PUSHER.to_owned(), user.to_string())));
    annotations.extend(commit.iter().map(|commit| (labels::COMMIT.to_owned(), commit.to_string())));
    annotations
}

/// The identity of the holder, which may be gone.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn instance(lease: &Lease) -> Option<Uuid> {
    annotation(lease, labels::INSTANCE)?.parse().ok()
}

fn annotation<'a>(lease: &'a Lease, key: &str) -> Option<&'a str> {
    lease.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Whether the last renewal is at most one Lease duration away. A time further in the future is not fresh: it shows
/// that clocks differ, as one long past does.
fn is_fresh(lease: &Lease, now: Timestamp) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.is_some_and(|time| now.duration_since(time.0).unsigned_abs() <= LEASE_DURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(identity: &str, instance: u128) -> ProcessIdentity {
        ProcessIdentity { identity: identity.to_owned(), instance: Uuid::from_u128(instance) }
    }

    fn claim(info: HolderInfo) -> LockClaim {
        LockClaim { process: process("one", 1), info, token: Uuid::new_v4() }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn target() -> Target {
        Target::of_app(&"myapp".parse().unwrap())
    }

    fn alice() -> HolderInfo {
        HolderInfo { user: Some("alice".parse().unwrap()), commit: Some("3f2c1ab".repeat(6)[..40].parse().unwrap()) }
    }

    #[test]
    fn a_lease_means_different_things_to_different_gateways() {
        let lease = with_holder(None, &claim(alice()), at(0));
        let state = |process: ProcessIdentity, seconds| lease_state(&target(), &lease, &process, at(seconds));
        assert_eq!(state(process("one", 2), 1), LeaseState::Free, "our own process before the restart");
        assert!(matches!(state(process("one", 1), 1), LeaseState::Held(_)), "another deploy in this process");
        assert!(matches!(state(process("two", 3), 15), LeaseState::Held(_)));
        assert!(matches!(state(process("two", 3), 16), LeaseState::Expired(_)));
        assert!(matches!(state(process("two", 3), -3600), LeaseState::Expired(_)), "a clock that was set back");
        assert!(matches!(state(process("one", 1), 60), LeaseState::Expired(_)), "its release failed");
        let released = without_holder(lease.clone());
        assert_eq!(lease_state(&target(), &released, &process("two", 3), at(1)), LeaseState::Free);
        assert_eq!(lease_state(&target(), &Lease::default(), &process("two", 3), at(1)), LeaseState::Free);
    }

    #[test]
    fn each_claim_is_counted_and_ends_the_one_before() {
        let (one, two) = (claim(alice()), claim(alice()));
        let first = with_holder(None, &one, at(0));
        let second = with_holder(Some(without_holder(first.clone())), &two, at(5));
        assert_eq!((transitions(&first), transitions(&second)), (1, 2));
        assert!(is_held_by(&with_renew_time(first.clone(), at(3)), &one));
        assert!(!is_held_by(&second, &one));
        assert!(!is_held_by(&without_holder(first), &one));
    }

    #[test]
    fn a_gateway_that_starts_finds_the_leases_that_it_and_others_abandoned() {
        let lease = with_holder(None, &claim(alice()), at(0));
        assert_eq!(holder_state(&lease, &process("one", 2), at(1)), HolderState::Gone);
        assert_eq!(holder_state(&lease, &process("two", 2), at(1)), HolderState::Alive);
        assert_eq!(holder_state(&lease, &process("two", 2), at(16)), HolderState::Gone);
        assert_eq!(holder_state(&without_holder(lease), &process("one", 2), at(1)), HolderState::Unheld);
    }

    #[test]
    fn the_message_names_the_holder_the_commit_and_the_time() {
        let lease = with_holder(None, &claim(alice()), at(0));
        assert_eq!(
            LockHolder::from_lease(&target(), &lease, at(14)).to_string(),
            "alice is deploying 3f2c1ab to myapp (since 08:00:00 UTC, 14 s)"
        );
        let recovery = with_holder(None, &claim(HolderInfo::default()), at(0));
        let holder = LockHolder::from_lease(&target(), &recovery, at(2));
        assert_eq!(holder.to_string(), "slipway is doing maintenance on myapp (since 08:00:00 UTC, 2 s)");
        assert!(holder.is_maintenance());
    }

    #[test]
    fn annotations_written_by_hand_do_not_reach_a_terminal() {
        let mut lease = with_holder(None, &claim(alice()), at(0));
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(labels::PUSHER.to_owned(), "\u{1b}[31mmallory".to_owned());
        assert_eq!(LockHolder::from_lease(&target(), &lease, at(0)).info.user, None);
    }
}
