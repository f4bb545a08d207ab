//! Tables for terminals.

use std::time::Duration;

use comfy_table::{Table, presets};
use jiff::Timestamp;

/// Columns below their titles, two spaces apart, without borders.
pub(in crate::ssh) fn format_table<const N: usize>(
    titles: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// The time since `then` in its largest unit: `3m`, `2h`, `5days`. Empty if there is no time, or it is in the future.
pub(in crate::ssh) fn format_age(then: Option<Timestamp>) -> String {
    let age = then.and_then(|then| Duration::try_from(Timestamp::now().duration_since(then)).ok());
    let seconds = age.map(|age| Duration::from_secs(age.as_secs()));
    let text = seconds.map(|seconds| humantime::format_duration(seconds).to_string()).unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// A duration with a tenth of a second.
pub(in crate::ssh) fn format_seconds(seconds: Option<f64>) -> String {
    or_dash(seconds.map(|seconds| format!("{seconds:.1} s")))
}

pub(in crate::ssh) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = [["myapp".to_owned(), "alice".to_owned()], ["x".to_owned(), "b".to_owned()]];
        assert_eq!(format_table(["APP", "OWNER"], rows), "APP    OWNER\nmyapp  alice\nx      b\n");
    }

    #[test]
    fn an_age_has_one_unit() {
        let ago = |seconds: i64| format_age(Some(Timestamp::now() - jiff::SignedDuration::from_secs(seconds)));
        assert_eq!((ago(0), ago(61), ago(7200)), ("0s".to_owned(), "1m".to_owned(), "2h".to_owned()));
        assert_eq!((format_age(None), ago(-60)), (String::new(), String::new()));
    }
}
