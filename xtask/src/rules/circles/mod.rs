//! Modules of a crate never import each other in a circle: neither files, ties through a parent's `mod.rs` included, nor
//! folders.
//!
//! An import is what `use` or a path names with `crate`, `super`, `self`, a child's name or a name that a `use` brought in. It
//! leads to the file that defines the name, through every face that hands it on. A face that only hands its children's names
//! on (`pub use child::Name`) is not tied to them.

mod names;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use super::sources::{self, Source};
use crate::shell::{Step, say};
use {
    names::File,
    resolve::{Crate, Module},
};

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
    let mut count = 0;
    for (name, files) in &crates {
        for (from, to) in circles(&imports(files)?) {
            say(format!("{name}: {} -> {}", shown(&from), shown(&to)));
            count += 1;
        }
    }
    if count > 0 {
        bail!("{count} imports make circles; move what they share into a file of its own");
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
    let mut parsed = BTreeMap::new();
    for (module, source) in files {
        let file = File::parse(&source.text)
            .with_context(|| format!("cannot read {} as Rust", source.path))?;
        parsed.insert(module.clone(), file);
    }
    let all = Crate(parsed);
    let modules = all.0.keys();
    Ok(modules
        .map(|module| (module.clone(), all.imports(module)))
        .collect())
}

/// The imports between files, and between folders that stand beside each other, that make circles.
fn circles(imports: &Imports) -> BTreeSet<(Module, Module)> {
    let files: Vec<(Module, Module)> = imports
        .iter()
        .flat_map(|(from, all)| all.iter().map(|to| (from.clone(), to.clone())))
        .collect();
    // For each folder, the imports between what stands in it.
    let mut beside: BTreeMap<&[String], BTreeSet<(Module, Module)>> = BTreeMap::new();
    for (from, to) in &files {
        let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        if from.len() > common && to.len() > common {
            let pair = (from[..=common].to_vec(), to[..=common].to_vec());
            beside.entry(&from[..common]).or_default().insert(pair);
        }
    }
    let folders = beside
        .into_values()
        .flat_map(|pairs| circle(pairs.into_iter().collect()));
    let folders: Vec<_> = folders.collect();
    circle(files).into_iter().chain(folders).collect()
}

/// The imports that stand in circles: those whose end leads back to their beginning.
fn circle(all: Vec<(Module, Module)>) -> Vec<(Module, Module)> {
    let mut next: BTreeMap<&Module, Vec<&Module>> = BTreeMap::new();
    for (from, to) in &all {
        next.entry(from).or_default().push(to);
    }
    let leads_back = |from: &Module, to: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![to]);
        while let Some(at) = open.pop() {
            if at == from {
                return true;
            }
            if seen.insert(at) {
                open.extend(next.get(at).into_iter().flatten());
            }
        }
        false
    };
    let found = all.iter().filter(|(from, to)| leads_back(from, to));
    found.cloned().collect()
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
        let found = circles(&imports(&files).unwrap());
        found
            .iter()
            .map(|(from, to)| (shown(from), shown(to)))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        expected.iter().map(owned).collect()
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
        assert_eq!(found, pairs(&[("a", "a::b"), ("a::b", "a")]));
    }

    #[test]
    fn a_circle_through_a_face_is_found() {
        let face = ("c/src/a/mod.rs", "mod b; mod d; pub use {b::*, d::W};");
        let one = ("c/src/a/b.rs", "use crate::a::W; pub struct X;");
        let other = ("c/src/a/d.rs", "use super::X; pub struct W;");
        let expected = pairs(&[("a::b", "a::d"), ("a::d", "a::b")]);
        assert_eq!(circles_of(&[face, one, other]), expected);
        // The same by a path behind an imported module, and by everything at once.
        let one = ("c/src/a/b.rs", "use crate::a; struct X(a::W);");
        assert_eq!(circles_of(&[face, one, other]), expected);
        let one = ("c/src/a/b.rs", "use super::*; pub struct X;");
        assert_eq!(circles_of(&[face, one, other]), expected);
    }

    #[test]
    fn what_a_macro_defines_is_found() {
        let face = ("c/src/a/mod.rs", "mod b; mod d; pub use {b::*, d::*};");
        let one = (
            "c/src/a/b.rs",
            "use crate::a::Kind; codes! { pub enum State: \"state\" { A = 1 } }",
        );
        let other = (
            "c/src/a/d.rs",
            "use crate::a::State; macro_rules! m { () => { pub struct Kind; } } m!();",
        );
        let found = circles_of(&[face, one, other]);
        assert_eq!(found, pairs(&[("a::b", "a::d"), ("a::d", "a::b")]));
    }

    #[test]
    fn folders_that_need_each_other_are_a_circle() {
        let files = [
            (
                "c/src/job/mod.rs",
                "mod end; mod pay; pub use {end::*, pay::*};",
            ),
            (
                "c/src/job/end.rs",
                "use crate::dispute::judge; pub fn end() {}",
            ),
            ("c/src/job/pay.rs", "pub fn pay() {}"),
            ("c/src/dispute/mod.rs", "mod judge; pub use judge::*;"),
            (
                "c/src/dispute/judge.rs",
                "use crate::job::pay; pub fn judge() {}",
            ),
        ];
        let found = circles_of(&files);
        assert_eq!(found, pairs(&[("dispute", "job"), ("job", "dispute")]));
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
            "pub struct W; #[cfg(test)] use super::X; #[cfg(test)] mod tests { use super::super::b::X; }",
        );
        assert_eq!(circles_of(&[face, child, other]), []);
    }

    #[test]
    fn a_name_that_only_the_root_s_macros_make_is_none() {
        let root = ("c/src/lib.rs", "mod a; use a::*; declare_id!(\"x\");");
        let user = ("c/src/a.rs", "pub fn f() { g(crate::ID) }");
        assert_eq!(circles_of(&[root, user]), []);
    }
}
