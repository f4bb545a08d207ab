//! `releases [APP]`

use clap::Args;

use super::arguments::FormatFlag;
use super::command::{Command, CommandContext, CommandResult};
use crate::domain::AppName;
use crate::domain::progress::strip_control;
use crate::service::{AppRelease, Release, ReleasesRequest};
use crate::ssh::output::table::{format_age, format_seconds, format_table, or_dash};

/// The length of an abbreviated commit id in tables, the same as git's.
const SHORT_COMMIT_LEN: usize = 7;
const NONE: &str = "Nothing has been deployed yet.\n";

/// Lists the revisions of an app, or the newest revision of each app.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Releases {
    /// The name of the app; all apps that you may read by default.
    pub app: Option<AppName>,
    /// How many revisions to list, counted from the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub limit: u16,
    #[command(flatten)]
    pub format: FormatFlag,
}

impl Command for Releases {
    const NAME: &'static str = "releases";

    fn app(&self) -> Option<&AppName> {
        self.app.as_ref()
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let Self { app, limit, format } = self;
        let (service, caller) = (context.service, context.caller);
        match app {
            Some(app) => {
                let request = ReleasesRequest { app, limit: limit.into() };
                let releases = service.list_releases(caller, &request).await?;
                context.print(format.format, releases, format_releases).await
            }
            None => context.print(format.format, service.newest_releases(caller).await?, format_newest).await,
        }
    }
}

fn format_releases(releases: Vec<Release>) -> String {
    if releases.is_empty() {
        return NONE.to_owned();
    }
    let titles = ["REVISION", "STATUS", "COMMIT", "PUSHER", "AGE", "TOOK", "DESCRIPTION"];
    format_table(titles, releases.into_iter().map(row))
}

fn format_newest(newest: Vec<AppRelease>) -> String {
    if newest.is_empty() {
        return NONE.to_owned();
    }
    let titles = ["APP", "REVISION", "STATUS", "COMMIT", "PUSHER", "AGE", "TOOK", "DESCRIPTION"];
    let rows = newest.into_iter().map(|AppRelease { app, release }| {
        let [revision, status, commit, pusher, age, took, description] = row(release);
        [app.to_string(), revision, status, commit, pusher, age, took, description]
    });
    format_table(titles, rows)
}

fn row(release: Release) -> [String; 7] {
    let Release { revision, status, commit, pusher, deployed, seconds, description, .. } = release;
    [
        revision.to_string(),
        status.as_str().to_owned(),
        or_dash(commit.map(|commit| commit.chars().take(SHORT_COMMIT_LEN).collect())),
        or_dash(pusher),
        format_age(deployed),
        format_seconds(seconds),
        strip_control(&description),
    ]
}
