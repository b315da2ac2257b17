//! What a command prints: for people, or as JSON for programs.

use serde_json::{Map, Value};
use std::io::{self, Write};

/// The longest cell of a table for people, if it is no text.
const CELL: usize = 48;

/// Prints what the server told.
///
/// # Errors
/// Standard output takes nothing.
pub(crate) fn print(data: &str, is_json: bool, out: &mut dyn Write) -> io::Result<()> {
    let value = match serde_json::from_str::<Value>(data) {
        Ok(value) if !is_json => value,
        // For programs it goes on as it was written.
        _ => return writeln!(out, "{data}"),
    };
    match unwrapped(&value) {
        Value::Array(items) => table(items, out),
        Value::Object(fields) => lines(fields, out),
        other => writeln!(out, "{}", cell(other)),
    }
}

/// What is inside of an object with one thing: `{"channel": {…}}`; and the list of one with a list and its counts.
fn unwrapped(value: &Value) -> &Value {
    let Value::Object(fields) = value else { return value };
    let mut lists = fields.values().filter(|field| field.is_array());
    if let (Some(list), None) = (lists.next(), lists.next())
        && fields.values().all(|field| field.is_array() || field.is_number())
    {
        return list;
    }
    match fields.values().next() {
        Some(inner) if fields.len() == 1 && inner.is_object() => inner,
        _ => value,
    }
}

/// Prints fields, one a line.
fn lines(fields: &Map<String, Value>, out: &mut dyn Write) -> io::Result<()> {
    for (name, value) in fields {
        writeln!(out, "{}: {}", printable(name), text(value))?;
    }
    Ok(())
}

/// Prints a list as a table: the fields that are plain, and of others as much as has room.
fn table(items: &[Value], out: &mut dyn Write) -> io::Result<()> {
    let mut names: Vec<&str> = Vec::new();
    for item in items.iter().filter_map(Value::as_object) {
        names.extend(item.keys().map(String::as_str).filter(|name| *name != "project"));
        names.sort_unstable();
        names.dedup();
    }
    // In the order of the first one, which is the server's.
    let order: Vec<&str> = items
        .first()
        .and_then(Value::as_object)
        .map(|first| first.keys().map(String::as_str).collect())
        .unwrap_or_default();
    names.sort_by_key(|name| order.iter().position(|known| known == name).unwrap_or(usize::MAX));
    if names.is_empty() {
        return items.iter().try_for_each(|item| writeln!(out, "{}", text(item)));
    }
    let head = names.iter().map(|name| printable(&name.to_uppercase())).collect::<Vec<_>>();
    let row = |item: &Value| {
        names.iter().map(|name| item.get(*name).map(cell).unwrap_or_default()).collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(items.iter().map(row)).collect();
    let widths: Vec<usize> = (0..names.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|c| c.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A value in a table: on one line, and an object or a list not too long.
fn cell(value: &Value) -> String {
    let whole = text(value);
    // Ids are there to be copied.
    if whole.chars().count() <= CELL || value.is_string() {
        return whole;
    }
    whole.chars().take(CELL - 1).chain(['…']).collect()
}

/// A value for people: texts without their quotes. Control characters would be obeyed by a terminal, so they are escaped.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// A text that does nothing to a terminal.
pub fn printable(text: &str) -> String {
    // Some characters turn the direction of what stands behind them.
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = |c: char| {
        if c.is_control() || turns(c) { c.escape_unicode().to_string() } else { c.to_string() }
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed for people.
    fn shown(data: &str) -> String {
        let mut out = Vec::new();
        print(data, false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lists_are_tables_and_single_things_lines() {
        let list = r#"{"channels":[{"id":"a","state":{"x":1}},{"id":"longer","state":{}}],"total_count":2}"#;
        assert_eq!(shown(list), "ID      STATE\na       {\"x\":1}\nlonger  {}\n");
        assert_eq!(shown(r#"{"channel":{"id":"a","n":null}}"#), "id: a\nn: -\n");
        assert_eq!(shown(r#"{"state":{"x":1},"version":3}"#), "state: {\"x\":1}\nversion: 3\n");
        assert_eq!(shown(r#"{"channels":[]}"#), "");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(shown("{\"id\":\"\\u001b[2J\"}"), "id: \\u{1b}[2J\n");
        // Raw JSON holds what is no control character of ASCII as it is.
        let nested = "{\"a\u{9b}\":1,\"s\":{\"x\":\"\u{9b}2J\u{7f}\u{202e}\u{2067}\"}}";
        let told = shown(nested);
        assert!(!told.contains(['\u{9b}', '\u{7f}', '\u{202e}', '\u{2067}']), "{told:?}");
        assert!(told.contains("\\u{9b}2J\\u{7f}\\u{202e}\\u{2067}"), "{told}");
    }

    #[test]
    fn programs_get_it_as_it_was_written() {
        let mut out = Vec::new();
        print(r#"{"n":1.000}"#, true, &mut out).unwrap();
        assert_eq!(out, b"{\"n\":1.000}\n");
    }
}
