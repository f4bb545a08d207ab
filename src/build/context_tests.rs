//! Contexts of real tar archives.

use std::time::Duration;

use futures_util::StreamExt;

use super::*;

struct Entry<'a>(tar::EntryType, &'a str, &'a str);

/// A tar archive with any paths, even those that the tar crate refuses to write.
fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for Entry(kind, path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_mtime(7);
        let body = if kind.is_file() || kind.is_pax_global_extensions() { content.as_bytes() } else { &[] };
        if body.is_empty() && !content.is_empty() {
            header.as_gnu_mut().unwrap().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(body.len() as u64);
        header.set_cksum();
        out.append(&header, body).unwrap();
    }
    out.into_inner().unwrap()
}

async fn filtered(tar: Vec<u8>, ignore: &str) -> (Vec<u8>, Result<ContextStats, ContextError>) {
    let rules = IgnoreRules::parse(ignore, &["Dockerfile"]).unwrap();
    let (stream, job) = filter_context(ContextSource { archive: io::Cursor::new(tar), rules, added: None });
    let chunks: Vec<_> = stream.filter_map(|chunk| async { chunk.ok() }).collect().await;
    (chunks.concat(), job.await.unwrap())
}

fn unfiltered<R>(archive: R) -> ContextSource<R> {
    ContextSource { archive, rules: IgnoreRules::parse("", &[]).unwrap(), added: None }
}

fn listing(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display())).unwrap_or_default();
            format!("{:o} {}{link}", entry.header().mode().unwrap(), entry.path().unwrap().display())
        })
        .collect()
}

use tar::EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink, XGlobalHeader};

#[tokio::test]
async fn the_context_is_the_tree_without_ignored_files() {
    let tar = archive(&[
        Entry(XGlobalHeader, "pax_global_header", "52 comment=0123456789012345678901234567890123456789\n"),
        Entry(Directory, "src/", ""),
        Entry(Regular, "src/a", "hello"),
        Entry(Regular, "secret", "x"),
        Entry(Symlink, "out", "/etc/passwd"),
        Entry(Link, "hard", "src/a"),
        Entry(Regular, "./Dockerfile", "FROM scratch"),
    ]);
    let (out, stats) = filtered(tar, "secret\nDockerfile").await;
    assert_eq!(
        listing(&out),
        ["755 src", "755 src/a", "755 out -> /etc/passwd", "755 hard -> src/a", "755 Dockerfile"]
    );
    assert_eq!(stats.unwrap(), ContextStats { entries: 5, ignored: 1, bytes: 17 });
}

#[tokio::test]
async fn an_entry_outside_the_tree_is_refused() {
    for (kind, path, content, reason) in [
        (Regular, "/etc/x", "", "absolute"),
        (Regular, "../x", "", "leads out"),
        (Regular, "a/../../x", "", "leads out"),
        (Link, "a", "../x", "leads out"),
        (Link, "a", "/etc/passwd", "absolute"),
        (Link, "a", "", "without a target"),
        (Char, "a", "", "neither"),
        (Block, "a", "", "neither"),
        (Fifo, "a", "", "neither"),
    ] {
        let (_, outcome) = filtered(archive(&[Entry(kind, path, content)]), "").await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(reason), "{path}: {error}");
    }
}

#[tokio::test]
async fn long_names_and_link_targets_are_kept() {
    let name = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let target = "t".repeat(150);
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(1);
    tar.append_pax_extensions([("path", name.as_bytes())]).unwrap();
    header.set_path("short").unwrap();
    header.set_cksum();
    tar.append(&header, &b"x"[..]).unwrap();
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(Symlink);
    link.set_mode(0o777);
    link.set_size(0);
    tar.append_link(&mut link, "link", &target).unwrap();
    let (out, stats) = filtered(tar.into_inner().unwrap(), "").await;
    assert_eq!(listing(&out), [format!("644 {name}"), format!("755 link -> {target}")]);
    assert_eq!(stats.unwrap().entries, 2);
}

#[tokio::test]
async fn an_error_at_the_end_of_the_source_fails_the_context() {
    let tar = archive(&[Entry(Regular, "a", "x")]);
    let source = tokio_util::io::StreamReader::new(futures_util::stream::iter([
        Ok(Bytes::from(tar)),
        Err(io::Error::other("git failed")),
    ]));
    let (stream, job) = filter_context(unfiltered(source));
    let chunks: Vec<_> = stream.collect().await;
    assert!(chunks.last().unwrap().is_err(), "the upload is aborted");
    assert!(matches!(job.await.unwrap(), Err(ContextError::Read(_))));
}

#[tokio::test]
async fn dropping_the_stream_ends_the_filter_even_if_the_source_sends_nothing() {
    let (_writer, reader) = tokio::io::duplex(16);
    let (stream, job) = filter_context(unfiltered(reader));
    drop(stream);
    let ended = tokio::time::timeout(Duration::from_secs(5), job).await;
    assert!(ended.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn a_generated_file_is_added_to_the_files_of_the_tree() {
    let added = AddedFile { path: ".slipway.Dockerfile".to_owned(), content: b"FROM scratch\n".to_vec() };
    let source = unfiltered(io::Cursor::new(archive(&[Entry(Regular, "a", "x")])));
    let (stream, job) = filter_context(ContextSource { added: Some(added), ..source });
    let chunks: Vec<_> = stream.filter_map(|chunk| async { chunk.ok() }).collect().await;
    assert_eq!(listing(&chunks.concat()), ["755 a", "644 .slipway.Dockerfile"]);
    assert_eq!(job.await.unwrap().unwrap().entries, 1);
}

#[tokio::test]
async fn an_empty_tree_gives_an_empty_archive() {
    let (out, stats) = filtered(archive(&[]), "").await;
    assert!(listing(&out).is_empty() && out.len() >= 1024);
    assert_eq!(stats.unwrap(), ContextStats::default());
}
