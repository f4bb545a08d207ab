//! Dockerfiles from plans, with the templates in `templates/stacks/`.

use std::io::{Error, ErrorKind, Write};

use tera::{Context, Kwargs, State, Tera, TeraResult, Value};

use super::error::StackError;
use super::plan::StackPlan;
use super::settings::StackSettings;
use super::word::is_word;

const TEMPLATES: [(&str, &str); 14] = [
    ("_args.Dockerfile", include_str!("../../templates/stacks/_args.Dockerfile")),
    ("_packages.Dockerfile", include_str!("../../templates/stacks/_packages.Dockerfile")),
    ("_nginx.Dockerfile", include_str!("../../templates/stacks/_nginx.Dockerfile")),
    ("_nginx_start.Dockerfile", include_str!("../../templates/stacks/_nginx_start.Dockerfile")),
    ("python.Dockerfile", include_str!("../../templates/stacks/python.Dockerfile")),
    ("node.Dockerfile", include_str!("../../templates/stacks/node.Dockerfile")),
    ("go.Dockerfile", include_str!("../../templates/stacks/go.Dockerfile")),
    ("rust.Dockerfile", include_str!("../../templates/stacks/rust.Dockerfile")),
    ("ruby.Dockerfile", include_str!("../../templates/stacks/ruby.Dockerfile")),
    ("php.Dockerfile", include_str!("../../templates/stacks/php.Dockerfile")),
    ("java.Dockerfile", include_str!("../../templates/stacks/java.Dockerfile")),
    ("dotnet.Dockerfile", include_str!("../../templates/stacks/dotnet.Dockerfile")),
    ("elixir.Dockerfile", include_str!("../../templates/stacks/elixir.Dockerfile")),
    ("static_files.Dockerfile", include_str!("../../templates/stacks/static_files.Dockerfile")),
];

/// The ignore rules of a repository that has neither a Dockerfile nor a `.dockerignore`.
pub const DEFAULT_IGNORE: &str = include_str!("../../templates/stacks/dockerignore");

/// The Dockerfile of a plan. The same plan and settings give the same text.
///
/// # Errors
/// [`StackError::Template`] if a value does not fit into the template.
pub fn generate_dockerfile(plan: &StackPlan, settings: &StackSettings) -> Result<String, StackError> {
    let error = |error: tera::Error| StackError::Template { stack: plan.stack, reason: with_sources(&error) };
    let templates = parse_templates().map_err(error)?;
    let text = templates.render(&format!("{}.Dockerfile", plan.stack.id()), &context(plan, settings)).map_err(error)?;
    Ok(without_blank_lines(&text))
}

fn context(plan: &StackPlan, settings: &StackSettings) -> Context {
    let mut context = Context::new();
    for (variable, value) in &plan.variables {
        context.insert(*variable, value);
    }
    for (variable, image) in &plan.images {
        context.insert(*variable, &settings.image(image));
    }
    context.insert("args", &settings.args().keys().collect::<Vec<_>>());
    context.insert("start", &shell_command(&plan.start.value));
    context
}

/// The shell replaces itself with a simple command, which then gets the signals of the container.
fn shell_command(command: &str) -> String {
    if is_simple(command) { format!("exec {command}") } else { command.to_owned() }
}

/// Whether the command is one program with arguments. Others, such as `cd api && ./server`, stay as they are.
fn is_simple(command: &str) -> bool {
    const KEYWORDS: &[&str] =
        &["exec", "cd", "if", "for", "while", "until", "case", "export", "set", "source", ".", "!", "eval"];
    let first = command.split_whitespace().next().unwrap_or_default();
    !command.contains([';', '&', '|', '<', '>', '(', ')', '`', '{', '}'])
        && !first.contains('=')
        && !KEYWORDS.contains(&first)
}

/// A value is written as it is, and has to be a word; the filter `json` writes any text.
fn parse_templates() -> TeraResult<Tera> {
    let mut tera = Tera::new();
    tera.autoescape_on([".Dockerfile"]);
    tera.set_escape_fn(write_word);
    tera.register_filter("json", json_filter);
    tera.add_raw_templates(TEMPLATES.map(|(name, text)| (name.to_owned(), text.to_owned())))?;
    Ok(tera)
}

fn write_word(text: &str, output: &mut dyn Write) -> std::io::Result<()> {
    match is_word(text) {
        true => output.write_all(text.as_bytes()),
        false => Err(Error::new(ErrorKind::InvalidData, format!("{text:?} is not a single word"))),
    }
}

fn json_filter(value: Value, _: Kwargs, _: &State) -> TeraResult<Value> {
    let text = serde_json::to_string(&value).map_err(|error| tera::Error::chain("cannot write it as JSON", error))?;
    Ok(Value::safe_string(&text))
}

/// Tags of the template that stand alone leave empty lines; only those before a comment are kept.
fn without_blank_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let next_text = |index: usize| lines.iter().skip(index).find(|line| !line.is_empty()).copied().unwrap_or_default();
    let mut kept = String::new();
    for (index, line) in lines.iter().enumerate() {
        let is_first_of_gap = index > 0 && lines.get(index - 1).is_some_and(|before| !before.is_empty());
        let starts_part = next_text(index).starts_with("FROM ") || next_text(index).starts_with('#');
        if !line.is_empty() || (is_first_of_gap && starts_part) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.trim_start().to_owned()
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    std::iter::once(error.to_string()).chain(sources.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simple_command_replaces_the_shell() {
        for simple in ["gunicorn app:app --bind 0.0.0.0:$PORT", "node server.js \"a b\""] {
            assert_eq!(shell_command(simple), format!("exec {simple}"));
        }
        for other in ["cd api && node x", "A=1 node x", "exec node x", "node x | tee log", "(node x)"] {
            assert_eq!(shell_command(other), other);
        }
    }

    #[test]
    fn a_value_that_is_no_word_is_not_written() {
        assert!(write_word("a b", &mut Vec::new()).is_err());
        assert!(write_word("a\nRUN b", &mut Vec::new()).is_err());
    }
}
