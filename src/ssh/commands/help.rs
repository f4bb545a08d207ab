//! `help [COMMAND]`, and the answer to a request for a shell. The text comes from the definitions of the commands.

use clap::error::ErrorKind;
use clap::{Arg, Args};

use super::command::{Command, CommandContext, CommandResult};
use crate::auth::Identity;
use crate::domain::AppName;
use crate::ssh::exit_status::ExitStatus;

/// git's own commands, which are not among slipway's.
const GIT_COMMANDS: [[&str; 2]; 3] = [
    ["git push ssh://HOST/APP BRANCH", "Deploys an app; the first push creates it"],
    ["git clone ssh://HOST/APP", "Clones an app's repository"],
    ["git archive --remote=ssh://HOST/APP TREE", "Exports a tree of the repository"],
];

/// Lists the commands, or describes one of them.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Help {
    /// The name of a command.
    pub command: Option<String>,
}

impl Command for Help {
    const NAME: &'static str = "help";

    fn app(&self) -> Option<&AppName> {
        None
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let definition = (context.definition)();
        let text = self.command.and_then(|name| describe(&definition, &name)).unwrap_or_else(|| list(&definition));
        context.io.output.stdout(text).await;
        Ok(ExitStatus::OK)
    }
}

/// Tells the client its identity, so that it can check an SSH key this way.
pub(super) fn greeting(identity: &Identity) -> String {
    let role = if identity.admin { ", an admin" } else { "" };
    format!("You are {}{role}. slipway provides no shell: the command `help` lists its commands.", identity.user)
}

/// clap's help of one command, which clap reports as an error.
fn describe(definition: &clap::Command, name: &str) -> Option<String> {
    let help = definition.clone().try_get_matches_from([name, "--help"]).err()?;
    (help.kind() == ErrorKind::DisplayHelp).then(|| help.to_string())
}

/// One line for each command.
fn list(definition: &clap::Command) -> String {
    let commands = definition.get_subcommands().map(|command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        [synopsis(command), about]
    });
    let lines: Vec<[String; 2]> =
        GIT_COMMANDS.map(|line| line.map(str::to_owned)).into_iter().chain(commands).collect();
    let width = lines.iter().map(|[synopsis, _]| synopsis.len()).max().unwrap_or_default();
    lines.iter().map(|[synopsis, about]| format!("{synopsis:<width$}   {about}\n")).collect()
}

/// The name of a command and its arguments. The help of a command with many options lists them.
fn synopsis(command: &clap::Command) -> String {
    let (positional, options): (Vec<&Arg>, Vec<&Arg>) = command.get_arguments().partition(|arg| arg.is_positional());
    let positional = positional.into_iter().map(format_argument);
    let options = match options.len() {
        0..=2 => options.into_iter().map(format_argument).collect(),
        _ => vec!["[OPTIONS]".to_owned()],
    };
    std::iter::once(command.get_name().to_owned()).chain(positional).chain(options).collect::<Vec<_>>().join(" ")
}

fn format_argument(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default().join(" ");
    let text = match argument.get_long() {
        Some(long) if argument.get_action().takes_values() => format!("--{long} {values}"),
        Some(long) => format!("--{long}"),
        None => values,
    };
    if argument.is_required_set() { text } else { format!("[{text}]") }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::ssh::commands::AppCommand;

    #[test]
    fn help_lists_every_command_with_its_arguments() {
        insta::assert_snapshot!(list(&AppCommand::command()));
    }

    #[test]
    fn help_of_a_command_describes_its_arguments() {
        insta::assert_snapshot!(describe(&AppCommand::command(), "rollback").unwrap());
        assert_eq!(describe(&AppCommand::command(), "rollforward"), None);
    }

    #[test]
    fn the_input_of_upload_key_is_in_its_help() {
        let help = describe(&AppCommand::command(), "upload-key").unwrap();
        assert!(help.contains("upload-key NAME [--admin] < KEY.pub"), "{help}");
    }
}
