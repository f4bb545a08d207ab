//! The progress of one object's rollout, by which a rollout that is slow is told from one that is stuck. Pure.

/// How far a rollout is. Kubernetes counts pods in the same way for `progressDeadlineSeconds`; started containers are
/// added, since the time for pulling an image is not the app's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ProgressMark {
    pub new_pods: usize,
    pub started_containers: usize,
    pub ready_pods: usize,
    pub old_pods: usize,
    pub is_ready: bool,
}

/// The best mark so far.
#[derive(Debug, Default)]
pub(super) struct BestMark(Option<ProgressMark>);

impl BestMark {
    /// Whether `mark` exceeds what was reached before. A pod that is ready again after a crash is no progress.
    pub(super) fn advance(&mut self, mark: ProgressMark) -> bool {
        let best = self.0.unwrap_or(ProgressMark { old_pods: mark.old_pods, ..ProgressMark::default() });
        let reached = ProgressMark {
            new_pods: best.new_pods.max(mark.new_pods),
            started_containers: best.started_containers.max(mark.started_containers),
            ready_pods: best.ready_pods.max(mark.ready_pods),
            old_pods: best.old_pods.min(mark.old_pods),
            is_ready: best.is_ready || mark.is_ready,
        };
        self.0 = Some(reached);
        reached != best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_reached_before_is_progress() {
        let mark =
            |new_pods, ready_pods, old_pods| ProgressMark { new_pods, ready_pods, old_pods, ..ProgressMark::default() };
        let mut best = BestMark::default();
        for (next, expected) in [
            (mark(0, 0, 2), false),
            (mark(1, 0, 2), true),
            (mark(1, 1, 2), true),
            (mark(1, 0, 2), false),
            (mark(1, 1, 2), false),
            (mark(1, 1, 1), true),
            (mark(1, 1, 2), false),
            (mark(2, 1, 1), true),
        ] {
            assert_eq!(best.advance(next), expected, "{next:?}");
        }
        assert!(best.advance(ProgressMark { is_ready: true, ..mark(2, 1, 1) }));
        assert!(best.advance(ProgressMark { started_containers: 1, ..mark(2, 1, 1) }));
    }
}
