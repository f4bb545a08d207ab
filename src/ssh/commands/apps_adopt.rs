//! `apps:adopt APP`

use clap::Args;

use super::command::{Command, CommandContext, CommandResult};
use crate::domain::{AppName, UserName};
use crate::service::{AdoptRequest, AdoptedApp};
use crate::ssh::exit_status::ExitStatus;

/// Turns a namespace with a Helm release into an app (admins only).
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct AppsAdopt {
    /// The name of the app and of the namespace.
    pub app: AppName,
    /// The owner of the app; you by default.
    #[arg(long, value_name = "USER")]
    pub owner: Option<UserName>,
}

impl Command for AppsAdopt {
    const NAME: &'static str = "apps:adopt";

    fn app(&self) -> Option<&AppName> {
        Some(&self.app)
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let Self { app, owner } = self;
        let adopted = context.service.adopt(context.caller, AdoptRequest { app, owner }).await?;
        context.io.output.stdout(format_adopted(&adopted)).await;
        Ok(ExitStatus::OK)
    }
}

fn format_adopted(adopted: &AdoptedApp) -> String {
    let AdoptedApp { app, owner, release, unmanaged, owner_has_key } = adopted;
    let release = match release {
        Some(release) => {
            let chart = release.chart.as_deref().unwrap_or("unnamed chart");
            format!(
                "       Its Helm release is at {} ({chart}).\n       \
                 The next push upgrades the release and deletes objects that the app's chart does not contain.\n       \
                 To preview the changes: git push -o dry-run\n",
                release.revision
            )
        }
        None => format!("       The namespace has no release named {app}; the first push creates one.\n"),
    };
    let mut lines = String::new();
    if !unmanaged.is_empty() {
        lines.push_str(
            "       slipway leaves these objects of the release alone, and they remain when the app is deleted:\n",
        );
        unmanaged.iter().for_each(|object| lines.push_str(&format!("         {object}\n")));
    }
    if !owner_has_key {
        lines.push_str(&format!(
            " !     {owner} has no key and cannot push yet. To add one: upload-key {owner} < KEY.pub\n"
        ));
    }
    format!("=====> {app} is now an app and belongs to {owner}\n{release}{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_without_a_release_is_told_where_its_first_one_comes_from() {
        let (app, owner) = ("web".parse().unwrap(), "alice".parse().unwrap());
        assert_eq!(
            format_adopted(&AdoptedApp { app, owner, release: None, unmanaged: Vec::new(), owner_has_key: true }),
            "=====> web is now an app and belongs to alice\n       \
             The namespace has no release named web; the first push creates one.\n"
        );
    }

    #[test]
    fn an_owner_without_a_key_is_named() {
        let (app, owner) = ("web".parse().unwrap(), "allice".parse().unwrap());
        let adopted = AdoptedApp { app, owner, release: None, unmanaged: Vec::new(), owner_has_key: false };
        let last = format_adopted(&adopted).lines().last().unwrap_or_default().to_owned();
        assert_eq!(last, " !     allice has no key and cannot push yet. To add one: upload-key allice < KEY.pub");
    }
}
