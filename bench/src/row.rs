//! One line of the table: what was measured, beside what, and what was aimed at.

use serde::Serialize;

use crate::stats;

/// What a ratio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ratio {
    /// slipway's figure divided by the other's.
    OursToTheirs,
    /// The other's divided by slipway's: of times, how many times as fast slipway is.
    TheirsToOurs,
}

/// What a ratio ought to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Nothing: it is there to be read beside the others.
    Unstated,
}

/// Which row of the table, what it measures and beside what.
#[derive(Debug, Clone, Copy)]
pub struct Title {
    /// `P1` … `P12`.
    pub id: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// What stands beside it.
    pub beside: &'static str,
}

/// A row, measured or not.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `P1` … `P12`.
    pub id: String,
    /// What was measured.
    pub what: String,
    /// What stands beside it.
    pub beside: String,
    /// The median of the ratios, pair by pair.
    pub ratio: Option<f64>,
    /// The lower end of its 95 % bootstrap interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// Which way the ratio goes.
    pub ratio_of: &'static str,
    /// slipway's median.
    pub ours: Option<f64>,
    /// The other's median.
    pub theirs: Option<f64>,
    /// Of both medians.
    pub unit: String,
    /// What the ratio ought to be, such as `<= 0.8`.
    pub goal: String,
    /// Whether it is; nothing where there is no goal, or no figure.
    pub met: Option<bool>,
    /// How many pairs.
    pub samples: usize,
    /// What has to be known to read the figures, or why there are none.
    pub note: String,
    /// Every pair, slipway's first.
    pub pairs: Vec<[f64; 2]>,
}

impl Ratio {
    fn of(self, ours: f64, theirs: f64) -> f64 {
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

impl Row {
    /// A row of samples that were taken in pairs.
    pub fn measured(title: Title, unit: &str, ratio: Ratio, goal: Goal, ours: &[f64], theirs: &[f64]) -> Self {
        let pairs: Vec<[f64; 2]> = ours.iter().zip(theirs).map(|(ours, theirs)| [*ours, *theirs]).collect();
        let ratios: Vec<f64> = pairs.iter().map(|[ours, theirs]| ratio.of(*ours, *theirs)).collect();
        let (middle, (low, high)) = (stats::median(&ratios), stats::interval(&ratios));
        Self {
            ratio: Some(middle),
            low: Some(low),
            high: Some(high),
            ratio_of: ratio.as_str(),
            ours: Some(stats::median(ours)),
            theirs: Some(stats::median(theirs)),
            unit: unit.to_owned(),
            met: goal.is_met(middle),
            samples: pairs.len(),
            pairs,
            ..Self::unmeasured(title, goal, "")
        }
    }

    /// A row that says why there is no figure.
    pub fn unmeasured(title: Title, goal: Goal, reason: &str) -> Self {
        Self {
            id: title.id.to_owned(),
            what: title.what.to_owned(),
            beside: title.beside.to_owned(),
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

    /// The same row with something to know about it.
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLE: Title = Title { id: "P0", what: "something", beside: "else" };

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let row =
            Row::measured(TITLE, "s", Ratio::OursToTheirs, Goal::AtMost(0.5), &[1.0, 2.0, 30.0], &[2.0, 4.0, 60.0]);
        assert_eq!((row.ratio, row.ours, row.theirs, row.met), (Some(0.5), Some(2.0), Some(4.0), Some(true)));
    }

    #[test]
    fn what_is_faster_has_a_ratio_above_one() {
        let row = Row::measured(TITLE, "s", Ratio::TheirsToOurs, Goal::AtLeast(10.0), &[1.0], &[5.0]);
        assert_eq!((row.ratio, row.met, row.goal.as_str()), (Some(5.0), Some(false), ">= 10"));
    }

    #[test]
    fn without_a_figure_no_goal_is_met_or_missed() {
        let row = Row::unmeasured(TITLE, Goal::AtMost(1.0), "there is no disk");
        assert_eq!((row.met, row.ratio, row.note.as_str()), (None, None, "there is no disk"));
    }
}
