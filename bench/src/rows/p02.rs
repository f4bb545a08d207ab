//! P2: what slipway itself adds to a push: P1 without its build, its push to the registry and the pod.

use crate::row::{Goal, Ratio, Row, Title};
use crate::stats::median;

use super::live::Live;

const BUDGET: f64 = 0.150;
const ABSOLUTE: Title = Title { id: "P2", what: "slipway's own part of a push", beside: "150 ms" };
const SHARE: Title = Title { id: "P2", what: "slipway's own part of a push", beside: "the whole push" };

/// The rows.
pub fn rows(live: &Live) -> Vec<Row> {
    let spans = live.push.iter().zip(&live.build).zip(&live.publish).zip(&live.pod);
    let own: Vec<f64> = spans.map(|(((push, build), publish), pod)| push - build - publish - pod).collect();
    let budget = vec![BUDGET; own.len()];
    vec![
        Row::measured(ABSOLUTE, "s", Ratio::OursToTheirs, Goal::AtMost(1.0), &own, &budget).noted(format!(
            "from the start of git until the Deployment changes, less slipway's phases build and publish; so git, ssh and receive-pack are in it, and the checks before the build ({:.3} s)",
            median(&live.preflight)
        )),
        Row::measured(SHARE, "s", Ratio::OursToTheirs, Goal::AtMost(0.05), &own, &live.push),
    ]
}
