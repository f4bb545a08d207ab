//! What a Lease says about who deploys, and what that means for one more who wants to. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use uuid::Uuid;

use crate::domain::{AppName, CommitSha, UserName, labels};

/// The Lease's name in the app's namespace.
pub const NAME: &str = "slipway-deploy";
/// How long a Lease holds without being renewed.
pub const DURATION: Duration = Duration::from_secs(15);

/// How long a holder has to be watched, without a renewal, until it is certain that it writes no more. Clocks may differ,
/// so that what a Lease says of its age proves nothing: only this does. Longer than the holder trusts its lock.
pub const OBSERVE: Duration = DURATION;

/// One running slipway process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The same after a restart; different for each gateway that runs at the same time.
    pub identity: String,
    /// New in each process.
    pub instance: Uuid,
}

/// What is told to those who find the lock taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockNote {
    /// Who deploys; `None` where slipway itself heals a release.
    pub user: Option<UserName>,
    /// What is deployed.
    pub commit: Option<CommitSha>,
}

/// One attempt to take the lock, and what is written into the Lease if it succeeds.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Who takes it.
    pub gateway: Gateway,
    /// What for.
    pub note: LockNote,
    /// New for each attempt.
    pub token: Uuid,
}

/// Somebody else holds the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// The app.
    pub app: AppName,
    /// Who deploys, as far as the Lease says.
    pub note: LockNote,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The gateway's identity.
    pub gateway: String,
    /// When this was found out.
    pub now: Timestamp,
}

impl Busy {
    /// Whether the holder only undoes what a gateway left behind.
    pub fn is_healing(&self) -> bool {
        self.note.user.is_none()
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = &self.app;
        match (&self.note.user, &self.note.commit) {
            (Some(user), Some(commit)) => write!(f, "{user} is deploying {} to {app}", commit.short())?,
            (Some(user), None) => write!(f, "{user} is changing {app}")?,
            (None, _) => write!(f, "slipway is healing {app}")?,
        }
        let Some(since) = self.since else { return Ok(()) };
        let elapsed = self.now.duration_since(since).as_secs().max(0);
        write!(f, " since {} UTC ({elapsed} s)", since.strftime("%H:%M:%S"))
    }
}

/// What a Lease means for a gateway that wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nobody holds it, or an earlier process of this very gateway did, which is gone.
    Free,
    /// It was renewed a moment ago.
    Busy(Busy),
    /// By this machine's clock it has expired. Clocks differ, so its holder gets a chance to renew it.
    Stale(Busy),
}

/// Decides what `lease` means for `gateway` at `now`.
pub fn decide(app: &AppName, lease: &Lease, gateway: &Gateway, now: Timestamp) -> Claim {
    if holder(lease).is_none() || is_of_predecessor(lease, gateway) {
        return Claim::Free;
    }
    let busy = busy(app, lease, now);
    if is_fresh(lease, now) { Claim::Busy(busy) } else { Claim::Stale(busy) }
}

/// Whom an app's Lease names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBy {
    /// Nobody.
    Nobody,
    /// A gateway that is at work.
    Alive,
    /// This gateway's predecessor, or one that let the Lease expire.
    Dead,
}

/// Whom `lease` names, as `gateway` sees it at `now`.
pub fn held_by(lease: &Lease, gateway: &Gateway, now: Timestamp) -> HeldBy {
    match holder(lease) {
        None => HeldBy::Nobody,
        Some(_) if is_of_predecessor(lease, gateway) || !is_fresh(lease, now) => HeldBy::Dead,
        Some(_) => HeldBy::Alive,
    }
}

/// Whether an earlier process of this very gateway took it, which is gone.
fn is_of_predecessor(lease: &Lease, gateway: &Gateway) -> bool {
    holder(lease) == Some(&gateway.identity) && instance(lease) != Some(gateway.instance)
}

/// Whether the lease is still the one that was taken with `ticket`.
pub fn is_held(lease: &Lease, ticket: &Ticket) -> bool {
    holder(lease) == Some(ticket.gateway.identity.as_str())
        && annotation(lease, labels::LOCK).and_then(|text| text.parse().ok()) == Some(ticket.token)
}

/// Who holds the lease, for a message.
pub fn busy(app: &AppName, lease: &Lease, now: Timestamp) -> Busy {
    let spec = lease.spec.as_ref();
    Busy {
        app: app.clone(),
        note: LockNote {
            user: annotation(lease, labels::PUSHER).and_then(|text| text.parse().ok()),
            commit: annotation(lease, labels::COMMIT).and_then(|text| text.parse().ok()),
        },
        since: spec.and_then(|spec| spec.acquire_time.as_ref()).map(|time| time.0),
        gateway: holder(lease).unwrap_or_default().to_owned(),
        now,
    }
}

/// `lease` as it looks when it is taken with `ticket`; with `None`, a new one. The number of transitions grows with
/// each taking: it is the fencing number.
pub fn taken(lease: Option<Lease>, ticket: &Ticket, now: Timestamp) -> Lease {
    let fence = lease.as_ref().map_or(0, transitions).wrapping_add(1);
    let mut lease = lease.unwrap_or_default();
    lease.metadata = ObjectMeta {
        name: Some(NAME.to_owned()),
        resource_version: lease.metadata.resource_version,
        annotations: Some(annotations(ticket)),
        labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned())])),
        ..ObjectMeta::default()
    };
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(ticket.gateway.identity.clone()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(fence),
        ..LeaseSpec::default()
    });
    lease
}

/// `lease` with a new time of renewal.
pub fn renewed(mut lease: Lease, now: Timestamp) -> Lease {
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(now));
    lease
}

/// `lease` without a holder.
pub fn released(mut lease: Lease) -> Lease {
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

fn annotations(ticket: &Ticket) -> BTreeMap<String, String> {
    let note = &ticket.note;
    let mut annotations = BTreeMap::from([
        (labels::INSTANCE.to_owned(), ticket.gateway.instance.to_string()),
        (labels::LOCK.to_owned(), ticket.token.to_string()),
    ]);
    annotations.extend(note.user.iter().map(|user| (labels::PUSHER.to_owned(), user.to_string())));
    annotations.extend(note.commit.iter().map(|commit| (labels::COMMIT.to_owned(), commit.to_string())));
    annotations
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn instance(lease: &Lease) -> Option<Uuid> {
    annotation(lease, labels::INSTANCE)?.parse().ok()
}

fn annotation<'a>(lease: &'a Lease, key: &str) -> Option<&'a str> {
    lease.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// A time in the future counts as fresh as little as one long past: both say that clocks differ.
fn is_fresh(lease: &Lease, now: Timestamp) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.is_some_and(|time| now.duration_since(time.0).unsigned_abs() <= DURATION)
}

#[cfg(test)]
mod tests {
    use super::super::VALID;
    use super::*;

    fn gateway(identity: &str, instance: u128) -> Gateway {
        Gateway { identity: identity.to_owned(), instance: Uuid::from_u128(instance) }
    }

    fn ticket(note: LockNote) -> Ticket {
        Ticket { gateway: gateway("one", 1), note, token: Uuid::new_v4() }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn app() -> AppName {
        "myapp".parse().unwrap()
    }

    fn note() -> LockNote {
        LockNote { user: Some("alice".parse().unwrap()), commit: Some("3f2c1ab".repeat(6)[..40].parse().unwrap()) }
    }

    #[test]
    fn a_lease_means_different_things_to_different_gateways() {
        let lease = taken(None, &ticket(note()), at(0));
        let claim = |gateway: Gateway, seconds| decide(&app(), &lease, &gateway, at(seconds));
        assert_eq!(claim(gateway("one", 2), 1), Claim::Free, "our own process before the restart");
        assert!(matches!(claim(gateway("one", 1), 1), Claim::Busy(_)), "another deploy in this process");
        assert!(matches!(claim(gateway("two", 3), 15), Claim::Busy(_)));
        assert!(matches!(claim(gateway("two", 3), 16), Claim::Stale(_)));
        assert!(matches!(claim(gateway("two", 3), -3600), Claim::Stale(_)), "a clock that went back");
        assert!(matches!(claim(gateway("one", 1), 60), Claim::Stale(_)), "releasing it failed");
        assert_eq!(decide(&app(), &released(lease.clone()), &gateway("two", 3), at(1)), Claim::Free);
        assert_eq!(decide(&app(), &Lease::default(), &gateway("two", 3), at(1)), Claim::Free);
    }

    #[test]
    fn each_taking_counts_and_ends_the_one_before() {
        let (one, two) = (ticket(note()), ticket(note()));
        let first = taken(None, &one, at(0));
        let second = taken(Some(released(first.clone())), &two, at(5));
        assert_eq!((transitions(&first), transitions(&second)), (1, 2));
        assert!(is_held(&renewed(first.clone(), at(3)), &one));
        assert!(!is_held(&second, &one));
        assert!(!is_held(&released(first), &one));
    }

    #[test]
    fn a_gateway_that_starts_finds_what_it_and_others_abandoned() {
        let lease = taken(None, &ticket(note()), at(0));
        assert_eq!(held_by(&lease, &gateway("one", 2), at(1)), HeldBy::Dead);
        assert_eq!(held_by(&lease, &gateway("two", 2), at(1)), HeldBy::Alive);
        assert_eq!(held_by(&lease, &gateway("two", 2), at(16)), HeldBy::Dead);
        assert_eq!(held_by(&released(lease), &gateway("one", 2), at(1)), HeldBy::Nobody);
    }

    #[test]
    fn who_is_watched_has_stopped_writing_before_the_lease_is_taken_over() {
        assert!(OBSERVE > VALID && DURATION > VALID);
    }

    #[test]
    fn the_message_says_who_what_and_since_when() {
        let lease = taken(None, &ticket(note()), at(0));
        assert_eq!(
            busy(&app(), &lease, at(14)).to_string(),
            "alice is deploying 3f2c1ab to myapp since 08:00:00 UTC (14 s)"
        );
        let healing = taken(None, &ticket(LockNote::default()), at(0));
        let busy = busy(&app(), &healing, at(2));
        assert_eq!(busy.to_string(), "slipway is healing myapp since 08:00:00 UTC (2 s)");
        assert!(busy.is_healing());
    }

    #[test]
    fn annotations_written_by_hand_do_not_reach_a_terminal() {
        let mut lease = taken(None, &ticket(note()), at(0));
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(labels::PUSHER.to_owned(), "\u{1b}[31mmallory".to_owned());
        assert_eq!(busy(&app(), &lease, at(0)).note.user, None);
    }
}
