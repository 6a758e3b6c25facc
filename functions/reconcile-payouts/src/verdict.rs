//! Which stage a cycle is in, by its tie-out and by the readings of its lines.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::payout::row::{CycleRow, CycleStage, LinesRead};
use shared::domain::payout::rules::PayoutRules;
use shared::domain::payout::tie::Tie;
use shared::kit::clock::after;

use crate::shop::closed_at;

/// What is so of a cycle's lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lined<'l> {
    pub(crate) tie: &'l Tie,
    /// Its lines as they are now.
    pub(crate) now: &'l LinesRead,
    /// A line that may belong to it cannot be read.
    pub(crate) has_unreadable: bool,
}

/// The stage that a cycle is in.
pub(crate) fn stage_of(
    row: &CycleRow,
    lined: Lined<'_>,
    rules: &PayoutRules,
    now: Timestamp,
) -> CycleStage {
    if closed_at(row) < rules.payouts_from {
        return CycleStage::BookedByHand;
    }
    let Some(last) = row.readings.last() else { return CycleStage::Listed };
    let ties = lined.tie.is_tied() && !lined.has_unreadable;
    if ties && is_read_twice(row, rules.confirm_after()) && last.hash == lined.now.hash {
        let has_nothing = row.stage == CycleStage::NothingToPost;
        return if has_nothing { CycleStage::NothingToPost } else { CycleStage::Tied };
    }
    let is_known_untied = row.stage == CycleStage::Untied;
    if !ties && (is_known_untied || hours_are_over(row, rules, now)) {
        return CycleStage::Untied;
    }
    CycleStage::Reading
}

/// Two readings, so far apart, had the same lines.
fn is_read_twice(row: &CycleRow, apart: Duration) -> bool {
    match row.readings.as_slice() {
        [first, .., last] => after(first.at, apart) <= last.at,
        _ => false,
    }
}

/// The cycle has had its hours: since it was listed, or since its lines began to change again.
pub(crate) fn hours_are_over(row: &CycleRow, rules: &PayoutRules, now: Timestamp) -> bool {
    let since = match row.stage {
        CycleStage::Reading | CycleStage::Untied => row.since,
        CycleStage::Listed => row.first_seen,
        // It begins to be read again now.
        CycleStage::Tied | CycleStage::NothingToPost | CycleStage::BookedByHand => now,
    };
    let hours = Duration::from_secs(3600 * u64::from(rules.complete_within_hours));
    after(since, hours) <= now
}
