//! `results.md`: the table as `docs/performance.md` has it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::table::short;
use crate::row::Row;

const HEAD: &str =
    "| # | what | beside | ratio (95 %) | goal | slipway | the other | pairs |\n|---|---|---|---|---|---|---|---|\n";

/// Writes the table to a file.
///
/// # Errors
/// If it cannot be written.
pub fn write(rows: &[Row], path: &Path) -> Result<()> {
    let mut text = HEAD.to_owned();
    for row in rows {
        writeln!(text, "{}", line(row)).context("cannot write the table down")?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn line(row: &Row) -> String {
    let ratio = match (row.ratio, row.low, row.high) {
        (Some(ratio), Some(low), Some(high)) => format!("{}× ({}–{})", short(ratio), short(low), short(high)),
        _ => format!("not measured: {}", row.note.lines().next().unwrap_or_default()),
    };
    let goal = match row.met {
        Some(true) => format!("{} met", row.goal),
        Some(false) => format!("**{} missed**", row.goal),
        None => row.goal.clone(),
    };
    let absolute = |value: Option<f64>| value.map(|value| format!("{} {}", short(value), row.unit)).unwrap_or_default();
    let goal = goal.replace("<=", "≤").replace(">=", "≥");
    let (ours, theirs) = (absolute(row.ours), absolute(row.theirs));
    format!("| {} | {} | {} | {ratio} | {goal} | {ours} | {theirs} | {} |", row.id, row.what, row.beside, row.samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Goal, Ratio, Title};

    #[test]
    fn a_row_is_a_line_of_the_table() {
        let title = Title { id: "P0", what: "a push", beside: "by hand" };
        let row = Row::measured(title, "s", Ratio::OursToTheirs, Goal::AtMost(0.8), &[1.0], &[1.0]);
        assert_eq!(
            line(&row),
            "| P0 | a push | by hand | 1.00× (1.00–1.00) | **≤ 0.8 missed** | 1.00 s | 1.00 s | 1 |"
        );
        let row = Row::unmeasured(title, Goal::AtMost(0.8), "there is one core");
        assert!(line(&row).contains("not measured: there is one core"));
    }
}
