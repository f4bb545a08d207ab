//! How the image is built.

use super::super::node::Node;
use super::super::problem::Problems;
use super::fields::Fields;
use super::{names, values};
use crate::domain::app_spec::BuildSpec;

pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<BuildSpec> {
    let mut fields = Fields::open(node, path, problems);
    let args =
        fields.read("args", |node, path, problems| names::read_map::<ArgName, _>(node, path, problems, values::text));
    let build = BuildSpec {
        dockerfile: fields.read("dockerfile", repository_path),
        context: fields.read("context", repository_path),
        target: fields.read("target", values::text),
        args: args.unwrap_or_default().into_iter().map(|(name, value)| (name.0, value)).collect(),
        platform: fields.read("platform", values::text),
    };
    fields.finish();
    Some(build)
}

/// A path inside of the repository, without slashes at its ends and without `.` and `..`. A program would read one that begins
/// with `-` as an option.
fn repository_path(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    let text = values::text(node, path, problems)?;
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let result = if text.starts_with(['/', '-']) || parts.contains(&"..") {
        Err(format!("{text:?} is not a path inside of the repository"))
    } else {
        Ok(parts.join("/"))
    };
    values::note(result, node, path, problems)
}

/// The name of a build argument.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ArgName(String);

impl TryFrom<String> for ArgName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let valid = !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(allowed);
        if valid { Ok(Self(text)) } else { Err(format!("{text:?} is not the name of a build argument")) }
    }
}
