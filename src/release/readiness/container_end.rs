//! How a container ended. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};

use crate::domain::runtime_cause;

/// The longest run, in the whole seconds of a container's status, that ends in its first second.
const QUICK_RUN: Duration = Duration::from_secs(1);
/// Messages of container runtimes that cannot start the image's command.
const NOT_STARTABLE: [&str; 5] =
    ["no such file", "executable file not found", "permission denied", "exec format error", "no command specified"];

/// The newest end of a container: of the present one, or else of the one before.
pub(super) fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let present = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    present.or_else(|| container.last_state.as_ref()?.terminated.as_ref())
}

/// How often a container has ended. The kubelet counts the starts after the first.
pub(super) fn count_ends(container: &ContainerStatus) -> i32 {
    let state = container.state.as_ref();
    let is_running = state.is_some_and(|state| state.running.is_some());
    let backs_off = state.and_then(|state| state.waiting.as_ref()?.reason.as_deref()) == Some("CrashLoopBackOff");
    let has_ended = backs_off || !is_running && last_end(container).is_some();
    container.restart_count + i32::from(has_ended)
}

/// Whether the container ran for less than about a second.
pub(super) fn is_quick(end: &ContainerStateTerminated) -> bool {
    run_time(end) <= QUICK_RUN
}

/// How long the container ran, in whole seconds.
pub(super) fn run_time(end: &ContainerStateTerminated) -> Duration {
    let (Some(started), Some(finished)) = (&end.started_at, &end.finished_at) else { return Duration::ZERO };
    // A container that the runtime could not start has a start time of 1970.
    let seconds = if was_not_started(end) { 0 } else { finished.0.as_second() - started.0.as_second() };
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// Whether a container with the same image and configuration ends in the same way again.
pub(super) fn is_permanent(end: &ContainerStateTerminated) -> bool {
    // A shell's codes for a command that cannot be executed, or is not found.
    matches!(end.exit_code, 126 | 127) || was_not_started(end) && cannot_be_started(end.message.as_deref())
}

/// Whether the runtime reports that it cannot start the container's command.
pub(super) fn cannot_be_started(message: Option<&str>) -> bool {
    let message = message.unwrap_or_default().to_lowercase();
    NOT_STARTABLE.iter().any(|text| message.contains(text))
}

pub(super) fn is_out_of_memory(end: &ContainerStateTerminated) -> bool {
    end.reason.as_deref() == Some("OOMKilled")
}

/// Whether the container was ended with a signal of the kubelet: 128 + SIGKILL, 128 + SIGTERM.
pub(super) fn was_killed(end: &ContainerStateTerminated) -> bool {
    matches!(end.exit_code, 137 | 143) && !is_out_of_memory(end)
}

pub(super) fn was_not_started(end: &ContainerStateTerminated) -> bool {
    matches!(end.reason.as_deref(), Some("ContainerCannotRun" | "StartError"))
}

/// `memory_limit` is the limit of the container.
pub(super) fn describe_end(end: &ContainerStateTerminated, memory_limit: Option<&str>) -> String {
    let code = end.exit_code;
    match () {
        () if is_out_of_memory(end) => match memory_limit {
            Some(limit) => format!(
                "ran out of memory and was killed (OOMKilled): its limit is {limit}, set by `resources` in the app chart"
            ),
            None => "ran out of memory and was killed (OOMKilled)".to_owned(),
        },
        () if was_not_started(end) => {
            format!("cannot start: {}", runtime_cause(end.message.as_deref().unwrap_or_default()))
        }
        () if code == 0 => "ended by itself (exit code 0); an app has to keep running".to_owned(),
        () if was_killed(end) => format!("was killed (exit code {code})"),
        () => format!("crashed (exit code {code})"),
    }
}
