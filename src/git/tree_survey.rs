//! Walks a commit's whole tree once: bounds its size, and finds what a build would not get.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::command::{for_each_record, git_in_repository, run};
use super::error::GitError;
use crate::domain::progress::strip_control;
use crate::domain::{CommitSha, GitObjects};

/// The sizes of Git LFS pointers, in bytes: shorter ones cannot hold the three lines, longer ones are not pointers by
/// the specification.
const POINTER_SIZES: std::ops::RangeInclusive<u64> = 100..=1023;
const POINTER_START: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
const LFS_FILTER: &[u8] = b"filter=lfs";
/// How many small files are read in search of pointers, and how many paths of each kind are kept.
const MAX_FOUND: usize = 2000;
/// In bytes, for one line of `git cat-file --batch` before a file's content.
const HEADER_LEN: u64 = 128;
/// In bytes, for all files `.gitattributes`.
const ATTRIBUTES_LIMIT: u64 = 1 << 20;

/// Bounds the expanded size of a tree. Trees can share subtrees, so a small pack may expand to more than any disk holds.
#[derive(Debug, Clone, Copy)]
pub struct TreeLimits {
    /// Files and directories.
    pub entries: u64,
    /// The sum of all file sizes.
    pub bytes: u64,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { entries: 500_000, bytes: 10 << 30 }
    }
}

/// A tree within the limits, and its entries whose content is elsewhere.
#[derive(Debug, Default)]
pub struct TreeSurvey {
    /// The paths of submodules and of nested clones. Their directories are empty in an archive.
    pub submodules: Vec<String>,
    /// The paths of files that are Git LFS pointers.
    pub lfs_pointers: Vec<String>,
}

/// The state of the walk.
#[derive(Default)]
struct Walk {
    entries: u64,
    bytes: u64,
    submodules: Vec<String>,
    /// The ids of the files `.gitattributes`.
    attributes: Vec<String>,
    /// The ids and paths of files that could be pointers.
    small_files: Vec<(String, String)>,
}

/// Surveys the tree of `commit`.
///
/// # Errors
/// [`GitError::TreeTooLarge`], or a failure of git.
pub async fn survey_tree(objects: &GitObjects, commit: &CommitSha, limits: TreeLimits) -> Result<TreeSurvey, GitError> {
    let format = "--format=%(objecttype) %(objectsize) %(objectname) %(path)";
    let list = git_in_repository(objects, &["ls-tree", "-r", "-t", "-z", "--full-tree", format, commit.as_str()]);
    let mut walk = Walk::default();
    let walked = for_each_record(list, &[], 0, |record| {
        walk.visit(&String::from_utf8_lossy(record));
        if walk.entries > limits.entries || walk.bytes > limits.bytes {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    match walked.await? {
        None => return Err(GitError::TreeTooLarge { entries: limits.entries, bytes: limits.bytes }),
        Some(completed) => drop(completed.into_result()?),
    }
    let lfs_pointers = find_lfs_pointers(objects, &walk).await?;
    Ok(TreeSurvey { submodules: walk.submodules, lfs_pointers })
}

impl Walk {
    fn visit(&mut self, record: &str) {
        let mut fields = record.splitn(4, ' ');
        let mut next = || fields.next().unwrap_or_default();
        // The size of directories and submodules is `-`.
        let (kind, size, id, path) = (next(), next().parse().unwrap_or(0), next(), next());
        self.entries = self.entries.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
        let name = path.rsplit('/').next().unwrap_or_default();
        if kind == "commit" && self.submodules.len() < MAX_FOUND {
            self.submodules.push(strip_control(path));
        } else if name == ".gitattributes" && self.attributes.len() < MAX_FOUND {
            self.attributes.push(id.to_owned());
        } else if kind == "blob" && POINTER_SIZES.contains(&size) && self.small_files.len() < MAX_FOUND {
            self.small_files.push((id.to_owned(), strip_control(path)));
        }
    }
}

/// Only a tree whose attributes name the filter of Git LFS has pointers: the files of other trees are not read.
async fn find_lfs_pointers(objects: &GitObjects, walk: &Walk) -> Result<Vec<String>, GitError> {
    let Walk { attributes, small_files, .. } = walk;
    if attributes.is_empty() || small_files.is_empty() {
        return Ok(Vec::new());
    }
    let uses_lfs = |content: &[u8]| content.windows(LFS_FILTER.len()).any(|window| window == LFS_FILTER);
    let attributes = read_blobs(objects, attributes.iter(), ATTRIBUTES_LIMIT).await?;
    if !split_batch(&attributes).any(|(_, content)| uses_lfs(content)) {
        return Ok(Vec::new());
    }
    let limit = POINTER_SIZES.end().saturating_add(HEADER_LEN).saturating_mul(MAX_FOUND as u64);
    let contents = read_blobs(objects, small_files.iter().map(|(id, _)| id), limit).await?;
    let pointers = split_batch(&contents).filter(|(_, content)| content.starts_with(POINTER_START));
    let pointers: HashSet<&str> = pointers.map(|(id, _)| id).collect();
    let found = small_files.iter().filter(|(id, _)| pointers.contains(id.as_str()));
    Ok(found.map(|(_, path)| path.clone()).collect())
}

/// The output of `git cat-file --batch` for these ids.
async fn read_blobs(objects: &GitObjects, ids: impl Iterator<Item = &String>, limit: u64) -> Result<Vec<u8>, GitError> {
    let input: String = ids.flat_map(|id| [id.as_str(), "\n"]).collect();
    let completed = run(git_in_repository(objects, &["cat-file", "--batch"]), input.as_bytes(), limit).await?;
    Ok(completed.stdout)
}

/// The ids and contents in the output of `git cat-file --batch`, up to an incomplete entry.
fn split_batch(output: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut rest = output;
    std::iter::from_fn(move || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let mut words = std::str::from_utf8(rest.get(..end)?).ok()?.split(' ');
        let (id, size) = (words.next()?, words.nth(1)?.parse::<usize>().ok()?);
        let after = rest.get(end.checked_add(1)?..)?;
        let content = after.get(..size)?;
        rest = after.get(size.checked_add(1)?..).unwrap_or_default();
        Some((id, content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_split_into_ids_and_contents() {
        let output = b"aa blob 3\na\nb\nbb blob 0\n\ncc missing\ndd blob 1\nx\n";
        let entries: Vec<_> = split_batch(output).collect();
        assert_eq!(entries, [("aa", &b"a\nb"[..]), ("bb", &b""[..])]);
        assert_eq!(split_batch(b"aa blob 10\ntoo short").count(), 0);
    }

    #[test]
    fn the_walk_keeps_submodules_attributes_and_files_of_the_size_of_a_pointer() {
        let mut walk = Walk::default();
        for record in [
            "tree - 1 dir",
            "commit - 2 vendor/lib",
            "blob 40 3 dir/.gitattributes",
            "blob 130 4 a b.png",
            "blob 2000 5 big",
        ] {
            walk.visit(record);
        }
        assert_eq!((walk.entries, walk.bytes), (5, 2170));
        assert_eq!((walk.submodules, walk.attributes), (vec!["vendor/lib".to_owned()], vec!["3".to_owned()]));
        assert_eq!(walk.small_files, [("4".to_owned(), "a b.png".to_owned())]);
    }
}
