//! Slots: the calls that Prima takes at once, leased to the runs that call it.
//!
//! A run leases its slots before its first call of Prima and gives them back after its last. All
//! leases stand in one record, which is only ever replaced in the version that was read. One slot
//! is always kept for orders; the other callers take turns, the one that has waited longest first.
//!
//! On a crash: a run that is killed keeps its slots until Lambda would have ended it, since its
//! latest call may still be at work in Prima. Then they are free. Of the scheduled functions one
//! run works at a time, so the next run takes them over.
//!
//! Where the record cannot be read or written, orders go on, and are bound by the concurrency of
//! their queue alone (`MaximumConcurrency` in the template). The others ask Prima nothing in that
//! run.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::prima_calls::{PrimaCaller, PrimaCalls};
use crate::domain::state::StoreError;
use crate::kit::clock::{CLOCK_SKEW, Clock, after};

/// How long a scheduled run waits for its slots.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a message is put off whose run has no slot: longer than clocks differ, so that a copy is
/// known for one.
pub const PUT_OFF: Duration = Duration::from_secs(60);
/// Between two requests of a run that waits.
const ASKED_EVERY: Duration = Duration::from_secs(3);
/// A caller that has not asked again for so long has no turn any more. The scheduled ones ask every
/// minute.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(150);
/// Tries to replace the record where other runs replace it too.
const TRIES: usize = 10;

/// What is leased now, and who waits. One record for the whole installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaSlots {
    /// As it was read; 0 when new.
    #[serde(skip)]
    pub version: u64,
    /// The leases, some of which may have ended.
    pub leases: Vec<SlotLease>,
    /// The callers that were refused a slot and have not had one since.
    pub waiting: BTreeMap<PrimaCaller, Waiting>,
}

/// The slots of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotLease {
    /// Whose run it is.
    pub caller: PrimaCaller,
    /// The run.
    pub owner: String,
    /// So many slots.
    pub calls: usize,
    /// When the lease ends by itself.
    pub until: Timestamp,
}

/// A caller that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Since when.
    pub since: Timestamp,
    /// When it asked last.
    pub asked_at: Timestamp,
}

/// A run that wants its slots.
#[derive(Clone, Copy, Debug)]
pub struct SlotRequest<'r> {
    /// Whose run it is.
    pub caller: PrimaCaller,
    /// The run; of a function of which one run works at a time, the function: a killed run's slots
    /// are its successor's.
    pub owner: &'r str,
    /// When the run has ended, whatever it does.
    pub until: Timestamp,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The slots are leased.
    Leased,
    /// They are taken by others.
    Refused {
        /// Since when the caller has waited.
        since: Timestamp,
    },
    /// The record could not be read or written.
    Unknown,
}

impl Slot {
    /// How long the caller has waited; zero where it has its slots, none where that is not known.
    #[must_use]
    pub fn waited(self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Leased => Some(Duration::ZERO),
            Self::Refused { since } => {
                Some(Duration::try_from(now.duration_since(since)).unwrap_or_default())
            }
            Self::Unknown => None,
        }
    }
}

/// Where the record is kept.
pub trait SlotStore {
    /// The slots, strongly consistent; all free where nothing is recorded.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Unreadable`].
    async fn load_slots(&self) -> Result<PrimaSlots, StoreError>;

    /// Saves them where the stored version still is `slots.version`, and raises that.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where it is not.
    async fn save_slots(&self, slots: &mut PrimaSlots) -> Result<(), StoreError>;
}

impl<T: SlotStore> SlotStore for &T {
    async fn load_slots(&self) -> Result<PrimaSlots, StoreError> {
        (**self).load_slots().await
    }

    async fn save_slots(&self, slots: &mut PrimaSlots) -> Result<(), StoreError> {
        (**self).save_slots(slots).await
    }
}

impl PrimaSlots {
    /// Leases a run's slots, or notes that its caller waits.
    ///
    /// # Errors
    /// They are taken: since when the caller has waited.
    pub fn take(
        &mut self,
        request: &SlotRequest<'_>,
        calls: &PrimaCalls,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let caller = request.caller;
        self.leases.retain(|lease| {
            lease.until > now && !(lease.caller == caller && lease.owner == request.owner)
        });
        self.waiting.retain(|_, waiting| after(waiting.asked_at, FORGOTTEN_AFTER) > now);
        let since = self.waiting.get(&caller).map_or(now, |waiting| waiting.since);
        let wanted = calls.in_one_run(caller);
        if self.in_use_by(caller) + wanted > calls.of(caller) {
            // It has all of its own: it waits for another run of itself, and no other caller has to
            // leave it room.
            return Err(since);
        }
        if self.in_use() + self.left_by(caller, since, calls) + wanted > calls.at_once {
            self.waiting.insert(caller, Waiting { since, asked_at: now });
            return Err(since);
        }
        self.leases.push(SlotLease {
            caller,
            owner: request.owner.to_owned(),
            calls: wanted,
            until: request.until,
        });
        self.waiting.remove(&caller);
        Ok(())
    }

    /// Frees a run's slots. False where it has none.
    pub fn give_back(&mut self, caller: PrimaCaller, owner: &str) -> bool {
        let before = self.leases.len();
        self.leases.retain(|lease| lease.caller != caller || lease.owner != owner);
        self.leases.len() < before
    }

    /// Slots that are leased.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.leases.iter().map(|lease| lease.calls).sum()
    }

    fn in_use_by(&self, caller: PrimaCaller) -> usize {
        self.leases.iter().filter(|lease| lease.caller == caller).map(|lease| lease.calls).sum()
    }

    /// Free slots that a caller leaves to others: one to orders, where they have none or wait, and
    /// to each that has waited longer what it wants. Orders leave none to anybody.
    fn left_by(&self, caller: PrimaCaller, since: Timestamp, calls: &PrimaCalls) -> usize {
        const ORDERS: PrimaCaller = PrimaCaller::CreatePrimaOrders;
        if caller == ORDERS {
            return 0;
        }
        let to_orders =
            usize::from(self.in_use_by(ORDERS) == 0 || self.waiting.contains_key(&ORDERS));
        let earlier = self.waiting.iter().filter(|(other, waiting)| {
            **other != ORDERS && (waiting.since, **other) < (since, caller)
        });
        to_orders + earlier.map(|(other, _)| calls.in_one_run(*other)).sum::<usize>()
    }
}

/// Leases a run's slots, and waits for them as long as `patience`.
pub async fn lease_slots(
    store: &impl SlotStore,
    clock: &impl Clock,
    calls: &PrimaCalls,
    request: SlotRequest<'_>,
    patience: Duration,
) -> Slot {
    let until = after(clock.now(), patience);
    loop {
        let slot = try_to_lease(store, calls, &request, clock.now()).await;
        match slot {
            Slot::Refused { .. } if after(clock.now(), ASKED_EVERY) <= until => {
                clock.sleep(ASKED_EVERY).await
            }
            Slot::Refused { since } => {
                let seconds = clock.now().duration_since(since).as_secs();
                tracing::warn!(
                    caller = request.caller.function(),
                    seconds,
                    "no slot: others have all calls that Prima takes at once"
                );
                return slot;
            }
            Slot::Leased | Slot::Unknown => return slot,
        }
    }
}

/// Leases the slots of a scheduled function's run, of which there is one at a time: the next takes
/// over what a killed one has.
pub async fn lease_for_schedule(
    store: &impl SlotStore,
    clock: &impl Clock,
    calls: &PrimaCalls,
    caller: PrimaCaller,
    hard_deadline: Timestamp,
) -> Slot {
    let until = after(hard_deadline, CLOCK_SKEW);
    let request = SlotRequest { caller, owner: caller.function(), until };
    lease_slots(store, clock, calls, request, PATIENCE).await
}

async fn try_to_lease(
    store: &impl SlotStore,
    calls: &PrimaCalls,
    request: &SlotRequest<'_>,
    now: Timestamp,
) -> Slot {
    for _ in 0..TRIES {
        let saved = match store.load_slots().await {
            Ok(mut slots) => {
                let before = slots.clone();
                let taken = slots.take(request, calls, now);
                let saved =
                    if slots == before { Ok(()) } else { store.save_slots(&mut slots).await };
                saved.map(|()| taken)
            }
            Err(problem) => Err(problem),
        };
        match saved {
            Ok(Ok(())) => return Slot::Leased,
            Ok(Err(since)) => return Slot::Refused { since },
            Err(StoreError::Conflict(_)) => {}
            Err(problem) => {
                tracing::warn!(caller = request.caller.function(), %problem, "whether Prima may be called is not known");
                return Slot::Unknown;
            }
        }
    }
    Slot::Refused { since: now }
}

/// Gives a run's slots back. Where that fails the lease ends by itself.
pub async fn give_slots_back(store: &impl SlotStore, caller: PrimaCaller, owner: &str) {
    for _ in 0..TRIES {
        let Ok(mut slots) = store.load_slots().await else { break };
        if !slots.give_back(caller, owner) {
            return;
        }
        match store.save_slots(&mut slots).await {
            Ok(()) => return,
            Err(StoreError::Conflict(_)) => {}
            Err(_) => break,
        }
    }
    tracing::warn!(
        caller = caller.function(),
        "a slot could not be given back; its lease ends by itself"
    );
}

#[cfg(test)]
mod tests;
