use super::*;

fn id(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn update(reference: &str, old: char, new: char) -> RefUpdate {
    RefUpdate { old: id(old), new: id(new), reference: reference.to_owned() }
}

fn branch(name: &str) -> BranchName {
    name.parse().unwrap()
}

/// A repository as it is made: no refs, HEAD names `main`; `a`, `b` and `c` are commits, `e` is a tag.
fn empty() -> RepoFacts {
    let commits = ['a', 'b', 'c'].map(|digit| (id(digit), ObjectKind::Commit));
    RepoFacts {
        refs: BTreeMap::new(),
        head: None,
        unborn: Some(branch("main")),
        kinds: HashMap::from_iter(commits.into_iter().chain([(id('e'), ObjectKind::Tag)])),
        rewritten: BTreeSet::new(),
        connectivity: Connectivity::Complete,
    }
}

/// A repository that deploys `main`, which is at `a`.
fn deployed() -> RepoFacts {
    with_refs(&["refs/heads/main"])
}

fn with_refs(names: &[&str]) -> RepoFacts {
    let refs = names.iter().map(|name| ((*name).to_owned(), id('a'))).collect();
    RepoFacts { refs, head: Some(branch("main")), unborn: None, ..empty() }
}

fn deploys(updates: &[RefUpdate], facts: &RepoFacts) -> Option<String> {
    plan(updates, facts, false).unwrap().deploy.map(|(branch, _)| branch.to_string())
}

fn refusal(updates: &[RefUpdate], facts: &RepoFacts) -> RefusedUpdate {
    plan(updates, facts, false).unwrap_err()
}

#[test]
fn the_deploy_branch_is_deployed_and_nothing_else_is_said() {
    let plan = plan(&[update("refs/heads/main", 'a', 'b')], &deployed(), false).unwrap();
    assert_eq!(plan, RefPlan { deploy: Some((branch("main"), id('b'))), notes: vec![] });
}

#[test]
fn a_first_push_deploys_the_obvious_branch() {
    let first = |names: &[&str]| {
        let updates: Vec<_> = names.iter().map(|name| update(name, '0', 'a')).collect();
        deploys(&updates, &empty())
    };
    assert_eq!(first(&["refs/heads/dev"]).as_deref(), Some("dev"));
    assert_eq!(first(&["refs/heads/dev", "refs/heads/master", "refs/heads/main"]).as_deref(), Some("main"));
    assert_eq!(first(&["refs/heads/dev", "refs/heads/master"]).as_deref(), Some("master"));
    assert_eq!(first(&["refs/tags/v1"]), None);
}

#[test]
fn a_first_push_of_several_branches_prefers_the_one_that_head_names() {
    let facts = RepoFacts { unborn: Some(branch("trunk")), ..empty() };
    let updates = [update("refs/heads/main", '0', 'a'), update("refs/heads/trunk", '0', 'b')];
    assert_eq!(deploys(&updates, &facts).as_deref(), Some("trunk"));
}

#[test]
fn a_first_push_of_several_equal_branches_is_asked_which_one() {
    let refused = refusal(&[update("refs/heads/x", '0', 'a'), update("refs/heads/y", '0', 'b')], &empty());
    assert_eq!(refused, RefusedUpdate::WhichBranch(branch("x")));
    assert!(refused.to_string().ends_with("git push REMOTE x"));
}

#[test]
fn another_branch_is_stored_with_a_line_that_shows_how_to_deploy_it() {
    let plan = plan(&[update("refs/heads/dev", '0', 'b')], &deployed(), false).unwrap();
    assert_eq!(plan.deploy, None);
    assert_eq!(plan.notes, ["Stored dev, not deployed: that is main. To deploy it: git push REMOTE dev:main"]);
}

#[test]
fn a_tag_is_stored() {
    let plan = plan(&[update("refs/tags/v1", '0', 'e')], &deployed(), false).unwrap();
    assert_eq!((plan.deploy, plan.notes.len()), (None, 1));
    assert!(plan.notes[0].contains("v1"));
}

#[test]
fn names_in_messages_can_be_pasted_and_printed() {
    let plan = plan(&[update("refs/heads/a;$(b)'\u{202e}", '0', 'b')], &deployed(), false).unwrap();
    assert!(plan.notes[0].ends_with(r"git push REMOTE 'a;$(b)'\'':main'"), "{}", plan.notes[0]);
    let refused = refusal(&[update("refs/x\u{1b}[31m/y", '0', 'b')], &deployed());
    assert!(refused.to_string().starts_with("refs/x/y can't"), "{refused}");
}

#[test]
fn the_deploy_branch_and_head_can_not_be_deleted() {
    let gone = refusal(&[update("refs/heads/main", 'a', '0')], &deployed());
    assert_eq!(gone, RefusedUpdate::DeployBranch(branch("main")));
    assert_eq!(refusal(&[update("HEAD", 'a', '0')], &deployed()), RefusedUpdate::Head);
}

#[test]
fn other_deletions_pass_without_a_build_or_a_word() {
    let facts = with_refs(&["refs/heads/main", "refs/heads/dev", "refs/tags/v1"]);
    let updates =
        [update("refs/heads/dev", 'a', '0'), update("refs/tags/v1", 'a', '0'), update("refs/heads/none", 'b', '0')];
    assert_eq!(plan(&updates, &facts, false), Ok(RefPlan { deploy: None, notes: vec![] }));
}

#[test]
fn only_branches_and_tags_are_kept() {
    for name in ["refs/notes/x", "refs/replace/x", "refs/pull/1/head", "refs/headsx", "main", "refs/HEAD"] {
        assert_eq!(refusal(&[update(name, '0', 'a')], &deployed()), RefusedUpdate::Elsewhere(name.to_owned()));
    }
}

#[test]
fn one_forbidden_ref_refuses_the_whole_push() {
    let updates = [update("refs/heads/main", 'a', 'b'), update("refs/notes/x", '0', 'c')];
    assert!(matches!(refusal(&updates, &deployed()), RefusedUpdate::Elsewhere(_)));
}

#[test]
fn names_that_git_or_a_shell_would_trip_over_are_refused() {
    for name in
        ["refs/heads/-x", "refs/heads/a..b", "refs/heads/a b", "refs/heads/x.lock", "refs/tags/", "refs/heads/a\nb"]
    {
        assert_eq!(refusal(&[update(name, '0', 'a')], &deployed()), RefusedUpdate::Name(name.to_owned()));
    }
}

#[test]
fn a_branch_points_to_a_commit() {
    let refused = refusal(&[update("refs/heads/main", 'a', 'e')], &deployed());
    assert_eq!(refused, RefusedUpdate::NotACommit("refs/heads/main".into()));
}

#[test]
fn missing_objects_are_refused() {
    assert_eq!(refusal(&[update("refs/heads/main", 'a', 'd')], &deployed()), RefusedUpdate::Missing);
    let facts = RepoFacts { connectivity: Connectivity::Missing, ..deployed() };
    assert_eq!(refusal(&[update("refs/heads/main", 'a', 'b')], &facts), RefusedUpdate::Missing);
}

#[test]
fn a_shallow_push_is_told_what_to_do() {
    let facts = RepoFacts { connectivity: Connectivity::Shallow, ..deployed() };
    let message = refusal(&[update("refs/heads/main", 'a', 'b')], &facts).to_string();
    assert!(message.contains("`git fetch --unshallow`") && message.contains("`fetch-depth: 0`"), "{message}");
}

#[test]
fn an_old_id_that_moved_is_refused() {
    for (name, old) in [("refs/heads/main", 'b'), ("refs/heads/main", '0'), ("refs/heads/new", 'b')] {
        let refused = refusal(&[update(name, old, 'c')], &deployed());
        assert_eq!(refused, RefusedUpdate::Moved(name.to_owned()));
    }
}

#[test]
fn a_name_below_or_above_an_existing_one_is_refused() {
    let facts = with_refs(&["refs/heads/main", "refs/heads/dev/one"]);
    for name in ["refs/heads/main/x", "refs/heads/dev"] {
        assert!(matches!(refusal(&[update(name, '0', 'b')], &facts), RefusedUpdate::Conflict { .. }), "{name}");
    }
    let within = [update("refs/heads/x", '0', 'b'), update("refs/heads/x/y", '0', 'c')];
    assert!(matches!(refusal(&within, &facts), RefusedUpdate::Conflict { .. }));
}

#[test]
fn a_deletion_makes_room_only_before_and_only_without_a_deploy() {
    let facts = with_refs(&["refs/heads/main", "refs/heads/dev"]);
    let gone = update("refs/heads/dev", 'a', '0');
    let new = update("refs/heads/dev/x", '0', 'b');
    let main = update("refs/heads/main", 'a', 'b');
    assert_eq!(deploys(&[gone.clone(), new.clone()], &facts), None);
    assert!(matches!(refusal(&[new.clone(), gone.clone()], &facts), RefusedUpdate::Conflict { .. }));
    assert!(matches!(refusal(&[gone, new, main], &facts), RefusedUpdate::Conflict { .. }));
}

#[test]
fn a_forced_push_is_allowed_unless_the_operator_denies_it() {
    let facts = RepoFacts { rewritten: BTreeSet::from(["refs/heads/main".to_owned()]), ..deployed() };
    let updates = [update("refs/heads/main", 'a', 'b')];
    assert!(plan(&updates, &facts, false).is_ok());
    assert_eq!(plan(&updates, &facts, true), Err(RefusedUpdate::Forced("refs/heads/main".into())));
}

#[test]
fn a_ref_is_changed_once_in_a_push_and_a_push_is_bounded() {
    let twice = [update("refs/heads/x", '0', 'a'), update("refs/heads/x", '0', 'b')];
    assert_eq!(refusal(&twice, &deployed()), RefusedUpdate::Twice("refs/heads/x".into()));
    let many: Vec<_> = (0..=MAX_UPDATES).map(|n| update(&format!("refs/tags/{n}"), '0', 'a')).collect();
    assert_eq!(refusal(&many, &deployed()), RefusedUpdate::TooMany);
}
