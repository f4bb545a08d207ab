//! The app chart: renders values and templates to checked Kubernetes objects, without a cluster.
//!
//! ```text
//! Values --render--> text of each template --yaml--> documents --manifests--> RenderedChart
//! ```
//! Three checks keep a value from changing anything else: `escape` writes each value as one quoted scalar, `yaml` parses the
//! output again instead of trusting the text, and `manifests` checks each object's kind and namespace.

mod context;
mod error;
mod escape;
mod manifests;
mod render;
mod rollout_times;
mod templates;
mod values;
mod yaml;

pub use error::ChartError;
pub use rollout_times::RolloutTimes;
pub use templates::Templates;
pub use values::Values;
pub use yaml::to_yaml;

use crate::domain::{AppName, AppSpec, ImageRef, KubeVersion, RenderedChart};

/// Renders every template with the values and checks the objects.
///
/// # Errors
/// [`ChartError`] if a value or a template is invalid.
pub fn render(templates: &Templates, values: &Values) -> Result<RenderedChart, ChartError> {
    let context = render::context(values)?;
    let rendered = render::render_templates(templates, &context)?;
    let manifests = manifests::check_objects(&values.app, &rendered)?;
    Ok(RenderedChart {
        name: values.app.to_string(),
        version: templates.version().to_owned(),
        app_version: values.version.clone().unwrap_or_default(),
        values: serde_json::to_value(values).map_err(ChartError::WriteValues)?,
        notes: render::render_notes(templates, &context)?,
        manifests,
    })
}

/// The settings of `slipway render` beside the app and its image.
#[derive(Debug, Clone, Copy, Default)]
pub struct RenderOptions<'a> {
    /// The merged files of the app; the defaults without them.
    pub spec: Option<&'a AppSpec>,
    pub times: RolloutTimes,
    /// The version of the API server to which the manifests will be applied.
    pub kube_version: KubeVersion,
}

/// `slipway render`: the manifests of an app as text, without a cluster.
///
/// # Errors
/// [`ChartError`] if the image, a value or a template is invalid.
pub fn render_command(
    app: &AppName,
    image: &str,
    options: RenderOptions<'_>,
    templates: &Templates,
) -> Result<String, ChartError> {
    if image.is_empty() || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(ChartError::InvalidValue(format!("{image:?} is not an image reference")));
    }
    let RenderOptions { spec, times, kube_version } = options;
    let spec = spec.cloned().unwrap_or_default();
    let values = Values { times, kube_version, spec, ..Values::new(app.clone(), ImageRef::verbatim(image)) };
    to_yaml(&render(templates, &values)?)
}

#[cfg(test)]
mod tests;
