//! What `git push -o` may say. Pure.

/// The push options that slipway knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// `wait`: wait for a running deploy of the app instead of failing at once.
    pub wait: bool,
}

/// An option that nobody knows, refused so that a misspelt one is noticed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown push option {0:?}: there is only -o wait")]
pub struct UnknownOption(String);

impl PushOptions {
    /// Reads the options of one push.
    ///
    /// # Errors
    /// [`UnknownOption`]
    pub fn parse(options: &[String]) -> Result<Self, UnknownOption> {
        let mut known = Self::default();
        for option in options {
            match option.as_str() {
                "wait" => known.wait = true,
                unknown => return Err(UnknownOption(unknown.to_owned())),
            }
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_known_to_the_letter() {
        assert_eq!(PushOptions::parse(&[]), Ok(PushOptions { wait: false }));
        assert_eq!(PushOptions::parse(&["wait".into()]), Ok(PushOptions { wait: true }));
        for unknown in ["", "Wait", "wait\n", "wait=1", "dry"] {
            assert_eq!(PushOptions::parse(&[unknown.into()]), Err(UnknownOption(unknown.into())));
        }
    }
}
