//! Reading pushed commits: clones, archives and single files.

use tokio::io::AsyncReadExt;

use super::super::testing::TestServer;
use super::super::*;
use super::{accept, loose_object_path, unpack_objects, untar};

#[tokio::test]
async fn a_pushed_commit_can_be_cloned_and_archived() {
    let server = TestServer::start().await;
    let head = server.commit("sub/file", "text").await;
    assert!(server.push(&["main"], accept).await.success);
    let clone = server.directory.path().join("clone");
    let cloned = server.fetch(GitService::UploadPack, &["clone", "-q", "ssh://host/hello", "clone"]).await;
    assert!(cloned.success, "{}", cloned.stderr);
    assert_eq!(server.git_in(&clone, &["rev-parse", "HEAD"]).await, head.as_str());
    let partial = ["clone", "-q", "--filter=blob:none", "--no-checkout", "ssh://host/hello", "partial"];
    let partial = server.fetch(GitService::UploadPack, &partial).await;
    assert!(partial.success && !partial.stderr.contains("filtering not recognized"), "{}", partial.stderr);
    let tar = ["archive", "--remote=ssh://host/hello", "--output=a.tar", "HEAD"];
    let archived = server.fetch(GitService::UploadArchive, &tar).await;
    assert!(archived.success, "{}", archived.stderr);
    assert!(std::fs::metadata(server.directory.path().join("a.tar")).unwrap().len() > 1024);
}

#[tokio::test]
async fn an_archive_of_a_corrupt_object_ends_with_an_error() {
    let server = TestServer::start().await;
    let head = server.commit("two", "2").await;
    assert!(server.push(&["main"], accept).await.success);
    unpack_objects(&server).await;
    let blob = loose_object_path(&server, &server.git(&["rev-parse", "HEAD:two"]).await);
    // The size of the object can still be read, but not its content.
    let mut bytes = std::fs::read(&blob).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0xff;
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, bytes).unwrap();
    assert_eq!(untar(&server.objects(), &head).await.unwrap_err(), "git failed on the server");
}

#[tokio::test]
async fn an_archive_contains_the_whole_tree_in_spite_of_its_gitattributes() {
    let server = TestServer::start().await;
    let text = "[attr]gone export-ignore\n*.md export-ignore\n/dir export-ignore\nREADME gone\nversion export-subst\n";
    server.commit(".gitattributes", text).await;
    server.commit("dir/a.md", "a").await;
    let head = server.commit("version", "$Format:%H$").await;
    assert!(server.push(&["main"], accept).await.success);
    let names = untar(&server.objects(), &head).await.unwrap();
    assert_eq!(names, [".gitattributes 644", "README 644", "dir/ 755", "dir/a.md 644", "version 644"]);
    let mut bytes = Vec::new();
    let survey = survey_tree(&server.objects(), &head, TreeLimits::default()).await.unwrap();
    let mut reader = archive(&server.objects(), &head, "", &survey).unwrap();
    reader.read_to_end(&mut bytes).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("$Format:%H$"));
}

#[tokio::test]
async fn a_tree_that_exceeds_the_limits_is_rejected_before_it_is_archived() {
    let server = TestServer::start().await;
    let script = "entry=\"100644 blob $(git rev-parse HEAD:README)\"; \
                  for depth in 1 2 3 4 5 6 7 8 9; do tree=$(for n in 0 1 2 3 4 5 6 7 8 9; do \
                  printf '%s\\t%s\\n' \"$entry\" $n; done | git mktree); entry=\"040000 tree $tree\"; done; \
                  git update-ref refs/heads/main $(GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a \
                  GIT_COMMITTER_EMAIL=a git commit-tree -m bomb $tree)";
    let made = tokio::process::Command::new("/bin/sh").args(["-c", script]).current_dir(&server.work).status().await;
    assert!(made.unwrap().success());
    let head = server.git(&["rev-parse", "main"]).await.parse().unwrap();
    assert!(server.push(&["main"], accept).await.success);
    let limits = TreeLimits { entries: 20_000, bytes: 1 << 30 };
    let rejected = survey_tree(&server.objects(), &head, limits).await.map(drop);
    assert!(matches!(rejected, Err(GitError::TreeTooLarge { .. })), "{rejected:?}");
    let limits = TreeLimits { entries: u64::MAX, bytes: 10_000 };
    assert!(survey_tree(&server.objects(), &head, limits).await.is_err());
}

#[tokio::test]
async fn a_file_is_read_up_to_its_limit_and_only_from_inside_the_tree() {
    let server = TestServer::start().await;
    std::fs::write(server.work.join("empty"), "").unwrap();
    std::os::unix::fs::symlink("dir/real", server.work.join("link")).unwrap();
    std::os::unix::fs::symlink("../../etc/passwd", server.work.join("out")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", server.work.join("absolute")).unwrap();
    std::os::unix::fs::symlink("nothing", server.work.join("dangling")).unwrap();
    std::os::unix::fs::symlink("loop", server.work.join("loop")).unwrap();
    let head = server.commit("dir/real", "0123456789").await;
    assert!(server.push(&["main"], accept).await.success);
    let objects = server.objects();
    let read = async |path: &str| read_file(&objects, &head, path, 10).await.unwrap();
    for path in ["dir/real", "./dir//real", "link"] {
        assert_eq!(read(path).await.as_deref(), Some(&b"0123456789"[..]), "{path}");
    }
    assert_eq!(read("empty").await.as_deref(), Some(&b""[..]));
    for path in ["dir", "none", "../x", "dir/../dir/real", "/dir/real", "", ".", "dir/real\nx", ":x", "*"] {
        assert_eq!(read(path).await, None, "{path}");
    }
    for path in ["out", "absolute", "dangling", "loop"] {
        let error = read_file(&objects, &head, path, 10).await.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{path} is a link out of the repository, to nothing or to itself")),
            "{error}"
        );
    }
    let error = read_file(&objects, &head, "link", 9).await.unwrap_err();
    assert_eq!(error.to_string(), "link is larger than 9 bytes");
}
