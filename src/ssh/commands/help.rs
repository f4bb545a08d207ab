//! `help`, and what somebody gets who asks for a shell.

use super::super::invocation::Exit;
use super::super::writer::Output;
use crate::keys::Identity;

const COMMANDS: &str = "\
git push ssh://HOST/APP BRANCH   deploy an app; the first push creates it
git clone ssh://HOST/APP         read an app's repository
git archive --remote=…           read a tree of it
upload-key NAME < KEY.pub        add public keys for a user; admins for anyone
upload-key NAME --admin          make a user an admin
help                             this list
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
