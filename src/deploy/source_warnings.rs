//! Warnings about files of a commit that a build does not get. Pure.

use crate::git::TreeSurvey;

/// How many paths a warning names.
const MAX_NAMED: usize = 5;

/// One line for each kind of file whose content is not in the commit.
pub(super) fn warnings(survey: &TreeSurvey) -> Vec<String> {
    let TreeSurvey { submodules, lfs_pointers } = survey;
    let submodules = join_paths(submodules).map(|paths| {
        format!(
            "warning: {paths}: a submodule, or a clone inside the working copy. slipway does not fetch it: the build gets an \
             empty directory. To commit its files: git subtree add"
        )
    });
    let lfs_pointers = join_paths(lfs_pointers).map(|paths| {
        format!(
            "warning: {paths}: a Git LFS pointer. slipway does not support Git LFS: the build gets the pointer instead of \
             the file. To commit the files themselves: git lfs migrate export --everything --include='*'"
        )
    });
    submodules.into_iter().chain(lfs_pointers).collect()
}

/// None if there are no paths.
fn join_paths(paths: &[String]) -> Option<String> {
    let named = paths.get(..MAX_NAMED).unwrap_or(paths).join(", ");
    let more = paths.len().saturating_sub(MAX_NAMED);
    match (named.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(named),
        (false, more) => Some(format!("{named} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_missing_content_has_one_warning_with_its_paths() {
        assert_eq!(warnings(&TreeSurvey::default()), Vec::<String>::new());
        let lfs_pointers = (1..=7).map(|n| format!("{n}.png")).collect();
        let survey = TreeSurvey { submodules: vec!["vendor/lib".into()], lfs_pointers };
        let lines = warnings(&survey);
        assert!(lines[0].starts_with("warning: vendor/lib: a submodule"), "{lines:?}");
        assert!(lines[1].starts_with("warning: 1.png, 2.png, 3.png, 4.png, 5.png and 2 more: a Git LFS pointer"));
    }
}
