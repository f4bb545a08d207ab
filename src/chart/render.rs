//! Renders the templates with an app's values.

use std::io::Write;

use serde::Serialize;
use tera::{Context, Tera, TeraResult};

use super::app_settings::Resources;
use super::error::ChartError;
use super::templates::{NOTES, Templates};
use super::values::Values;
use crate::domain::KubeVersion;

/// The most bytes that one template may render to.
const MAX_OUTPUT: usize = 4 << 20;

/// The variables of the templates.
#[derive(Serialize)]
struct TemplateContext<'a> {
    app: &'a str,
    image: &'a str,
    version: Option<&'a str>,
    version_label: Option<String>,
    commit: Option<&'a str>,
    pusher: Option<&'a str>,
    port: u16,
    non_root: bool,
    pull_secret: Option<&'a str>,
    env: Vec<EnvVar<'a>>,
    resources: Resources,
    health_path: Option<&'a str>,
    startup_seconds: u64,
    readiness_period_seconds: u32,
    progress_deadline_seconds: u64,
    min_ready_seconds: u64,
    pre_stop_seconds: u64,
    has_sleep_action: bool,
}

#[derive(Serialize)]
struct EnvVar<'a> {
    name: &'a str,
    value: String,
}

impl<'a> TemplateContext<'a> {
    fn new(values: &'a Values) -> Self {
        let Values { settings, times, kube_version, .. } = values;
        let startup = settings.health.startup.map(u64::from);
        Self {
            app: values.app.as_str(),
            image: values.image.as_str(),
            version: values.version.as_deref(),
            version_label: values.version_label(),
            commit: values.commit.as_ref().map(|commit| commit.as_str()),
            pusher: values.pusher.as_ref().map(|pusher| pusher.as_str()),
            port: values.port(),
            non_root: values.is_non_root(),
            pull_secret: values.pull_secret.as_deref(),
            env: environment(values),
            resources: settings.resources.with_defaults(values.limited_resources),
            health_path: settings.health.path.as_ref().map(|path| path.as_str()),
            startup_seconds: startup.unwrap_or(times.rollout_timeout.as_secs().max(1)),
            readiness_period_seconds: readiness_period_seconds(*kube_version),
            progress_deadline_seconds: times.progress_deadline_seconds(),
            min_ready_seconds: times.settle_time.as_secs(),
            pre_stop_seconds: times.endpoint_delay.as_secs(),
            has_sleep_action: kube_version.has_sleep_action(),
        }
    }
}

/// A longer period makes fewer requests to an app that is ready. Where the first probe waits for the period, a longer one
/// would delay every rollout.
fn readiness_period_seconds(version: KubeVersion) -> u32 {
    if version.probes_readiness_after_startup() { 5 } else { 1 }
}

/// The container's environment: `PORT` and `GIT_REV`, then the user's variables.
fn environment(values: &Values) -> Vec<EnvVar<'_>> {
    let port = EnvVar { name: "PORT", value: values.port().to_string() };
    let commit = values.commit.iter().map(|commit| EnvVar { name: "GIT_REV", value: commit.to_string() });
    let users = values.settings.env.iter();
    let users = users.map(|(name, value)| EnvVar { name: name.as_str(), value: value.escape_for_kubernetes() });
    std::iter::once(port).chain(commit).chain(users).collect()
}

/// The name and output of each template, sorted by name.
pub(super) fn render_templates(templates: &Templates, values: &Values) -> Result<Vec<(String, String)>, ChartError> {
    let context = Context::from_serialize(&TemplateContext::new(values)).map_err(ChartError::Templates)?;
    let render = |name: &String| {
        render_template(&templates.tera, name, &context)
            .map(|text| (name.clone(), text))
            .map_err(|source| ChartError::Template { template: name.clone(), source })
    };
    templates.names.iter().map(render).collect()
}

/// The text for `helm get notes`, if the templates include one.
pub(super) fn render_notes(templates: &Templates, values: &Values) -> Result<Option<String>, ChartError> {
    if !templates.has_notes {
        return Ok(None);
    }
    let context = Context::from_serialize(&TemplateContext::new(values)).map_err(ChartError::Templates)?;
    let notes = render_template(&templates.tera, NOTES, &context);
    notes.map(Some).map_err(|source| ChartError::Template { template: NOTES.to_owned(), source })
}

fn render_template(tera: &Tera, name: &str, context: &Context) -> TeraResult<String> {
    let mut output = LimitedWriter(Vec::new());
    tera.render_to(name, context, &mut output)?;
    Ok(String::from_utf8(output.0)?)
}

/// A buffer of at most [`MAX_OUTPUT`] bytes.
struct LimitedWriter(Vec<u8>);

impl Write for LimitedWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(std::io::Error::other(format!("more than {MAX_OUTPUT} bytes of output")));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::escape::parse_templates;
    use super::*;

    #[test]
    fn the_output_of_a_template_is_limited() {
        let tera = parse_templates(vec![(
            "t.yaml".to_owned(),
            "{% for i in range(end=99999) %}{% for j in range(end=99999) %}xx{% endfor %}{% endfor %}".to_owned(),
        )]);
        let error = render_template(&tera.unwrap(), "t.yaml", &Context::new()).unwrap_err();
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text += &source.to_string();
        }
        assert!(text.contains("bytes of output"), "{text}");
    }
}
