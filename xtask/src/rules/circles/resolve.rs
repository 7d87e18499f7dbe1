//! Where a name leads: to the file that defines it, through every face that hands it on.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{File, Name};

/// A module's path within its crate; the root's is empty.
pub type Module = Vec<String>;

/// The files of a crate.
pub struct Crate(pub BTreeMap<Module, File>);

impl Crate {
    /// The modules that one module imports, itself left out.
    pub fn imports(&self, here: &Module) -> BTreeSet<Module> {
        let file = &self.0[here];
        let mut found = BTreeSet::new();
        for import in &file.uses {
            let targets = self.targets(here, &import.name).into_iter();
            // A face that only hands its children's names on is not tied to them.
            found.extend(
                targets.filter(|target| !(import.is_handed_on && target.starts_with(here))),
            );
        }
        // A parent that calls its child by path is as good as a face: it decides nothing of its own.
        let is_child = |name: &String| self.0.contains_key(&child(here, name));
        let paths = file.paths.iter();
        for segments in paths.filter(|path| !path.first().is_some_and(is_child)) {
            let name = Name {
                segments: segments.clone(),
                is_glob: false,
            };
            found.extend(self.targets(here, &name));
        }
        found.remove(here);
        found
    }

    /// The modules that define what a path names, seen from `here`; empty for other crates' names.
    fn targets(&self, here: &Module, name: &Name) -> BTreeSet<Module> {
        let mut search = Search {
            all: self,
            is_glob: name.is_glob,
            seen: BTreeSet::new(),
        };
        if let Some(found) = search.path(here, &name.segments) {
            return found;
        }
        // What only a macro makes: as far as the path can be followed. The root has nothing else but the crate's id.
        let reached = self.start(here, &name.segments).and_then(|(at, rest)| {
            let lengths = (0..=rest.len()).rev();
            let mut paths = lengths.map(|count| [at.as_slice(), &rest[..count]].concat());
            paths.find(|path| self.0.contains_key(path))
        });
        reached.into_iter().filter(|at| !at.is_empty()).collect()
    }

    /// Where a path begins that is told from here, and what is left of it. Nothing for names that a `use` brought in.
    fn start<'a>(&self, here: &Module, segments: &'a [String]) -> Option<(Module, &'a [String])> {
        let mut rest = segments;
        let mut at = here.clone();
        match rest.first()?.as_str() {
            "crate" => {
                rest = &rest[1..];
                at.clear();
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    rest = &rest[1..];
                    at.pop()?;
                }
            }
            first if self.0.contains_key(&child(here, first)) => {}
            _ => return None,
        }
        Some((at, rest))
    }

    /// The module that a glob names, if it is one of this crate.
    fn face(&self, here: &Module, segments: &[String]) -> Option<Module> {
        let mut at = here.clone();
        for segment in segments {
            match segment.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => {
                    at.pop()?;
                }
                name => at.push(name.to_owned()),
            }
        }
        self.0.contains_key(&at).then_some(at)
    }
}

/// One search for where a name comes from.
struct Search<'a> {
    all: &'a Crate,
    is_glob: bool,
    /// Where it has been, so that faces that hand each other on end it.
    seen: BTreeSet<(Module, Vec<String>)>,
}

impl Search<'_> {
    /// What a path leads to that stands in `here`.
    fn path(&mut self, here: &Module, segments: &[String]) -> Option<BTreeSet<Module>> {
        match self.all.start(here, segments) {
            Some((at, rest)) => self.below(here, &at, rest),
            None => self.through_uses(here, here, segments),
        }
    }

    /// What a path below a module leads to, asked for by `here`; nothing if the module has no such name.
    fn below(
        &mut self,
        here: &Module,
        module: &Module,
        segments: &[String],
    ) -> Option<BTreeSet<Module>> {
        if !self.seen.insert((module.clone(), segments.to_vec())) {
            return None;
        }
        let Some((first, rest)) = segments.split_first() else {
            return Some(if self.is_glob {
                self.everything(module)
            } else {
                BTreeSet::from([module.clone()])
            });
        };
        let child = child(module, first);
        if self.all.0.contains_key(&child) {
            return self.below(here, &child, rest);
        }
        if self.all.0.get(module)?.defines.contains(first) {
            return Some(BTreeSet::from([module.clone()]));
        }
        self.through_uses(here, module, segments)
    }

    /// What a path leads to whose first name a `use` of the module brings in. Others see only what is handed on.
    fn through_uses(
        &mut self,
        here: &Module,
        module: &Module,
        segments: &[String],
    ) -> Option<BTreeSet<Module>> {
        let (first, rest) = segments.split_first()?;
        let all = self.all;
        let uses = all.0.get(module)?.uses.iter();
        let open = uses.filter(|import| import.is_handed_on || here.starts_with(module));
        let (named, globs): (Vec<_>, Vec<_>) = open.partition(|import| import.alias.is_some());
        // `use name;` of another crate, or of a macro of this file, names itself.
        let named = named.into_iter().find(|import| {
            import.alias.as_ref() == Some(first) && import.name.segments != [first.clone()]
        });
        if let Some(import) = named {
            // `use a::b::a` would lead to itself for ever.
            if !self
                .seen
                .insert((module.clone(), vec!["use".to_owned(), first.clone()]))
            {
                return None;
            }
            return self.path(module, &[import.name.segments.as_slice(), rest].concat());
        }
        globs.into_iter().find_map(|glob| {
            let face = all.face(module, &glob.name.segments)?;
            self.below(module, &face, segments)
        })
    }

    /// Where everything comes from that a module has or hands on.
    fn everything(&mut self, module: &Module) -> BTreeSet<Module> {
        let all = self.all;
        let file = &all.0[module];
        let mut found = BTreeSet::new();
        if !file.defines.is_empty() {
            found.insert(module.clone());
        }
        let is_glob = self.is_glob;
        for import in file.uses.iter().filter(|import| import.is_handed_on) {
            self.is_glob = import.name.is_glob;
            found.extend(
                self.path(module, &import.name.segments)
                    .into_iter()
                    .flatten(),
            );
        }
        self.is_glob = is_glob;
        found
    }
}

fn child(module: &Module, name: &str) -> Module {
    [module.as_slice(), &[name.to_owned()]].concat()
}
