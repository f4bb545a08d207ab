//! P8: from the pod being ready until the push knows it.

use crate::row::{Goal, Ratio, Row, Title};

use super::live::Live;

const WHAT: &str = "pod ready until the push knows";
const KUBECTL: Title = Title { id: "P8", what: WHAT, beside: "kubectl rollout status" };
const HELM: Title = Title { id: "P8", what: WHAT, beside: "helm --wait" };

/// The rows.
pub fn rows(live: &Live) -> Vec<Row> {
    vec![
        Row::measured(KUBECTL, "s", Ratio::OursToTheirs, Goal::AtMost(1.0), &live.knows, &live.kubectl)
            .noted("of one and the same rollout; the push knows when it prints that the app is deployed, which is after the record of the release is closed"),
        Row::measured(HELM, "s", Ratio::TheirsToOurs, Goal::AtLeast(5.0), &live.knows, &live.helm)
            .noted("helm waits for its own rollout of the same app"),
    ]
}
