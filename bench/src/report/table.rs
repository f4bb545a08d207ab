//! The table on standard output.

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::measurement::Measurement;

const HEADERS: [&str; 8] = ["ROW", "WHAT", "BASELINE", "RATIO (95 %)", "GOAL", "OURS", "THEIRS", "PAIRS"];
const RIGHT_ALIGNED_COLUMNS: [usize; 5] = [3, 4, 5, 6, 7];

/// Prints the rows, their notes, and the number of goals that are met.
pub fn print(rows: &[Measurement]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADERS);
    for row in rows {
        table.add_row(cells(row).into_iter().enumerate().map(|(column, text)| {
            let alignment =
                if RIGHT_ALIGNED_COLUMNS.contains(&column) { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(text).set_alignment(alignment)
        }));
    }
    println!("{}\n", table.trim_fmt());
    for row in rows.iter().filter(|row| !row.note.is_empty()) {
        println!("{} {} (baseline: {}): {}", row.id, row.what, row.baseline, row.note);
    }
    let goals = rows.iter().filter(|row| row.met.is_some()).count();
    let met = rows.iter().filter(|row| row.met == Some(true)).count();
    println!("\n{met} of {goals} goals met");
}

fn cells(row: &Measurement) -> [String; 8] {
    let ratio = match (row.ratio, row.low, row.high) {
        (Some(ratio), Some(low), Some(high)) => {
            format!("{}× ({}–{})", format_figure(ratio), format_figure(low), format_figure(high))
        }
        _ => "not measured".to_owned(),
    };
    let mark = match row.met {
        Some(true) => " met",
        Some(false) => " missed",
        None => "",
    };
    let absolute =
        |value: Option<f64>| value.map(|value| format!("{} {}", format_figure(value), row.unit)).unwrap_or_default();
    [
        row.id.clone(),
        row.what.clone(),
        row.baseline.clone(),
        ratio,
        format!("{}{mark}", row.goal),
        absolute(row.ours),
        absolute(row.theirs),
        row.samples.to_string(),
    ]
}

/// Formats a figure with about three significant digits.
pub fn format_figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_significant_digits() {
        assert_eq!(
            [1234.5, 12.34, 1.234, 0.1234, 0.01234].map(format_figure),
            ["1234", "12.3", "1.23", "0.123", "0.0123"]
        );
    }
}
