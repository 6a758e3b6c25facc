//! How often a shop may call (Mirakl seller API, "Call frequency").

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::answer::Answer;

/// The calls begun lately, by operation (or whatever else has a limit of its own) and shop.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<HashMap<(String, i64), VecDeque<Timestamp>>>);

impl Limits {
    /// Lets a call begin, or answers how many seconds to wait: at most `burst` calls begin in
    /// `interval_seconds` (0: no limit).
    pub(super) fn begin(
        &self,
        operation: &str,
        shop_id: i64,
        burst: usize,
        interval_seconds: u64,
        now: Timestamp,
    ) -> Result<(), Answer> {
        if interval_seconds == 0 {
            return Ok(());
        }
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = calls.entry((operation.to_owned(), shop_id)).or_default();
        // A tenth of the interval is let pass, so that a caller on a schedule of exactly that
        // interval may be a little early.
        let interval = SignedDuration::try_from_secs_f64(interval_seconds as f64 * 0.9)
            .unwrap_or(SignedDuration::MAX);
        while begun.front().is_some_and(|at| now.duration_since(*at) >= interval) {
            begun.pop_front();
        }
        let Some(oldest) = begun.front().filter(|_| begun.len() >= burst.max(1)) else {
            begun.push_back(now);
            return Ok(());
        };
        let wait = (interval - now.duration_since(*oldest)).as_millis().max(0);
        let seconds = u64::try_from(wait).unwrap_or_default().div_ceil(1000).max(1);
        Err(Answer::too_many(Some(seconds)))
    }
}
