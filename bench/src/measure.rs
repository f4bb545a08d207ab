//! Measuring in turns: A B A B, so that what changes on the machine meanwhile hits both alike.

use anyhow::Result;

/// How often something is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds that do not count.
    pub warmups: usize,
    /// Rounds that do.
    pub rounds: usize,
}

impl Effort {
    /// What a row gets unless it says otherwise.
    pub const USUAL: Self = Self { warmups: 3, rounds: 20 };

    /// So many, for what takes long.
    pub const fn of(warmups: usize, rounds: usize) -> Self {
        Self { warmups, rounds }
    }
}

/// Measures every side once in each round, in the order that `round` has; a list of samples for each side.
///
/// # Errors
/// The first error of a round.
pub async fn rounds<const SIDES: usize>(
    effort: Effort,
    mut round: impl AsyncFnMut() -> Result<[f64; SIDES]>,
) -> Result<[Vec<f64>; SIDES]> {
    let mut samples = [const { Vec::new() }; SIDES];
    for number in 0..effort.warmups + effort.rounds {
        let one = round().await?;
        if number >= effort.warmups {
            samples.iter_mut().zip(one).for_each(|(side, sample)| side.push(sample));
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn warm_ups_do_not_count() {
        let mut next = 0.0;
        let samples = rounds(Effort::of(2, 3), async || {
            next += 1.0;
            Ok([next, -next])
        });
        assert_eq!(samples.await.unwrap(), [vec![3.0, 4.0, 5.0], vec![-3.0, -4.0, -5.0]]);
    }
}
