//! tera, set up so that a value stays where the template put it.

use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, TeraResult, Value};

use super::embedded::{NOTES, Templates};
use super::error::ChartError;
use super::settings::Resources;
use super::values::Values;

/// The most text that one template may render to.
const MAX_OUTPUT: usize = 4 << 20;

/// What the templates see, under these names.
#[derive(Serialize)]
struct View<'a> {
    app: &'a str,
    image: &'a str,
    version: Option<&'a str>,
    version_label: Option<String>,
    commit: Option<&'a str>,
    pusher: Option<&'a str>,
    port: u16,
    non_root: bool,
    pull_secret: Option<&'a str>,
    env: Vec<Variable<'a>>,
    resources: Resources,
    health_path: Option<&'a str>,
    startup_seconds: u32,
    progress_deadline_seconds: u64,
}

#[derive(Serialize)]
struct Variable<'a> {
    name: &'a str,
    value: String,
}

impl<'a> View<'a> {
    fn of(values: &'a Values) -> Self {
        let settings = &values.settings;
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
            env: variables(values),
            resources: settings.resources.filled(),
            health_path: settings.health.path.as_ref().map(|path| path.as_str()),
            startup_seconds: settings.health.startup,
            progress_deadline_seconds: values.rollout_timeout.as_secs().max(1),
        }
    }
}

/// The container's environment: `PORT` and `GIT_REV`, then what the user set.
fn variables(values: &Values) -> Vec<Variable<'_>> {
    let port = Variable { name: "PORT", value: values.port().to_string() };
    let commit = values.commit.iter().map(|commit| Variable { name: "GIT_REV", value: commit.to_string() });
    let set = values.settings.env.iter();
    let set = set.map(|(name, value)| Variable { name: name.as_str(), value: value.literal() });
    std::iter::once(port).chain(commit).chain(set).collect()
}

/// An engine that knows the files. Only tera's own filters, and `json` for a value as structure:
/// nothing that reads the environment, files or the clock.
pub(super) fn engine(files: Vec<(String, String)>) -> TeraResult<Tera> {
    let mut engine = Tera::new();
    engine.autoescape_on([".yaml"]);
    engine.set_escape_fn(quoted);
    engine.register_filter("json", json);
    engine.add_raw_templates(files)?;
    Ok(engine)
}

/// The output of each template, in the order of their names.
pub(super) fn render(templates: &Templates, values: &Values) -> Result<Vec<(String, String)>, ChartError> {
    let context = Context::from_serialize(&View::of(values)).map_err(ChartError::Templates)?;
    let one = |name: &String| {
        render_one(&templates.engine, name, &context)
            .map(|text| (name.clone(), text))
            .map_err(|source| ChartError::Template { template: name.clone(), source })
    };
    templates.names.iter().map(one).collect()
}

/// The notes, if the set has any.
pub(super) fn notes(templates: &Templates, values: &Values) -> Result<Option<String>, ChartError> {
    if !templates.has_notes {
        return Ok(None);
    }
    let context = Context::from_serialize(&View::of(values)).map_err(ChartError::Templates)?;
    let notes = render_one(&templates.engine, NOTES, &context);
    notes.map(Some).map_err(|source| ChartError::Template { template: NOTES.to_owned(), source })
}

fn render_one(engine: &Tera, name: &str, context: &Context) -> TeraResult<String> {
    let mut output = Bounded(Vec::new());
    engine.render_to(name, context, &mut output)?;
    Ok(String::from_utf8(output.0)?)
}

/// A buffer that refuses to grow beyond [`MAX_OUTPUT`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
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

/// The text as one scalar in double quotes, which both JSON and YAML read as that text.
fn quoted(text: &str, output: &mut dyn Write) -> std::io::Result<()> {
    output.write_all(as_yaml(&serde_json::to_string(text)?).as_bytes())
}

/// `{{ value | json }}`: the value as structure, which is YAML in flow style.
fn json(value: Value, _: Kwargs, _: &State) -> TeraResult<Value> {
    let text = serde_json::to_string(&value).map_err(|error| tera::Error::chain("cannot write it as JSON", error))?;
    Ok(Value::safe_string(&as_yaml(&text)))
}

/// JSON with those characters escaped that JSON lets stand in a string and YAML does not print or
/// takes for a line end.
fn as_yaml(json: &str) -> String {
    let mut yaml = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            let _ = write!(yaml, "\\u{:04x}", u32::from(c));
        } else {
            yaml.push(c);
        }
    }
    yaml
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render_text(template: &str, value: &str) -> String {
        let engine = engine(vec![("t.yaml".to_owned(), template.to_owned())]).unwrap();
        let mut context = Context::new();
        context.insert("value", value);
        render_one(&engine, "t.yaml", &context).unwrap()
    }

    proptest! {
        #[test]
        fn any_text_stays_one_scalar(value in any::<String>()) {
            for template in ["{{ value }}", "{{ value | json }}", "{{ value | trim | upper | lower | json }}"] {
                let text = render_text(&format!("a: {template}\nb: 1\n"), &value);
                let documents = super::super::yaml::documents(&text).unwrap();
                prop_assert_eq!(documents.len(), 1);
                prop_assert_eq!(documents[0].as_object().unwrap().len(), 2);
                if !template.contains("trim") {
                    prop_assert_eq!(documents[0]["a"].as_str().unwrap(), value.as_str());
                }
            }
        }
    }

    #[test]
    fn what_yaml_cannot_print_is_escaped() {
        assert_eq!(
            render_text("{{ value }}", "\u{0}\u{7f}\u{85}\u{2028}\u{feff}é"),
            r#""\u0000\u007f\u0085\u2028\ufeffé""#
        );
    }

    #[test]
    fn output_is_bounded() {
        let engine = engine(vec![(
            "t.yaml".to_owned(),
            "{% for i in range(end=99999) %}{% for j in range(end=99999) %}xx{% endfor %}{% endfor %}".to_owned(),
        )]);
        let error = render_one(&engine.unwrap(), "t.yaml", &Context::new()).unwrap_err();
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text += &source.to_string();
        }
        assert!(text.contains("bytes of output"), "{text}");
    }
}
