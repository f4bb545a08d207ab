//! The list of slipway's own commands: the one place that a new command is added to. clap parses the words of the exec
//! line.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::apps::Apps;
use super::apps_adopt::AppsAdopt;
use super::apps_destroy::AppsDestroy;
use super::builds_list::BuildsList;
use super::builds_output::BuildsOutput;
use super::command::{Command, CommandContext, CommandIo, CommandResult, Listed};
use super::deploy_branch::DeployBranch;
use super::diff::Diff;
use super::doctor::Doctor;
use super::help::Help;
use super::redeploy::Redeploy;
use super::releases::Releases;
use super::releases_show::ReleasesShow;
use super::rollback::Rollback;
use super::spec::Spec;
use super::upload_key::UploadKey;
use crate::domain::AppName;
use crate::service::{Caller, Service};
use crate::ssh::parse_error::ParseCommandError;

/// From the list follow the enum that clap parses into (and so the entries of `help`), the name and the app in logs, and
/// the dispatch.
macro_rules! commands {
    ($($command:ident),* $(,)?) => {
        /// A command beside git's own.
        #[derive(Debug, Clone, PartialEq, Eq, Parser)]
        #[command(no_binary_name = true, disable_help_subcommand = true, term_width = 100)]
        pub enum AppCommand {
            $(
                #[command(name = $command::NAME)]
                $command($command),
            )*
        }

        $(impl Listed for $command {})*

        impl AppCommand {
            /// The command's name on the command line and in logs.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$command(_) => $command::NAME,)*
                }
            }

            /// The app that the command names, if it names one.
            pub fn app(&self) -> Option<&AppName> {
                match self {
                    $(Self::$command(command) => command.app(),)*
                }
            }

            async fn dispatch(self, context: CommandContext<'_>) -> CommandResult {
                match self {
                    $(Self::$command(command) => Box::pin(command.run(context)).await,)*
                }
            }
        }
    };
}

commands! {
    Apps,
    AppsAdopt,
    AppsDestroy,
    Releases,
    ReleasesShow,
    BuildsList,
    BuildsOutput,
    Diff,
    Rollback,
    Redeploy,
    DeployBranch,
    Spec,
    Doctor,
    UploadKey,
    Help,
}

impl AppCommand {
    /// `COMMAND --help` is `help COMMAND`.
    pub(in crate::ssh) fn from_words(words: &[&str]) -> Result<Self, ParseCommandError> {
        match Self::try_parse_from(words) {
            Ok(Self::Help(Help { command: Some(name) })) if !Self::exists(&name) => {
                Err(ParseCommandError::unknown(&[&name]))
            }
            Ok(command) => Ok(command),
            Err(error) => match error.kind() {
                ErrorKind::DisplayHelp => {
                    let command = words.first().filter(|word| Self::exists(word)).map(|word| (*word).to_owned());
                    Ok(Self::Help(Help { command }))
                }
                ErrorKind::InvalidSubcommand
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(ParseCommandError::unknown(words)),
                _ => Err(ParseCommandError::Usage(strip_clap_format(&error.to_string()))),
            },
        }
    }

    fn exists(name: &str) -> bool {
        Self::command().find_subcommand(name).is_some()
    }

    pub(super) async fn run(self, service: &Service, caller: &Caller, io: CommandIo) -> CommandResult {
        self.dispatch(CommandContext { service, caller, io, definition: Self::command }).await
    }
}

/// clap's message without its `error: ` prefix, its hint and its empty lines: slipway has its own mark for errors.
fn strip_clap_format(message: &str) -> String {
    let lines = message.lines().map(|line| line.strip_prefix("error: ").unwrap_or(line).trim_end());
    lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::arguments::{DeployArgs, FormatFlag, OutputFormat};
    use super::*;
    use crate::domain::Revision;

    const JSON: FormatFlag = FormatFlag { format: OutputFormat::Json };

    fn parse(line: &str) -> Result<AppCommand, String> {
        AppCommand::from_words(&line.split(' ').collect::<Vec<_>>()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_clap_definition_is_valid() {
        AppCommand::command().debug_assert();
    }

    #[test]
    fn omitted_arguments_have_defaults() {
        let app: AppName = "myapp".parse().unwrap();
        let releases = Releases { app: None, limit: 10, format: FormatFlag::default() };
        assert_eq!(parse("releases").unwrap(), AppCommand::Releases(releases));
        let limited = Releases { app: Some(app.clone()), limit: 3, format: JSON };
        assert_eq!(parse("releases myapp --format json --limit 3").unwrap(), AppCommand::Releases(limited));
        let diff = Diff { app: app.clone(), from: Some(Revision(2)), to: Some(Revision(5)) };
        assert_eq!(parse("diff myapp v2 5").unwrap(), AppCommand::Diff(diff));
        let deploy = DeployArgs { wait: true, ..DeployArgs::default() };
        let rollback = Rollback { app, to: None, deploy };
        assert_eq!(parse("rollback myapp --wait").unwrap(), AppCommand::Rollback(rollback));
    }

    #[test]
    fn parse_errors_name_the_argument_and_the_usage() {
        assert_eq!(
            parse("rollback myapp yesterday").unwrap_err(),
            "invalid value 'yesterday' for '[vN]': \"yesterday\" is not a revision: write a number such as v3 or 3"
        );
        assert_eq!(
            parse("builds:output myapp v1").unwrap_err(),
            "invalid value 'v1' for '[N]': \"v1\" is not the number of a build: builds:list has the numbers"
        );
        assert!(parse("releases Kube").unwrap_err().contains("invalid app name"));
        assert!(parse("releases a b").unwrap_err().contains("\nUsage: releases"), "{:?}", parse("releases a b"));
        assert_eq!(parse("rm -rf").unwrap_err(), "unknown command \"rm -rf\": `help` lists the commands");
        assert_eq!(parse("help me").unwrap_err(), "unknown command \"me\": `help` lists the commands");
    }

    #[test]
    fn the_help_flag_of_a_command_is_the_help_command() {
        let of_releases = AppCommand::Help(Help { command: Some("releases".into()) });
        for line in ["help releases", "releases --help", "releases myapp -h"] {
            assert_eq!(parse(line).unwrap(), of_releases, "{line}");
        }
        for line in ["help", "--help", "-h"] {
            assert_eq!(parse(line).unwrap(), AppCommand::Help(Help { command: None }), "{line}");
        }
    }
}
