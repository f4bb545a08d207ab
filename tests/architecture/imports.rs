//! Which file of `src/` imports which: paths in `use` lines and in the code, followed through re-exports to the file that
//! defines the name. What only tests import does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// A path from the crate's root, without `crate`.
type ModulePath = Vec<String>;

/// The files of `src/`, and what they import from each other.
pub struct SourceTree {
    files: BTreeMap<ModulePath, SourceFile>,
    imports: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

/// One file, parsed.
#[derive(Default)]
pub struct SourceFile {
    path: PathBuf,
    /// Names of the items that the file defines.
    defined: BTreeSet<String>,
    /// Names that it re-exports, and from where. `*` as the last segment stands for a glob.
    reexported: Vec<(String, ModulePath)>,
    /// Paths that it names for its own use.
    named: BTreeSet<ModulePath>,
}

impl SourceTree {
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = BTreeMap::new();
        collect(&root, &root, &mut files);
        Self::new(files)
    }

    fn new(files: BTreeMap<ModulePath, SourceFile>) -> Self {
        let mut tree = Self { files, imports: BTreeMap::new() };
        let resolve = |file: &SourceFile| {
            let found = file.named.iter().filter_map(|path| tree.defining_file(path, 0));
            (file.path.clone(), found.filter(|other| *other != file.path).collect())
        };
        tree.imports = tree.files.values().map(resolve).collect();
        tree
    }

    /// The imports of each file, by path below `src/`.
    pub fn imports(&self) -> &BTreeMap<PathBuf, BTreeSet<PathBuf>> {
        &self.imports
    }

    /// The first folder of a path, or the file's own name.
    pub fn top_level_module(&self, file: &Path) -> String {
        let first = file.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The file that defines what `path` names; `None` for a name from another crate.
    fn defining_file(&self, path: &[String], depth: usize) -> Option<PathBuf> {
        if depth > 8 {
            return None;
        }
        let length = (1..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let file = &self.files[&path[..length]];
        let Some(name) = path.get(length) else { return Some(file.path.clone()) };
        if file.defined.contains(name) {
            return Some(file.path.clone());
        }
        let reexport = file.reexported.iter().find(|(exported, _)| exported == name);
        let through = match reexport {
            Some((_, target)) => self.defining_file(target, depth + 1),
            None => {
                let globs = file.reexported.iter().filter(|(exported, _)| exported == "*");
                let inside = globs.map(|(_, target)| [target.as_slice(), &path[length..]].concat());
                inside.filter_map(|path| self.defining_file(&path, depth + 1)).next()
            }
        };
        Some(through.unwrap_or_else(|| file.path.clone()))
    }
}

/// Reads all files below `dir` that are no tests.
fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<ModulePath, SourceFile>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !["tests", "testing"].iter().any(|ending| name.ends_with(ending))
        {
            let below = path.strip_prefix(root).unwrap();
            let module = module_path(below);
            let file = SourceFile::parse(below, &module, &std::fs::read_to_string(&path).unwrap());
            files.insert(module, file);
        }
    }
}

fn module_path(file: &Path) -> ModulePath {
    let mut path: ModulePath = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let last = path.pop().unwrap();
    match last.trim_end_matches(".rs") {
        "mod" => {}
        name => path.push(name.to_owned()),
    }
    path
}

impl SourceFile {
    fn parse(path: &Path, module: &[String], source: &str) -> Self {
        let syntax = syn::parse_file(source).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = Reader { module: module.to_vec(), file: Self { path: path.to_owned(), ..Self::default() } };
        reader.visit_file(&syntax);
        reader.file
    }
}

/// Walks through the syntax of one file.
struct Reader {
    module: ModulePath,
    file: SourceFile,
}

impl Reader {
    /// A path from the crate's root; `None` if it does not begin with one of the words that mean one.
    fn rooted(&self, path: &[String]) -> Option<ModulePath> {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "super" => Some([&self.module[..self.module.len().checked_sub(supers)?], &path[supers..]].concat()),
            "self" => Some([&self.module, &path[1..]].concat()),
            _ => None,
        }
    }

    /// A path in a `use` line, which may also begin with a submodule of the file.
    fn rooted_in_use(&self, path: &[String]) -> ModulePath {
        self.rooted(path).unwrap_or_else(|| [&self.module, path].concat())
    }
}

/// Every path of a `use` line.
fn flatten(tree: &syn::UseTree, prefix: &[String], paths: &mut Vec<(String, ModulePath)>) {
    let joined = |ident: &dyn ToString| [prefix, &[ident.to_string()]].concat();
    match tree {
        syn::UseTree::Path(path) => flatten(&path.tree, &joined(&path.ident), paths),
        syn::UseTree::Name(name) if name.ident == "self" => {
            paths.push((prefix.last().cloned().unwrap_or_default(), prefix.to_vec()));
        }
        syn::UseTree::Name(name) => paths.push((name.ident.to_string(), joined(&name.ident))),
        syn::UseTree::Rename(rename) => paths.push((rename.rename.to_string(), joined(&rename.ident))),
        syn::UseTree::Glob(_) => paths.push(("*".to_owned(), prefix.to_vec())),
        syn::UseTree::Group(group) => group.items.iter().for_each(|item| flatten(item, prefix, paths)),
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (attributes, name) = match item {
            syn::Item::Const(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            syn::Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            syn::Item::Static(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Type(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Impl(item) => (&item.attrs, None),
            syn::Item::Mod(item) => (&item.attrs, None),
            syn::Item::Use(item) => (&item.attrs, None),
            _ => return syn::visit::visit_item(self, item),
        };
        if is_for_tests(attributes) {
            return;
        }
        self.file.defined.extend(name.map(ToString::to_string));
        syn::visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut paths = Vec::new();
        flatten(&item.tree, &[], &mut paths);
        let paths = paths.into_iter().map(|(name, path)| (name, self.rooted_in_use(&path))).collect::<Vec<_>>();
        match item.vis {
            syn::Visibility::Inherited => self.file.named.extend(paths.into_iter().map(|(_, path)| path)),
            _ => self.file.reexported.extend(paths),
        }
    }

    /// `pub(in crate::module)` imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.file.named.extend(self.rooted(&segments));
        syn::visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The imports of a tree of these files.
    fn imports(sources: &[(&str, &str)]) -> Vec<(String, String)> {
        let parse = |(path, source): &(&str, &str)| {
            let module = module_path(Path::new(path));
            (module.clone(), SourceFile::parse(Path::new(path), &module, source))
        };
        let tree = SourceTree::new(sources.iter().map(parse).collect());
        let arrows = tree.imports().iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
        arrows.map(|(from, to)| (from.display().to_string(), to.display().to_string())).collect()
    }

    fn arrow(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn an_import_leads_to_the_file_that_defines_the_name() {
        let found = imports(&[
            ("a/mod.rs", "mod x;\npub use x::Thing;\npub struct Own;"),
            ("a/x.rs", "pub struct Thing;\npub fn f() -> super::Own { todo() }"),
            ("a/y.rs", "pub(super) struct Hidden;"),
            ("b.rs", "use crate::a::{self, Thing};\nfn g() { crate::a::x::f() }"),
            ("c.rs", "use crate::a::Own as Renamed;"),
        ]);
        let expected = [
            arrow("a/x.rs", "a/mod.rs"),
            arrow("b.rs", "a/mod.rs"),
            arrow("b.rs", "a/x.rs"),
            arrow("c.rs", "a/mod.rs"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn imports_of_tests_and_of_other_crates_do_not_count() {
        let found = imports(&[
            ("a.rs", "use std::fmt;\nuse kube::Client;\n#[cfg(test)]\nmod tests { use crate::b::B; }"),
            ("b.rs", "pub struct B;"),
        ]);
        assert_eq!(found, []);
    }
}
