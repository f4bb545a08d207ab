//! Real `git push`, `git clone` and `git archive` clients against the git services.

mod archives;
mod pushes;
mod refs;

use std::process::ExitCode;

use tokio::io::AsyncReadExt;

use super::testing::TestServer;
use super::*;
use crate::domain::{CommitSha, GitObjects};

/// Runs `slipway hook` if the hook script of another test has started this binary; otherwise does nothing.
#[tokio::test]
#[ignore = "started by the hook of other tests"]
async fn run_the_hook() {
    if std::env::var_os(service_command::HOOK_SOCKET_VARIABLE).is_some() {
        let accepted = run_hook().await == ExitCode::SUCCESS;
        std::process::exit(i32::from(!accepted));
    }
}

async fn accept(hook: PendingHook) {
    hook.send_verdict(Verdict::Accept).await.unwrap();
}

/// Text that compresses badly.
fn incompressible_text(words: u32) -> String {
    (0..words).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect()
}

/// The paths and modes of the entries of an archive.
async fn untar(objects: &GitObjects, commit: &CommitSha) -> Result<Vec<String>, String> {
    let mut bytes = Vec::new();
    let survey = survey_tree(objects, commit, TreeLimits::default()).await.map_err(|error| error.to_string())?;
    let mut reader = archive(objects, commit, "", &survey).map_err(|error| error.to_string())?;
    reader.read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    let mut archive = tar::Archive::new(bytes.as_slice());
    let names = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        format!("{} {:o}", entry.path().unwrap().display(), entry.header().mode().unwrap())
    });
    Ok(names.filter(|name| !name.starts_with("pax_global_header")).collect())
}

/// Unpacks the received packs, so that a test can remove a single object.
async fn unpack_objects(server: &TestServer) {
    let script = "mkdir packs && mv objects/pack/* packs && for pack in packs/*.pack; do git unpack-objects -q < $pack; done \
                  && rm -r packs";
    let mut shell = tokio::process::Command::new("/bin/sh");
    let unpacked = shell.args(["-ec", script]).current_dir(&server.repository).status().await;
    assert!(unpacked.unwrap().success());
}

fn loose_object_path(server: &TestServer, id: &str) -> std::path::PathBuf {
    server.repository.join("objects").join(&id[..2]).join(&id[2..])
}
