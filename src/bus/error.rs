//! What a shared bus can fail by.

/// Why a shared bus did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// It cannot be reached, or did not answer. What was asked may have been done all the same.
    #[error("the bus does not answer")]
    Unavailable,
    /// Too much waits for it; nothing was done.
    #[error("too much waits for the bus")]
    Overloaded,
    /// The channel was deleted and made again; whoever asks knows the old one.
    #[error("the line belongs to a newer channel of that name")]
    Stale,
}
