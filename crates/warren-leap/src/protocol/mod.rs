//! How Leap looks on the wire, free of input and output (`docs/PROTOCOL.md`, Socket; `docs/CLIENTS.md`, Socket).
//!
//! Frames are decoded into [`client_frame::ClientFrame`]s and encoded from [`encoded_event::EncodedEvent`]s; the per-connection rules
//! are the [`machine::Machine`], which takes the time as an argument and returns what to do. All of it is JSON text but
//! for the outermost skin: [`wire`] spells that text as each connection asked, [`sse`] where it is an event stream.

pub mod bookmark;
pub mod client_frame;
pub mod close;
pub mod encoded_event;
pub mod etf;
pub mod extension;
pub mod frame;
pub mod machine;
pub mod opcode;
pub mod profiles;
pub mod rate;
pub mod refusal;
pub mod sse;
pub mod wire;
pub mod zlib;

pub use bookmark::{Bookmark, BookmarkFull, NoBookmark};
pub use client_frame::{ClientCommand, ClientFrame, DecodeError, Identify, ShownToken};
pub use close::{Close, CloseCode, REASON_MAX_BYTES};
pub use encoded_event::{
    Acknowledged, EncodedEvent, ErrorCode, Event, InitStanding, LineStanding, PresentMember,
    Profile, Scope,
};
pub use extension::{Extension, Extensions};
pub use machine::{Action, Machine, Timing};
pub use opcode::Opcode;
pub use profiles::{ProfileCounts, Profiles};
pub use rate::Rate;
pub use refusal::Refusal;
pub use wire::{Encoding, Wire};
