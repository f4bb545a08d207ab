//! P8: the time from the pod's readiness until the push reports it.

use crate::measurement::{Goal, Measurement, Ratio, Title};

use super::push_samples::PushSamples;

const DEPLOYED: &str = "pod ready until the push says deployed";
const READY: &str = "pod ready until the push says so";
const KUBECTL: &str = "kubectl rollout status";
const HELM: &str = "helm --wait";

pub fn measurements(samples: &PushSamples) -> Vec<Measurement> {
    let title = |what, baseline| Title { id: "P8", what, baseline };
    let compare = |what, baseline, goal, ours: &[f64], theirs: &[f64]| {
        let ratio = if baseline == HELM { Ratio::TheirsToOurs } else { Ratio::OursToTheirs };
        Measurement::from_samples(title(what, baseline), "s", ratio, goal, ours, theirs)
    };
    vec![
        compare(READY, KUBECTL, Goal::AtMost(1.0), &samples.reports_ready, &samples.kubectl)
            .with_note("until the line \"1 of 1 ready\", and until kubectl ends, in the same rollout"),
        compare(READY, HELM, Goal::AtLeast(5.0), &samples.reports_ready, &samples.helm)
            .with_note("helm waits for a rollout of its own of the same app"),
        compare(DEPLOYED, KUBECTL, Goal::AtMost(1.0), &samples.deployed, &samples.kubectl)
            .with_note("this includes the end of the old pod and the update of the release record"),
        compare(DEPLOYED, HELM, Goal::AtLeast(5.0), &samples.deployed, &samples.helm)
            .with_note("helm has updated its release record by then as well"),
    ]
}
