//! Parsers of values that several groups of settings share.

use std::time::Duration;

/// A duration above 0, for limits that would refuse everything at 0.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be more than 0".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_of_0_is_refused() {
        assert_eq!(positive_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(positive_duration("0s"), Err("must be more than 0".to_owned()));
        assert!(positive_duration("soon").is_err());
    }
}
