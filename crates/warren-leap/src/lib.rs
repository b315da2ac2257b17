//! The lowest two layers of Warren, without input and output: what the product is about, and how Leap looks on the wire.
//!
//! The server stands on them, and so can whoever writes a client, a fuzzer or a tool: there is no runtime, no socket and no
//! database in here (`docs/adr/0017-crates.md`).

pub mod domain;
pub mod protocol;
