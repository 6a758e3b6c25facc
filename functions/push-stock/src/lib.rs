//! `push-stock`: every minute, for every channel, looks whether a push is due; reads what Prima has free; publishes what differs from
//! what Mirakl is known to show, what lowers an offer first.
//!
//! Guarantee: never more is offered than Prima had free, less what was in flight, as of the figure's request and less what is held
//! back. A run that cannot know what is in flight publishes nothing. What one run leaves undone the next one finds: the ledger says
//! what Mirakl shows, and whatever differs is published.
//!
//! On a crash: before an import is sent, its lines are in doubt, and are published again. After it was sent and before its id was kept,
//! likewise, and once more when it can no longer be applied. After that, `check-stock-imports` follows it up; a lost message is sent
//! again.

mod conditions;
pub mod handler;
mod listing;
mod publish;
mod reading;
mod report;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::channel::{Channel, Mode};
use shared::domain::documents::UnusableDocument;
use shared::domain::events::EventBus;
use shared::domain::order::mapping::SkuReader;
use shared::domain::order::row::Lease;
use shared::domain::queue::{ImportQueue, OrderQueue, ShownExceptions};
use shared::domain::state::ledger::{HeldLedger, LedgerStore, StockRecord, Version};
use shared::domain::state::{FlightStore, Store, StoreError};
use shared::domain::stock::book::{StockBook, StockPages};
use shared::domain::stock::cadence::{Pressure, next_push};
use shared::domain::stock::division::{Outstanding, Pending};
use shared::domain::stock::evaluate::{Evaluation, Line, Offered, Stall, evaluate, sold_since};
use shared::domain::stock::exceptions::{Condition, StockExceptionKind, announce, follow, tidy};
use shared::domain::stock::figures::Figures;
use shared::domain::stock::files::{FIGURES, StockFiles, offers_of};
use shared::domain::stock::flight::Flight;
use shared::domain::stock::ledger::{Change, Ledger, sku_hash};
use shared::domain::stock::market::{Seat, market, outstanding, seen_until, sold_besides};
use shared::domain::stock::memory::{LatestEvaluation, PushMemory, StockLease, StockMemory};
use shared::domain::stock::offer::Shown;
use shared::domain::stock::offers_list::OffersList;
use shared::domain::stock::settings::StockSettings;
use shared::kit::clock::{Clock, after};
use shared::mirakl::stock::MiraklStock;
use shared::prima::connection::PrimaManners;
use shared::prima::sku::SkuOverride;
use shared::prima::stock::StockBasis;
use shared::prima::stock::{PrimaStock, SkuKey};

pub use report::{ChannelReport, Report};

/// A schedule's minute is not exact: what is due within this is due now.
const NEARLY_DUE: Duration = Duration::from_secs(5);
/// Prima is not asked for everything again within this.
const BETWEEN_READINGS: Duration = Duration::from_secs(50);
/// What a channel without a stock flow of its own has sold so lately may not have lowered the others yet: there is no mark of it.
const NOTICED_WITHIN: Duration = Duration::from_secs(600);
/// STO01 is allowed once a minute.
const BETWEEN_IMPORTS: Duration = Duration::from_secs(60);
/// A run that died holds the next ones up for this long.
const LEASE_FOR: Duration = Duration::from_secs(90);
const LEASE_RENEWED_EVERY: Duration = Duration::from_secs(30);
/// A channel's publishing is not begun with less time left than this.
const LEAST_TIME: Duration = Duration::from_secs(30);

/// What the function works with.
#[derive(Debug)]
pub struct Ports<D, P, S, L, F, Q, E, C, B> {
    /// Hands out each channel's Mirakl client.
    pub directory: D,
    /// Prima.
    pub prima: P,
    /// What orders have in flight; Prima's intake.
    pub store: S,
    /// Ledgers and what is remembered.
    pub ledger: L,
    /// The large files.
    pub files: F,
    /// The queue of imports that are followed up, and its dead-letter queue.
    pub queue: Q,
    /// The event bus.
    pub events: E,
    /// Time.
    pub clock: C,
    /// Each channel's documents.
    pub book: B,
    /// The installation's settings.
    pub settings: StockSettings,
    /// How patient to be with Prima.
    pub manners: PrimaManners,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Unique: the owner of this run's lease.
    pub id: String,
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
}

/// A channel at work.
struct Desk {
    channel: Channel,
    pages: StockPages,
    memory: PushMemory,
    version: Version,
    held: HeldLedger,
    offers: Option<OffersList>,
    /// There may be a list of offers, and the store did not hand it out now.
    list_unread: bool,
    flights: Vec<Flight>,
    /// When these were looked at.
    looked_at: Timestamp,
    /// Every order that was placed before is among them.
    seen_until: Option<Timestamp>,
    /// Imports whose effect is not over.
    outstanding: Outstanding,
    /// Prima SKUs of which something was sold or cancelled here since the run before.
    touched: Vec<SkuOverride>,
    /// Units by offer SKU that were sold here since the last push.
    sold_since: HashMap<String, u32>,
    evaluation: Evaluation,
    /// Everything is marked as to be published again.
    marked_for_republication: bool,
    /// This run has seen to a republication.
    republished: bool,
    /// The list of offers is new.
    relisted: bool,
    report: ChannelReport,
}

impl Desk {
    fn id(&self) -> &str {
        &self.channel.id
    }

    fn seat(&self) -> Seat<'_> {
        Seat {
            channel: &self.channel,
            rules: &self.pages.rules,
            skus: &self.pages.skus,
            flights: &self.flights,
            offers: self.offers.as_ref(),
            ledger: self.held.ledger(),
            memory: &self.memory,
            outstanding: &self.outstanding,
            seen_until: self.seen_until,
        }
    }

    fn is_live(&self) -> bool {
        self.channel.stock == Mode::Live
    }

    /// Something may be on offer, as far as the ledger knows.
    fn shows_something(&self) -> bool {
        self.held.ledger().entries().any(|entry| entry.value.highest() > 0)
    }
}

/// The flights of a channel without a desk, and how its offers' SKUs are read.
struct Others {
    skus: SkuReader,
    flights: Vec<Flight>,
}

/// A channel that takes no part, and what a person has to know of that.
type Absent = (Channel, Condition);

impl<D, P, S, L, F, Q, E, C, B> Ports<D, P, S, L, F, Q, E, C, B>
where
    D: MiraklDirectory,
    D::Client: MiraklStock,
    P: PrimaStock,
    S: Store + FlightStore,
    L: LedgerStore,
    F: StockFiles,
    Q: ImportQueue + OrderQueue + ShownExceptions,
    E: EventBus,
    C: Clock,
    B: StockBook,
{
    /// One minute of all channels.
    ///
    /// # Errors
    /// What the run cannot do without could not be read: nothing was published.
    pub async fn tick(&self, run: &Run) -> Result<Report, String> {
        let now = self.clock.now();
        let channels = self.book.channels().await.map_err(|problem| problem.to_string())?;
        if channels.iter().all(|channel| channel.stock == Mode::Off) {
            return Ok(Report { idle: true, ..Report::default() });
        }
        let Some(after_trouble) = self.take_lease(run, now).await? else {
            return Ok(Report { overlapped: true, ..Report::default() });
        };
        let worked = tokio::select! {
            biased;
            worked = self.work_and_remember(&channels, after_trouble, run, now) => worked,
            never = self.renew_lease(run) => match never {},
        };
        self.give_lease_back(run, worked.is_err()).await;
        worked
    }

    async fn recall<T: serde::de::DeserializeOwned + Default>(&self, record: StockRecord<'_>) -> Result<(T, Version), String> {
        self.ledger.load_record(record).await.map_err(|problem| problem.to_string())
    }

    /// None where another run is at work; else whether the run before died or ended in an error, so that what it had noticed may be
    /// nowhere.
    async fn take_lease(&self, run: &Run, now: Timestamp) -> Result<Option<bool>, String> {
        let (StockLease { lease, disturbed }, version) = self.recall(StockRecord::Lease).await?;
        let died = lease.is_some();
        if lease.is_some_and(|lease| lease.owner != run.id && lease.until > now) {
            return Ok(None);
        }
        match self.ledger.save_record(StockRecord::Lease, &lease_of(run, now), &version).await {
            Ok(_) => Ok(Some(disturbed || died)),
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(problem) => Err(problem.to_string()),
        }
    }

    /// Renews the lease for as long as it is let; one that is lost stays lost, and the work goes on, since nothing rests on it.
    async fn renew_lease(&self, run: &Run) -> Infallible {
        loop {
            self.clock.sleep(LEASE_RENEWED_EVERY).await;
            let Ok((StockLease { lease: Some(lease), .. }, version)) = self.recall(StockRecord::Lease).await else { continue };
            if lease.owner == run.id {
                let _ = self.ledger.save_record(StockRecord::Lease, &lease_of(run, self.clock.now()), &version).await;
            }
        }
    }

    /// So that the next run need not wait for its end.
    async fn give_lease_back(&self, run: &Run, disturbed: bool) {
        let Ok((StockLease { lease: Some(lease), .. }, version)) = self.recall(StockRecord::Lease).await else { return };
        if lease.owner == run.id {
            let _ = self.ledger.save_record(StockRecord::Lease, &StockLease { lease: None, disturbed }, &version).await;
        }
    }

    async fn work_and_remember(&self, channels: &[Channel], after_trouble: bool, run: &Run, now: Timestamp) -> Result<Report, String> {
        let (mut memory, version) = self.recall(StockRecord::Installation).await?;
        let worked = self.work(channels, &mut memory, after_trouble, run, now).await;
        if let Err(problem) = self.ledger.save_record(StockRecord::Installation, &memory, &version).await {
            tracing::warn!(%problem, "what stock remembers could not be saved; the next run begins from what was there");
        }
        worked
    }

    async fn work(
        &self,
        channels: &[Channel],
        memory: &mut StockMemory,
        after_trouble: bool,
        run: &Run,
        now: Timestamp,
    ) -> Result<Report, String> {
        let mut report = Report::default();
        let basis = match self.settings.agreed() {
            Ok(basis) => basis,
            Err(problem) => {
                report.unagreed = true;
                self.tell_installation(memory, conditions::basis_missing(problem), &[StockExceptionKind::BasisMissing], now).await;
                return Ok(report);
            }
        };
        let (mut desks, absent) = self.desks(channels, now).await?;
        for desk in &mut desks {
            self.follow_offers(desk, run, now).await;
            self.watch_imports(desk, now).await;
        }
        let mut figures = self.figures().await?;
        let due_by_pace = desks.iter().any(|desk| self.pace_is_due(desk, desk.memory.pushed_at, now) && desk.offers.is_some());
        // Before a push that the pace asks for, so that it may raise; and by a pace of its own, since pressing pushes need no new figures
        // and must not put off asking for them.
        let is_to_be_read = due_by_pace
            || memory.unfinished
            || desks.iter().any(|desk| self.pace_is_due(desk, memory.asked_at, now) && desk.offers.is_some());
        let may_ask = memory.asked_at.is_none_or(|asked_at| after(asked_at, BETWEEN_READINGS) <= now);
        if is_to_be_read && may_ask {
            report.reading = Some(self.read_prima(memory, basis, &mut figures, run, now).await);
        }
        if self.settings.named_skus == 0 {
            memory.sold.clear();
        } else if !memory.sold.is_empty() {
            report.named = Some(self.read_sold(memory, basis, &mut figures, now).await);
        }
        // Strongly consistent, and after the answers are complete: what is sold meanwhile counts.
        self.look_at_flights(channels, &absent, &mut desks, now).await?;
        self.note_sold(memory, &desks);
        let unusable = self.book.unusable().await.map_err(|problem| problem.to_string())?;
        let others = self.flights_of_others(channels, &unusable, &desks).await?;
        let anything = due_by_pace
            || after_trouble
            || report.reading.is_some()
            || report.named.is_some_and(|named| named.answered > 0)
            || desks.iter().any(|desk| desk.memory.pending || desk.memory.republish || desk.relisted || desk.report.touched > 0)
            || others.iter().flat_map(|other| &other.flights).any(|flight| after(flight.seen_at, NOTICED_WITHIN) > now);
        if anything {
            self.evaluate_all(&mut desks, &others, &figures, now);
            self.publish_all(&mut desks, !absent.is_empty() || !unusable.is_empty(), run, now).await;
            report.figures_age = figures.ages().map(|(_, oldest)| now.duration_since(oldest).as_secs());
            memory.without_offer = without_offer(&figures, &desks);
        }
        self.close(channels, desks, absent, memory, anything, &unusable, &mut report, now).await;
        Ok(report)
    }

    /// The channels that take part, and those that cannot.
    async fn desks(&self, channels: &[Channel], now: Timestamp) -> Result<(Vec<Desk>, Vec<Absent>), String> {
        let (mut desks, mut absent) = (Vec::new(), Vec::new());
        for channel in channels.iter().filter(|channel| channel.stock != Mode::Off) {
            let pages = match self.book.pages(&channel.id).await {
                Ok(pages) => pages,
                Err(UnusableDocument::Wrong(problem)) => {
                    tracing::error!(channel = %channel.id, problem, "nothing is published here, and nothing is raised anywhere");
                    absent.push((channel.clone(), conditions::documents_unusable(&problem)));
                    continue;
                }
                Err(problem) => return Err(problem.to_string()),
            };
            let (memory, version) = self.recall(StockRecord::Push(&channel.id)).await?;
            let held = self.ledger.load(&channel.id).await.map_err(|problem| problem.to_string())?;
            let (offers, list_unread) = self.offers(&channel.id).await.map_or((None, true), |offers| (offers, false));
            desks.push(Desk {
                channel: channel.clone(),
                pages,
                memory,
                version,
                held,
                offers,
                list_unread,
                flights: Vec::new(),
                looked_at: now,
                seen_until: None,
                outstanding: Outstanding::default(),
                touched: Vec::new(),
                sold_since: HashMap::new(),
                evaluation: Evaluation::default(),
                marked_for_republication: false,
                republished: false,
                relisted: false,
                report: ChannelReport::of(&channel.id),
            });
        }
        Ok((desks, absent))
    }

    /// A channel's list of offers; none where there is none that can be used.
    ///
    /// # Errors
    /// The store does not hand it out now: that is no reason to have a new one made.
    async fn offers(&self, channel: &str) -> Result<Option<OffersList>, StoreError> {
        let bytes = self.files.read(&offers_of(channel)).await.inspect_err(|problem| {
            tracing::warn!(channel, %problem, "the list of offers cannot be read now; this run publishes nothing here");
        })?;
        let read = bytes.map(OffersList::decode).transpose();
        Ok(read.unwrap_or_else(|problem| {
            tracing::warn!(channel, problem, "the list of offers cannot be used; nothing is published here before there is a new one");
            None
        }))
    }

    /// Prima's figures as they are kept; none where there are none that can be used.
    ///
    /// # Errors
    /// The store does not hand them out now: what would be kept in their place is far less.
    async fn figures(&self) -> Result<Figures, String> {
        let bytes = self.files.read(FIGURES).await.map_err(|problem| problem.to_string())?;
        let read = bytes.map(|bytes| Figures::decode(&bytes)).transpose();
        Ok(read
            .unwrap_or_else(|problem| {
                tracing::warn!(problem, "Prima's figures of before cannot be used; nothing is known until Prima answers");
                None
            })
            .unwrap_or_default())
    }

    /// Whether the channel's sales ask for it, that long after it was done last.
    fn pace_is_due(&self, desk: &Desk, done_at: Option<Timestamp>, now: Timestamp) -> bool {
        let pressure = Pressure { velocity: desk.memory.sales.velocity(now), ..Pressure::default() };
        let (due_at, _) = next_push(done_at, &pressure, &desk.pages.rules, now);
        due_at <= after(now, NEARLY_DUE) || desk.memory.republish
    }

    /// Reads what orders have in flight; marks the offers that were sold or cancelled as unknown, since Mirakl has changed their
    /// quantities itself.
    async fn look_at_flights(&self, channels: &[Channel], absent: &[Absent], desks: &mut [Desk], now: Timestamp) -> Result<(), String> {
        debug_assert!(desks.len() + absent.len() <= channels.len());
        for desk in desks {
            // While Prima answered, an import may have been settled.
            desk.held = self.ledger.load(desk.id()).await.map_err(|problem| problem.to_string())?;
            desk.seen_until = seen_until(&self.store, &desk.channel).await.map_err(|problem| problem.to_string())?;
            desk.outstanding = outstanding(&self.files, desk.id(), &desk.memory, desk.seen_until, now).await;
            desk.looked_at = self.clock.now();
            desk.flights = self.store.flights(desk.id()).await.map_err(|problem| problem.to_string())?;
            let marks = format!("sold#{}", desk.id());
            let mut seen = self.ledger.load(&marks).await.map_err(|problem| problem.to_string())?;
            // With the pieces that the marketplace may have put back on offer: so much more may be shown than was known.
            let mut touched: HashMap<&str, u32> = HashMap::new();
            // What was sold, and nothing else, of each; none where something else was done to it, too.
            let mut sold: HashMap<&str, Option<u32>> = HashMap::new();
            let marks_are_there = !seen.ledger().is_empty();
            let (mut noted, mut present) = (Vec::new(), HashSet::new());
            for flight in &desk.flights {
                let sku_hash = sku_hash(&flight.key.order_id);
                present.insert(sku_hash);
                #[expect(clippy::cast_possible_truncation, reason = "a mark: any 32 bits of it")]
                let value = Shown::Known(flight.sold_digest() as u32);
                let before = seen.ledger().shown(sku_hash);
                if before == value {
                    continue;
                }
                for (offer_sku, pieces) in flight.touched() {
                    let back = touched.entry(offer_sku).or_default();
                    *back = back.saturating_add(pieces);
                    sold.entry(offer_sku).or_insert(Some(0));
                }
                let is_new_sale = before == Shown::Never && marks_are_there && flight.is_sale();
                for line in &flight.lines {
                    if let Some(units) = sold.get_mut(line.offer_sku.as_str()) {
                        *units = units.filter(|_| is_new_sale).map(|units| units.saturating_add(line.units));
                    }
                }
                for offer_sku in flight.taken_back.keys() {
                    sold.insert(offer_sku.as_str(), None);
                }
                let units = flight.lines.iter().map(|line| line.units).sum();
                if before == Shown::Never && units > 0 {
                    desk.memory.sales.note(flight.seen_at, units);
                }
                noted.push(Change { sku_hash, value });
            }
            let gone = seen.ledger().entries().filter(|entry| !present.contains(&entry.sku_hash));
            noted.extend(gone.map(|entry| Change { value: Shown::Never, ..entry }));
            desk.memory.sales.forget(now);
            let spelt = spelt_as_offered(touched.keys().copied(), desk.held.ledger(), desk.offers.as_ref());
            let hash_of = |sku: &str| sku_hash(spelt.get(sku).map_or(sku, String::as_str));
            let sales: Vec<Change> = sold
                .iter()
                .filter_map(|(sku, units)| {
                    let sku_hash = hash_of(sku);
                    let value = less_sold(desk.held.ledger().shown(sku_hash), (*units)?, desk.outstanding.of(sku_hash))?;
                    Some(Change { sku_hash, value })
                })
                .collect();
            let changes: Vec<Change> = touched
                .iter()
                .filter_map(|(sku, back)| {
                    let sku_hash = hash_of(sku);
                    match desk.held.ledger().shown(sku_hash) {
                        Shown::Known(quantity) | Shown::InDoubt(quantity) | Shown::Unknown(quantity) => {
                            Some(Change { sku_hash, value: Shown::Unknown(quantity.saturating_add(*back)) })
                        }
                        Shown::Never => None,
                    }
                })
                .collect();
            desk.report.touched = touched.len();
            desk.touched = touched.keys().filter_map(|sku| desk.pages.skus.read(sku).ok()).map(SkuOverride::from).collect();
            // What was sold before is in what was published then; and what was sold before its import was through, that may have overwritten.
            let since = desk.memory.looked_at.max(desk.memory.imported_at).or(desk.memory.pushed_at).unwrap_or(Timestamp::MIN);
            for flight in desk.flights.iter().filter(|flight| flight.seen_at >= since) {
                for line in &flight.lines {
                    *desk.sold_since.entry(line.offer_sku.clone()).or_default() += line.units;
                }
            }
            // The ledger first: an order that is marked as seen was never forgotten there.
            self.append(&mut desk.held, &changes).await?;
            self.append(&mut seen, &noted).await?;
            // Only now: what is taken off an entry twice would count as less than may be shown.
            self.append(&mut desk.held, &sales).await?;
            desk.memory.seen_until = desk.seen_until;
        }
        Ok(())
    }

    /// Appends to a ledger, and compacts it where that pays. Where another run has written it meanwhile, this one ends.
    async fn append(&self, held: &mut HeldLedger, changes: &[Change]) -> Result<(), String> {
        self.ledger.append(held, changes).await.map_err(|problem| problem.to_string())?;
        if held.compaction_is_due()
            && let Err(problem) = self.ledger.compact(held).await
        {
            tracing::warn!(%problem, "a ledger could not be compacted; the next run tries again");
        }
        Ok(())
    }

    /// What the next run asks Prima for by name: what was sold since it answered.
    fn note_sold(&self, memory: &mut StockMemory, desks: &[Desk]) {
        for sku in desks.iter().flat_map(|desk| &desk.touched) {
            if memory.sold.len() < self.settings.named_skus && !memory.sold.contains(sku) {
                memory.sold.push(sku.clone());
            }
        }
    }

    /// What channels without a desk have in flight: they sell too.
    async fn flights_of_others(&self, channels: &[Channel], unusable: &[(String, String)], desks: &[Desk]) -> Result<Vec<Others>, String> {
        let is_seated = |id: &str| desks.iter().any(|desk| desk.id() == id);
        let sellers = sold_besides(&self.store, &self.book, channels, unusable, is_seated).await?;
        Ok(sellers.into_iter().map(|(skus, flights)| Others { skus, flights }).collect())
    }

    /// By Prima SKU, what other channels than this have sold since what it shows was decided.
    fn sold_elsewhere(desks: &[Desk], others: &[Others], desk: &Desk) -> HashMap<SkuKey, u32> {
        let Some(since) = desk.memory.decided_at else { return HashMap::new() };
        let seen = desks.iter().filter(|one| one.id() != desk.id()).map(|one| (&one.pages.skus, one.flights.as_slice()));
        sold_since(seen.chain(others.iter().map(|one| (&one.skus, one.flights.as_slice()))), since)
    }

    fn evaluate_all(&self, desks: &mut [Desk], others: &[Others], figures: &Figures, now: Timestamp) {
        let sold_elsewhere: Vec<_> = desks.iter().map(|desk| Self::sold_elsewhere(desks, others, desk)).collect();
        let seats: Vec<Seat<'_>> = desks.iter().map(Desk::seat).collect();
        let sellers: Vec<_> = others.iter().map(|other| (&other.skus, other.flights.as_slice())).collect();
        let market = market(figures, &self.settings, &seats, &sellers, now);
        for (desk, sold_elsewhere) in desks.iter_mut().zip(&sold_elsewhere) {
            let Some(offers) = &desk.offers else { continue };
            let stall = Stall {
                channel: &desk.channel.id,
                rules: &desk.pages.rules,
                skus: &desk.pages.skus,
                ledger: desk.held.ledger(),
                sold_elsewhere: Some(sold_elsewhere),
            };
            let is_refused = |sku: &str, quantity: u32| desk.memory.is_refused(sku, quantity, now);
            let mut evaluation = evaluate(&market, &stall, offers, &desk.sold_since, is_refused);
            desk.memory.keep_refusals(evaluation.refused.iter().chain(evaluation.lines.iter().map(|line| &line.offer_sku)));
            if desk.memory.zeroes_allowed_until.is_none_or(|until| until <= now) {
                evaluation.guard_zeroes(desk.held.ledger(), self.settings.zeroes_percent);
            }
            desk.evaluation = evaluation;
            desk.report.unprotected = market.in_flight.unprotected.iter().filter(|one| one.channel == desk.channel.id).cloned().collect();
        }
    }

    /// Decides for each channel whether a push is due, and publishes.
    async fn publish_all(&self, desks: &mut [Desk], one_is_absent: bool, run: &Run, now: Timestamp) {
        // A channel whose list of offers is not at hand may show too much of anything that it is known to show.
        let raises_nothing = one_is_absent || desks.iter().any(|desk| desk.is_live() && desk.offers.is_none() && desk.shows_something());
        for index in 0..desks.len() {
            let others: Vec<&Desk> =
                desks.iter().enumerate().filter(|(other, desk)| *other != index && desk.is_live()).map(|(_, desk)| desk).collect();
            let may_go =
                |line: &Line| !line.raises || (!raises_nothing && !others.iter().any(|desk| desk.evaluation.too_much.contains(&line.key)));
            let lines: Vec<Line> = desks[index].evaluation.lines.iter().filter(|line| may_go(line)).cloned().collect();
            let desk = &mut desks[index];
            let velocity = desk.memory.sales.velocity(now);
            let pressure = Pressure {
                to_lower: desk.evaluation.to_lower,
                at_buffer: desk.evaluation.at_buffer,
                // What waits for another channel is not sent before.
                to_fill: if lines.iter().any(|line| line.raises) { desk.evaluation.to_fill } else { 0 },
                velocity,
            };
            let (due_at, reason) = next_push(desk.memory.pushed_at, &pressure, &desk.pages.rules, now);
            let goes_on = desk.memory.more && desk.memory.pushed_at.is_none_or(|at| after(at, BETWEEN_IMPORTS) <= after(now, NEARLY_DUE));
            let is_due = due_at <= after(now, NEARLY_DUE) || desk.memory.republish || goes_on;
            desk.report.velocity = velocity;
            desk.report.reason = reason.name();
            desk.report.waiting = desk.evaluation.lines.len();
            let decision = if desk.offers.is_none() {
                "waits for the list of offers".to_owned()
            } else if desk.memory.import.is_some() {
                format!("{}: an import is under way", reason.name())
            } else if !is_due {
                format!("{}: due at {due_at:.0}", reason.name())
            } else if lines.is_empty() {
                // Looked at, and nothing to say: the pace goes on from here.
                (desk.memory.pushed_at, desk.memory.decided_at, desk.memory.looked_at) = (Some(now), Some(now), Some(desk.looked_at));
                format!("{}: nothing differs", reason.name())
            } else if !desk.is_live() {
                desk.memory.pushed_at = Some(now);
                desk.report.would_publish = lines.len();
                // Shown once what would be published: that is all an observing channel does.
                desk.republished |= std::mem::take(&mut desk.memory.republish);
                format!("{}: would publish {} lines (observe)", reason.name(), lines.len())
            } else if after(self.clock.now(), LEAST_TIME) > run.hard_deadline {
                format!("{}: out of time, the next run publishes", reason.name())
            } else {
                let count = lines.len();
                self.publish(desk, lines, reason, run, now).await;
                format!("{}: published {} of {count} lines", reason.name(), desk.report.published)
            };
            desk.memory.more &= !lines_are_all_out(desk);
            // What waits to be raised waits for the pace, unless it shows nothing; what is to be lowered, or did not fit, is looked at every minute.
            desk.memory.pending = desk.is_live() && (desk.evaluation.to_lower > 0 || desk.evaluation.to_fill > 0 || desk.memory.more);
            desk.memory.latest = LatestEvaluation {
                at: Some(now),
                offers: desk.evaluation.offers,
                to_offer: desk.evaluation.to_offer,
                unmapped: desk.evaluation.unmapped.values().map(|counted| counted.count).sum(),
                unknown_to_prima: desk.evaluation.unknown_to_prima.count,
                waiting: desk.evaluation.lines.len() - desk.report.published.min(desk.evaluation.lines.len()),
                to_lower: desk.evaluation.to_lower,
                may_sell_twice: desk.evaluation.may_sell_twice,
                decision: decision.clone(),
            };
            desk.report.may_sell_twice = desk.evaluation.may_sell_twice;
            tracing::info!(
                channel = %desk.channel.id,
                decision,
                to_lower = desk.evaluation.to_lower,
                at_buffer = desk.evaluation.at_buffer,
                waiting = desk.evaluation.lines.len(),
                units_last_hour = velocity.units_short,
                units_an_hour_last_day = velocity.units_long,
                "push decided"
            );
            desk.report.decision = decision;
        }
    }

    /// Tells people what they have to know, saves what is remembered, and takes away what is over.
    #[expect(clippy::too_many_arguments, reason = "the end of a run has to do with all of it")]
    async fn close(
        &self,
        channels: &[Channel],
        desks: Vec<Desk>,
        absent: Vec<Absent>,
        memory: &mut StockMemory,
        evaluated: bool,
        unusable: &[(String, String)],
        report: &mut Report,
        now: Timestamp,
    ) {
        let mut lasting: HashMap<String, Vec<(String, String)>> = HashMap::new();
        let mut lasts = |channel: &str, exceptions: &[shared::domain::stock::exceptions::StockException]| {
            let named = exceptions.iter().map(|one| (one.kind.name().to_owned(), one.first_seen.to_string()));
            lasting.insert(channel.to_owned(), named.collect());
        };
        for mut desk in desks {
            let (found, looked_at) = conditions::of_channel(&desk, evaluated, now);
            follow(&mut desk.memory.exceptions, found, &looked_at, now);
            let channel = desk.id().to_owned();
            report.announced += announce(&self.queue, &self.events, &channel, &mut desk.memory.exceptions, now).await;
            lasts(&channel, &desk.memory.exceptions);
            desk.report.oldest_import = age(desk.memory.import.as_ref().map(|import| import.begun_at), now);
            let untold = desk.memory.exceptions.iter().filter(|exception| exception.announced_at.is_none());
            desk.report.oldest_unannounced = age(untold.map(|exception| exception.first_seen).min(), now);
            self.save(&mut desk).await;
            report.channels.push(desk.report);
        }
        for (channel, condition) in absent {
            let Ok((mut push, version)) = self.recall::<PushMemory>(StockRecord::Push(&channel.id)).await else { continue };
            follow(&mut push.exceptions, vec![condition], &[StockExceptionKind::DocumentsUnusable], now);
            report.announced += announce(&self.queue, &self.events, &channel.id, &mut push.exceptions, now).await;
            lasts(&channel.id, &push.exceptions);
            let _ = self.ledger.save_record(StockRecord::Push(&channel.id), &push, &version).await;
        }
        let mut found = conditions::of_installation(memory, &self.settings, now);
        found.extend(unusable.iter().map(|(id, problem)| conditions::definition_unusable(id, problem)));
        let looked_at = [
            StockExceptionKind::BasisMissing,
            StockExceptionKind::PrimaUnread,
            StockExceptionKind::FiguresUnusable,
            StockExceptionKind::DocumentsUnusable,
        ];
        report.announced += self.tell_installation(memory, found, &looked_at, now).await;
        lasts("", &memory.exceptions);
        let known: HashSet<&str> = channels.iter().map(|channel| channel.id.as_str()).collect();
        tidy(&self.queue, |channel, kind, first_seen| match lasting.get(channel) {
            Some(named) => Some(named.iter().any(|(one, at)| one == kind && at == first_seen)),
            // A channel that is no more, or is off now, needs nobody.
            None => (!known.contains(channel) || channels.iter().any(|one| one.id == channel && one.stock == Mode::Off)).then_some(false),
        })
        .await;
    }

    async fn tell_installation(
        &self,
        memory: &mut StockMemory,
        found: Vec<Condition>,
        looked_at: &[StockExceptionKind],
        now: Timestamp,
    ) -> usize {
        follow(&mut memory.exceptions, found, looked_at, now);
        announce(&self.queue, &self.events, "", &mut memory.exceptions, now).await
    }

    /// Saves what a channel's pushes remember, over what others have changed meanwhile. False where that was not possible.
    async fn save(&self, desk: &mut Desk) -> bool {
        for _ in 0..5 {
            match self.ledger.save_record(StockRecord::Push(&desk.channel.id), &desk.memory, &desk.version).await {
                Ok(version) => {
                    desk.version = version;
                    return true;
                }
                Err(StoreError::Conflict(_)) => {
                    let Ok((stored, version)) = self.recall::<PushMemory>(StockRecord::Push(&desk.channel.id)).await else { continue };
                    desk.memory = std::mem::take(&mut desk.memory).over(stored, desk.republished);
                    desk.version = version;
                }
                Err(problem) => {
                    tracing::warn!(channel = %desk.channel.id, %problem, "what a channel's pushes remember could not be saved");
                    return false;
                }
            }
        }
        false
    }
}

/// What is known to be shown once `units` more were sold, and nothing else was done: Mirakl has lowered its own figure. None where it is
/// not known whether that was before an import put a quantity in its place.
fn less_sold(shown: Shown, units: u32, pending: Pending) -> Option<Shown> {
    if pending.is_under_way && !pending.is_from_nothing || pending.is_new {
        return None;
    }
    // More sold than was shown: it was not what it was taken for.
    let less = |quantity: u32| quantity.checked_sub(units);
    match shown {
        Shown::Known(quantity) => less(quantity).map(Shown::Known),
        Shown::Unknown(quantity) => less(quantity).map(Shown::Unknown),
        Shown::InDoubt(quantity) if pending.is_under_way => less(quantity).map(Shown::InDoubt),
        Shown::InDoubt(_) | Shown::Never => None,
    }
}

/// SKUs that an order spells in other capitals than the list of offers does, and its spelling: where there is one alone.
fn spelt_as_offered<'s>(skus: impl Iterator<Item = &'s str>, ledger: &Ledger, offers: Option<&OffersList>) -> HashMap<String, String> {
    let unknown = skus.filter(|sku| ledger.shown(sku_hash(sku)) == Shown::Never);
    let unknown: HashMap<String, &str> = unknown.map(|sku| (sku.to_lowercase(), sku)).collect();
    let mut spelt: HashMap<String, Vec<String>> = HashMap::new();
    if unknown.is_empty() {
        return HashMap::new();
    }
    for offer_sku in offers.iter().flat_map(|offers| offers.skus()) {
        if let Some(sku) = unknown.get(&offer_sku.to_lowercase()) {
            spelt.entry((*sku).to_owned()).or_default().push(offer_sku.to_owned());
        }
    }
    spelt.into_iter().filter_map(|(sku, mut found)| Some((sku, found.pop().filter(|_| found.is_empty())?))).collect()
}

fn lease_of(run: &Run, now: Timestamp) -> StockLease {
    StockLease { lease: Some(Lease { owner: run.id.clone(), until: after(now, LEASE_FOR) }), disturbed: false }
}

fn age(since: Option<Timestamp>, now: Timestamp) -> Duration {
    since.map_or(Duration::ZERO, |since| Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

/// Nothing of the latest evaluation is left.
fn lines_are_all_out(desk: &Desk) -> bool {
    desk.evaluation.lines.len() <= desk.report.published
}

/// Prima SKUs that no channel offers.
fn without_offer(figures: &Figures, desks: &[Desk]) -> usize {
    let mut offered = Offered::default();
    desks.iter().for_each(|desk| offered.join(&desk.evaluation.offered));
    figures.len() - offered.len()
}

/// The basis that figures are read by, for whoever reads them.
pub(crate) type Basis = StockBasis;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_is_taken_off_what_is_shown_where_no_import_can_have_overwritten_it() {
        use Shown::{InDoubt, Known, Unknown};
        let none = Pending::default();
        let unseen = Pending { is_new: true, ..none };
        let under_way = Pending { is_under_way: true, is_unseen: true, ..none };
        let filling = Pending { is_under_way: true, is_from_nothing: true, ..none };
        for (shown, units, pending, expected) in [
            (Known(5), 2, none, Some(Known(3))),
            (Unknown(5), 2, none, Some(Unknown(3))),
            (Known(5), 6, none, None),
            (Known(5), 2, unseen, None),
            (InDoubt(5), 2, under_way, None),
            (InDoubt(5), 2, filling, Some(InDoubt(3))),
            (InDoubt(5), 2, none, None),
            (Shown::Never, 1, none, None),
        ] {
            assert_eq!(less_sold(shown, units, pending), expected, "{shown:?} {units} {pending:?}");
        }
    }

    #[test]
    fn an_order_in_other_capitals_is_of_the_one_offer_that_it_can_mean() {
        let mut offers = OffersList::new(Timestamp::UNIX_EPOCH);
        for sku in ["St112-Nav-12", "a-1", "A-1"] {
            offers.add(sku);
        }
        let mut ledger = Ledger::default();
        ledger.apply(&[Change { sku_hash: sku_hash("B-1"), value: Shown::Known(1) }]);
        let spelt = spelt_as_offered(["ST112-NAV-12", "A-1", "B-1", "C-1"].into_iter(), &ledger, Some(&offers));
        assert_eq!(spelt, HashMap::from([("ST112-NAV-12".to_owned(), "St112-Nav-12".to_owned())]));
        assert_eq!(spelt_as_offered(["X"].into_iter(), &ledger, None), HashMap::new());
    }
}
