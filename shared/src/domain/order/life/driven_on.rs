//! What is being created, and whether anybody still drives it on.

use std::time::Duration;

use jiff::Timestamp;

use super::next::{Circumstances, Next};
use crate::domain::order::row::{OrderRow, Stage};
use crate::kit::clock::before;

/// A lease that ended this long ago has no living holder, whatever the clocks.
pub const LEASE_IS_DEAD: Duration = Duration::from_secs(60);

/// What is being created has lost whoever drove it on: its message, or its holder. A newer version
/// overtakes the message under way, which is dropped as older than its row.
pub(super) fn driven_on(row: &mut OrderRow, newer: bool, at: Circumstances) -> Next {
    match row.stage {
        Stage::InDoubt if newer || row.message_is_lost(at.now) => {
            sent_again(row, newer, at.now);
            Next::Create
        }
        // Its holder is gone. Only the next holder moves it out of this stage; what was sent stands
        // in the row.
        Stage::Creating
            if row
                .creation
                .lease
                .as_ref()
                .is_some_and(|lease| lease.until < before(at.now, LEASE_IS_DEAD)) =>
        {
            Next::Create
        }
        _ => Next::Nothing,
    }
}

pub(super) fn sent_again(row: &mut OrderRow, newer: bool, now: Timestamp) {
    if newer {
        row.enter(row.stage, now, "changed in Mirakl: sent again")
    } else {
        row.send_again(now, "not worked off: sent again")
    }
}

/// Nobody drives the order on any more: its message was lost, or its holder died.
#[must_use]
pub fn is_left_alone(row: &OrderRow, now: Timestamp) -> bool {
    match row.stage {
        // Not by the time in its stage: an order that waits for a slot has its message under way.
        Stage::Queued | Stage::InDoubt => row.message_is_lost(now),
        Stage::Creating => row
            .creation
            .lease
            .as_ref()
            .is_some_and(|lease| lease.until < before(now, LEASE_IS_DEAD)),
        _ => false,
    }
}
