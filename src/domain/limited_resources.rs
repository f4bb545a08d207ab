//! The resources that a namespace limits.

/// The resources for which a LimitRange of the namespace sets values for containers. An app chart's own defaults for them
/// may contradict the LimitRange, and the API server would then refuse every pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitedResources {
    pub cpu: bool,
    pub memory: bool,
}
