//! The API server's refusal of an object's pods, such as by a quota, a LimitRange or Pod Security. Pure.
//!
//! A controller repeats the request with growing delays. A refusal that only a user can end fails the rollout once it is
//! repeated, instead of at the deadline.

use std::time::Duration;

use tokio::time::Instant;

/// How long a Deployment may report a refusal. Its controller repeats the request about ten times meanwhile.
const REFUSAL_GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Refusal {
    message: String,
    condition: Option<Condition>,
    /// How often the controller had reported it by an event when it was first read.
    first_count: Option<i32>,
    is_repeated: bool,
}

#[derive(Debug)]
struct Condition {
    since: Instant,
    /// When something last changed that may end the refusal.
    last_change: Instant,
}

impl Refusal {
    /// Notes the condition of the object. `may_pass` if the answer may be another one soon: a pod that ends frees its quota.
    pub(super) fn note_condition(&mut self, message: Option<&str>, may_pass: bool, now: Instant) {
        let Some(message) = message.filter(|message| is_permanent(message)) else {
            self.condition = None;
            return;
        };
        message.clone_into(&mut self.message);
        let condition = self.condition.get_or_insert(Condition { since: now, last_change: now });
        if may_pass {
            condition.last_change = now;
        }
    }

    /// Notes an event and its count. An event may be older than the rollout: only one that is repeated counts.
    pub(super) fn note_event(&mut self, message: &str, count: i32) {
        if !is_permanent(message) {
            return;
        }
        message.clone_into(&mut self.message);
        let first = *self.first_count.get_or_insert(count);
        self.is_repeated |= count > first;
    }

    /// The server's words, once the refusal is final.
    pub(super) fn verdict(&self, now: Instant) -> Option<String> {
        let lasts = self.condition.as_ref().is_some_and(|condition| now >= condition.final_at());
        (lasts || self.is_repeated).then(|| format!("its pods cannot be created: {}", self.message))
    }
}

impl Condition {
    /// The delays between the requests double, so that the next one comes at the latest when as much time has passed again.
    fn final_at(&self) -> Instant {
        self.last_change + REFUSAL_GRACE.max(self.last_change - self.since)
    }
}

/// Whether the same request is refused again. A webhook may answer again, and the usage of a new quota is not known yet.
fn is_permanent(message: &str) -> bool {
    let is_refused = ["is forbidden:", "is invalid:"].iter().any(|text| message.contains(text));
    is_refused && !message.contains("status unknown for quota")
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: &str =
        "pods \"a-1\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0";

    #[tokio::test]
    async fn a_refusal_is_final_once_it_has_been_repeated_for_a_while() {
        let (began, seconds) = (Instant::now(), Duration::from_secs);
        let mut refusal = Refusal::default();
        refusal.note_condition(Some(QUOTA), false, began);
        assert_eq!(refusal.verdict(began + seconds(9)), None);
        assert_eq!(refusal.verdict(began + seconds(10)), Some(format!("its pods cannot be created: {QUOTA}")));
        // An old pod that ends after 30 s frees its quota, and the controller asks again within 30 s.
        refusal.note_condition(Some(QUOTA), true, began + seconds(30));
        assert_eq!(refusal.verdict(began + seconds(59)), None);
        assert!(refusal.verdict(began + seconds(60)).is_some());
        refusal.note_condition(None, false, began + seconds(61));
        assert_eq!(refusal.verdict(began + seconds(99)), None);
    }

    #[tokio::test]
    async fn only_an_event_that_is_repeated_during_the_rollout_counts() {
        let (mut refusal, now) = (Refusal::default(), Instant::now());
        refusal.note_event(QUOTA, 7);
        assert_eq!(refusal.verdict(now), None);
        refusal.note_event(QUOTA, 8);
        assert!(refusal.verdict(now).is_some());
    }

    #[test]
    fn a_refusal_that_may_pass_by_itself_is_not_permanent() {
        for (message, expected) in [
            (QUOTA, true),
            ("pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\"", true),
            ("Pod \"a\" is invalid: spec.containers[0].resources.requests: Invalid value: \"50m\"", true),
            ("pods \"a\" is forbidden: status unknown for quota: q, resources: pods", false),
            ("Internal error occurred: failed calling webhook \"w\": connection refused", false),
        ] {
            assert_eq!(is_permanent(message), expected, "{message}");
        }
    }
}
