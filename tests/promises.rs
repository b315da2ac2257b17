//! `docs/promises.md` names the test that proves each promise; this holds it to that.
//!
//! A row names tests that exist, or says **gap**. What the tests assert, a reader has to judge.

#![expect(clippy::panic, reason = "in a test, a panic is the report")]

#[path = "promises/sources.rs"]
mod sources;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The document.
const DOCUMENT: &str = "docs/promises.md";
/// What a row says for which no test exists, or not for all of it.
const GAP: &str = "**gap**";
/// The claims of the store's contract are no tests by themselves; this file turns those that it lists into tests.
const CONTRACT: &str = "src/store/contract.rs";

/// One row: a promise and its proof.
#[derive(Debug)]
struct Row<'a> {
    /// Where it stands, from 1.
    line: usize,
    /// The promise.
    promise: &'a str,
    /// The tests that it names.
    tests: Vec<&'a str>,
    /// Whether it says that something is not proven.
    is_gap: bool,
}

/// How many promises there are, and how many of them are proven.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    /// Rows.
    promises: usize,
    /// Rows without a gap.
    proven: usize,
}

/// The files of the repository, each read once.
struct Files {
    /// Where it is.
    root: PathBuf,
    /// What was read; none for a file that does not exist.
    read: HashMap<String, Option<String>>,
}

impl Files {
    /// The repository that this test belongs to.
    fn new() -> Self {
        let root = option_env!("CARGO_MANIFEST_DIR").unwrap_or(".");
        Self { root: PathBuf::from(root), read: HashMap::new() }
    }

    /// A file's text.
    fn text(&mut self, path: &str) -> Option<&str> {
        let Self { root, read } = self;
        let text = read.entry(path.to_owned());
        text.or_insert_with(|| fs::read_to_string(root.join(path)).ok()).as_deref()
    }

    /// Why a named test does not exist; none if it does.
    fn fault(&mut self, named: &str) -> Option<String> {
        let (path, name) = match named.split_once(": ") {
            Some((path, title)) => (path, title),
            None => named.split_once("::")?,
        };
        let extension = Path::new(path).extension().and_then(|it| it.to_str()).unwrap_or_default();
        let Some(text) = self.text(path) else { return Some(format!("there is no file {path}")) };
        let exists = match extension {
            "rs" if path.starts_with("src/store/contract/") => {
                let is_claim = text.contains(&format!("fn {name}("));
                let module = path.trim_end_matches(".rs").rsplit('/').next().unwrap_or_default();
                let listed = format!("{module}::{name},");
                is_claim && self.text(CONTRACT).is_some_and(|list| list.contains(&listed))
            }
            "rs" => is_rust_test(text, name),
            "go" => text.contains(&format!("func {name}(t *testing.T)")),
            "mjs" => is_node_test(text, name),
            "py" => name.starts_with("test_") && text.contains(&format!("def {name}(")),
            "sh" => name.starts_with("test_") && text.contains(&format!("\n{name}() {{")),
            _ => false,
        };
        (!exists).then(|| format!("{path} has no test {name}"))
    }
}

/// Whether a text has a function of this name with a test's attribute on it.
fn is_rust_test(text: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_here = |line: &str| {
        let line = line.trim_start_matches("async ");
        line.starts_with(&head)
    };
    lines.iter().enumerate().filter(|(_, line)| is_here(line)).any(|(at, _)| {
        let above = lines.iter().take(at).rev();
        let mut above = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above
            .any(|line| *line == "#[test]" || line.ends_with("::test]") || line.contains("::test("))
    })
}

/// Whether a text has a test of this quoted title, whichever quotes are around it there.
fn is_node_test(text: &str, quoted: &str) -> bool {
    let Some(title) = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')) else {
        return false;
    };
    !title.is_empty()
        && ['\'', '"', '`'].iter().any(|quote| {
            let called = format!("est({quote}{title}{quote},");
            text.contains(&called)
        })
}

/// The rows of all tables: two cells, of which the second names tests in backticks.
fn rows(document: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (at, line) in document.lines().enumerate() {
        let Some(inner) = line.strip_prefix("| ").and_then(|it| it.strip_suffix(" |")) else {
            continue;
        };
        let Some((promise, proof)) = inner.rsplit_once(" | ") else {
            panic!("{DOCUMENT}:{}: not two cells", at + 1);
        };
        if promise == "promise" || promise == "---" {
            continue;
        }
        let tests = proof.split('`').skip(1).step_by(2).filter(|it| is_name(it)).collect();
        rows.push(Row { line: at + 1, promise, tests, is_gap: proof.contains(GAP) });
    }
    rows
}

/// Whether a text in backticks names a test, and is no word of an explanation.
fn is_name(text: &str) -> bool {
    text.contains("::") || text.contains(": \"")
}

/// Holds a document against the repository.
///
/// # Errors
/// Every fault, one a line.
fn check(document: &str, files: &mut Files) -> Result<Count, String> {
    let rows = rows(document);
    let mut faults = Vec::new();
    for Row { line, promise, tests, is_gap } in &rows {
        if tests.is_empty() && !is_gap {
            faults.push(format!("{DOCUMENT}:{line}: no test and no gap: {promise}"));
        }
        for named in tests {
            if let Some(fault) = files.fault(named) {
                faults.push(format!("{DOCUMENT}:{line}: {fault}"));
            }
        }
    }
    let proven = rows.iter().filter(|row| !row.is_gap).count();
    if faults.is_empty() {
        Ok(Count { promises: rows.len(), proven })
    } else {
        Err(faults.join("\n"))
    }
}

#[test]
fn every_promise_names_a_test_that_exists_or_a_gap() {
    let mut files = Files::new();
    let document = files.text(DOCUMENT).expect("the document").to_owned();
    match check(&document, &mut files) {
        Ok(Count { promises, proven }) => {
            let gaps = promises - proven;
            println!("{promises} promises, {proven} proven, {gaps} gaps");
            for Row { line, promise, .. } in rows(&document).iter().filter(|row| row.is_gap) {
                println!("gap: {DOCUMENT}:{line}: {promise}");
            }
            assert!(promises >= 150, "only {promises} rows were understood");
        }
        Err(faults) => panic!("{faults}"),
    }
}

#[test]
fn a_wrong_name_is_caught() {
    let mut files = Files::new();
    let here = "tests/promises.rs";
    for (proof, is_fine) in [
        (format!("`{here}::a_wrong_name_is_caught`"), true),
        (format!("{GAP}: nothing does this"), true),
        (format!("`{here}::a_wrong_name_is_caught`; {GAP}: not all of `it`"), true),
        ("`tests/clients/page.test.mjs: \"Copy copies the command\"`".to_owned(), true),
        ("`src/store/contract/tokens.rs::default_channels_are_subscribed`".to_owned(), true),
        (format!("`{here}::no_such_test_{}`", "anywhere"), false),
        (format!("`{here}::is_rust_test`"), false),
        ("`tests/nowhere.rs::a_wrong_name_is_caught`".to_owned(), false),
        ("`src/store/contract/tokens.rs::channels`".to_owned(), false),
        ("`tests/clients/page.test.mjs: \"Copy copies\"`".to_owned(), false),
        ("`tests/clients/page.test.mjs: \"\"`".to_owned(), false),
        ("`tests/clients/go/rest_test.go::TestNothing`".to_owned(), false),
        ("`tests/packages/image.py::test_it_runs`".to_owned(), true),
        ("`tests/packages/image.py::test_nothing`".to_owned(), false),
        ("`tests/packages/bare.sh::test_deb`".to_owned(), true),
        ("`tests/packages/bare.sh::from_nothing`".to_owned(), false),
        (format!("{GAP}; `{here}::is_rust_test`"), false),
        ("somebody looked".to_owned(), false),
        (String::new(), false),
    ] {
        let document = format!("| promise | proof |\n| --- | --- |\n| a promise | {proof} |\n");
        let checked = check(&document, &mut files);
        assert_eq!(checked.is_ok(), is_fine, "{proof}: {checked:?}");
    }
}
