//! Where a page is, and how what leads elsewhere is written there.

use crate::book::Chapter;

/// Where a page is, from which its links are relative: Warren may be mounted anywhere.
pub(crate) struct Place {
    /// What leads from the page to where Warren is mounted.
    up: String,
}

impl Place {
    /// That of a chapter.
    pub(crate) fn of(chapter: &Chapter) -> Self {
        Self { up: "../".repeat(chapter.path.matches('/').count() - 1) }
    }

    /// What leads from the page to where Warren is mounted: nothing, or `../` as often as needed.
    pub(crate) fn up(&self) -> &str {
        &self.up
    }

    /// The way to another chapter.
    pub(crate) fn way_to(&self, chapter: &Chapter) -> String {
        format!("{}{}", self.up, chapter.path.trim_start_matches('/'))
    }
}

/// A text in HTML, also within quotes.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
