//! Sites of static files, served by nginx.

use super::error::StackError;
use super::files::RepositoryFiles;
use super::plan::{Sourced, StackPlan};
use super::procfile::read_web_command;
use super::stack::Stack;
use super::word::{Word, is_word};

const STATICFILE: &str = "Staticfile";
pub(super) const NGINX_TAG: &str = "1.28";
/// The template fills in the port, which nginx cannot read from the environment.
pub(super) const START: &str = "nginx";

pub(super) fn plan(files: &RepositoryFiles) -> Result<StackPlan, StackError> {
    let (marker, root) = match files.text(STATICFILE) {
        Some(text) => (STATICFILE, find_root(text)?),
        None => ("index.html", None),
    };
    let start = Sourced::from_file(START, marker);
    let mut plan = StackPlan::new(Stack::StaticFiles, None, start)
        .with_image("site_image", "nginx", Word::fixed(NGINX_TAG))
        .with("root", root.unwrap_or_else(|| Word::fixed(".")))
        .with("falls_back", false);
    if read_web_command(files)?.is_some() {
        plan.notes.push("The command of web in the Procfile replaces nginx, which would serve the files".to_owned());
    }
    Ok(plan)
}

/// The directory in a line `root: DIRECTORY`.
fn find_root(text: &str) -> Result<Option<Word>, StackError> {
    let Some(root) = text.lines().find_map(|line| line.trim().strip_prefix("root:")).map(str::trim) else {
        return Ok(None);
    };
    let is_inside = is_word(root) && !root.starts_with('/') && !root.split('/').any(|part| part == "..");
    match Word::new(root).filter(|_| is_inside) {
        Some(root) => Ok(Some(root)),
        None => Err(StackError::invalid_value(STATICFILE, root, "a directory of the repository, such as dist")),
    }
}
