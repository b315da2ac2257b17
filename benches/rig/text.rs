//! Texts to measure with: the same at every run.

use std::fmt::Write as _;

/// A JSON object of about so many bytes, with members as apps have them.
pub(crate) fn document(bytes: usize) -> String {
    let mut text = r#"{"name":"Ann","seen":1700000000000"#.to_owned();
    let mut number = 0;
    while text.len() + 2 < bytes {
        let member = format_args!(
            r#","item{number:05}":{{"id":{number},"title":"a \"quoted\" title","score":12.5,"tags":["a","b"]}}"#
        )
        .to_string();
        if text.len() + member.len() + 1 > bytes {
            let padding = bytes.saturating_sub(text.len() + 11);
            // Writing to a String has no way to fail.
            let _ = write!(text, r#","rest":"{}""#, "x".repeat(padding));
            break;
        }
        text.push_str(&member);
        number += 1;
    }
    text.push('}');
    text
}
