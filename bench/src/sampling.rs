//! Interleaved sampling: the sides are measured in turns (A B A B), so that a change on the machine affects both alike.

use anyhow::Result;

/// The number of rounds of a measurement.
#[derive(Debug, Clone, Copy)]
pub struct SamplePlan {
    /// Rounds whose samples are discarded.
    pub warmups: usize,
    /// Rounds whose samples are kept.
    pub rounds: usize,
}

impl SamplePlan {
    pub const DEFAULT: Self = Self { warmups: 3, rounds: 20 };

    pub const fn new(warmups: usize, rounds: usize) -> Self {
        Self { warmups, rounds }
    }
}

/// Runs every round of the plan. A round returns one sample for each side; the result is a list of samples for each side.
pub async fn sample_rounds<const SIDES: usize>(
    plan: SamplePlan,
    mut round: impl AsyncFnMut() -> Result<[f64; SIDES]>,
) -> Result<[Vec<f64>; SIDES]> {
    let mut samples = [const { Vec::new() }; SIDES];
    for number in 0..plan.warmups + plan.rounds {
        let one = round().await?;
        if number >= plan.warmups {
            samples.iter_mut().zip(one).for_each(|(side, sample)| side.push(sample));
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn samples_of_warm_up_rounds_are_discarded() {
        let mut next = 0.0;
        let samples = sample_rounds(SamplePlan::new(2, 3), async || {
            next += 1.0;
            Ok([next, -next])
        });
        assert_eq!(samples.await.unwrap(), [vec![3.0, 4.0, 5.0], vec![-3.0, -4.0, -5.0]]);
    }
}
