//! `apps`

use clap::Args;

use super::arguments::FormatFlag;
use super::command::{Command, CommandContext, CommandResult};
use crate::domain::AppName;
use crate::service::AppSummary;
use crate::ssh::output::table::{format_age, format_table};

/// Lists the apps that you may read.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Apps {
    #[command(flatten)]
    pub format: FormatFlag,
}

impl Command for Apps {
    const NAME: &'static str = "apps";

    fn app(&self) -> Option<&AppName> {
        None
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let apps = context.service.list_apps(context.caller).await?;
        context.print(self.format.format, apps, format_apps).await
    }
}

fn format_apps(apps: Vec<AppSummary>) -> String {
    if apps.is_empty() {
        return "You have no apps yet: create one with `git push`.\n".to_owned();
    }
    let rows = apps.iter().map(|app| [app.app.to_string(), app.owner.to_string(), format_age(app.created)]);
    format_table(["APP", "OWNER", "AGE"], rows)
}
