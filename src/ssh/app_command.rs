//! slipway's own commands. clap parses the words of the exec line.

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

use super::parse_error::ParseCommandError;
use crate::domain::{AppName, Revision, UserName};

/// A command beside git's own.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
pub enum AppCommand {
    /// Lists the apps that you may read.
    Apps {
        /// The output format.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Turns a namespace that slipway did not create, with its Helm release, into an app.
    #[command(name = "apps:adopt")]
    AppsAdopt {
        /// The name of the app and of the namespace.
        app: AppName,
        /// The owner of the app; you by default.
        #[arg(long, value_name = "USER")]
        owner: Option<UserName>,
    },
    /// Deletes an app: its release, its namespace and its repository.
    #[command(name = "apps:destroy")]
    AppsDestroy {
        /// The name of the app.
        app: AppName,
        /// Skips the confirmation.
        #[arg(long)]
        force: bool,
    },
    /// Lists the deploys of an app whose output is stored.
    #[command(name = "builds:list")]
    BuildsList {
        /// The name of the app.
        app: AppName,
        /// The output format.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Prints the stored output of a deploy.
    #[command(name = "builds:output")]
    BuildsOutput {
        /// The name of the app.
        app: AppName,
        /// The number in `builds:list`; the newest by default.
        #[arg(value_name = "N")]
        number: Option<u64>,
    },
    /// Prints the differences between the manifests of two revisions.
    Diff {
        /// The name of the app.
        app: AppName,
        /// The older revision; the one before `vB` by default.
        #[arg(value_name = "vA")]
        from: Option<Revision>,
        /// The newer revision; the deployed one by default.
        #[arg(value_name = "vB")]
        to: Option<Revision>,
    },
    /// Diagnoses an app, or each app that you may read.
    Doctor {
        /// The name of the app.
        app: Option<AppName>,
        /// The output format.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Lists the commands.
    Help,
    /// Deploys the current commit of the deploy branch again.
    Redeploy {
        /// The name of the app.
        app: AppName,
        #[command(flatten)]
        deploy: DeployFlags,
    },
    /// Lists the revisions of an app, or the newest revision of each app that you may read.
    Releases {
        /// The name of the app.
        app: Option<AppName>,
        /// How many revisions to list, counted from the newest.
        #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
        limit: u16,
        /// The output format.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Shows a revision with its manifest.
    #[command(name = "releases:show")]
    ReleasesShow {
        /// The name of the app.
        app: AppName,
        /// The revision; the deployed one by default.
        #[arg(value_name = "vN")]
        revision: Option<Revision>,
        /// The output format.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Deploys an earlier revision again, as a new revision.
    Rollback {
        /// The name of the app.
        app: AppName,
        /// The revision; the one deployed before the current one by default.
        #[arg(value_name = "vN")]
        to: Option<Revision>,
        #[command(flatten)]
        deploy: DeployFlags,
    },
    /// Adds the public keys on standard input for a user.
    #[command(name = "upload-key", override_usage = "upload-key NAME [--admin] < KEY.pub")]
    UploadKey {
        /// The name of the user.
        #[arg(value_name = "NAME")]
        user: UserName,
        /// Makes the user an admin.
        #[arg(long)]
        admin: bool,
    },
}

/// The options of `redeploy` and `rollback`. A push has the same ones as push options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct DeployFlags {
    /// Wait for a running deploy of the app instead of failing.
    #[arg(long)]
    pub wait: bool,
    /// Leave a failed release in place instead of rolling back to the previous one.
    #[arg(long)]
    pub no_rollback: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    #[default]
    Text,
    Json,
}

impl AppCommand {
    pub(super) fn from_words(words: &[&str]) -> Result<Self, ParseCommandError> {
        Self::try_parse_from(words).map_err(|error| match error.kind() {
            ErrorKind::InvalidSubcommand
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => ParseCommandError::unknown(words),
            _ => ParseCommandError::Usage(strip_clap_format(&error.to_string())),
        })
    }

    /// The command's name on the command line and in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Apps { .. } => "apps",
            Self::AppsAdopt { .. } => "apps:adopt",
            Self::AppsDestroy { .. } => "apps:destroy",
            Self::BuildsList { .. } => "builds:list",
            Self::BuildsOutput { .. } => "builds:output",
            Self::Diff { .. } => "diff",
            Self::Doctor { .. } => "doctor",
            Self::Help => "help",
            Self::Redeploy { .. } => "redeploy",
            Self::Releases { .. } => "releases",
            Self::ReleasesShow { .. } => "releases:show",
            Self::Rollback { .. } => "rollback",
            Self::UploadKey { .. } => "upload-key",
        }
    }

    /// The app that the command names, if it names one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Self::AppsAdopt { app, .. }
            | Self::AppsDestroy { app, .. }
            | Self::BuildsList { app, .. }
            | Self::BuildsOutput { app, .. }
            | Self::Diff { app, .. }
            | Self::Redeploy { app, .. }
            | Self::ReleasesShow { app, .. }
            | Self::Rollback { app, .. } => Some(app),
            Self::Doctor { app, .. } | Self::Releases { app, .. } => app.as_ref(),
            Self::Apps { .. } | Self::Help | Self::UploadKey { .. } => None,
        }
    }
}

/// clap's message without its `error: ` prefix and its empty lines: slipway has its own mark for errors.
fn strip_clap_format(message: &str) -> String {
    let lines = message.lines().map(|line| line.strip_prefix("error: ").unwrap_or(line).trim_end());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<AppCommand, String> {
        AppCommand::from_words(&line.split(' ').collect::<Vec<_>>()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_clap_definition_is_valid() {
        <AppCommand as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn omitted_arguments_have_defaults() {
        let app: AppName = "myapp".parse().unwrap();
        assert_eq!(
            parse("releases").unwrap(),
            AppCommand::Releases { app: None, limit: 10, format: OutputFormat::Text }
        );
        assert_eq!(
            parse("releases myapp --format json --limit 3").unwrap(),
            AppCommand::Releases { app: Some(app.clone()), limit: 3, format: OutputFormat::Json }
        );
        assert_eq!(
            parse("diff myapp v2 5").unwrap(),
            AppCommand::Diff { app: app.clone(), from: Some(Revision(2)), to: Some(Revision(5)) }
        );
        let deploy = DeployFlags { wait: true, no_rollback: false };
        assert_eq!(parse("rollback myapp --wait").unwrap(), AppCommand::Rollback { app, to: None, deploy });
    }

    #[test]
    fn parse_errors_name_the_argument_and_the_usage() {
        assert_eq!(
            parse("rollback myapp yesterday").unwrap_err(),
            "invalid value 'yesterday' for '[vN]': \"yesterday\" is not a revision: write a number such as v3 or 3"
        );
        assert!(parse("releases Kube").unwrap_err().contains("invalid app name"));
        assert!(parse("releases a b").unwrap_err().contains("\nUsage: releases"), "{:?}", parse("releases a b"));
        assert_eq!(parse("rm -rf").unwrap_err(), "unknown command \"rm -rf\": `help` lists the commands");
    }
}
