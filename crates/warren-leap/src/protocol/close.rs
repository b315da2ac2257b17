//! Close codes: the one table of numbers and their meaning (`docs/PROTOCOL.md`, Socket; `docs/CLIENTS.md`, Socket).

/// The longest reason: a control frame has 125 bytes, two of which are the code (RFC 6455 §5.5).
pub const REASON_MAX_BYTES: usize = 123;

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// 1000: the client closed and we agree.
    Normal,
    /// 1002: not a WebSocket frame (RFC 6455 §7.4.1).
    ProtocolError,
    /// 1009: a frame or message over the limit (RFC 6455 §7.4.1). Client: send less.
    TooBig,
    /// 4000: a fault of ours or an operator's wish. Client: reconnect.
    Unknown,
    /// 4001: the token or project does not exist (any more). Client: stop.
    InvalidAuth,
    /// 4002: no IDENTIFY in time. Client: reconnect.
    IdentifyTimeout,
    /// 4003: a service payload before IDENTIFY. Client: reconnect.
    NotAuthenticated,
    /// 4004: an opcode that does not exist. Client: reconnect.
    UnknownOpcode,
    /// 4005: not a payload of Leap. Client: reconnect.
    InvalidPayload,
    /// 4006: the server is elsewhere; the reason is its socket's whole URL. Client: connect there.
    BadRoute,
    /// 4007: no heartbeat for too long. Client: reconnect.
    OutOfSync,
    /// 4008 (ours): too many frames. Client: reconnect later.
    RateLimited,
    /// 4009 (ours): the client reads too slowly. Client: reconnect.
    SlowConsumer,
    /// 4010 (ours): the server is going away. Client: reconnect.
    GoingAway,
    /// 4011 (ours): the token has expired; only to clients with the extension `refresh`. Client: reconnect with a new one.
    TokenExpired,
    /// Whatever the client closed with, echoed (RFC 6455 §5.5.1).
    Echo(u16),
}

impl CloseCode {
    /// All that the server chooses itself, by their numbers.
    pub const ALL: [Self; 14] = [
        Self::Normal,
        Self::ProtocolError,
        Self::TooBig,
        Self::Unknown,
        Self::InvalidAuth,
        Self::IdentifyTimeout,
        Self::NotAuthenticated,
        Self::UnknownOpcode,
        Self::InvalidPayload,
        Self::OutOfSync,
        Self::RateLimited,
        Self::SlowConsumer,
        Self::GoingAway,
        Self::TokenExpired,
    ];

    /// The answer to a client's close: its own code, or a normal end when it gave none.
    pub const fn echo(code: Option<u16>) -> Self {
        match code {
            Some(number) => Self::Echo(number),
            None => Self::Normal,
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::ProtocolError => 1002,
            Self::TooBig => 1009,
            Self::Unknown => 4000,
            Self::InvalidAuth => 4001,
            Self::IdentifyTimeout => 4002,
            Self::NotAuthenticated => 4003,
            Self::UnknownOpcode => 4004,
            Self::InvalidPayload => 4005,
            Self::BadRoute => 4006,
            Self::OutOfSync => 4007,
            Self::RateLimited => 4008,
            Self::SlowConsumer => 4009,
            Self::GoingAway => 4010,
            Self::TokenExpired => 4011,
            Self::Echo(number) => number,
        }
    }
}

/// An end with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The number's meaning.
    pub code: CloseCode,
    /// For people; cut to what a control frame holds.
    pub reason: String,
}

impl Close {
    /// A close with a reason, cut at a character to 123 bytes.
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(REASON_MAX_BYTES));
        Self { code, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise() {
        assert!(CloseCode::ALL.map(CloseCode::number).is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn reasons_fit_a_control_frame() {
        let close = Close::new(CloseCode::Unknown, "é".repeat(100));
        assert_eq!(close.reason.len(), 122);
    }
}
