//! `help`, and the answer to a request for a shell.

use super::super::exit_status::ExitStatus;
use super::super::output::CommandOutput;
use crate::auth::Identity;

const COMMANDS: &str = "\
git push ssh://HOST/APP BRANCH   deploy an app; the first push creates it
git clone ssh://HOST/APP         clone an app's repository
git archive --remote=…           export a tree of the repository
apps                             list the apps that you may read
apps:adopt APP [--owner USER]    turn a namespace with a Helm release into an app (admins only)
apps:destroy APP [--force]       delete an app, its namespace and its repository
releases [APP]                   list an app's revisions, or the newest revision of each app
releases:show APP [vN]           show a revision with its manifest
builds:list APP                  list an app's deploys with stored output
builds:output APP [N]            print the output of a deploy, by default of the newest
diff APP [vA] [vB]               compare two revisions
rollback APP [vN]                deploy an earlier revision again
doctor [APP]                     find problems, such as images that are missing from the registry
redeploy APP                     deploy the deploy branch's current commit again
upload-key NAME < KEY.pub        add public keys for yourself, or as an admin for any user
upload-key NAME --admin          make a user an admin
help                             list the commands
apps, builds:list, doctor, releases and releases:show take --format json; rollback and redeploy take --wait and --no-rollback.
";

pub(super) async fn list(output: &CommandOutput) -> ExitStatus {
    output.stdout(COMMANDS).await;
    ExitStatus::OK
}

/// Prints the identity of the client, who can check an SSH key this way.
pub(super) async fn greet(identity: &Identity, output: &CommandOutput) -> ExitStatus {
    let role = if identity.admin { ", an admin" } else { "" };
    output
        .line(&format!(
            "You are {}{role}. slipway provides no shell: the command `help` lists its commands.",
            identity.user
        ))
        .await;
    ExitStatus::OK
}
