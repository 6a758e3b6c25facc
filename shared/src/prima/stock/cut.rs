//! How an answer ends before its end.

use std::time::Duration;

/// Why no more of an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The connection failed.
    #[error("the answer was cut: the connection failed")]
    Connection,
    /// Prima was silent for so long.
    #[error("the answer was cut: nothing came for {} s", .0.as_secs())]
    Silence(Duration),
    /// The invocation has no more time.
    #[error("the answer was cut by the invocation's deadline")]
    Deadline,
    /// It has more bytes than so many.
    #[error("the answer is larger than {0} bytes: ask for smaller ranges")]
    TooLarge(u64),
}
