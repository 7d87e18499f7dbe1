//! Modules of a crate never import each other in a circle, ties through a parent's `mod.rs` included.
//!
//! An import is what `use` or a path names with `crate`, `super`, `self` or a child's name. A face that only hands its
//! children's names on (`pub use child::Name`) is not tied to them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use syn::visit::Visit;

use super::sources::{self, Source};
use crate::shell::{Step, say};

/// A module's path within its crate; the root's is empty.
type Module = Vec<String>;
/// What each module imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// Fails with the imports that make a circle.
pub fn check() -> Result<()> {
    let step = Step::start("Looking for import circles");
    let mut crates: BTreeMap<String, Vec<(Module, Source)>> = BTreeMap::new();
    for source in sources::with_endings(&[".rs"])? {
        if let Some((name, module)) = place(&source.path) {
            crates.entry(name).or_default().push((module, source));
        }
    }
    let mut circles = 0;
    for (name, files) in &crates {
        for (from, to) in circle(&imports(files)?) {
            say(format!("{name}: {} -> {}", shown(&from), shown(&to)));
            circles += 1;
        }
    }
    if circles > 0 {
        bail!("{circles} imports make circles; move what they share into a file of its own");
    }
    step.done(format!("none in {} crates", crates.len()));
    Ok(())
}

/// The crate and the module of a file, if it is a product's source: `crates/x/src/a/mod.rs` is `a` of `crates/x`.
fn place(path: &str) -> Option<(String, Module)> {
    let (name, file) = path.split_once("/src/")?;
    let mut module: Module = file
        .strip_suffix(".rs")?
        .split('/')
        .map(str::to_owned)
        .collect();
    if module.iter().any(|part| part == "tests") {
        return None;
    }
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] || module == ["main"] {
        module.pop();
    }
    Some((name.to_owned(), module))
}

fn imports(files: &[(Module, Source)]) -> Result<Imports> {
    let known: BTreeSet<&Module> = files.iter().map(|(module, _)| module).collect();
    let mut imports = Imports::new();
    for (module, source) in files {
        let file = syn::parse_file(&source.text)
            .with_context(|| format!("cannot read {} as Rust", source.path))?;
        let mut named = Named::default();
        named.visit_file(&file);
        let found = named
            .0
            .iter()
            .filter_map(|named| named.module(module, &known));
        imports
            .entry(module.clone())
            .or_default()
            .extend(found.filter(|found| found != module));
    }
    Ok(imports)
}

/// A path that a file names.
struct Name {
    segments: Vec<String>,
    is_handed_on: bool,
}

impl Name {
    /// The module of the crate that it leads to, seen from `here`.
    fn module(&self, here: &Module, known: &BTreeSet<&Module>) -> Option<Module> {
        let mut segments = self.segments.iter().peekable();
        let mut at = here.clone();
        match segments.peek()?.as_str() {
            "crate" => {
                segments.next();
                at.clear();
            }
            "self" => {
                segments.next();
            }
            "super" => {
                while segments.next_if(|segment| *segment == "super").is_some() {
                    at.pop()?;
                }
            }
            child => {
                let path = [here.as_slice(), &[child.to_owned()]].concat();
                known.get(&path)?;
            }
        }
        for segment in segments {
            at.push(segment.clone());
            if !known.contains(&at) {
                at.pop();
                break;
            }
        }
        let is_face = self.is_handed_on && at.starts_with(here);
        (!is_face).then_some(at)
    }
}

/// The paths of a file, tests left out.
#[derive(Default)]
struct Named(Vec<Name>);

impl Named {
    fn add_use(&mut self, tree: &syn::UseTree, before: &[String], is_handed_on: bool) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => {
                self.add_use(&path.tree, &with(&path.ident), is_handed_on);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, before, is_handed_on);
                }
            }
            syn::UseTree::Name(name) => self.add(with(&name.ident), is_handed_on),
            syn::UseTree::Rename(rename) => self.add(with(&rename.ident), is_handed_on),
            syn::UseTree::Glob(_) => self.add(before.to_vec(), is_handed_on),
        }
    }

    fn add(&mut self, segments: Vec<String>, is_handed_on: bool) {
        self.0.push(Name {
            segments,
            is_handed_on,
        });
    }
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // A module within a file belongs to it, but for its tests.
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Ident>()
                    .is_ok_and(|what| what == "test")
        });
        if !is_test {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_handed_on = !matches!(item.vis, syn::Visibility::Inherited);
        self.add_use(&item.tree, &[], is_handed_on);
    }

    /// `pub(super)` is no import.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        let is_relative = segments
            .first()
            .is_some_and(|first| first == "crate" || first == "super");
        if is_relative {
            self.add(segments, false);
        }
        syn::visit::visit_path(self, path);
    }
}

/// The imports between modules that stand in circles: what is left without those that import nothing, or that nothing imports.
fn circle(imports: &Imports) -> Vec<(Module, Module)> {
    let mut left: Vec<(Module, Module)> = imports
        .iter()
        .flat_map(|(from, all)| all.iter().map(|to| (from.clone(), to.clone())))
        .collect();
    loop {
        let from: BTreeSet<Module> = left.iter().map(|(from, _)| from.clone()).collect();
        let to: BTreeSet<Module> = left.iter().map(|(_, to)| to.clone()).collect();
        let before = left.len();
        left.retain(|(a, b)| to.contains(a) && from.contains(b));
        if left.len() == before {
            return left;
        }
    }
}

fn shown(module: &Module) -> String {
    if module.is_empty() {
        return "the root".to_owned();
    }
    module.join("::")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let files: Vec<(Module, Source)> = files
            .iter()
            .map(|(path, text)| {
                let source = Source {
                    path: (*path).to_owned(),
                    text: (*text).to_owned(),
                };
                (place(path).unwrap().1, source)
            })
            .collect();
        let found = circle(&imports(&files).unwrap());
        found
            .iter()
            .map(|(from, to)| (shown(from), shown(to)))
            .collect()
    }

    #[test]
    fn a_child_that_needs_its_parent_is_a_circle() {
        let parent = ("c/src/a/mod.rs", "mod b; use b::X; pub struct Y;");
        let child = ("c/src/a/b.rs", "use super::Y; pub struct X;");
        let leaf = ("c/src/leaf.rs", "pub struct L;");
        let user = (
            "c/src/user.rs",
            "fn f(l: crate::leaf::L, x: crate::a::Y) {}",
        );
        let found = circles_of(&[parent, child, leaf, user]);
        let expected = [("a", "a::b"), ("a::b", "a")];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn faces_tests_and_ways_down_are_none() {
        let face = (
            "c/src/a/mod.rs",
            "mod b; mod d; pub use b::{X, Z}; pub struct Y;",
        );
        let child = (
            "c/src/a/b.rs",
            "use super::d::W; pub struct X; pub(super) struct Z;",
        );
        let other = (
            "c/src/a/d.rs",
            "pub struct W; #[cfg(test)] mod tests { use super::super::b::X; }",
        );
        assert_eq!(circles_of(&[face, child, other]), []);
    }
}
