//! Automatic scaling by load.

use serde::Serialize;

/// A range of pods, and the load that decides in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Autoscale {
    pub min: u32,
    pub max: u32,
    /// The percentage of the requested CPU that the pods should use on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// As `cpu`, for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
}
