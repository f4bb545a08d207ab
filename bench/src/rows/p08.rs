//! P8: from the pod being ready until the push knows it.

use crate::row::{Goal, Ratio, Row, Title};

use super::live::Live;

const DEPLOYED: &str = "pod ready until the push says deployed";
const READY: &str = "pod ready until the push says so";
const KUBECTL: &str = "kubectl rollout status";
const HELM: &str = "helm --wait";

/// The rows.
pub fn rows(live: &Live) -> Vec<Row> {
    let title = |what, beside| Title { id: "P8", what, beside };
    let beside = |what, beside, goal, ours: &[f64], theirs: &[f64]| {
        let ratio = if beside == HELM { Ratio::TheirsToOurs } else { Ratio::OursToTheirs };
        Row::measured(title(what, beside), "s", ratio, goal, ours, theirs)
    };
    vec![
        beside(READY, KUBECTL, Goal::AtMost(1.0), &live.says_ready, &live.kubectl)
            .noted("the line \"1 of 1 ready\", beside the end of kubectl on one and the same rollout"),
        beside(READY, HELM, Goal::AtLeast(5.0), &live.says_ready, &live.helm)
            .noted("helm waits for its own rollout of the same app"),
        beside(DEPLOYED, KUBECTL, Goal::AtMost(1.0), &live.deployed, &live.kubectl)
            .noted("besides the new pod's being ready, the old one goes and the record of the release is closed"),
        beside(DEPLOYED, HELM, Goal::AtLeast(5.0), &live.deployed, &live.helm)
            .noted("helm's record is closed by then as well"),
    ]
}
