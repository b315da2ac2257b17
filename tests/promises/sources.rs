//! What the other documents say of the sources: that a file exists, that a function stands in it, that a test is one.

use super::{Files, is_name};
use std::fs;
use std::path::Path;

/// What a command puts there: it stands in no fresh clone.
const MADE: &str = "node_modules";
/// Where sources stand: what begins so in backticks is a path.
const FOLDERS: [&str; 8] =
    ["src/", "tests/", "benches/", "crates/", "clients/", "examples/", "static/", "migrations/"];
/// A function and its file, as `docs/TRIPS.md` writes them: between the two backticked words.
const IN_FILE: &str = "` (`";
/// Under this heading a document names the tests behind it.
const THE_TESTS: &str = "\n## The tests\n";

/// What stands in backticks.
fn words(document: &str) -> impl Iterator<Item = &str> {
    document.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The tests that a document names in backticks, by the files in which only tests stand, or in its last part.
fn tests(document: &str) -> impl Iterator<Item = &str> {
    let last = document.split_once(THE_TESTS).map_or("", |(_, last)| last);
    let outside = words(document).filter(|word| word.starts_with("tests/"));
    outside.chain(words(last)).filter(|word| is_name(word))
}

/// The paths that a document names in backticks, without the test's name behind one.
fn paths(document: &str) -> impl Iterator<Item = &str> {
    let cut = |word| str::split(word, [':', ' ']).next().unwrap_or(word);
    let paths = words(document)
        .map(cut)
        .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
    // A pattern names no single file.
    paths.filter(|path| !path.contains(['*', '{', '<', '…']) && !path.contains(MADE))
}

/// Pairs of a function's own name and the file that a document says it stands in.
fn functions(document: &str) -> Vec<(&str, &str)> {
    let pair = |line: &'_ str| -> Vec<(usize, usize)> {
        line.match_indices(IN_FILE).map(|(at, found)| (at, at + found.len())).collect()
    };
    let named = |line| {
        let found = |(end, start)| {
            let (before, after): (&str, &str) = (str::get(line, ..end)?, str::get(line, start..)?);
            let name = before.rsplit('`').next()?;
            let (path, _) = after.split_once('`')?;
            let is_function = name.contains("::") && path.starts_with("src/");
            is_function.then(|| (name.rsplit("::").next().unwrap_or(name), path))
        };
        pair(line).into_iter().filter_map(found).collect::<Vec<_>>()
    };
    document.lines().flat_map(named).collect()
}

/// What is not true of what a document says.
fn faults(root: &Path, name: &str, document: &str) -> Vec<String> {
    let lost = paths(document).filter(|path| !root.join(path).exists());
    let mut faults: Vec<String> = lost.map(|path| format!("{name}: there is no {path}")).collect();
    for (function, path) in functions(document) {
        let text = fs::read_to_string(root.join(path)).unwrap_or_default();
        let heads = [format!("fn {function}("), format!("fn {function}<")];
        if !heads.iter().any(|head| text.contains(head)) {
            faults.push(format!("{name}: {path} has no function {function}"));
        }
    }
    let mut files = Files::new();
    let wrong = tests(document).filter_map(|named| files.fault(named));
    faults.extend(wrong.map(|fault| format!("{name}: {fault}")));
    faults
}

/// The repository.
fn root() -> &'static Path {
    Path::new(option_env!("CARGO_MANIFEST_DIR").unwrap_or("."))
}

/// The documents that say how it is now; decisions (`docs/adr/`) and changes say how it was.
fn documents() -> Vec<String> {
    let listed = fs::read_dir(root().join("docs")).expect("the documents");
    let named = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let documents = named.filter(|name| Path::new(name).extension().is_some_and(|it| it == "md"));
    documents.map(|name| format!("docs/{name}")).chain(["README.md".to_owned()]).collect()
}

#[test]
fn documents_name_sources_that_exist() {
    let mut found = (0, 0, 0);
    let mut wrong = Vec::new();
    for name in documents() {
        let text = fs::read_to_string(root().join(&name)).expect("a document");
        found.0 += paths(&text).count();
        found.1 += functions(&text).len();
        found.2 += tests(&text).count();
        wrong.extend(faults(root(), &name, &text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let enough = found.0 >= 500 && found.1 >= 10 && found.2 >= 50;
    assert!(enough, "only {found:?} paths, functions and tests were understood");
}

#[test]
fn a_wrong_source_is_caught() {
    for (text, is_fine) in [
        ("`src/lib.rs` and `tests/promises.rs`", true),
        ("`src/*/effects.rs` is a pattern, `src` no path", true),
        ("`Local::propose` (`src/bus/mod.rs`)", true),
        ("`tests/nowhere/node_modules` is made by npm", true),
        ("`src/nowhere.rs`", false),
        ("see `tests/nowhere.rs::a_test` there", false),
        ("`tests/promises.rs::every_promise_names_a_test_that_exists_or_a_gap`", true),
        ("`tests/promises.rs::no_such_test`", false),
        ("`src/lib.rs::no_test`", true),
        ("a part\n## The tests\n`src/lib.rs::no_test`", false),
        ("`Local::oppose` (`src/bus/mod.rs`)", false),
    ] {
        let faults = faults(root(), "text", text);
        assert_eq!(faults.is_empty(), is_fine, "{text}: {faults:?}");
    }
}
