//! `builds:list APP`

use clap::Args;

use super::arguments::FormatFlag;
use super::command::{Command, CommandContext, CommandResult};
use crate::domain::AppName;
use crate::service::Build;
use crate::ssh::output::table::{format_age, format_seconds, format_table, or_dash};

/// Lists the deploys of an app whose output is stored.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct BuildsList {
    /// The name of the app.
    pub app: AppName,
    #[command(flatten)]
    pub format: FormatFlag,
}

impl Command for BuildsList {
    const NAME: &'static str = "builds:list";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let builds = context.service.list_builds(context.caller, &self.app).await?;
        context.print(self.format.format, builds, format_builds).await
    }
}

fn format_builds(builds: Vec<Build>) -> String {
    if builds.is_empty() {
        return "No output is stored.\n".to_owned();
    }
    let titles = ["N", "WHAT", "COMMIT", "USER", "AGE", "TOOK", "STATE", "REVISION"];
    format_table(titles, builds.into_iter().map(row))
}

fn row(build: Build) -> [String; 8] {
    let Build { number, header, state, result } = build;
    let took = result.as_ref().map(|result| result.ended.duration_since(header.began).as_secs_f64());
    [
        number.to_string(),
        header.kind,
        or_dash(header.commit.map(|commit| commit.short().to_owned())),
        header.user.to_string(),
        format_age(Some(header.began)),
        format_seconds(took),
        state.as_str().to_owned(),
        or_dash(result.and_then(|result| result.revision).map(|revision| revision.to_string())),
    ]
}
