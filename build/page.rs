//! One page of the book: a chapter's Markdown as HTML, with the way to all others around it.
//!
//! A page holds no script and no style of its own, as the policy wants under which it is served.

use crate::book::{Book, Chapter};
use crate::place::{Place, escaped};
use crate::rewriting::{Heading, Rewriter};
use pulldown_cmark::html;
use std::error::Error;

/// The whole page of a chapter.
///
/// # Errors
/// What the book does not use: HTML in Markdown other than an anchor, images.
pub(crate) fn render(book: &Book, chapter: &Chapter) -> Result<String, Box<dyn Error>> {
    let at = Place::of(chapter);
    let (events, headings) = Rewriter::new(book, chapter, &at).rewritten()?;
    let mut content = String::new();
    html::push_html(&mut content, events.into_iter());
    let content = content.replacen("</h1>\n", &format!("</h1>\n{}", on_this_page(&headings)), 1);
    let (title, up) = (escaped(&chapter.title), at.up());
    Ok(format!(
        r##"<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="referrer" content="no-referrer">
  <title>{title} · Warren</title>
  <link rel="icon" href="{up}static/icon.svg" type="image/svg+xml">
  <script src="{up}static/theme.js"></script>
  <link rel="stylesheet" href="{up}static/theme.css">
  <link rel="stylesheet" href="{up}static/docs.css">
</head>
<body>
  <a class="skip" href="#main">Skip to content</a>
  <header class="bar">
    <a class="brand" href="{up}docs"><img src="{up}static/icon.svg" alt="" width="28" height="28">Warren</a>
    <nav class="ways" aria-label="This server"><a href="{up}docs">Contents</a> <a href="{home}">Watch a channel</a> <a href="{up}console">Console</a></nav>
  </header>
  <div class="frame">
    <nav class="side" aria-label="Chapters">{chapters}</nav>
    <main id="main" tabindex="-1">
      {content}
      {onward}
    </main>
  </div>
</body>
</html>
"##,
        home = if up.is_empty() { "./" } else { up },
        chapters = chapters(book, chapter, &at),
        onward = onward(book, chapter, &at),
    ))
}

/// All chapters, by part.
fn chapters(book: &Book, current: &Chapter, at: &Place) -> String {
    let (mut list, mut part) = (Vec::new(), "");
    for chapter in book.chapters().iter().skip(1) {
        if chapter.part != part {
            part = &chapter.part;
            let end = if list.is_empty() { "" } else { "</ul>" };
            list.push(format!("{end}<h2>{}</h2><ul>", escaped(part)));
        }
        let mark = if chapter.path == current.path { " aria-current=\"page\"" } else { "" };
        let (way, title) = (at.way_to(chapter), escaped(&chapter.title));
        list.push(format!("<li><a href=\"{way}\"{mark}>{title}</a></li>"));
    }
    list.concat() + "</ul>"
}

/// The headings of a page that has several.
fn on_this_page(headings: &[Heading]) -> String {
    let seconds: Vec<_> = headings.iter().filter(|heading| heading.level == 2).collect();
    if seconds.len() < 3 {
        return String::new();
    }
    let line = |heading: &&Heading| {
        format!("<li><a href=\"#{}\">{}</a></li>", escaped(&heading.id), escaped(&heading.text))
    };
    let list: String = seconds.iter().map(line).collect();
    format!(
        "<nav class=\"within\" aria-label=\"On this page\"><p>On this page</p><ul>{list}</ul></nav>"
    )
}

/// The chapters before and behind this one.
fn onward(book: &Book, chapter: &Chapter, at: &Place) -> String {
    let (before, behind) = book.around(chapter);
    let way = |chapter: Option<&Chapter>, rel: &str, arrow: &str| {
        chapter.map_or_else(String::new, |to| {
            let title = escaped(&to.title);
            format!("<a rel=\"{rel}\" href=\"{}\"><span>{arrow}</span> {title}</a>", at.way_to(to))
        })
    };
    let (before, behind) = (way(before, "prev", "Before:"), way(behind, "next", "Next:"));
    format!("<nav class=\"onward\" aria-label=\"Before and next\">{before}{behind}</nav>")
}
