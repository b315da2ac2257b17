//! How a line of the log is spelled: as text for people, or as JSON for who collects logs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Full, Json, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, format};
use tracing_subscriber::registry::LookupSpan;

/// Spells events. What is logged before the configuration has been read, mistakes in it among that, is text.
pub(super) struct Spelling {
    /// Whether JSON is asked for.
    is_json: Arc<AtomicBool>,
    /// Text.
    text: Format<Full>,
    /// JSON.
    json: Format<Json>,
}

impl Spelling {
    /// Text, until this says otherwise.
    pub(super) fn new(is_json: Arc<AtomicBool>) -> Self {
        // What spans have noted is text, whatever an event's own spelling is.
        let json = format().json().flatten_event(true);
        let json = json.with_current_span(false).with_span_list(false);
        Self { is_json, text: format().with_ansi(false), json }
    }
}

/// The line that says how many lines before the next one were lost.
pub(super) fn lost(count: u64, is_json: bool) -> String {
    let message = "lines of the log were lost before this one";
    if !is_json {
        return format!("{count} {message}\n");
    }
    let mut timestamp = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let target = module_path!();
    let line = serde_json::json!({
        "timestamp": timestamp, "level": "WARN", "target": target, "message": message, "lost": count,
    });
    format!("{line}\n")
}

impl<S, N> FormatEvent<S, N> for Spelling
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.is_json.load(Ordering::Relaxed) {
            self.json.format_event(ctx, writer, event)
        } else {
            self.text.format_event(ctx, writer, event)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lost;

    #[test]
    fn what_was_lost_is_said_as_everything_else_is() {
        assert_eq!(lost(3, false), "3 lines of the log were lost before this one\n");
        let line = lost(3, true);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "{line}");
        assert_eq!((read["lost"].as_u64(), &read["level"]), (Some(3), &serde_json::json!("WARN")));
        assert!(read["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
    }
}
