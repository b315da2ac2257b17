//! The book: which files are its chapters, in which order and where they are served. `docs/README.md` says it.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The file that lists all others.
const INDEX: &str = "docs/README.md";

/// One chapter.
pub(crate) struct Chapter {
    /// Its file, from the repository's root.
    pub(crate) file: String,
    /// Where it is served, from where Warren is mounted: `/docs/errors`.
    pub(crate) path: String,
    /// What the index calls it.
    pub(crate) title: String,
    /// The part of the book in which it stands; empty for the index.
    pub(crate) part: String,
    /// Its text.
    pub(crate) text: String,
}

/// All chapters, in reading order; the index is the first.
pub(crate) struct Book {
    /// The chapters.
    chapters: Vec<Chapter>,
    /// Where each stands in that list, by its file.
    places: HashMap<String, usize>,
}

impl Book {
    /// Reads the index and every file that it lists.
    ///
    /// # Errors
    /// A file that is listed and is not there, or twice.
    pub(crate) fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let text = fs::read_to_string(root.join(INDEX))?;
        let listed = listed(&text);
        let index = Chapter {
            file: INDEX.to_owned(),
            path: "/docs".to_owned(),
            title: "Contents".to_owned(),
            part: String::new(),
            text,
        };
        let mut book = Self { chapters: vec![index], places: HashMap::new() };
        for (part, title, target) in listed {
            let file = resolve(INDEX, &target);
            let text = fs::read_to_string(root.join(&file))
                .map_err(|error| format!("{INDEX} lists {file}: {error}"))?;
            let path = served_at(&file);
            book.chapters.push(Chapter { file, path, title, part, text });
        }
        for (place, chapter) in book.chapters.iter().enumerate() {
            if book.places.insert(chapter.file.clone(), place).is_some() {
                return Err(format!("{INDEX} lists {} twice", chapter.file).into());
            }
        }
        Ok(book)
    }

    /// All chapters, in reading order.
    pub(crate) fn chapters(&self) -> &[Chapter] {
        &self.chapters
    }

    /// The chapter before one, and the one behind it.
    pub(crate) fn around(&self, chapter: &Chapter) -> (Option<&Chapter>, Option<&Chapter>) {
        let place = self.places.get(&chapter.file).copied().unwrap_or_default();
        let before = place.checked_sub(1).and_then(|place| self.chapters.get(place));
        (before, self.chapters.get(place + 1))
    }

    /// The chapter that a link in a file leads to, if it leads to one.
    pub(crate) fn target(&self, from: &str, link: &str) -> Option<&Chapter> {
        self.places.get(&resolve(from, link)).and_then(|place| self.chapters.get(*place))
    }
}

/// The links to files of Markdown below the headings of the index: part, title and target of each.
fn listed(index: &str) -> Vec<(String, String, String)> {
    let (mut part, mut text, mut target, mut found) =
        (String::new(), String::new(), String::new(), Vec::new());
    for event in Parser::new(index) {
        match event {
            Event::Start(Tag::Heading { .. }) => text.clear(),
            Event::Start(Tag::Link { dest_url, .. }) => {
                text.clear();
                target = dest_url.into_string();
            }
            Event::Text(words) | Event::Code(words) => text += &words,
            Event::End(TagEnd::Heading(HeadingLevel::H2)) => part.clone_from(&text),
            Event::End(TagEnd::Link) if !part.is_empty() && is_file(&target) => {
                found.push((part.clone(), text.clone(), target.clone()));
            }
            _ => {}
        }
    }
    found
}

/// Whether a link leads to a whole file of Markdown in this repository.
fn is_file(target: &str) -> bool {
    Path::new(target).extension().is_some_and(|it| it == "md") && !target.contains("://")
}

/// Where a file is served.
fn served_at(file: &str) -> String {
    let name = file.trim_end_matches(".md").trim_end_matches("/README");
    let name = name.strip_prefix("docs/").unwrap_or(name);
    format!("/docs/{}", name.to_lowercase())
}

/// The file that a link in another leads to, from the repository's root, without what stands behind `#`.
fn resolve(from: &str, link: &str) -> String {
    let link = link.split('#').next().unwrap_or_default();
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let mut file = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => {
                file.pop();
            }
            part => file.push(part),
        }
    }
    file.to_string_lossy().into_owned()
}
