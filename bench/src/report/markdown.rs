//! `results.md`: the table in the format of `docs/performance.md`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::table::format_figure;
use crate::measurement::Measurement;

const HEAD: &str = "| # | what | baseline | ratio (95 %) | goal | slipway | baseline median | pairs |\n|---|---|---|---|---|---|---|---|\n";

pub fn write(rows: &[Measurement], path: &Path) -> Result<()> {
    let mut text = HEAD.to_owned();
    for row in rows {
        writeln!(text, "{}", table_line(row)).context("cannot format the table")?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn table_line(row: &Measurement) -> String {
    let ratio = match (row.ratio, row.low, row.high) {
        (Some(ratio), Some(low), Some(high)) => {
            format!("{}× ({}–{})", format_figure(ratio), format_figure(low), format_figure(high))
        }
        _ => format!("not measured: {}", row.note.lines().next().unwrap_or_default()),
    };
    let goal = match row.met {
        Some(true) => format!("{} met", row.goal),
        Some(false) => format!("**{} missed**", row.goal),
        None => row.goal.clone(),
    };
    let absolute =
        |value: Option<f64>| value.map(|value| format!("{} {}", format_figure(value), row.unit)).unwrap_or_default();
    let goal = goal.replace("<=", "≤").replace(">=", "≥");
    let (ours, theirs) = (absolute(row.ours), absolute(row.theirs));
    format!("| {} | {} | {} | {ratio} | {goal} | {ours} | {theirs} | {} |", row.id, row.what, row.baseline, row.samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{Goal, Ratio, Title};

    #[test]
    fn a_measurement_is_a_line_of_the_table() {
        let title = Title { id: "P0", what: "a push", baseline: "by hand" };
        let row = Measurement::from_samples(title, "s", Ratio::OursToTheirs, Goal::AtMost(0.8), &[1.0], &[1.0]);
        assert_eq!(
            table_line(&row),
            "| P0 | a push | by hand | 1.00× (1.00–1.00) | **≤ 0.8 missed** | 1.00 s | 1.00 s | 1 |"
        );
        let row = Measurement::unmeasured(title, Goal::AtMost(0.8), "there is one core");
        assert!(table_line(&row).contains("not measured: there is one core"));
    }
}
