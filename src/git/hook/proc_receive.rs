//! `slipway hook proc-receive`, which git starts after the pre-receive hook has accepted a push: moves the branches that
//! another push has moved since this push's client read them. git itself would refuse those, although the commits
//! are already live.
//!
//! The protocol is described in githooks(5), in pkt-lines as in gitprotocol-common(5).

use std::io::{self, BufReader, Read, Write};
use std::process::{Command, ExitCode, Stdio};

use super::client::parse_update;
use crate::domain::CommitSha;
use crate::git::ref_policy::{MAX_UPDATES, RefUpdate};

/// In bytes, with the four digits of the length.
const MAX_PACKET_LEN: usize = 65520;

/// Runs `slipway hook proc-receive` in the repository that git passes in the environment. A failure leaves the branches,
/// and git reports the push as refused.
pub async fn run_proc_receive_hook() -> ExitCode {
    let work = || match serve(io::stdin().lock(), io::stdout().lock(), move_branch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "slipway: cannot move a branch: {error}");
            ExitCode::FAILURE
        }
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(ExitCode::FAILURE)
}

/// The fate of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The branch was at this commit, and now is at the pushed one.
    Moved(CommitSha),
    /// git performs the update, or refuses it.
    LeftToGit,
}

fn serve(
    stdin: impl Read,
    mut stdout: impl Write,
    mut update_ref: impl FnMut(&RefUpdate) -> io::Result<Outcome>,
) -> io::Result<()> {
    let mut stdin = BufReader::new(stdin);
    let greeting = read_packets(&mut stdin)?;
    if !greeting.first().is_some_and(|packet| packet.starts_with(b"version=1")) {
        return Err(invalid("git speaks another version of the hook's protocol"));
    }
    write_packet(&mut stdout, "version=1")?;
    write_flush(&mut stdout)?;
    for packet in read_packets(&mut stdin)? {
        let mut line = packet;
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        let update = parse_update(&line).map_err(|error| invalid(&error.to_string()))?;
        write_packet(&mut stdout, &format!("ok {}", update.reference))?;
        match update_ref(&update)? {
            Outcome::Moved(from) => write_packet(&mut stdout, &format!("option old-oid {from}"))?,
            Outcome::LeftToGit => write_packet(&mut stdout, "option fall-through")?,
        }
    }
    write_flush(&mut stdout)
}

/// Moves a branch from where it is now to the pushed commit, if that is a fast-forward and git would refuse the update
/// because the client saw the branch elsewhere.
fn move_branch(update: &RefUpdate) -> io::Result<Outcome> {
    let RefUpdate { old, new, reference } = update;
    let Some(current) = read_ref(reference)?.filter(|current| current != old && !update.is_deletion()) else {
        return Ok(Outcome::LeftToGit);
    };
    let is_moved = git(&["merge-base", "--is-ancestor", current.as_str(), new.as_str()])?.success()
        && git(&["update-ref", "-m", "push", reference, new.as_str(), current.as_str()])?.success();
    Ok(if is_moved { Outcome::Moved(current) } else { Outcome::LeftToGit })
}

fn read_ref(reference: &str) -> io::Result<Option<CommitSha>> {
    let output =
        Command::new("git").args(["rev-parse", "--verify", "--quiet", reference]).stdin(Stdio::null()).output()?;
    Ok(std::str::from_utf8(&output.stdout).ok().and_then(|id| id.trim().parse().ok()))
}

/// Runs git with the environment of the hook. Its output must not get into the hook's own.
fn git(arguments: &[&str]) -> io::Result<std::process::ExitStatus> {
    Command::new("git").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status()
}

/// The packets up to the next flush packet.
fn read_packets(reader: &mut impl Read) -> io::Result<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    loop {
        let mut length = [0; 4];
        reader.read_exact(&mut length)?;
        let length = std::str::from_utf8(&length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let payload = match length {
            Some(0) => return Ok(packets),
            Some(length @ 4..=MAX_PACKET_LEN) if packets.len() <= MAX_UPDATES => length.saturating_sub(4),
            _ => return Err(invalid("git sent an invalid packet")),
        };
        let mut packet = vec![0; payload];
        reader.read_exact(&mut packet)?;
        packets.push(packet);
    }
}

fn write_packet(writer: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(writer, "{:04x}{text}", text.len().saturating_add(5))
}

fn write_flush(writer: &mut impl Write) -> io::Result<()> {
    writer.write_all(b"0000")?;
    writer.flush()
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    fn answer(input: &str, outcome: &Outcome) -> io::Result<String> {
        let mut stdout = Vec::new();
        serve(input.as_bytes(), &mut stdout, |_| Ok(outcome.clone()))?;
        Ok(String::from_utf8(stdout).unwrap())
    }

    #[test]
    fn each_update_is_answered_with_its_outcome() {
        let (old, new) = ("1".repeat(40), "2".repeat(40));
        let input = format!(
            "{}0000{}0000",
            packet("version=1\0push-options atomic"),
            packet(&format!("{old} {new} refs/heads/main"))
        );
        let moved = Outcome::Moved("3".repeat(40).parse().unwrap());
        let start = "000eversion=1\n0000";
        assert_eq!(
            answer(&input, &moved).unwrap(),
            format!("{start}0017ok refs/heads/main\n003coption old-oid {}\n0000", "3".repeat(40))
        );
        assert_eq!(
            answer(&input, &Outcome::LeftToGit).unwrap(),
            format!("{start}0017ok refs/heads/main\n0018option fall-through\n0000")
        );
    }

    #[test]
    fn another_protocol_is_refused() {
        for input in [packet("version=2") + "0000", "0003".to_owned(), "zzzz".to_owned(), String::new()] {
            assert!(answer(&input, &Outcome::LeftToGit).is_err(), "{input:?}");
        }
    }
}
