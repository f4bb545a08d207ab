//! Tables as people read them in a terminal.

use std::time::Duration;

use comfy_table::{Table, presets};
use jiff::Timestamp;

/// Columns under their titles, two spaces apart, without lines.
pub fn table<const N: usize>(titles: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// How long ago something was, in its largest unit: `3m`, `2h`, `5days`.
pub fn age(then: Option<Timestamp>) -> String {
    let since = then.and_then(|then| Duration::try_from(Timestamp::now().duration_since(then)).ok());
    let seconds = since.map(|since| Duration::from_secs(since.as_secs()));
    let text = seconds.map(|seconds| humantime::format_duration(seconds).to_string()).unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What is known, or a dash.
pub fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let rows = [["myapp".to_owned(), "alice".to_owned()], ["x".to_owned(), "b".to_owned()]];
        assert_eq!(table(["APP", "OWNER"], rows), "APP    OWNER\nmyapp  alice\nx      b\n");
    }

    #[test]
    fn an_age_is_one_word() {
        let ago = |seconds: i64| age(Some(Timestamp::now() - jiff::SignedDuration::from_secs(seconds)));
        assert_eq!((ago(0), ago(61), ago(7200)), ("0s".to_owned(), "1m".to_owned(), "2h".to_owned()));
        assert_eq!((age(None), ago(-60)), (String::new(), String::new()));
    }
}
