//! Configures tera so that no value can change the structure of the YAML around it.

use std::fmt::Write as _;
use std::io::Write;

use tera::{Kwargs, State, Tera, TeraResult, Value};

/// Parses the templates. They have tera's own filters and `json`, which writes a value as structure, and no function that
/// reads the environment, files or the clock.
pub(super) fn parse_templates(files: Vec<(String, String)>) -> TeraResult<Tera> {
    let mut tera = Tera::new();
    tera.autoescape_on([".yaml"]);
    tera.set_escape_fn(write_quoted);
    tera.register_filter("json", json_filter);
    tera.add_raw_templates(files)?;
    Ok(tera)
}

/// Writes the text as one scalar in double quotes, which JSON and YAML read as the same text.
fn write_quoted(text: &str, output: &mut dyn Write) -> std::io::Result<()> {
    output.write_all(escape_json_for_yaml(&serde_json::to_string(text)?).as_bytes())
}

/// `{{ value | json }}`: the value as structure, which is also YAML in flow style.
fn json_filter(value: Value, _: Kwargs, _: &State) -> TeraResult<Value> {
    let text = serde_json::to_string(&value).map_err(|error| tera::Error::chain("cannot write it as JSON", error))?;
    Ok(Value::safe_string(&escape_json_for_yaml(&text)))
}

/// Escapes the characters that JSON allows in a string, but that YAML does not print or reads as a line break.
fn escape_json_for_yaml(json: &str) -> String {
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
    use tera::Context;

    use super::*;

    fn render(template: &str, value: &str) -> String {
        let tera = parse_templates(vec![("t.yaml".to_owned(), template.to_owned())]).unwrap();
        let mut context = Context::new();
        context.insert("value", value);
        tera.render("t.yaml", &context).unwrap()
    }

    proptest! {
        #[test]
        fn any_text_stays_one_scalar(value in any::<String>()) {
            for template in ["{{ value }}", "{{ value | json }}", "{{ value | trim | upper | lower | json }}"] {
                let text = render(&format!("a: {template}\nb: 1\n"), &value);
                let documents = super::super::yaml::read_documents(&text).unwrap();
                prop_assert_eq!(documents.len(), 1);
                prop_assert_eq!(documents[0].as_object().unwrap().len(), 2);
                if !template.contains("trim") {
                    prop_assert_eq!(documents[0]["a"].as_str().unwrap(), value.as_str());
                }
            }
        }
    }

    #[test]
    fn characters_that_yaml_does_not_print_are_escaped() {
        assert_eq!(render("{{ value }}", "\u{0}\u{7f}\u{85}\u{2028}\u{feff}é"), r#""\u0000\u007f\u0085\u2028\ufeffé""#);
    }

    #[test]
    fn templates_reach_neither_the_environment_nor_files_nor_the_clock() {
        for call in ["get_env(name=\"HOME\")", "now()", "load(path=\"/etc/passwd\")"] {
            let files = vec![("a.yaml".to_owned(), format!("{{{{ {call} }}}}"))];
            assert!(parse_templates(files).is_err(), "{call}");
        }
    }
}
