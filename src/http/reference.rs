//! The API and the socket as documents that programs read, made of the code: compiled for tests alone, which compare them
//! with what is committed below `docs` and served (`docs/adr/0030-openapi-from-a-table.md`).

mod asyncapi;
mod conforming;
mod openapi;
mod schema;

use serde_json::Value;
use std::fs;

/// Compares a document with the committed one, part by part; writes it first where `WARREN_WRITE_DOCS` is set.
fn compare(name: &str, wanted: &Value) {
    let file = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("WARREN_WRITE_DOCS").is_some() {
        fs::write(&file, serde_json::to_string_pretty(wanted).unwrap() + "\n").unwrap();
    }
    let found: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    for (part, members) in wanted.as_object().unwrap() {
        for (name, member) in members.as_object().into_iter().flatten() {
            assert_eq!(&found[part][name], member, "docs/{name} is old at {part}, {name}");
        }
    }
    assert!(&found == wanted, "docs/{name} is old; WARREN_WRITE_DOCS=1 writes it");
}
