//! `releases:show APP [vN]`

use clap::Args;

use super::arguments::{FormatFlag, OutputFormat};
use super::command::{Command, CommandContext, CommandResult};
use crate::domain::progress::strip_control;
use crate::domain::{AppName, Revision};
use crate::service::{ReleaseDetails, ServiceError};
use crate::ssh::exit_status::ExitStatus;
use crate::ssh::output::table::{format_seconds, or_dash};

/// Shows a revision with its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ReleasesShow {
    /// The name of the app.
    pub app: AppName,
    /// The revision; the deployed one by default.
    #[arg(value_name = "vN")]
    pub revision: Option<Revision>,
    #[command(flatten)]
    pub format: FormatFlag,
}

impl Command for ReleasesShow {
    const NAME: &'static str = "releases:show";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let details = context.service.show_release(context.caller, &self.app, self.revision).await?;
        match self.format.format {
            OutputFormat::Text => context.io.output.stdout(format_details(details)?).await,
            OutputFormat::Json => context.io.output.json(&details).await?,
        }
        Ok(ExitStatus::OK)
    }
}

/// The description of a revision, followed by its manifest.
fn format_details(details: ReleaseDetails) -> Result<String, ServiceError> {
    let manifest = details.manifest()?;
    let info = details.info;
    let facts = [
        ("revision", info.revision.to_string()),
        ("status", info.status.as_str().to_owned()),
        ("description", strip_control(&info.description)),
        ("commit", or_dash(info.commit)),
        ("pusher", or_dash(info.pusher)),
        ("deployed", or_dash(info.deployed.map(|deployed| deployed.to_string()))),
        ("took", format_seconds(info.seconds)),
        ("image", or_dash(info.image)),
        ("chart", or_dash(info.chart)),
        ("app version", or_dash(info.app_version)),
    ];
    let facts: String = facts.into_iter().map(|(name, fact)| format!("{name:<13}{fact}\n")).collect();
    Ok(facts + &manifest)
}
