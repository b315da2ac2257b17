//! Files of one layer that import each other, computed from `use` and from paths in the code.
//!
//! What a file uses of the files below it by their bare names does not count: a module and its parts are one thing, and
//! the module names its parts to say what of them is seen from outside.

#![expect(clippy::indexing_slicing, reason = "in a test, a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

/// A module: the names on its path below `src`.
type Module = Vec<String>;

/// The files, by their module.
pub(crate) struct Tree<'a> {
    /// Of each its path below `src`, and its code.
    files: BTreeMap<Module, (&'a str, &'a str)>,
}

impl<'a> Tree<'a> {
    /// The tree of these files: paths below `src`, and code without comments and tests.
    pub(crate) fn new(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self { files: files.map(|(path, code)| (module(path), (path, code))).collect() }
    }

    /// The circles, each as the sorted paths of its files.
    pub(crate) fn circles(&self) -> Vec<Vec<&'a str>> {
        let edges: BTreeMap<&Module, BTreeSet<&Module>> =
            self.files.keys().map(|from| (from, self.imports(from))).collect();
        let reach: BTreeMap<&Module, BTreeSet<&Module>> =
            edges.keys().map(|from| (*from, reached(from, &edges))).collect();
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        let mut circles = Vec::new();
        for (from, reached) in &reach {
            if !reached.contains(from) || seen.contains(from) {
                continue;
            }
            let circle: Vec<&Module> =
                reached.iter().copied().filter(|to| reach[to].contains(from)).collect();
            let mut paths: Vec<_> = circle.iter().map(|module| self.files[*module].0).collect();
            seen.extend(circle);
            paths.sort_unstable();
            circles.push(paths);
        }
        circles
    }

    /// The files of its own layer that a file imports.
    fn imports(&self, from: &Module) -> BTreeSet<&Module> {
        let found = paths(self.files[from].1).into_iter().filter_map(|path| {
            let absolute = absolute(from, &path)?;
            self.definer(&absolute)
        });
        found.filter(|to| *to != from && to[0] == from[0]).collect()
    }

    /// The file where something stands: the longest module on its path, and behind re-exports.
    fn definer(&self, absolute: &[String]) -> Option<&Module> {
        let mut absolute = absolute.to_vec();
        // A name is re-exported a few times at most.
        for _ in 0..8 {
            let (module, rest) = self.split(&absolute)?;
            let Some(name) = rest.first() else { return Some(module) };
            match self.re_export(module, name) {
                Some(further) => absolute = [further, rest[1..].to_vec()].concat(),
                None => return Some(module),
            }
        }
        None
    }

    /// The longest module at the beginning of a path, and what follows it.
    fn split<'p>(&self, absolute: &'p [String]) -> Option<(&Module, &'p [String])> {
        (1..=absolute.len()).rev().find_map(|length| {
            let (module, _) = self.files.get_key_value(&absolute[..length])?;
            Some((module, &absolute[length..]))
        })
    }

    /// Where a module has a name from that it hands on.
    fn re_export(&self, module: &Module, name: &str) -> Option<Vec<String>> {
        let uses = statements(self.files[module].1).into_iter().filter(|(is_public, _)| *is_public);
        uses.flat_map(|(_, tree)| expanded(&tree)).find_map(|path| {
            let names = names(&path);
            if names.last().map(String::as_str) != Some(name) {
                return None;
            }
            let further = match absolute(module, &path) {
                Some(further) => further,
                // A bare name: one of its own parts.
                None => [module.clone(), names].concat(),
            };
            let (definer, _) = self.split(&further)?;
            (definer != module).then_some(further)
        })
    }
}

/// All that can be reached from a module.
fn reached<'m>(
    from: &'m Module,
    edges: &BTreeMap<&'m Module, BTreeSet<&'m Module>>,
) -> BTreeSet<&'m Module> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(next) = open.pop() {
        let new = edges[next].iter().filter(|to| reached.insert(**to));
        open.extend(new.copied());
    }
    reached
}

/// The module of a file.
fn module(path: &str) -> Module {
    let mut names: Vec<String> =
        path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// A path from the root, if it begins at the root, here or above.
fn absolute(from: &[String], path: &str) -> Option<Vec<String>> {
    let mut names = names(path);
    let above = names.iter().take_while(|name| *name == "super").count();
    let base = match names.first().map(String::as_str)? {
        "crate" => &[],
        "self" => from,
        "super" => &from[..from.len().checked_sub(above)?],
        _ => return None,
    };
    names.drain(..above.max(1));
    Some([base.to_vec(), names].concat())
}

/// The names of a path; `x as y` is x.
fn names(path: &str) -> Vec<String> {
    let path = path.split(" as ").next().unwrap_or_default();
    path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// All paths in a file's code: those of its imports, then those that stand in the code.
fn paths(code: &str) -> Vec<String> {
    let mut paths: Vec<_> =
        statements(code).into_iter().flat_map(|(_, tree)| expanded(&tree)).collect();
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let is_inner = code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
            let is_path = |c: char| c.is_alphanumeric() || "_:".contains(c);
            let path: String = code[at..].chars().take_while(|c| is_path(*c)).collect();
            // A group's beginning alone would name the module above it; imports have been looked at.
            if !is_inner && !path.ends_with(':') && !path.ends_with("super") {
                paths.push(path);
            }
        }
    }
    paths
}

/// The imports of a file: whether each hands on what it imports, and its tree of names.
fn statements(code: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rsplit('\n').next().unwrap_or_default().trim_start();
        let behind = &rest[at + 4..];
        let end = behind.find(';').unwrap_or(behind.len());
        if line.is_empty() || line.starts_with("pub") {
            found.push((!line.is_empty(), behind[..end].replace('\n', " ")));
        }
        rest = &behind[end..];
    }
    found
}

/// The paths of a tree of names: `a::{b, c::{d, e}}` has three.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else { return vec![tree.to_owned()] };
    let group = group.trim_end().trim_end_matches(|c: char| c.is_whitespace());
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut parts) = (0_u32, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expanded(part)).map(|part| format!("{head}{part}")).collect()
}
