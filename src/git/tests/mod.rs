//! The room as a whole: real `git push`, `git clone` and `git archive` against its services.

mod archives;
mod pushes;
mod refs;

use std::process::ExitCode;

use tokio::io::AsyncReadExt;

use super::testing::Server;
use super::*;
use crate::domain::{CommitSha, ObjectStore};

/// `slipway hook`, for the hooks of this room's tests; it does nothing where no hook started it.
#[tokio::test]
#[ignore = "started by the hook of other tests"]
async fn act_as_the_hook() {
    if std::env::var_os(service::SOCKET).is_some() {
        let accepted = relay().await == ExitCode::SUCCESS;
        std::process::exit(i32::from(!accepted));
    }
}

async fn accept(call: HookCall) {
    call.finish(0).await.unwrap();
}

/// Text that no compression makes much smaller.
fn noise(words: u32) -> String {
    (0..words).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect()
}

async fn untar(store: &ObjectStore, commit: &CommitSha) -> Result<Vec<String>, String> {
    let mut bytes = Vec::new();
    let mut reader = archive(store, commit, TreeLimits::default()).await.map_err(|error| error.to_string())?;
    reader.read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    let mut archive = tar::Archive::new(bytes.as_slice());
    let names = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        format!("{} {:o}", entry.path().unwrap().display(), entry.header().mode().unwrap())
    });
    Ok(names.filter(|name| !name.starts_with("pax_global_header")).collect())
}

/// Unpacks all that was pushed, so that one object can be taken away from the others.
async fn unpack(server: &Server) {
    let script = "mkdir packs && mv objects/pack/* packs && for pack in packs/*.pack; do git unpack-objects -q < $pack; done \
                  && rm -r packs";
    let mut shell = tokio::process::Command::new("/bin/sh");
    let unpacked = shell.args(["-ec", script]).current_dir(&server.repository).status().await;
    assert!(unpacked.unwrap().success());
}

/// The repository's loose object of this id.
fn loose(server: &Server, id: &str) -> std::path::PathBuf {
    server.repository.join("objects").join(&id[..2]).join(&id[2..])
}
