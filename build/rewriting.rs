//! A chapter's Markdown as the pages need it: headings with ids, links to where the chapters are served, wide things that
//! can be scrolled by themselves.

use crate::book::{Book, Chapter};
use crate::place::{Place, escaped};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::collections::HashMap;
use std::error::Error;

/// A heading of a page.
pub(crate) struct Heading {
    /// Its level, 1 to 6.
    pub(crate) level: u8,
    /// What it says, as text.
    pub(crate) text: String,
    /// What links to it name.
    pub(crate) id: String,
}

/// What is made of a chapter, event by event.
pub(crate) struct Rewriter<'a> {
    /// All chapters.
    book: &'a Book,
    /// This one.
    chapter: &'a Chapter,
    /// Where its page is.
    at: &'a Place,
    /// What was made so far.
    out: Vec<Event<'a>>,
    /// The headings that were met.
    headings: Vec<Heading>,
    /// Their ids.
    ids: Ids,
    /// The heading that is being read, and where in `out` its beginning will stand, which names its id.
    open: Option<(usize, Heading)>,
    /// Of the links that are open, whether each leads nowhere here.
    dropped: Vec<bool>,
}

impl<'a> Rewriter<'a> {
    /// One for a chapter.
    pub(crate) fn new(book: &'a Book, chapter: &'a Chapter, at: &'a Place) -> Self {
        let (out, headings) = (Vec::new(), Vec::new());
        Self {
            book,
            chapter,
            at,
            out,
            headings,
            ids: Ids::default(),
            open: None,
            dropped: Vec::new(),
        }
    }

    /// The whole chapter, and its headings.
    ///
    /// # Errors
    /// What the book does not use: HTML other than an anchor, images.
    pub(crate) fn rewritten(mut self) -> Result<(Vec<Event<'a>>, Vec<Heading>), Box<dyn Error>> {
        for event in Parser::new_ext(&self.chapter.text, Options::ENABLE_TABLES) {
            self.take(event)?;
        }
        Ok((self.out, self.headings))
    }

    /// The next event.
    fn take(&mut self, event: Event<'a>) -> Result<(), Box<dyn Error>> {
        if let (Some((_, heading)), Event::Text(words) | Event::Code(words)) =
            (&mut self.open, &event)
        {
            heading.text.push_str(words);
        }
        match event {
            Event::Start(Tag::Heading { level, .. }) => self.heading_begins(level),
            Event::End(TagEnd::Heading(_)) => self.heading_ends(),
            Event::Start(Tag::Link { dest_url, .. }) => self.link_begins(&dest_url),
            Event::End(TagEnd::Link) => {
                if self.dropped.pop() == Some(false) {
                    self.html("</a>");
                }
            }
            Event::Start(Tag::CodeBlock(kind)) => self.html(code_block(&kind)),
            Event::End(TagEnd::CodeBlock) => self.html("</code></pre>\n"),
            Event::Start(Tag::Table(columns)) => {
                self.html(
                    "<div class=\"wide\" role=\"group\" aria-label=\"Table\" tabindex=\"0\">",
                );
                self.out.push(Event::Start(Tag::Table(columns)));
            }
            Event::End(TagEnd::Table) => {
                self.out.push(Event::End(TagEnd::Table));
                self.html("</div>\n");
            }
            Event::Html(html) | Event::InlineHtml(html) if !is_anchor(&html) => {
                return Err(format!("{}: HTML in it: {html}", self.chapter.file).into());
            }
            Event::Start(Tag::Image { .. }) => {
                return Err(format!("{}: an image in it", self.chapter.file).into());
            }
            event => self.out.push(event),
        }
        Ok(())
    }

    /// What stands in the page as it is.
    fn html(&mut self, html: impl Into<CowStr<'a>>) {
        self.out.push(Event::Html(html.into()));
    }

    /// A heading begins; its id is known at its end.
    fn heading_begins(&mut self, level: HeadingLevel) {
        let heading = Heading { level: number(level), text: String::new(), id: String::new() };
        self.open = Some((self.out.len(), heading));
        self.html("");
    }

    /// It ends.
    fn heading_ends(&mut self) {
        let Some((slot, mut heading)) = self.open.take() else { return };
        heading.id = self.ids.of(&heading.text);
        let (level, id) = (heading.level, escaped(&heading.id));
        if let Some(slot) = self.out.get_mut(slot) {
            *slot = Event::Html(format!("<h{level} id=\"{id}\">").into());
        }
        let here =
            format!("<a class=\"here\" href=\"#{id}\" aria-label=\"Link to this heading\">#</a>");
        self.html(format!(" {here}</h{level}>\n"));
        self.headings.push(heading);
    }

    /// A link begins; one to a file of the repository that is not served is left out, its words stay.
    fn link_begins(&mut self, link: &str) {
        let to = self.way(link);
        self.dropped.push(to.is_none());
        if let Some(to) = to {
            self.html(format!("<a href=\"{}\">", escaped(&to)));
        }
    }

    /// Where a link leads from the page: another address as it is, a chapter where it is served; none for anything else.
    fn way(&self, link: &str) -> Option<String> {
        if link.contains("://") || link.starts_with('#') {
            return Some(link.to_owned());
        }
        let fragment = link.find('#').and_then(|at| link.get(at..)).unwrap_or_default();
        let target = self.book.target(&self.chapter.file, link)?;
        Some(format!("{}{fragment}", self.at.way_to(target)))
    }
}

/// What a block of code begins with: the name of the file that it is, where it is one.
fn code_block(kind: &CodeBlockKind<'_>) -> String {
    let info = match kind {
        CodeBlockKind::Fenced(info) => info.as_ref(),
        CodeBlockKind::Indented => "",
    };
    let file = info.split_whitespace().find_map(|word| word.strip_prefix("file="));
    let name = file.map(|name| format!("<p class=\"file\">{}</p>", escaped(name)));
    format!("{}<pre tabindex=\"0\"><code>", name.unwrap_or_default())
}

/// Whether a piece of HTML is an anchor that links name, or its end.
fn is_anchor(html: &str) -> bool {
    let id = html.strip_prefix("<a id=\"").and_then(|rest| rest.strip_suffix("\">"));
    let is_plain = |id: &str| id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    html == "</a>" || id.is_some_and(is_plain)
}

/// The ids of a page's headings, as GitHub makes them: the same in both places.
#[derive(Default)]
struct Ids(HashMap<String, usize>);

impl Ids {
    /// The id of the next heading.
    fn of(&mut self, text: &str) -> String {
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        let id: String = text.to_lowercase().chars().filter(kept).collect();
        let id = id.replace(' ', "-");
        let before = self.0.entry(id.clone()).or_default();
        *before += 1;
        if *before == 1 { id } else { format!("{id}-{}", *before - 1) }
    }
}

/// A level as a number.
const fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
