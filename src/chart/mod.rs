//! The app chart: values and templates in, checked Kubernetes objects out. Nothing here knows a cluster.
//!
//! ```text
//! Values --template--> text of each file --yaml--> documents --manifests--> RenderedChart
//! ```
//! Three walls keep a value in its place: it is written as one quoted scalar whatever it holds, the
//! output is parsed again instead of being trusted as text, and each object is checked against the
//! kinds and the one namespace that a release may have.

mod embedded;
mod error;
mod fields;
mod manifests;
mod settings;
mod template;
mod values;
mod yaml;

pub use embedded::Templates;
pub use error::{ChartError, ReadFault};
pub use fields::{EnvName, EnvValue, HealthPath, Quantity};
pub use settings::{Health, Resources, Settings, Wanted};
pub use values::Values;
pub use yaml::{parse, to_yaml};

use crate::domain::{AppName, ImageRef, RenderedChart};

/// Renders every template with the values and checks what came out.
///
/// # Errors
/// [`ChartError`] if a value or a template is at fault.
pub fn render(templates: &Templates, values: &Values) -> Result<RenderedChart, ChartError> {
    let rendered = template::render(templates, values)?;
    let manifests = manifests::checked(&values.app, &rendered)?;
    Ok(RenderedChart {
        name: values.app.to_string(),
        version: templates.version().to_owned(),
        app_version: values.version.clone().unwrap_or_default(),
        values: serde_json::to_value(values).map_err(ChartError::Record)?,
        notes: template::notes(templates, values)?,
        manifests,
    })
}

/// `slipway render`: the manifests of an app as text, without a cluster.
///
/// `values_file` is the content of the file given with `--values`.
///
/// # Errors
/// [`ChartError`] if the image, the values file or a template is at fault.
pub fn render_command(
    app: &AppName,
    image: &str,
    values_file: Option<&str>,
    templates: &Templates,
) -> Result<String, ChartError> {
    if image.is_empty() || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(ChartError::Value(format!("{image:?} is not an image reference")));
    }
    let mut values = Values::new(app.clone(), ImageRef::verbatim(image));
    if let Some(text) = values_file {
        values.settings = Settings::from_yaml(text)?;
    }
    to_yaml(&render(templates, &values)?)
}

#[cfg(test)]
mod tests;
