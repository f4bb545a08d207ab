//! P1: the time from `git push` until the page shows the change. Baseline: docker and helm by hand.

use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::stats::median;

use super::push_samples::PushSamples;

const BY_HAND: &str = "docker build && docker push && helm --wait";
const LIVE: Title = Title { id: "P1", what: "push until the page shows it", baseline: BY_HAND };
const CHANGED: Title = Title { id: "P1", what: "push until the cluster has the change", baseline: BY_HAND };
const ENDED: Title = Title { id: "P1", what: "push until it has ended", baseline: BY_HAND };

pub fn measurements(samples: &PushSamples) -> Vec<Measurement> {
    let phases = format!(
        "of slipway's time, the build takes {:.3} s, the push to the registry {:.3} s, and the rollout from the Deployment's change until the page shows it {:.3} s; by hand, the rollout takes {:.3} s",
        median(&samples.build),
        median(&samples.publish),
        median(&samples.pod),
        median(&samples.hand_pod)
    );
    let until_changed = |all: &[f64], pod: &[f64]| all.iter().zip(pod).map(|(all, pod)| all - pod).collect::<Vec<_>>();
    let (changed, hand_changed) =
        (until_changed(&samples.push, &samples.pod), until_changed(&samples.hand, &samples.hand_pod));
    vec![
        Measurement::from_samples(LIVE, "s", Ratio::OursToTheirs, Goal::AtMost(0.8), &samples.push, &samples.hand)
            .with_note(phases),
        Measurement::from_samples(
            ENDED,
            "s",
            Ratio::OursToTheirs,
            Goal::Unstated,
            &samples.push_ended,
            &samples.hand_ended,
        )
        .with_note("until the shell's prompt is back"),
        Measurement::from_samples(CHANGED, "s", Ratio::OursToTheirs, Goal::Unstated, &changed, &hand_changed)
            .with_note("the first row without the rollout of the pod, which the kubelet does in the same way for both"),
    ]
}
