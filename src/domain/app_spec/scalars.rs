//! Validated scalars of an app's files.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Serializes a newtype of a string as the string.
macro_rules! into_string {
    ($name:ident) => {
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
    };
}

/// The name of an environment variable that Kubernetes accepts and slipway does not set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);
into_string!(EnvName);

impl EnvName {
    /// The variables that slipway sets.
    const RESERVED: [&str; 5] = ["PORT", "GIT_REV", "SLIPWAY_APP", "SLIPWAY_PROCESS", "SLIPWAY_REVISION"];

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnvName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let first = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | '.');
        let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !text.starts_with(first) || !text.chars().all(rest) {
            return Err(format!(
                "invalid variable name {text:?}: use letters, digits, '_', '-' and '.', not starting with a digit"
            ));
        }
        if text == "." || text.starts_with("..") {
            return Err(format!(
                "invalid variable name {text:?}: Kubernetes accepts neither \".\" nor a name that starts with \"..\""
            ));
        }
        if Self::RESERVED.contains(&text.as_str()) {
            return Err(format!("{text} is set by slipway (for PORT, set `port`)"));
        }
        Ok(Self(text))
    }
}

/// The value of an environment variable: any text without NUL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvValue(String);
into_string!(EnvValue);

impl EnvValue {
    /// In bytes. Linux allows 128 KiB for one variable with its name (`MAX_ARG_STRLEN`, execve(2)).
    const MAX_LEN: usize = 127 << 10;

    /// The text for a container's `env` from which the container gets the value unchanged: Kubernetes replaces `$(NAME)`, and
    /// reads `$$` as `$`.
    pub fn escape_for_kubernetes(&self) -> String {
        escape_for_kubernetes(&self.0)
    }
}

/// The text of a value, argument or word of a probe's command that the container gets unchanged.
pub fn escape_for_kubernetes(text: &str) -> String {
    if text.contains("$(") || text.contains("$$") { text.replace('$', "$$") } else { text.to_owned() }
}

impl TryFrom<String> for EnvValue {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("a variable cannot hold a NUL character".to_owned());
        }
        if text.len() > Self::MAX_LEN {
            return Err(format!("a variable cannot hold more than {} bytes: Linux limits them", Self::MAX_LEN));
        }
        Ok(Self(text))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HealthPath(String);
into_string!(HealthPath);

impl HealthPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HealthPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let valid = text.starts_with('/') && text.len() <= 1024 && text.chars().all(|c| c.is_ascii_graphic());
        valid.then_some(Self(text)).ok_or_else(|| "a path starts with '/' and has no spaces".to_owned())
    }
}

/// An amount of CPU or memory, such as `250m` or `512Mi`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity {
    text: String,
    /// The amount in thousandths, for comparison.
    thousandths: u128,
}

impl Quantity {
    /// Thousandths of a CPU.
    pub fn millicpus(amount: u32) -> Self {
        Self { text: format!("{amount}m"), thousandths: amount.into() }
    }

    pub fn mebibytes(amount: u32) -> Self {
        Self { text: format!("{amount}Mi"), thousandths: u128::from(amount) * 1024 * 1024 * 1000 }
    }

    pub fn max(self, other: Self) -> Self {
        if other.thousandths > self.thousandths { other } else { self }
    }

    pub fn exceeds(&self, other: &Self) -> bool {
        self.thousandths > other.thousandths
    }

    /// The amount in thousandths. `None` if the text is not an amount, is zero, or exceeds `u64::MAX` thousandths.
    fn parse_thousandths(text: &str) -> Option<u128> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(unit_at)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.len() > 3 || number.ends_with('.') {
            return None;
        }
        let thousandths: u128 = format!("{whole}{fraction:0<3}").parse().ok()?;
        let thousandths = match unit {
            "m" if fraction.is_empty() => thousandths / 1000,
            _ => thousandths.checked_mul(unit_factor(unit)?)?,
        };
        (thousandths > 0 && thousandths <= u128::from(u64::MAX)).then_some(thousandths)
    }
}

/// The factor of a Kubernetes unit.
fn unit_factor(unit: &str) -> Option<u128> {
    Some(match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1000u128.pow(2),
        "G" => 1000u128.pow(3),
        "T" => 1000u128.pow(4),
        "Ki" => 1024,
        "Mi" => 1024u128.pow(2),
        "Gi" => 1024u128.pow(3),
        "Ti" => 1024u128.pow(4),
        _ => return None,
    })
}

impl TryFrom<String> for Quantity {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Self::parse_thousandths(&text) {
            Some(thousandths) => Ok(Self { text, thousandths }),
            None => Err(format!("{text:?} is not an amount such as 250m, 0.5, 512Mi or 1Gi")),
        }
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> String {
        quantity.text
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Quantity {}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_across_units() {
        let quantity = |text: &str| Quantity::try_from(text.to_owned()).unwrap();
        for (more, less) in [("1", "999m"), ("1Ki", "1k"), ("1Gi", "1023Mi"), ("0.5", "499m"), ("1.5Gi", "1Gi")] {
            assert!(quantity(more).exceeds(&quantity(less)), "{more} > {less}");
            assert!(!quantity(less).exceeds(&quantity(more)), "{less} <= {more}");
        }
        for bad in ["", "Mi", "-1", "1 Gi", "1.", ".5", "0", "1e3x", "1.5m", "99999999999999999999", "1Gi\n"] {
            assert!(Quantity::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_dollar_sign_reaches_the_container_unchanged() {
        let escape = |text: &str| EnvValue::try_from(text.to_owned()).unwrap().escape_for_kubernetes();
        assert_eq!(escape("pa$word"), "pa$word");
        assert_eq!(escape("$(PORT) $5"), "$$(PORT) $$5");
        assert_eq!(escape("a$$b"), "a$$$$b");
    }

    #[test]
    fn variable_names_that_kubernetes_refuses_are_refused() {
        for bad in [".", "..", "..A", "...", "", "1A", "A B", "A=B", "É"] {
            assert!(EnvName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        for good in [".A", "A..B", "_", "-a"] {
            assert!(EnvName::try_from(good.to_owned()).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn the_variables_that_slipway_sets_are_reserved() {
        for bad in ["PORT", "GIT_REV"] {
            assert!(EnvName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(EnvName::try_from("DATABASE_URL".to_owned()).is_ok());
    }
}
