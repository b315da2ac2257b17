//! Messages: an event name and any JSON data, passed on and forgotten.

use super::RawJson;
use std::sync::Arc;

/// The longest event name, in bytes of UTF-8 (`docs/PROTOCOL.md`, Messages).
pub const EVENT_NAME_MAX_BYTES: usize = 256;

/// One message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The developer's name for it.
    pub event: Arc<str>,
    /// The developer's data, untouched; `null` where none was given.
    pub data: RawJson,
}
