//! How often a container may end before its pod fails the rollout. Pure.
//!
//! The kubelet starts a container again at once, and then after 10, 20, 40 … seconds. A database that is starting is
//! there at one of these starts; a missing file is not.

use k8s_openapi::api::core::v1::ContainerStateTerminated;

use super::container_end::{is_out_of_memory, is_permanent, was_killed};
use super::pod_history::ContainerHistory;

/// The limit for ends that the next start most likely repeats: in the container's first second, out of memory, or killed
/// after a failed probe. The third start is about 10 s after the first end.
const REPEATED_ENDS: u32 = 3;
/// The limit for all other ends. The fifth start is about 70 s after the first end.
const ENDS: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CrashVerdict {
    /// Another start does not help.
    Final,
    /// The container ended before the rollout began, and has not been started since.
    Earlier,
    /// The next start may help: the container ended `ends` times, and `limit` ends are final.
    StartsAgain { ends: u32, limit: u32 },
}

/// The verdict on a container that is not running. Without a history, all of its ends count.
pub(super) fn judge_crash(end: Option<&ContainerStateTerminated>, history: Option<&ContainerHistory>) -> CrashVerdict {
    let Some(history) = history else { return CrashVerdict::Final };
    let ends = history.ends();
    if ends == 0 {
        return CrashVerdict::Earlier;
    }
    let is_repeated = history.quick_ends() >= ends.min(REPEATED_ENDS)
        || end.is_some_and(|end| is_out_of_memory(end) || was_killed(end));
    let limit = if is_repeated { REPEATED_ENDS } else { ENDS };
    if ends >= limit || end.is_some_and(is_permanent) {
        CrashVerdict::Final
    } else {
        CrashVerdict::StartsAgain { ends, limit }
    }
}
