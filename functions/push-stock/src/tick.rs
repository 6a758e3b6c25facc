//! One minute of all channels.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Mode;
use shared::domain::channel_documents::{ChannelDocuments as _, ChannelList};
use shared::domain::prima_calls::PrimaCaller;
use shared::domain::prima_slots::{Slot, give_slots_back, lease_for_schedule};
use shared::domain::state::StoreError;
use shared::domain::state::ledger::{LedgerStore, StockRecord};
use shared::domain::stock::exceptions::StockExceptionKind;
use shared::domain::stock::figures::Figures;
use shared::domain::stock::files::{FIGURES, StockFiles};
use shared::domain::stock::memory::StockMemory;
use shared::domain::stock::snapshot::{OtherChannel, other_channels};
use shared::kit::clock::{Clock, after};
use shared::prima::stock::StockBasis;

use crate::channel_run::{ChannelRun, ListState, LoadedChannels};
use crate::conclude::Finished;
use crate::evaluation::without_offer;
use crate::lease::Leased;
use crate::{PortTypes, Ports, PushError, Report, Run, Tick, conditions};

/// The function, as Prima's calls are given out.
const CALLER: PrimaCaller = PrimaCaller::PushStock;
/// Prima is not asked for everything again within this.
const BETWEEN_READINGS: Duration = Duration::from_secs(50);
/// A sale on a channel without a stock flow has no mark: for so long it may not have lowered the
/// other channels yet.
const NOTICED_WITHIN: Duration = Duration::from_secs(600);

impl<T: PortTypes> Ports<T> {
    /// One minute of all channels.
    ///
    /// # Errors
    /// The run could not read what it cannot do without: it published nothing.
    pub async fn tick(&self, run: &Run) -> Result<Report, PushError> {
        let tick = Tick { run, now: self.clock.now() };
        let list = self.documents.channels().await?;
        if list.channels.iter().all(|channel| channel.stock == Mode::Off) {
            return Ok(Report { idle: true, ..Report::default() });
        }
        let Some(leased) = self.take_lease(tick).await? else {
            return Ok(Report { overlapped: true, ..Report::default() });
        };
        let done = tokio::select! {
            biased;
            done = self.push_and_remember(&list, leased, tick) => done,
            never = self.renew_lease(run) => match never {},
        };
        self.give_lease_back(run, done.is_err()).await;
        done
    }

    /// Pushes all channels, and saves what is remembered of the installation.
    async fn push_and_remember(
        &self,
        list: &ChannelList,
        leased: Leased,
        tick: Tick<'_>,
    ) -> Result<Report, PushError> {
        let (mut memory, version) = self.ledger.load_record(StockRecord::Installation).await?;
        let done = self.push_channels(list, &mut memory, leased, tick).await;
        if let Err(problem) =
            self.ledger.save_record(StockRecord::Installation, &memory, &version).await
        {
            tracing::warn!(%problem, "what stock remembers could not be saved; the next run begins from what was there");
        }
        done
    }

    /// Asks Prima, reads the orders, and publishes what differs.
    async fn push_channels(
        &self,
        list: &ChannelList,
        memory: &mut StockMemory,
        leased: Leased,
        tick: Tick<'_>,
    ) -> Result<Report, PushError> {
        let now = tick.now;
        let channels = list.channels.as_slice();
        // They sell all the same.
        let unusable: Vec<_> = list.not_working().cloned().collect();
        let mut report = Report::default();
        let Some(basis) = self.agreed_basis(memory, now).await else {
            return Ok(Report { unagreed: true, ..report });
        };
        let LoadedChannels { usable: mut runs, excluded } = self.load_channels(channels).await?;
        for channel in &mut runs {
            self.follow_offers_list(channel, tick).await;
            self.follow_imports(channel, now).await;
        }
        let mut figures = self.load_figures().await?;
        let is_due_by_pace =
            runs.iter().any(|channel| channel.pace_is_due(channel.memory.run.pushed_at, now));
        let is_read_whole = reading_is_due(memory, &runs, is_due_by_pace, now);
        if is_read_whole || !memory.sold.is_empty() {
            let slot = lease_for_schedule(
                &self.store,
                &self.clock,
                &self.calls,
                CALLER,
                tick.run.hard_deadline,
            )
            .await;
            // Without slots the figures stay as they were, and sales go on lowering offers.
            if slot == Slot::Leased {
                if is_read_whole {
                    report.reading = Some(self.read_prima(memory, basis, &mut figures, tick).await);
                }
                report.named = self.read_sold(memory, basis, &mut figures, now).await;
            }
            if !matches!(slot, Slot::Refused { .. }) {
                give_slots_back(&self.store, CALLER, CALLER.function()).await;
            }
            report.slot = Some(slot);
        }
        // Orders are read last, strongly consistent and after Prima's answers are complete: what is
        // sold meanwhile counts.
        self.note_sales(&mut runs, now).await?;
        self.ask_for_sold_next_time(memory, &runs);
        let is_loaded = |id: &str| runs.iter().any(|channel| channel.id() == id);
        let others =
            other_channels(&self.store, &self.documents, channels, &unusable, is_loaded).await?;
        let is_evaluated = is_due_by_pace
            || leased.is_after_trouble
            || something_is_new(&report, &runs, &others, now);
        if is_evaluated {
            // Of what cannot be used nobody knows whether it is live.
            let is_one_missing = !unusable.is_empty()
                || excluded.iter().any(|channel| channel.channel.stock == Mode::Live);
            self.evaluate_offers(&mut runs, &others, &figures, is_one_missing, now);
            self.publish_due(&mut runs, excluded.is_empty() && unusable.is_empty(), tick).await;
            report.figures_age =
                figures.ages().map(|(_, oldest)| now.duration_since(oldest).as_secs());
            memory.without_offer = without_offer(&figures, &runs);
        }
        self.conclude(
            Finished { channels, runs, excluded, unusable, is_evaluated },
            memory,
            &mut report,
            now,
        )
        .await;
        Ok(report)
    }

    /// Which of Prima's figures is free to sell. None where nobody has agreed on it: a person is
    /// told then.
    async fn agreed_basis(&self, memory: &mut StockMemory, now: Timestamp) -> Option<StockBasis> {
        match self.settings.agreed() {
            Ok(basis) => Some(basis),
            Err(problem) => {
                self.tell_installation(
                    memory,
                    conditions::basis_missing(problem),
                    &[StockExceptionKind::BasisMissing],
                    now,
                )
                .await;
                None
            }
        }
    }

    /// Prima's figures as they are kept; none where there are none that can be used.
    ///
    /// # Errors
    /// The store cannot be read now: without the figures of before, far fewer would be kept in
    /// their place.
    async fn load_figures(&self) -> Result<Figures, StoreError> {
        let kept = self.files.read(FIGURES).await?.map(|bytes| Figures::decode(&bytes)).transpose();
        let kept = kept.unwrap_or_else(|problem| {
            tracing::warn!(
                problem,
                "Prima's figures of before cannot be used; nothing is known until Prima answers"
            );
            None
        });
        Ok(kept.unwrap_or_default())
    }
}

/// Whether Prima is to be asked for everything.
fn reading_is_due(
    memory: &StockMemory,
    runs: &[ChannelRun],
    is_due_by_pace: bool,
    now: Timestamp,
) -> bool {
    // Before a push that is due by the pace of the sales, so that it may raise; and at that pace
    // even where urgent pushes, which need no new figures, come between.
    let is_wanted = is_due_by_pace
        || memory.unfinished
        || runs.iter().any(|channel| channel.pace_is_due(memory.asked_at, now));
    is_wanted && memory.asked_at.is_none_or(|asked_at| after(asked_at, BETWEEN_READINGS) <= now)
}

/// Whether there is anything that may change what an offer is to show.
fn something_is_new(
    report: &Report,
    runs: &[ChannelRun],
    others: &[OtherChannel],
    now: Timestamp,
) -> bool {
    let is_new = |channel: &ChannelRun| {
        let joint = &channel.memory.joint;
        joint.pending
            || joint.republish
            || channel.list == ListState::New
            || channel.report.touched > 0
    };
    report.reading.is_some()
        || report.named.is_some_and(|named| named.answered > 0)
        || runs.iter().any(is_new)
        || others
            .iter()
            .flat_map(|other| &other.flights)
            .any(|flight| after(flight.seen_at, NOTICED_WITHIN) > now)
}
