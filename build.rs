//! Tells cargo that the binary holds what lies outside `src`, and renders the book that is served at `/docs`.

#[path = "build/book.rs"]
mod book;
#[path = "build/page.rs"]
mod page;
#[path = "build/place.rs"]
mod place;
#[path = "build/rewriting.rs"]
mod rewriting;

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=migrations-postgres");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let book = book::Book::read(&root)?;
    for chapter in book.chapters() {
        println!("cargo:rerun-if-changed={}", chapter.file);
    }
    let mut table = String::from("&[\n");
    for (number, chapter) in book.chapters().iter().enumerate() {
        let file = out.join(format!("chapter-{number}.html"));
        fs::write(&file, page::render(&book, chapter)?)?;
        let file = file.to_str().ok_or("the folder to build in has a name that is no text")?;
        writeln!(table, "    ({:?}, include_bytes!({file:?})),", chapter.path)?;
    }
    fs::write(out.join("book.rs"), table + "]\n")?;
    Ok(())
}
