//! Renders the templates with an app's values.

use std::io::Write;

use tera::{Context, Tera, TeraResult};

use super::context::TemplateContext;
use super::error::ChartError;
use super::templates::{NOTES, Templates};
use super::values::Values;

/// The most bytes that one template may render to.
const MAX_OUTPUT: usize = 4 << 20;

/// The variables for all templates of a rendering.
pub(super) fn context(values: &Values) -> Result<Context, ChartError> {
    Context::from_serialize(&TemplateContext::new(values)?).map_err(ChartError::Templates)
}

/// The name and output of each template with an output, sorted by name.
pub(super) fn render_templates(templates: &Templates, context: &Context) -> Result<Vec<(String, String)>, ChartError> {
    let mut rendered = Vec::with_capacity(templates.names.len());
    for name in &templates.names {
        let text = render_template(&templates.tera, name, context)
            .map_err(|source| ChartError::Template { template: name.clone(), source })?;
        if !text.trim().is_empty() {
            rendered.push((name.clone(), text));
        }
    }
    Ok(rendered)
}

/// The text for `helm get notes`, if the templates include one.
pub(super) fn render_notes(templates: &Templates, context: &Context) -> Result<Option<String>, ChartError> {
    if !templates.has_notes {
        return Ok(None);
    }
    let notes = render_template(&templates.tera, NOTES, context);
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
