//! The commands beside git's own: what each takes, read by clap from the words of the exec line.

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

use super::command::CommandError;
use crate::domain::{AppName, Revision, UserName};

/// A command that a client named.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
pub enum Verb {
    /// Lists the apps that one may see.
    Apps {
        /// How it is printed.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Makes an app of a namespace that slipway did not make, with helm's release in it.
    #[command(name = "apps:adopt")]
    AppsAdopt {
        /// The app, and the namespace.
        app: AppName,
        /// Whose app it will be; by default one's own.
        #[arg(long, value_name = "USER")]
        owner: Option<UserName>,
    },
    /// Removes an app: its release, its namespace, its repository.
    #[command(name = "apps:destroy")]
    AppsDestroy {
        /// The app.
        app: AppName,
        /// Do not ask for its name.
        #[arg(long)]
        force: bool,
    },
    /// Lists the deploys of an app whose output is kept.
    #[command(name = "builds:list")]
    BuildsList {
        /// The app.
        app: AppName,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Prints what a deploy printed.
    #[command(name = "builds:output")]
    BuildsOutput {
        /// The app.
        app: AppName,
        /// Its number in `builds:list`; by default the newest.
        #[arg(value_name = "N")]
        number: Option<u64>,
    },
    /// Prints what differs between the manifests of two revisions.
    Diff {
        /// The app.
        app: AppName,
        /// The older one; by default the one before `to`.
        #[arg(value_name = "vA")]
        from: Option<Revision>,
        /// The newer one; by default the one that serves.
        #[arg(value_name = "vB")]
        to: Option<Revision>,
    },
    /// Looks for what is wrong with an app, or with each app that one may see.
    Doctor {
        /// The app.
        app: Option<AppName>,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Lists the commands.
    Help,
    /// Deploys the deploy branch's commit again.
    Redeploy {
        /// The app.
        app: AppName,
        /// How it is done.
        #[command(flatten)]
        deploy: DeployFlags,
    },
    /// Lists the revisions of an app, or the newest of each app that one may see.
    Releases {
        /// The app.
        app: Option<AppName>,
        /// How many revisions, counted from the newest.
        #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
        limit: u16,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Shows one revision with its manifest.
    #[command(name = "releases:show")]
    ReleasesShow {
        /// The app.
        app: AppName,
        /// The revision; by default the one that serves.
        #[arg(value_name = "vN")]
        revision: Option<Revision>,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Deploys an earlier revision again, as a new one.
    Rollback {
        /// The app.
        app: AppName,
        /// The revision; by default what served before the newest one.
        #[arg(value_name = "vN")]
        to: Option<Revision>,
        /// How it is done.
        #[command(flatten)]
        deploy: DeployFlags,
    },
    /// Registers the public keys that arrive on standard input.
    #[command(name = "upload-key", override_usage = "upload-key NAME [--admin] < KEY.pub")]
    UploadKey {
        /// Whose keys they are.
        #[arg(value_name = "NAME")]
        user: UserName,
        /// Whether that user becomes an admin.
        #[arg(long)]
        admin: bool,
    },
}

/// What may be said of a deploy that is not a push; a push says it with `-o`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct DeployFlags {
    /// Wait for a running deploy of the app instead of failing at once.
    #[arg(long)]
    pub wait: bool,
    /// If it fails, keep what it left instead of bringing back what ran before.
    #[arg(long)]
    pub no_rollback: bool,
}

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Verb {
    /// Reads the words of an exec line.
    ///
    /// # Errors
    /// [`CommandError::Unknown`], or [`CommandError::Usage`] with what is wrong and how it is meant.
    pub fn read(words: &[&str]) -> Result<Self, CommandError> {
        Self::try_parse_from(words).map_err(|error| match error.kind() {
            ErrorKind::InvalidSubcommand
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => CommandError::unknown(words),
            _ => CommandError::Usage(sentence(&error.to_string())),
        })
    }

    /// The word that names it, as logs do.
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

    /// The app it is about, if it is about one.
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

/// clap's message without its mark and its empty lines: slipway marks failures itself.
fn sentence(message: &str) -> String {
    let lines = message.lines().map(|line| line.strip_prefix("error: ").unwrap_or(line).trim_end());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Verb, String> {
        Verb::read(&line.split(' ').collect::<Vec<_>>()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        <Verb as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let app: AppName = "myapp".parse().unwrap();
        assert_eq!(read("releases").unwrap(), Verb::Releases { app: None, limit: 10, format: Format::Text });
        assert_eq!(
            read("releases myapp --format json --limit 3").unwrap(),
            Verb::Releases { app: Some(app.clone()), limit: 3, format: Format::Json }
        );
        assert_eq!(
            read("diff myapp v2 5").unwrap(),
            Verb::Diff { app: app.clone(), from: Some(Revision(2)), to: Some(Revision(5)) }
        );
        let deploy = DeployFlags { wait: true, no_rollback: false };
        assert_eq!(read("rollback myapp --wait").unwrap(), Verb::Rollback { app, to: None, deploy });
    }

    #[test]
    fn what_is_wrong_is_said_in_one_piece() {
        assert_eq!(
            read("rollback myapp yesterday").unwrap_err(),
            "invalid value 'yesterday' for '[vN]': \"yesterday\" is not a revision: write v3, or 3"
        );
        assert!(read("releases Kube").unwrap_err().contains("invalid app name"));
        assert!(read("releases a b").unwrap_err().contains("\nUsage: releases"), "{:?}", read("releases a b"));
        assert_eq!(read("rm -rf").unwrap_err(), "unknown command \"rm -rf\"; `help` lists what there is");
    }
}
