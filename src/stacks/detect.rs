//! Which stack a repository has.

use super::error::StackError;
use super::files::RepositoryFiles;
use super::plan::StackPlan;
use super::stack::Stack;
use super::{dotnet, elixir, go, java, node, php, python, ruby, rust, static_files};

/// The plan for the first stack, by precedence, of which the repository has a file. `None` if it has none.
///
/// # Errors
/// [`StackError`] if a file of the stack is not valid or does not say enough.
pub fn detect(files: &RepositoryFiles) -> Result<Option<StackPlan>, StackError> {
    let mut found = Stack::BY_PRECEDENCE.into_iter().filter_map(|stack| Some((stack, files.marker_of(stack)?)));
    let Some((stack, marker)) = found.next() else { return Ok(None) };
    let mut plan = match stack {
        Stack::Php => php::plan(files),
        Stack::Go => go::plan(files),
        Stack::Java => java::plan(files, marker),
        Stack::Rust => rust::plan(files),
        Stack::Ruby => ruby::plan(files),
        Stack::Elixir => elixir::plan(files),
        Stack::Python => python::plan(files, marker),
        Stack::DotNet => dotnet::plan(files),
        Stack::Node => node::plan(files),
        Stack::StaticFiles => static_files::plan(files),
    }?;
    // Repositories of most stacks have an index.html, which their own build or server uses.
    let others: Vec<String> = found
        .filter(|(other, _)| *other != Stack::StaticFiles)
        .map(|(other, marker)| format!("{other} ({marker})"))
        .collect();
    if !others.is_empty() {
        plan.notes.push(format!(
            "Also found {}, which is not built: {stack} comes first. To decide otherwise, add a Dockerfile",
            others.join(", ")
        ));
    }
    Ok(Some(plan))
}

/// The files of each stack, for the message that nothing was found.
pub fn looked_for() -> String {
    let stacks = Stack::BY_PRECEDENCE.iter().map(|stack| format!("{} ({stack})", stack.markers().join(", ")));
    stacks.collect::<Vec<_>>().join("; ")
}
