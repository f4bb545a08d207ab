//! The keys in numbers, as the metrics show them.

use metrics::gauge;

use crate::domain::metric;

/// How many keys there are, and how they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Different keys.
    pub keys: usize,
    /// Those of them that let nobody in, since they stand under two users.
    pub ambiguous: usize,
    /// ConfigMaps.
    pub maps: usize,
    /// Those of them in which something is broken.
    pub broken: usize,
    /// Entries and lines that cannot be read.
    pub rejected: usize,
    /// What they take, in bytes.
    pub bytes: usize,
}

impl Census {
    /// Shows them to whoever reads the metrics.
    pub(super) fn show(self) {
        let Self { keys, ambiguous, maps, broken, rejected, bytes } = self;
        for (name, number) in [
            (metric::KEYS, keys),
            (metric::KEYS_AMBIGUOUS, ambiguous),
            (metric::KEY_MAPS, maps),
            (metric::KEY_MAPS_BROKEN, broken),
            (metric::KEY_LINES_REJECTED, rejected),
            (metric::KEY_MAPS_BYTES, bytes),
        ] {
            gauge!(name).set(number as f64);
        }
    }
}
