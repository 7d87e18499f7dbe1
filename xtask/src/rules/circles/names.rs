//! What a file says: the names that it defines, hands on and asks for.

use std::collections::BTreeSet;

use syn::visit::Visit;

/// Words that stand before what they define.
const OPENERS: [&str; 7] = ["enum", "struct", "fn", "trait", "type", "const", "static"];

/// A path that a file names, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub segments: Vec<String>,
    /// Whether everything below the path is meant: `use a::b::*`.
    pub is_glob: bool,
}

/// A `use`: a path, and what the file calls it from then on.
#[derive(Clone, Debug)]
pub struct Use {
    pub name: Name,
    /// Nothing for a glob.
    pub alias: Option<String>,
    /// `pub use`, in whatever scope.
    pub is_handed_on: bool,
}

/// One file, its tests left out.
#[derive(Default)]
pub struct File {
    pub defines: BTreeSet<String>,
    pub uses: Vec<Use>,
    /// Paths of more than one segment outside of `use`.
    pub paths: Vec<Vec<String>>,
}

impl File {
    pub fn parse(text: &str) -> syn::Result<Self> {
        let mut file = Self::default();
        file.visit_file(&syn::parse_file(text)?);
        Ok(file)
    }

    fn add_use(&mut self, tree: &syn::UseTree, before: &[String], is_handed_on: bool) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_use(&path.tree, &with(&path.ident), is_handed_on),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, before, is_handed_on);
                }
            }
            // `use a::b::{self}` is `use a::b`.
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.add(before.to_vec(), before.last().cloned(), is_handed_on);
            }
            syn::UseTree::Name(name) => {
                self.add(
                    with(&name.ident),
                    Some(name.ident.to_string()),
                    is_handed_on,
                );
            }
            syn::UseTree::Rename(rename) => {
                let alias = Some(rename.rename.to_string());
                self.add(with(&rename.ident), alias, is_handed_on);
            }
            syn::UseTree::Glob(_) => self.add(before.to_vec(), None, is_handed_on),
        }
    }

    fn add(&mut self, segments: Vec<String>, alias: Option<String>, is_handed_on: bool) {
        let is_glob = alias.is_none();
        self.uses.push(Use {
            name: Name { segments, is_glob },
            alias,
            is_handed_on,
        });
    }

    /// What a macro's call or rules would define, read off the words before the names.
    fn add_definitions(&mut self, tokens: &str) {
        let words: Vec<&str> = tokens.split_whitespace().collect();
        for pair in words.windows(2) {
            if OPENERS.contains(&pair[0]) {
                self.defines.insert(pair[1].to_owned());
            }
        }
    }

    fn define(&mut self, ident: &syn::Ident) {
        self.defines.insert(ident.to_string());
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let what = attribute.parse_args::<syn::Ident>();
        attribute.path().is_ident("cfg") && what.is_ok_and(|what| what == "test")
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for File {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            syn::Item::Const(item) => self.define(&item.ident),
            syn::Item::Enum(item) => self.define(&item.ident),
            syn::Item::Fn(item) => self.define(&item.sig.ident),
            syn::Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    self.define(name);
                }
                self.add_definitions(&item.mac.tokens.to_string());
            }
            syn::Item::Static(item) => self.define(&item.ident),
            syn::Item::Struct(item) => self.define(&item.ident),
            syn::Item::Trait(item) => self.define(&item.ident),
            syn::Item::Type(item) => self.define(&item.ident),
            _ => {}
        }
        syn::visit::visit_item(self, item);
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
        if segments.len() > 1 && path.leading_colon.is_none() {
            self.paths.push(segments);
        }
        syn::visit::visit_path(self, path);
    }
}
