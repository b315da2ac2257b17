//! What the product is about, free of input and output: identifiers, projects, tokens, channels and their state.
//!
//! Nothing here knows of sockets, HTTP, SQL or actors; time and randomness come in as arguments.

pub mod channel;
pub mod delivery;
pub mod event;
pub mod history;
pub mod id;
pub mod idempotency;
pub mod json;
pub mod jwt;
pub mod listing;
pub mod mail;
pub mod message;
pub mod missed;
pub mod network;
pub mod permission;
pub mod place;
pub mod position;
pub mod presence;
pub mod project;
pub mod register;
pub mod state;
pub mod state_log;
pub mod subject;
pub mod subscription;
pub mod time;
pub mod token;
pub mod uid;
pub mod web_origin;
pub mod webhook;

pub use channel::{Capabilities, Channel, ChannelKey, Visibility};
pub use delivery::{Attempt, Delivery, DeliveryKey, DeliveryOutcome, DeliveryState, DueDelivery};
pub use event::{EventKind, HookEvent, Stamp};
pub use history::{HistoryBounds, HistoryLimits, KeptMessage};
pub use id::{
    AdminTokenId, ChannelId, ConnectionId, EventId, IdError, JwtKeyId, LeapTokenId, Minter,
    ProjectId, ProjectTokenId, SessionId, WebhookId,
};
pub use idempotency::{
    Digest, FirstCall, KeptAnswer, KeyBounds, KeyError, KeyScope, KeyedCall, Reused,
};
pub use json::{JsonFault, RawJson};
pub use jwt::{JwtAlgorithm, JwtKey, JwtKeyMaterial, JwtRevocation};
pub use mail::{LONGEST_TTL, Mail, MailId, MailPiece, MailState, MailStatus, MailboxBounds};
pub use message::Message;
pub use missed::MISSED_UNKNOWN;
pub use network::network_of;
pub use permission::{Permission, Permissions};
pub use place::{LineId, Place, Standing};
pub use position::{Epoch, NoPosition, Position, Resume, Since, StartingPoint};
pub use presence::Member;
pub use project::{AdminToken, Project, ProjectToken};
pub use register::{Listed, Register, SessionRef};
pub use state::{State, StateChange, StateError, Version};
pub use state_log::{KeptVersion, NewVersion, StateLogBounds, StoredState};
pub use subject::{Subject, SubjectError};
pub use subscription::Subscription;
pub use time::Timestamp;
pub use token::LeapToken;
pub use uid::SessionUid;
pub use web_origin::{AllowedOrigins, OriginError};
pub use webhook::{Authorizer, PreviousSecret, Webhook};
