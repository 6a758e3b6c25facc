//! A channel's poll state, and its lease: no two runs list one channel at once.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::notify::Told;
use shared::domain::order::row::Lease;
use shared::domain::state::{
    ListingKind, PollState, PollStore as _, StoreError, UnfinishedListing,
};
use shared::kit::clock::{Clock as _, after, before};

use crate::listing::Listing;
use crate::report::{ChannelReport, Skipped};
use crate::{OVERLAP, PortTypes, Ports, Run};

/// How far back refusals are looked for that happened before the channel was first listed.
const FIRST_LOOK_BACK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the poller waits for what it remembers before it goes on without.
pub(crate) const PATIENCE_WITH_MEMORY: Duration = Duration::from_secs(3);
/// Listings by window between two by state alone.
pub(crate) const WINDOWS_BETWEEN_FULL: u32 = 4;

/// What came of asking for a channel's lease.
pub(crate) enum LeaseAttempt {
    Taken(Box<LeasedPoll>),
    Skipped(Skipped),
}

/// What a run knows of a channel whose lease it holds.
pub(crate) struct LeasedPoll {
    pub(crate) state: PollState,
    /// The store holds our lease: what the run learns can be saved.
    pub(crate) remembered: bool,
    /// When the run before this one began its listing.
    pub(crate) listed_before: Option<Timestamp>,
}

impl LeasedPoll {
    fn blind() -> Self {
        Self { state: PollState::default(), remembered: false, listed_before: None }
    }

    fn full_is_due(&self) -> bool {
        // One that orders slipped through, or that could not be begun, is not begun again at once:
        // a window is short, and shows what is new.
        !self.state.full_unfinished
            && (self.state.full_wanted || self.state.windows_since_full >= WINDOWS_BETWEEN_FULL)
    }

    /// What this run lists, in this order. A listing that goes on where it stopped comes to the
    /// newest orders last: those are listed by themselves then. Where Mirakl's limit leaves no call
    /// for one of them, that one comes first the next time.
    pub(crate) fn kinds(&self) -> Vec<ListingKind> {
        let state = &self.state;
        if self.remembered && state.turns_owed.first() == Some(&ListingKind::ById) {
            return Vec::new();
        }
        let has_mark = self.remembered && state.watermark.is_some();
        let goes_on = self.remembered && state.full_rest.is_some();
        let full = !has_mark || goes_on || self.full_is_due();
        let window = has_mark && (goes_on || !full);
        let shows_news = (window && state.window_rest.is_none()) || (full && !goes_on);
        let mut kinds = Vec::new();
        kinds.extend((!shows_news).then_some(ListingKind::Waiting));
        kinds.extend(window.then_some(ListingKind::Window));
        kinds.extend(full.then_some(ListingKind::Full));
        // Stable: what is owed no turn keeps its place behind what is.
        kinds.sort_by_key(|kind| {
            state.turns_owed.iter().position(|owed| owed == kind).unwrap_or(usize::MAX)
        });
        kinds
    }

    /// Where a listing begins, or goes on.
    pub(crate) fn place_of(&self, kind: ListingKind) -> UnfinishedListing {
        let rest = match kind {
            _ if !self.remembered => None,
            ListingKind::Full => self.state.full_rest.clone(),
            ListingKind::Window => self.state.window_rest.clone(),
            ListingKind::Waiting | ListingKind::ById => None,
        };
        let updated_from = self
            .state
            .watermark
            .filter(|_| kind == ListingKind::Window)
            .map(|mark| before(mark, OVERLAP));
        rest.unwrap_or_else(|| UnfinishedListing { updated_from, ..UnfinishedListing::default() })
    }

    /// Moves the watermark, counts the listings, and notes where the next run goes on. What was not
    /// recorded is listed once more.
    pub(crate) fn advance(
        &mut self,
        listing: &Listing,
        accepted: &[String],
        recorded: bool,
        channel: &Channel,
        now: Timestamp,
    ) {
        self.state.windows_since_full += 1;
        if !recorded {
            return;
        }
        if let Some(window) = listing.part(ListingKind::Window) {
            self.state.window_rest = listing.rest_of(window, accepted);
            if window.is_complete() {
                self.state.watermark =
                    listing.watermark(window, accepted).max(self.state.watermark);
            }
        }
        let Some(full) = listing.part(ListingKind::Full) else {
            self.state.full_unfinished = false;
            return;
        };
        self.state.full_rest = listing.rest_of(full, accepted);
        self.state.full_unfinished = !full.is_complete() && self.state.full_rest.is_none();
        if full.is_complete() {
            self.state.windows_since_full = 0;
            self.state.full_wanted = false;
            self.state.full_completed_at = Some(now);
            self.state.full_unlisted = Told::default();
            // A listing by state shows nothing that ended, so it sets a first mark but moves none.
            // What was refused since the take-over, before anybody listed, is shown by the first
            // window.
            if self.state.watermark.is_none() {
                let mark = listing.watermark(full, accepted);
                let look_back = channel.take_over_from.max(before(now, FIRST_LOOK_BACK));
                self.state.watermark = match mark {
                    Some(mark) => Some(mark.min(look_back)),
                    None if listing.pages > 0
                        && full.shown().is_empty()
                        && look_back < before(now, OVERLAP) =>
                    {
                        Some(look_back)
                    }
                    None => None,
                };
            }
        }
    }

    /// Notes what had no turn because Mirakl's limit or the run's time was used up before.
    pub(crate) fn note_turns(
        &mut self,
        kinds: &[ListingKind],
        listing: &Listing,
        by_id_is_owed: bool,
    ) {
        let has_none =
            |kind: &&ListingKind| listing.part(**kind).is_none_or(|part| part.pages == 0);
        let mut owed: Vec<ListingKind> = kinds.iter().filter(has_none).copied().collect();
        owed.extend(by_id_is_owed.then_some(ListingKind::ById));
        self.state.turns_owed = owed;
    }
}

impl<T: PortTypes> Ports<T> {
    /// Takes the channel's lease, where a listing is due. The lease only saves calls: without a
    /// working store the poll goes on without it.
    pub(crate) async fn take_lease(
        &self,
        channel: &Channel,
        run: &Run,
        now: Timestamp,
    ) -> LeaseAttempt {
        let loaded =
            tokio::time::timeout(PATIENCE_WITH_MEMORY, self.store.load_poll(&channel.id)).await;
        let Ok(Ok(mut state)) = loaded else {
            tracing::warn!(channel = %channel.id, "the poll state cannot be read; polling without it");
            // Without memory the wall clock alone keeps to a marketplace's slower rhythm.
            let interval = i64::from(channel.listing_interval_minutes);
            return if (now.as_second() / 60) % interval == 0 {
                LeaseAttempt::Taken(Box::new(LeasedPoll::blind()))
            } else {
                LeaseAttempt::Skipped(Skipped::NotDue)
            };
        };
        let interval = Duration::from_secs(60 * u64::from(channel.listing_interval_minutes));
        // Schedules start a little early or late: a quarter of a minute is no overrun.
        let due = state
            .listed_at
            .is_none_or(|at| now >= before(after(at, interval), Duration::from_secs(15)));
        if !due && channel.listing_interval_minutes > 1 {
            return LeaseAttempt::Skipped(Skipped::NotDue);
        }
        if state.lease.as_ref().is_some_and(|lease| lease.owner != run.id && lease.until > now) {
            return LeaseAttempt::Skipped(Skipped::OtherRun);
        }
        self.tell_of_unlisted(channel, &mut state, now).await;
        state.lease = Some(Lease { owner: run.id.clone(), until: run.hard_deadline });
        let listed_before = state.listed_at.replace(now);
        match tokio::time::timeout(
            PATIENCE_WITH_MEMORY,
            self.store.save_poll(&channel.id, &mut state),
        )
        .await
        {
            Ok(Ok(())) => {
                LeaseAttempt::Taken(Box::new(LeasedPoll { state, remembered: true, listed_before }))
            }
            Ok(Err(StoreError::Conflict(_))) => LeaseAttempt::Skipped(Skipped::OtherRun),
            Ok(Err(_)) | Err(_) => LeaseAttempt::Taken(Box::new(LeasedPoll {
                remembered: false,
                state,
                listed_before,
            })),
        }
    }

    pub(crate) async fn release_lease(
        &self,
        channel: &Channel,
        mut poll: LeasedPoll,
        report: &ChannelReport,
    ) {
        if !poll.remembered {
            return;
        }
        let ours = poll.state.lease.take();
        if report.completed {
            let now = self.clock.now();
            poll.state.completed_at = Some(now);
            poll.state.seen_until = poll.state.listed_at;
            if std::mem::take(&mut poll.state.unlisted).is_told() {
                // What was told of is over: a listing of everything that is open has its time from
                // here on.
                poll.state.full_completed_at = Some(now);
            }
        }
        for _try in 0..3 {
            let problem = match self.store.save_poll(&channel.id, &mut poll.state).await {
                Ok(()) => return,
                Err(problem) => problem,
            };
            // An operator's command asked for a full listing beside us. What we did not save would
            // be listed again, and our lease would hold the next run up until it ends.
            if let StoreError::Conflict(_) = problem
                && let Ok(current) = self.store.load_poll(&channel.id).await
                && current.lease == ours
            {
                poll.state.version = current.version;
                poll.state.full_wanted |= current.full_wanted;
                continue;
            }
            tracing::warn!(channel = %channel.id, %problem, "the poll state could not be saved; the next listing repeats a little");
            return;
        }
    }
}
