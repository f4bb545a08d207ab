//! `builds:list`, `builds:output`: what deploys printed.

use super::super::format;
use super::super::invocation::Exit;
use super::super::table::{age, or_dash, table};
use super::super::verb::Format;
use super::super::writer::Output;
use super::{Caller, FrontDoor, Refusal};
use crate::domain::AppName;
use crate::logs::{Deploy, Log, State};

pub(super) async fn list(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    format: Format,
    output: &Output,
) -> Result<Exit, Refusal> {
    let app = front.readable(caller, app).await?;
    let deploys = front.logs(app).list().await?;
    match format {
        Format::Text if deploys.is_empty() => output.line("No output is kept.").await,
        Format::Text => {
            let titles = ["N", "WHAT", "COMMIT", "USER", "AGE", "TOOK", "STATE", "REVISION"];
            output.stdout(table(titles, deploys.into_iter().map(row))).await;
        }
        Format::Json => output.json(&deploys).await?,
    }
    Ok(Exit::OK)
}

fn row(deploy: Deploy) -> [String; 8] {
    let Deploy { number, head, state, outcome } = deploy;
    let took = outcome.as_ref().map(|outcome| outcome.ended.duration_since(head.began).as_secs_f64());
    [
        number.to_string(),
        head.what,
        or_dash(head.commit.map(|commit| commit.short().to_owned())),
        head.user.to_string(),
        age(Some(head.began)),
        or_dash(took.map(|seconds| format!("{seconds:.1} s"))),
        state.as_str().to_owned(),
        or_dash(outcome.and_then(|outcome| outcome.revision).map(|revision| revision.to_string())),
    ]
}

pub(super) async fn show(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    number: Option<u64>,
    output: &Output,
) -> Result<Exit, Refusal> {
    let app = front.readable(caller, app).await?;
    let Log { deploy, events, cut } = front.logs(app).read(number).await?;
    let mut lines: Vec<String> = events.iter().map(format::event).collect();
    if cut {
        lines.extend(format::failure("the rest was too much to keep"));
    }
    match deploy.state {
        State::Deployed => {}
        State::Failed => {
            lines.extend(format::failure(&deploy.outcome.and_then(|outcome| outcome.error).unwrap_or_default()));
        }
        State::Running => lines.extend(format::failure("it is still running")),
        State::Interrupted => lines.extend(format::failure("it was interrupted: its gateway ended")),
    }
    output.stdout(lines.join("\n") + "\n").await;
    Ok(Exit::OK)
}
