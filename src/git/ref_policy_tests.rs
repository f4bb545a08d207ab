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

/// A new repository: no refs, HEAD names `main`. The ids `a`, `b` and `c` are commits, `e` is a tag, `d` is missing.
fn empty_repository() -> PushFacts {
    let commits = ['a', 'b', 'c'].map(|digit| (id(digit), ObjectKind::Commit));
    PushFacts {
        refs: BTreeMap::new(),
        head: None,
        unborn: Some(branch("main")),
        kinds: HashMap::from_iter(commits.into_iter().chain([(id('e'), ObjectKind::Tag)])),
        tag_names: HashMap::new(),
        rewritten: BTreeSet::new(),
        connectivity: Connectivity::Complete,
    }
}

/// A repository whose deploy branch is `main`, at `a`.
fn with_main() -> PushFacts {
    with_refs(&["refs/heads/main"])
}

fn with_refs(names: &[&str]) -> PushFacts {
    let refs = names.iter().map(|name| ((*name).to_owned(), id('a'))).collect();
    PushFacts { refs, head: Some(branch("main")), unborn: None, ..empty_repository() }
}

const POLICY: RefPolicy = RefPolicy { deny_force: false, follow_moved_branches: false };

fn deployed_branch(updates: &[RefUpdate], facts: &PushFacts) -> Option<String> {
    decide_refs(updates, facts, POLICY).unwrap().deploy.map(|(branch, _)| branch.to_string())
}

fn rejection(updates: &[RefUpdate], facts: &PushFacts) -> RefRejection {
    decide_refs(updates, facts, POLICY).unwrap_err()
}

#[test]
fn a_push_to_the_deploy_branch_deploys_it_without_notes() {
    let decision = decide_refs(&[update("refs/heads/main", 'a', 'b')], &with_main(), POLICY).unwrap();
    assert_eq!(decision, RefDecision { deploy: Some((branch("main"), id('b'))), notes: vec![] });
}

#[test]
fn a_first_push_deploys_a_default_branch_or_the_only_one() {
    let first = |names: &[&str]| {
        let updates: Vec<_> = names.iter().map(|name| update(name, '0', 'a')).collect();
        deployed_branch(&updates, &empty_repository())
    };
    assert_eq!(first(&["refs/heads/dev"]).as_deref(), Some("dev"));
    assert_eq!(first(&["refs/heads/dev", "refs/heads/master", "refs/heads/main"]).as_deref(), Some("main"));
    assert_eq!(first(&["refs/heads/dev", "refs/heads/master"]).as_deref(), Some("master"));
    assert_eq!(first(&["refs/tags/v1"]), None);
}

#[test]
fn a_first_push_of_several_branches_prefers_the_one_that_head_names() {
    let facts = PushFacts { unborn: Some(branch("trunk")), ..empty_repository() };
    let updates = [update("refs/heads/main", '0', 'a'), update("refs/heads/trunk", '0', 'b')];
    assert_eq!(deployed_branch(&updates, &facts).as_deref(), Some("trunk"));
}

#[test]
fn a_first_push_of_several_branches_without_a_default_one_is_rejected() {
    let rejection =
        rejection(&[update("refs/heads/x", '0', 'a'), update("refs/heads/y", '0', 'b')], &empty_repository());
    assert_eq!(rejection, RefRejection::AmbiguousDeployBranch(branch("x")));
    assert!(rejection.to_string().ends_with("git push REMOTE x"));
}

#[test]
fn another_branch_is_stored_with_a_note_that_shows_how_to_deploy_it() {
    let decision = decide_refs(&[update("refs/heads/dev", '0', 'b')], &with_main(), POLICY).unwrap();
    assert_eq!(decision.deploy, None);
    assert_eq!(
        decision.notes,
        ["Stored dev, not deployed: the deploy branch is main. To deploy dev: git push REMOTE dev:main; \
          to make it the deploy branch: `deploy-branch APP dev` over SSH"]
    );
}

#[test]
fn a_tag_is_stored_and_not_deployed() {
    let decision = decide_refs(&[update("refs/tags/v1", '0', 'e')], &with_main(), POLICY).unwrap();
    assert_eq!((decision.deploy, decision.notes.len()), (None, 1));
    assert!(decision.notes[0].contains("v1"));
}

#[test]
fn ref_names_in_messages_are_quoted_and_free_of_control_characters() {
    let decision = decide_refs(&[update("refs/heads/a;$(b)'\u{202e}", '0', 'b')], &with_main(), POLICY).unwrap();
    assert!(decision.notes[0].contains(r"git push REMOTE 'a;$(b)'\'':main';"), "{}", decision.notes[0]);
    let rejection = rejection(&[update("refs/x\u{1b}[31m/y", '0', 'b')], &with_main());
    assert!(rejection.to_string().starts_with("refs/x/y cannot"), "{rejection}");
}

#[test]
fn the_deploy_branch_and_head_cannot_be_deleted() {
    let deletion = rejection(&[update("refs/heads/main", 'a', '0')], &with_main());
    assert_eq!(deletion, RefRejection::DeployBranchDeletion(branch("main")));
    assert_eq!(rejection(&[update("HEAD", 'a', '0')], &with_main()), RefRejection::HeadUpdate);
}

#[test]
fn other_deletions_are_accepted_without_a_deploy_or_a_note() {
    let facts = with_refs(&["refs/heads/main", "refs/heads/dev", "refs/tags/v1"]);
    let updates =
        [update("refs/heads/dev", 'a', '0'), update("refs/tags/v1", 'a', '0'), update("refs/heads/none", 'b', '0')];
    assert_eq!(decide_refs(&updates, &facts, POLICY), Ok(RefDecision { deploy: None, notes: vec![] }));
}

#[test]
fn refs_other_than_branches_and_tags_are_rejected() {
    for name in ["refs/notes/x", "refs/replace/x", "refs/pull/1/head", "refs/headsx", "main", "refs/HEAD"] {
        assert_eq!(rejection(&[update(name, '0', 'a')], &with_main()), RefRejection::NotBranchOrTag(name.to_owned()));
    }
}

#[test]
fn one_rejected_ref_rejects_the_whole_push() {
    let updates = [update("refs/heads/main", 'a', 'b'), update("refs/notes/x", '0', 'c')];
    assert!(matches!(rejection(&updates, &with_main()), RefRejection::NotBranchOrTag(_)));
}

#[test]
fn invalid_ref_names_are_rejected() {
    for name in
        ["refs/heads/-x", "refs/heads/a..b", "refs/heads/a b", "refs/heads/x.lock", "refs/tags/", "refs/heads/a\nb"]
    {
        assert_eq!(rejection(&[update(name, '0', 'a')], &with_main()), RefRejection::InvalidName(name.to_owned()));
    }
}

#[test]
fn a_branch_must_point_to_a_commit() {
    let rejection = rejection(&[update("refs/heads/main", 'a', 'e')], &with_main());
    assert_eq!(rejection, RefRejection::NotACommit("refs/heads/main".into()));
}

#[test]
fn an_annotated_tag_on_a_branch_is_rejected_with_the_refspec_of_its_commit() {
    let facts = PushFacts { tag_names: HashMap::from([(id('e'), "v1.0".to_owned())]), ..with_main() };
    let message = rejection(&[update("refs/heads/main", 'a', 'e')], &facts).to_string();
    assert!(message.ends_with("git push REMOTE 'v1.0^{commit}:refs/heads/main'"), "{message}");
}

#[test]
fn a_name_that_would_be_ambiguous_is_rejected_and_can_be_deleted() {
    let name = "refs/heads/refs/heads/main";
    let message = rejection(&[update(name, '0', 'b')], &with_main()).to_string();
    assert!(message.contains("Was refs/heads/main meant?"), "{message}");
    assert!(message.ends_with("git push REMOTE HEAD:refs/heads/main"), "{message}");
    let facts = with_refs(&["refs/heads/main", name]);
    assert_eq!(deployed_branch(&[update(name, 'a', '0')], &facts), None);
}

#[test]
fn a_push_with_missing_objects_is_rejected() {
    assert_eq!(rejection(&[update("refs/heads/main", 'a', 'd')], &with_main()), RefRejection::MissingObjects);
    let facts = PushFacts { connectivity: Connectivity::Incomplete, ..with_main() };
    assert_eq!(rejection(&[update("refs/heads/main", 'a', 'b')], &facts), RefRejection::MissingObjects);
}

#[test]
fn the_rejection_of_a_shallow_push_says_how_to_fix_it() {
    let facts = PushFacts { connectivity: Connectivity::Shallow, ..with_main() };
    let message = rejection(&[update("refs/heads/main", 'a', 'b')], &facts).to_string();
    assert!(message.contains("`git fetch --unshallow`") && message.contains("`fetch-depth: 0`"), "{message}");
}

#[test]
fn an_update_with_a_stale_old_id_is_rejected() {
    for (name, old) in [("refs/heads/main", 'b'), ("refs/heads/main", '0'), ("refs/heads/new", 'b')] {
        let rejection = rejection(&[update(name, old, 'c')], &with_main());
        assert_eq!(rejection, RefRejection::StaleOldId(name.to_owned()));
    }
}

#[test]
fn a_branch_that_moved_is_followed_by_a_fast_forward_alone() {
    let policy = RefPolicy { follow_moved_branches: true, ..POLICY };
    let facts = with_refs(&["refs/heads/main", "refs/tags/v1"]);
    let moved = update("refs/heads/main", 'c', 'b');
    let deploy = decide_refs(std::slice::from_ref(&moved), &facts, policy).unwrap().deploy;
    assert_eq!(deploy, Some((branch("main"), id('b'))));
    let rewritten = PushFacts { rewritten: BTreeSet::from(["refs/heads/main".to_owned()]), ..facts.clone() };
    let stale = |updates: &[RefUpdate], facts: &PushFacts| {
        matches!(decide_refs(updates, facts, policy), Err(RefRejection::StaleOldId(_)))
    };
    assert!(stale(&[moved], &rewritten));
    assert!(stale(&[update("refs/tags/v1", 'c', 'b')], &facts));
    assert!(stale(&[update("refs/heads/gone", 'c', 'b')], &facts));
}

#[test]
fn a_ref_below_or_above_an_existing_ref_is_rejected() {
    let facts = with_refs(&["refs/heads/main", "refs/heads/dev/one"]);
    for name in ["refs/heads/main/x", "refs/heads/dev"] {
        assert!(matches!(rejection(&[update(name, '0', 'b')], &facts), RefRejection::NameConflict { .. }), "{name}");
    }
    let within = [update("refs/heads/x", '0', 'b'), update("refs/heads/x/y", '0', 'c')];
    assert!(matches!(rejection(&within, &facts), RefRejection::NameConflict { .. }));
}

#[test]
fn a_deletion_frees_a_name_only_for_later_updates_and_only_without_a_deploy() {
    let facts = with_refs(&["refs/heads/main", "refs/heads/dev"]);
    let deletion = update("refs/heads/dev", 'a', '0');
    let new = update("refs/heads/dev/x", '0', 'b');
    let main = update("refs/heads/main", 'a', 'b');
    assert_eq!(deployed_branch(&[deletion.clone(), new.clone()], &facts), None);
    assert!(matches!(rejection(&[new.clone(), deletion.clone()], &facts), RefRejection::NameConflict { .. }));
    assert!(matches!(rejection(&[deletion, new, main], &facts), RefRejection::NameConflict { .. }));
}

#[test]
fn a_forced_push_is_allowed_unless_the_operator_denies_it() {
    let facts = PushFacts { rewritten: BTreeSet::from(["refs/heads/main".to_owned()]), ..with_main() };
    let updates = [update("refs/heads/main", 'a', 'b')];
    assert!(decide_refs(&updates, &facts, POLICY).is_ok());
    assert_eq!(
        decide_refs(&updates, &facts, RefPolicy { deny_force: true, ..POLICY }),
        Err(RefRejection::NonFastForward("refs/heads/main".into()))
    );
}

#[test]
fn duplicate_updates_and_too_many_updates_are_rejected() {
    let twice = [update("refs/heads/x", '0', 'a'), update("refs/heads/x", '0', 'b')];
    assert_eq!(rejection(&twice, &with_main()), RefRejection::DuplicateUpdate("refs/heads/x".into()));
    let many: Vec<_> = (0..=MAX_UPDATES).map(|n| update(&format!("refs/tags/{n}"), '0', 'a')).collect();
    assert_eq!(rejection(&many, &with_main()), RefRejection::TooManyUpdates);
}
