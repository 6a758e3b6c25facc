//! What a channel's imports leave open of each offer: those that are under way, and those that have
//! ended so lately that orders from before their end may not be known yet.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::files::{StockFiles, import_of};
use super::import_memory::{ImportMemory, ImportUnderWay};
use super::imports::{ImportLine, decode_lines};
use super::ledger::sku_hash;
use super::offer::Shown;
use crate::kit::clock::{CLOCK_SKEW, after};

/// In a run, the lines of so many imports of a channel are read. With more of them, nothing can be
/// told.
const MOST_IMPORTS: usize = 20;
/// Where it is not known until when orders are known, they count as known after this.
const KNOWN_AFTER: Duration = Duration::from_secs(600);
/// An import whose answer was lost may still be applied; pieces are kept back for it for so long.
const STRAY_COUNTS: Duration = Duration::from_secs(1800);

/// What imports leave open, by the offers' hashes; none where that cannot be told now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outstanding(pub Option<HashMap<u64, Pending>>);

/// What an import leaves open of an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Pieces that may be sold besides what the ledger says.
    pub more: u32,
    /// It is under way, and waited for.
    pub is_under_way: bool,
    /// The offer showed nothing before: whatever is sold now was brought by it.
    pub is_from_nothing: bool,
    /// Orders that were placed before it had its effect may not be known yet.
    pub is_unseen: bool,
    /// At the run before, such orders were not known yet: an order that this run sees for the first
    /// time may be one of them.
    pub is_new: bool,
}

impl Outstanding {
    /// What is open of an offer.
    #[must_use]
    pub fn of(&self, sku_hash: u64) -> Pending {
        match &self.0 {
            Some(pending) => pending.get(&sku_hash).copied().unwrap_or_default(),
            None => Pending { is_unseen: true, is_new: true, ..Pending::default() },
        }
    }
}

/// Until when all orders of a channel are known that were placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenUntil {
    /// At the run before.
    pub before: Option<Timestamp>,
    /// Now.
    pub now: Option<Timestamp>,
}

/// Reads which imports of a channel have not had all their effect.
pub async fn outstanding(
    files: &impl StockFiles,
    channel: &str,
    imports: &ImportMemory,
    seen_until: SeenUntil,
    now: Timestamp,
) -> Outstanding {
    let is_open = |ended_at: Timestamp, seen_until: Option<Timestamp>| match seen_until {
        Some(seen_until) => after(ended_at, CLOCK_SKEW) > seen_until,
        None => after(ended_at, KNOWN_AFTER) > now,
    };
    // Of those that were open at the run before: an order that is seen for the first time now may
    // have been placed before their end.
    let ended: Vec<_> =
        imports.ended.iter().filter(|one| is_open(one.ended_at, seen_until.before)).collect();
    if ended.len() > MOST_IMPORTS {
        return Outstanding(None);
    }
    let counts = |stray: &&ImportUnderWay| {
        stray.import_id.is_some() || after(stray.begun_at, STRAY_COUNTS) > now
    };
    let under_way = imports.under_way.iter().map(|import| (&import.mark, Progress::UnderWay));
    let strays = imports.stray.iter().filter(counts).map(|stray| (&stray.mark, Progress::Stray));
    let ended = ended
        .into_iter()
        .map(|one| (&one.mark, Progress::Ended { is_open: is_open(one.ended_at, seen_until.now) }));
    let mut open: HashMap<u64, Pending> = HashMap::new();
    for (mark, progress) in under_way.chain(strays).chain(ended) {
        let Ok(Some(bytes)) = files.read(&import_of(channel, mark)).await else {
            return Outstanding(None);
        };
        let Ok(lines) = decode_lines(&bytes) else { return Outstanding(None) };
        for line in lines {
            open.entry(sku_hash(&line.offer_sku)).or_default().add(&line, progress);
        }
    }
    Outstanding(Some(open))
}

/// How far an import has come.
#[derive(Clone, Copy)]
enum Progress {
    /// It is waited for.
    UnderWay,
    /// It is no longer waited for, and may still be applied.
    Stray,
    /// It has ended.
    Ended {
        /// Orders may still be unknown that were placed before.
        is_open: bool,
    },
}

impl Pending {
    /// Adds what a line of an import leaves open.
    fn add(&mut self, line: &ImportLine, progress: Progress) {
        let before = line.before.at_most();
        // Of what was never published nobody knows what it showed.
        let may_have_sold = before > 0 || line.before == Shown::Never;
        match progress {
            // What was shown before may be sold, and then what the import brings.
            Progress::UnderWay => {
                self.more = self.more.saturating_add(before.min(line.quantity));
                self.is_under_way = true;
                self.is_from_nothing = line.before == Shown::Known(0);
                self.is_unseen |= may_have_sold;
            }
            Progress::Stray => {
                self.more = self.more.saturating_add(line.quantity);
                self.is_new = true;
            }
            Progress::Ended { is_open } => {
                self.is_unseen |= may_have_sold && is_open;
                self.is_new |= may_have_sold;
            }
        }
    }
}
