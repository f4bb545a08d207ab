//! The templates of the app chart.

use std::path::Path;

use super::error::ServeError;
use crate::chart::Templates;

/// The templates in `dir`, or the built-in ones.
///
/// # Errors
/// [`ServeError::InvalidSetting`] if the templates cannot be read.
pub fn read_templates(dir: Option<&Path>) -> Result<Templates, ServeError> {
    let templates = match dir {
        Some(dir) => Templates::from_dir(dir),
        None => Templates::built_in(),
    };
    templates.map_err(|error| ServeError::InvalidSetting { flag: "--templates", reason: error.report() })
}
