//! Medians and their confidence intervals.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use statrs::statistics::{Data, OrderStatistics};

const RESAMPLES: usize = 10_000;
/// A fixed seed, so that the same samples give the same interval.
const SEED: u64 = 0x5113;
/// The bounds of the central 95 %.
const QUANTILES: (f64, f64) = (0.025, 0.975);

/// The median, or NaN if there are no samples.
pub fn median(samples: &[f64]) -> f64 {
    Data::new(samples.to_vec()).median()
}

/// The 95 % percentile bootstrap interval of the median.
pub fn bootstrap_interval(samples: &[f64]) -> (f64, f64) {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut draw = || -> Vec<f64> { samples.iter().filter_map(|_| samples.choose(&mut rng).copied()).collect() };
    let mut medians = Data::new((0..RESAMPLES).map(|_| median(&draw())).collect::<Vec<_>>());
    (medians.quantile(QUANTILES.0), medians.quantile(QUANTILES.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_within_its_interval() {
        let samples: Vec<f64> = (1..=20).map(f64::from).collect();
        let (low, high) = bootstrap_interval(&samples);
        assert_eq!(median(&samples), 10.5);
        assert!(low < 10.5 && high > 10.5 && low >= 5.0 && high <= 16.0, "{low} {high}");
        assert_eq!(bootstrap_interval(&samples), (low, high), "the same samples have the same interval");
    }

    #[test]
    fn one_sample_is_its_own_interval() {
        assert_eq!((median(&[3.0]), bootstrap_interval(&[3.0])), (3.0, (3.0, 3.0)));
    }
}
