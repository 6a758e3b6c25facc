//! The message of the `orders` queue that drives an order on, and when it is taken for lost.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kit::clock::after;

/// The message of the `orders` queue that drives an order on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedMessage {
    /// When it is to be worked off, as far as whoever sent it knows.
    pub due: Timestamp,
    /// How often it was taken for lost and sent again.
    #[serde(default)]
    pub copies: u32,
}

/// A message that is overdue by this is taken for lost and sent again. Each copy is given twice the
/// time of the one before, so that few stand behind an order when nobody works messages off for
/// hours.
pub const MESSAGE_IS_LOST: Duration = Duration::from_secs(5 * 60);
/// How often that time is doubled at most.
const DOUBLED: u32 = 5;
/// A row may not say when its message is due: it is delayed by this at most.
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

/// Whether the message of a row that has been in its stage `since` should have been worked off long
/// ago.
pub(super) fn is_lost(message: Option<&ExpectedMessage>, since: Timestamp, now: Timestamp) -> bool {
    let (due, copies) = match message {
        Some(message) => (message.due, message.copies),
        None => (after(since, LONGEST_DELAY), 0),
    };
    after(due, MESSAGE_IS_LOST * (1 << copies.min(DOUBLED))) < now
}
