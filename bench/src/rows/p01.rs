//! P1: from `git push` to a page that shows the change, beside doing it by hand.

use crate::row::{Goal, Ratio, Row, Title};
use crate::stats::median;

use super::live::Live;

const BESIDE: &str = "docker build && docker push && helm --wait";
const LIVE: Title = Title { id: "P1", what: "push until the page shows it", beside: BESIDE };
const CHANGED: Title = Title { id: "P1", what: "push until the cluster has the change", beside: BESIDE };
const ENDED: Title = Title { id: "P1", what: "push until it has ended", beside: BESIDE };

/// The rows.
pub fn rows(live: &Live) -> Vec<Row> {
    let spans = format!(
        "of slipway's, build {:.3} s, push to the registry {:.3} s, from the Deployment's change until the page shows it {:.3} s; by hand this last part takes {:.3} s",
        median(&live.build),
        median(&live.publish),
        median(&live.pod),
        median(&live.hand_pod)
    );
    let until_changed = |all: &[f64], pod: &[f64]| all.iter().zip(pod).map(|(all, pod)| all - pod).collect::<Vec<_>>();
    let (changed, hand_changed) = (until_changed(&live.push, &live.pod), until_changed(&live.hand, &live.hand_pod));
    vec![
        Row::measured(LIVE, "s", Ratio::OursToTheirs, Goal::AtMost(0.8), &live.push, &live.hand).noted(spans),
        Row::measured(ENDED, "s", Ratio::OursToTheirs, Goal::Unstated, &live.push_ended, &live.hand_ended)
            .noted("when whoever typed it may type again"),
        Row::measured(CHANGED, "s", Ratio::OursToTheirs, Goal::Unstated, &changed, &hand_changed).noted(
            "the first row without the pod's part, which is the kubelet's and the same whoever applies the Deployment",
        ),
    ]
}
