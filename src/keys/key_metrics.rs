//! Gauges of the stored keys.

use metrics::gauge;

use crate::domain::metric_names;

/// The values of the gauges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct KeyMetrics {
    /// Distinct keys.
    pub keys: usize,
    /// Keys that are refused because they belong to two users.
    pub ambiguous: usize,
    /// Key ConfigMaps.
    pub maps: usize,
    /// Key ConfigMaps with at least one issue.
    pub broken: usize,
    /// Entries and lines that are not valid.
    pub rejected: usize,
    /// The size of all key ConfigMaps.
    pub bytes: usize,
}

impl KeyMetrics {
    pub(super) fn export(self) {
        let Self { keys, ambiguous, maps, broken, rejected, bytes } = self;
        for (name, number) in [
            (metric_names::KEYS, keys),
            (metric_names::KEYS_AMBIGUOUS, ambiguous),
            (metric_names::KEY_MAPS, maps),
            (metric_names::KEY_MAPS_BROKEN, broken),
            (metric_names::KEY_LINES_REJECTED, rejected),
            (metric_names::KEY_MAPS_BYTES, bytes),
        ] {
            gauge!(name).set(number as f64);
        }
    }
}
