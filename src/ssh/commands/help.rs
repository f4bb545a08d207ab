//! `help`, and what somebody gets who asks for a shell.

use super::super::invocation::Exit;
use super::super::writer::Output;
use crate::keys::Identity;

const COMMANDS: &str = "\
git push ssh://HOST/APP BRANCH   deploy an app; the first push creates it
git clone ssh://HOST/APP         read an app's repository
git archive --remote=…           read a tree of it
apps                             list the apps you may see
apps:adopt APP [--owner USER]    make an app of a namespace with helm's release; admins
apps:destroy APP [--force]       remove an app, its namespace and its repository
releases [APP]                   list an app's revisions, or the newest of each app
releases:show APP [vN]           show a revision with its manifest
builds:list APP                  list an app's deploys whose output is kept
builds:output APP [N]            what a deploy printed; by default the newest
diff APP [vA] [vB]               what differs between two revisions
rollback APP [vN]                deploy an earlier revision again
doctor [APP]                     look for what is wrong, such as images that the registry lost
redeploy APP                     deploy the branch's commit again
upload-key NAME < KEY.pub        add public keys for a user; admins for anyone
upload-key NAME --admin          make a user an admin
help                             this list
apps, builds:list, doctor, releases and releases:show take --format json; rollback and redeploy take --wait and --no-rollback.
";

/// Lists the commands.
pub(super) async fn list(output: &Output) -> Exit {
    output.stdout(COMMANDS).await;
    Exit::OK
}

/// Tells who one is here: a check that the key works.
pub(super) async fn greet(identity: &Identity, output: &Output) -> Exit {
    let role = if identity.admin { ", an admin" } else { "" };
    output
        .line(&format!(
            "You are {}{role}. slipway gives no shell; the command `help` lists what there is.",
            identity.user
        ))
        .await;
    Exit::OK
}
