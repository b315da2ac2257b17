//! Leap's opcodes (`docs/CLIENTS.md`, Socket).

/// What kind of payload a Leap frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// 0, both ways: an event.
    Dispatch,
    /// 1, server to client: the first frame.
    Hello,
    /// 2, client to server: who it is.
    Identify,
    /// 3, both ways: still there?
    Heartbeat,
    /// 4, server to client: still here.
    HeartbeatAck,
}

impl Opcode {
    /// The opcode of a number that a client may send; none for what does not exist or is the server's to send.
    pub const fn from_client(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Dispatch),
            2 => Some(Self::Identify),
            3 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}
