//! One row of the table: a measurement of slipway, the same of a baseline, and the goal for their ratio.

use serde::Serialize;

use crate::stats;

/// How a ratio is formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ratio {
    /// slipway's figure divided by the baseline's.
    OursToTheirs,
    /// The baseline's figure divided by slipway's. For durations this is slipway's speed-up.
    TheirsToOurs,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// The row has no goal and only explains other rows.
    Unstated,
}

#[derive(Debug, Clone, Copy)]
pub struct Title {
    /// `P1` … `P12`.
    pub id: &'static str,
    pub what: &'static str,
    pub baseline: &'static str,
}

/// A row of the table, with or without figures. The field names are the keys of `results.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// `P1` … `P12`.
    pub id: String,
    pub what: String,
    #[serde(rename = "beside")]
    pub baseline: String,
    /// The median of the ratios of the pairs.
    pub ratio: Option<f64>,
    /// The lower bound of the ratio's 95 % bootstrap interval.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
    /// The name of the [`Ratio`].
    pub ratio_of: &'static str,
    /// slipway's median.
    pub ours: Option<f64>,
    /// The baseline's median.
    pub theirs: Option<f64>,
    /// The unit of both medians.
    pub unit: String,
    /// The goal for the ratio, such as `<= 0.8`.
    pub goal: String,
    /// Whether the goal is met; `None` without a goal or without figures.
    pub met: Option<bool>,
    /// The number of pairs.
    pub samples: usize,
    /// An explanation of the figures, or the reason why there are none.
    pub note: String,
    /// All pairs, slipway's sample first.
    pub pairs: Vec<[f64; 2]>,
}

impl Ratio {
    fn compute(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::OursToTheirs => ours / theirs,
            Self::TheirsToOurs => theirs / ours,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::OursToTheirs => "ours/theirs",
            Self::TheirsToOurs => "theirs/ours",
        }
    }
}

impl Goal {
    fn is_met(self, ratio: f64) -> Option<bool> {
        match self {
            Self::AtMost(limit) => Some(ratio <= limit),
            Self::AtLeast(limit) => Some(ratio >= limit),
            Self::Unstated => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {limit}"),
            Self::AtLeast(limit) => format!(">= {limit}"),
            Self::Unstated => String::new(),
        }
    }
}

impl Measurement {
    /// A row of samples that were taken in pairs.
    pub fn from_samples(title: Title, unit: &str, ratio: Ratio, goal: Goal, ours: &[f64], theirs: &[f64]) -> Self {
        let pairs: Vec<[f64; 2]> = ours.iter().zip(theirs).map(|(ours, theirs)| [*ours, *theirs]).collect();
        let ratios: Vec<f64> = pairs.iter().map(|[ours, theirs]| ratio.compute(*ours, *theirs)).collect();
        let (median, (low, high)) = (stats::median(&ratios), stats::bootstrap_interval(&ratios));
        Self {
            ratio: Some(median),
            low: Some(low),
            high: Some(high),
            ratio_of: ratio.as_str(),
            ours: Some(stats::median(ours)),
            theirs: Some(stats::median(theirs)),
            unit: unit.to_owned(),
            met: goal.is_met(median),
            samples: pairs.len(),
            pairs,
            ..Self::unmeasured(title, goal, "")
        }
    }

    /// A row without figures, and the reason.
    pub fn unmeasured(title: Title, goal: Goal, reason: &str) -> Self {
        Self {
            id: title.id.to_owned(),
            what: title.what.to_owned(),
            baseline: title.baseline.to_owned(),
            ratio: None,
            low: None,
            high: None,
            ratio_of: "",
            ours: None,
            theirs: None,
            unit: String::new(),
            goal: goal.text(),
            met: None,
            samples: 0,
            note: reason.to_owned(),
            pairs: Vec::new(),
        }
    }

    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLE: Title = Title { id: "P0", what: "something", baseline: "else" };

    #[test]
    fn the_ratio_is_the_median_of_the_pairs_ratios() {
        let row = Measurement::from_samples(
            TITLE,
            "s",
            Ratio::OursToTheirs,
            Goal::AtMost(0.5),
            &[1.0, 2.0, 30.0],
            &[2.0, 4.0, 60.0],
        );
        assert_eq!((row.ratio, row.ours, row.theirs, row.met), (Some(0.5), Some(2.0), Some(4.0), Some(true)));
    }

    #[test]
    fn a_shorter_duration_gives_a_speed_up_above_one() {
        let row = Measurement::from_samples(TITLE, "s", Ratio::TheirsToOurs, Goal::AtLeast(10.0), &[1.0], &[5.0]);
        assert_eq!((row.ratio, row.met, row.goal.as_str()), (Some(5.0), Some(false), ">= 10"));
    }

    #[test]
    fn an_unmeasured_row_neither_meets_nor_misses_its_goal() {
        let row = Measurement::unmeasured(TITLE, Goal::AtMost(1.0), "there is no disk");
        assert_eq!((row.met, row.ratio, row.note.as_str()), (None, None, "there is no disk"));
    }
}
