//! P2: slipway's own part of a push: P1 without the build, the push to the registry and the rollout.

use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::stats::median;

use super::push_samples::PushSamples;

const BUDGET_SECONDS: f64 = 0.150;
const ABSOLUTE: Title = Title { id: "P2", what: "slipway's own part of a push", baseline: "150 ms" };
const SHARE: Title = Title { id: "P2", what: "slipway's own part of a push", baseline: "the whole push" };

pub fn measurements(samples: &PushSamples) -> Vec<Measurement> {
    let parts = samples.push.iter().zip(&samples.build).zip(&samples.publish).zip(&samples.pod);
    let own: Vec<f64> = parts.map(|(((push, build), publish), pod)| push - build - publish - pod).collect();
    let budget = vec![BUDGET_SECONDS; own.len()];
    vec![
        Measurement::from_samples(ABSOLUTE, "s", Ratio::OursToTheirs, Goal::AtMost(1.0), &own, &budget).with_note(format!(
            "from the start of git until the Deployment changes, less slipway's phases build and publish; this includes git, ssh, receive-pack and the checks before the build ({:.3} s)",
            median(&samples.preflight)
        )),
        Measurement::from_samples(SHARE, "s", Ratio::OursToTheirs, Goal::AtMost(0.05), &own, &samples.push),
    ]
}
