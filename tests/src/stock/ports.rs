//! The functions' ports, each a call into the world.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::domain::channel_documents::{
    ChannelDocument, ChannelDocuments, ChannelList, Freshness,
};
use shared::domain::documents::{DocumentKey, UnusableDocument};
use shared::domain::order::row::OrderRow;
use shared::domain::queue::{ImportMessage, ImportQueue, QueueError};
use shared::domain::state::ledger::{Kept, LedgerStore, StockRecord, Version};
use shared::domain::state::{FlightStore, PollState, StoreError};
use shared::domain::stock::files::{self as stock_files, FIGURES, StockFiles};
use shared::domain::stock::flight::Flight;
use shared::domain::stock::offers_list::OffersList;
use shared::kit::clock::{Clock as _, after};
use shared::kit::field_error::FieldError;
use shared::mirakl::MiraklError;
use shared::mirakl::error_report::LineError;
use shared::mirakl::stock::{
    ListedOffer, MiraklStock, OfferPage, OffersExport, StockImport, UnreadableOffer,
};
use shared::prima::PrimaError;
use shared::prima::sku::SkuOverride;
use shared::prima::stock::StockBasis;
use shared::prima::stock::{
    Figure, PrimaStock, ProductRange, RangeFailure, RangeReading, SkuKey, Unusable, WhyNot,
};
use simulators::mirakl::{ImportFate, ImportKind, ImportLine, ImportStatus, Marketplace};
use simulators::prima::{Installation, Sku, SkuFigures};

use super::sending;
use super::world::{Answered, Basis, CHANNELS, Entries, Export, LIVE, SHOPS, Sent, World};
use crate::world::dice::Dice;
use crate::world::documents::as_asked;
use crate::world::fate::{Fate, Kind, Pace};
use crate::world::models::Models;
use crate::world::ports::{not_sent, unavailable};
use crate::world::queue::Body;
use crate::world::scene::{self, Scene};

/// Bytes of an answer that is cut for its length: more than the connector asks for at once.
const TOO_LONG: u64 = 80 * 1024 * 1024;
/// One invocation.
pub(super) type Invocation = scene::Invocation<World>;
/// All ports of one invocation.
pub(super) type Port = scene::Port<World>;

/// What the judge notes of one invocation.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) began: Timestamp,
    /// The basis was agreed when it began.
    pub(super) agreed: bool,
    /// What it may know.
    pub(super) basis: RefCell<Basis>,
    /// It was told that a channel's documents are wrong.
    pub(super) wrong_documents: Cell<bool>,
    /// What this invocation is told besides, and does.
    pub(super) seen: RefCell<Seen>,
}

impl Notes {
    pub(super) fn new(world: &World) -> Self {
        Self {
            began: world.now(),
            agreed: world.agreed.get(),
            basis: RefCell::new(Basis { began: world.now(), ..Basis::default() }),
            wrong_documents: Cell::new(false),
            seen: RefCell::default(),
        }
    }
}

impl Scene for World {
    type Notes = Notes;

    fn index(&self, channel: &str) -> usize {
        CHANNELS.iter().position(|id| *id == channel).unwrap_or_default()
    }

    fn latency(&self, _kind: Kind, slow: bool, dice: &Dice) -> Duration {
        Pace { usual: (1, 120), slow: (500, 25_000) }.drawn(slow, dice)
    }

    fn saved(invocation: &Invocation, row: &OrderRow) {
        let world = &invocation.world;
        let is_of_stock = ["push", "check"].iter().any(|name| invocation.is_of(name));
        match &world.whole {
            Some(whole) if !is_of_stock => world.note_row(whole, row),
            _ => world.violate(format!("a push writes the row of {}", row.key)),
        }
    }

    fn poll_state(&self, channel: &str, stored: PollState) -> PollState {
        if self.whole.is_some() {
            return stored;
        }
        PollState { seen_until: Some(self.seen_until(self.index(channel))), ..stored }
    }
}

impl Models for World {
    fn model<T>(&self, channel: usize, work: impl FnOnce(&mut Marketplace) -> T) -> Option<T> {
        self.shops.borrow_mut().get_mut(channel).map(work)
    }

    fn advance(&self, now: Timestamp) {
        World::advance(self, now);
    }

    fn office(&self) -> &RefCell<Installation> {
        &self.office
    }

    fn shop_id(channel: usize) -> i64 {
        SHOPS[channel]
    }

    /// What Mirakl says to a key that may not use an operation.
    fn instead(
        &self,
        channel: usize,
        operations: &[&'static str],
        _about: &str,
    ) -> Option<MiraklError> {
        let right = self.right_refused.get();
        let is_refused = |one: &&&str| right.is_none_or(|right| right == **one);
        let of_channel = self.key_refused.get() == Some(channel);
        let operation = operations.iter().find(|one| of_channel && is_refused(one))?;
        self.refused_calls.set(self.refused_calls.get() + 1);
        Some(MiraklError::refused(operation, 401, None, "Unauthorized"))
    }

    fn settles<T>(&self, channel: usize, order_id: &str, work: impl FnOnce() -> T) -> T {
        self.noting_restocks(channel, order_id, work)
    }

    fn prima_is_silent(&self) -> bool {
        self.silent.get()
    }
}

/// What an invocation was told of the connector's own memory, and did.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// A channel's ledger as it was read last before anything was sent: how each offer was known to
    /// be shown.
    pub(super) ledgers: HashMap<usize, Entries>,
    /// The same at the moment at which the lines of an import were kept: nothing may change it
    /// before the import is sent.
    pub(super) at_keeping: HashMap<usize, Entries>,
    /// The offers of a channel's list, where it was handed out.
    pub(super) listed: HashMap<usize, BTreeSet<String>>,
    /// SKUs that Prima has answered, and those that an answer lacked.
    answered: BTreeSet<String>,
    lacked: BTreeSet<String>,
    /// A range was not answered.
    has_failed: bool,
    /// Offers that were sent.
    pub(super) sent: BTreeSet<(usize, String)>,
}

impl Port {
    fn key_is_refused(&self, operation: &'static str) -> Result<(), MiraklError> {
        self.world().instead(self.channel, &[operation], "").map_or(Ok(()), Err)
    }

    /// A question to Mirakl.
    async fn question<T>(
        &self,
        operation: &'static str,
        about: &str,
        answer: impl FnOnce(&World, &Dice) -> Result<T, MiraklError>,
    ) -> Result<T, MiraklError> {
        let call = self
            .begin(Kind::Question(operation), (self.channel, about), || {
                format!("{operation} {about}")
            })
            .await;
        let answer = self.key_is_refused(operation).and_then(|()| answer(self.world(), &call.dice));
        self.end(&call).await;
        if call.fate != Fate::Goes {
            return Err(match call.dice.between(0, 2) {
                0 => MiraklError::refused(operation, 429, None, "Too Many Requests"),
                1 => MiraklError {
                    status: Some(503),
                    ..MiraklError::unknown(operation, "Service Unavailable")
                },
                _ => MiraklError::unknown(operation, "no answer"),
            });
        }
        answer
    }

    async fn import(
        &self,
        operation: &'static str,
        kind: ImportKind,
        csv: Vec<u8>,
    ) -> Result<String, MiraklError> {
        let world = self.world();
        let lines = lines_of(&csv);
        let channel = self.channel;
        let call =
            self.begin(Kind::Change(operation), channel, || format!("{operation} {lines:?}")).await;
        if call.fails() {
            return Err(match call.dice.between(0, 1) {
                0 => MiraklError::not_sent(operation, "no connection"),
                _ => MiraklError::refused(operation, 429, None, "Too Many Requests"),
            });
        }
        self.key_is_refused(operation)?;
        world.advance(world.now());
        sending::sent(&self.invocation, channel, &lines).await;
        self.invocation
            .notes
            .seen
            .borrow_mut()
            .sent
            .extend(lines.iter().map(|(offer_sku, _)| (channel, offer_sku.clone())));
        if world.mishap(&call.dice, 0.02) {
            return Err(MiraklError::refused(operation, 400, None, "the file cannot be read"));
        }
        let spoilt = if world.mishap(&call.dice, 0.15) {
            let import = match call.dice.between(0, 4) {
                0 => ImportFate::Fails,
                1 => ImportFate::Lost { applied: call.dice.chance(0.5) },
                _ => ImportFate::Stuck { seconds: call.dice.between(30, 7200) },
            };
            Some(import)
        } else {
            None
        };
        // A line that Mirakl does not take, for whatever reason it may have.
        let bad_line = world.mishap(&call.dice, 0.1).then(|| call.dice.index(lines.len()));
        let place = {
            let mut sent = world.sent.borrow_mut();
            let basis = self.invocation.notes.basis.borrow().clone();
            let is_answered = call.is_answered();
            let (began, at) = (self.invocation.notes.began, world.now());
            sent[channel].push(Sent {
                basis,
                lines: lines.clone(),
                import_id: None,
                noticed: false,
                bad_line,
                is_answered,
                began,
                at,
            });
            sent[channel].len() - 1
        };
        let effect = move |world: &World| {
            let sent = lines.iter().enumerate().map(|(number, (sku, quantity))| ImportLine {
                quantity: if bad_line == Some(number) {
                    "-1".to_owned()
                } else {
                    quantity.to_string()
                },
                ..ImportLine::set(sku, *quantity)
            });
            let id = world.shop(channel, |shop, now| {
                if let Some(fate) = spoilt {
                    shop.spoil_imports(SHOPS[channel], [fate]);
                }
                shop.begin_import(kind, SHOPS[channel], sent.collect(), now)
            });
            world.tell(|| format!("import {place} is {id:?}, {spoilt:?}, bad line {bad_line:?}"));
            world.sent.borrow_mut()[channel][place].import_id.clone_from(&id);
            id.unwrap_or_default()
        };
        if call.fate == Fate::Late {
            let world = Rc::clone(self.world());
            let wait = call.dice.seconds(1, 50);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(wait).await;
                effect(&world);
            });
            return Err(MiraklError::unknown(operation, "no answer in time"));
        }
        let id = effect(world);
        self.end(&call).await;
        if call.fate == Fate::AnswerLost {
            Err(MiraklError::unknown(operation, "the answer was cut"))
        } else {
            Ok(id)
        }
    }

    async fn status(
        &self,
        operation: &'static str,
        kind: ImportKind,
        import_id: &str,
    ) -> Result<StockImport, MiraklError> {
        let channel = self.channel;
        self.question(operation, import_id, |world, _| {
            let found = world.shop(channel, |shop, now| {
                shop.import(kind, SHOPS[channel], import_id).map(|import| {
                    let status = match import.status(now) {
                        ImportStatus::Waiting => "WAITING",
                        ImportStatus::Running => "RUNNING",
                        ImportStatus::Complete => "COMPLETE",
                        ImportStatus::Failed => "FAILED",
                    };
                    StockImport {
                        status: status.to_owned(),
                        has_error_report: Some(!import.errors.is_empty()),
                        lines_in_error: u32::try_from(import.errors.len()).ok(),
                        lines_in_success: u32::try_from(import.updated).ok(),
                        reason_status: None,
                    }
                })
            });
            found.flatten().ok_or_else(|| MiraklError::refused(operation, 404, None, "Not Found"))
        })
        .await
    }

    async fn errors(
        &self,
        operation: &'static str,
        kind: ImportKind,
        import_id: &str,
    ) -> Result<Vec<LineError>, MiraklError> {
        let channel = self.channel;
        self.question(operation, import_id, |world, _| {
            let found = world.shop(channel, |shop, _| {
                shop.import(kind, SHOPS[channel], import_id).map(|import| {
                    let error = |error: &simulators::mirakl::LineError| LineError {
                        line: u64::try_from(error.number + 1).ok(),
                        // One marketplace spells SKUs as it pleases.
                        offer_sku: (kind == ImportKind::Stock).then(|| {
                            if channel == 0 {
                                error.line.sku.to_lowercase()
                            } else {
                                error.line.sku.clone()
                            }
                        }),
                        reason: error.reason.clone(),
                    };
                    import.errors.iter().map(error).collect()
                })
            });
            found.flatten().ok_or_else(|| MiraklError::refused(operation, 404, None, "Not Found"))
        })
        .await
    }
}

/// SKU and quantity of each line.
fn lines_of(csv: &[u8]) -> Vec<(String, u32)> {
    let text = String::from_utf8_lossy(csv);
    let fields = |line: &str| -> Option<(String, u32)> {
        let mut fields = line.split(';').map(|field| field.trim_matches('"').to_owned());
        Some((fields.next()?, fields.next()?.parse().ok()?))
    };
    text.lines().skip(1).filter_map(fields).collect()
}

fn listed((offer_sku, quantity): (String, u32)) -> ListedOffer {
    ListedOffer { offer_sku, quantity: Some(quantity), active: Some(true), deleted: Some(false) }
}

fn offers_of(world: &World, channel: usize) -> Vec<(String, u32)> {
    let offers = world.shop(channel, |shop, _| {
        shop.offers(SHOPS[channel]).map(|offer| (offer.shop_sku.clone(), offer.quantity)).collect()
    });
    offers.unwrap_or_default()
}

impl MiraklStock for Port {
    async fn import_stock(&self, csv: Vec<u8>) -> Result<String, MiraklError> {
        self.import("STO01", ImportKind::Stock, csv).await
    }

    async fn stock_import(&self, import_id: &str) -> Result<StockImport, MiraklError> {
        self.status("STO02", ImportKind::Stock, import_id).await
    }

    async fn stock_import_errors(&self, import_id: &str) -> Result<Vec<LineError>, MiraklError> {
        self.errors("STO03", ImportKind::Stock, import_id).await
    }

    async fn import_offers_quantities(&self, csv: Vec<u8>) -> Result<String, MiraklError> {
        self.import("OF01", ImportKind::Offers, csv).await
    }

    async fn offers_import(&self, import_id: &str) -> Result<StockImport, MiraklError> {
        self.status("OF02", ImportKind::Offers, import_id).await
    }

    async fn offers_import_errors(&self, import_id: &str) -> Result<Vec<LineError>, MiraklError> {
        self.errors("OF03", ImportKind::Offers, import_id).await
    }

    async fn begin_offers_export(&self, _since: Option<Timestamp>) -> Result<String, MiraklError> {
        let channel = self.channel;
        self.question("OF52", "", |world, dice| {
            if world.plan.no_export[channel] {
                return Err(MiraklError::refused("OF52", 404, None, "Not Found"));
            }
            let now = world.now();
            let mut exports = world.exports.borrow_mut();
            let day = Duration::from_secs(24 * 3600 - 600);
            let id = format!("{channel}-{}", exports.len());
            // Once a day; a repeat is answered with the same one.
            let known = exports.iter().find(|(id, export)| {
                id.starts_with(&format!("{channel}-"))
                    && !export.fails
                    && after(export.begun, day) > now
            });
            if let Some((known, _)) = known {
                return Ok(known.clone());
            }
            let ready = after(now, dice.seconds(1, 300));
            exports.insert(
                id.clone(),
                Export {
                    begun: now,
                    ready,
                    fails: world.mishap(dice, 0.3),
                    offers: offers_of(world, channel),
                },
            );
            Ok(id)
        })
        .await
    }

    async fn offers_export(&self, tracking_id: &str) -> Result<OffersExport, MiraklError> {
        self.question("OF53", tracking_id, |world, _| {
            let exports = world.exports.borrow();
            let export = exports
                .get(tracking_id)
                .ok_or_else(|| MiraklError::refused("OF53", 404, None, "Not Found"))?;
            Ok(match export {
                export if export.ready > world.now() => OffersExport::Pending,
                export if export.fails => OffersExport::Failed("too many offers".to_owned()),
                _ => OffersExport::Completed(vec![tracking_id.to_owned()]),
            })
        })
        .await
    }

    async fn exported_offers(
        &self,
        url: &str,
        mut each: impl FnMut(Result<ListedOffer, UnreadableOffer>),
    ) -> Result<(), MiraklError> {
        let offers = self
            .question("OF54", url, |world, _| {
                let exports = world.exports.borrow();
                exports
                    .get(url)
                    .map(|export| export.offers.clone())
                    .ok_or_else(|| MiraklError::refused("OF54", 404, None, "Not Found"))
            })
            .await?;
        offers.into_iter().for_each(|offer| each(Ok(listed(offer))));
        Ok(())
    }

    async fn list_offers(&self, offset: usize) -> Result<OfferPage, MiraklError> {
        let channel = self.channel;
        self.question("OF21", "", |world, _| {
            let all = offers_of(world, channel);
            let total_count = u64::try_from(all.len()).ok();
            let offers: Vec<ListedOffer> =
                all.into_iter().skip(offset).take(10).map(listed).collect();
            Ok(OfferPage { length: offers.len(), offers, unreadable: Vec::new(), total_count })
        })
        .await
    }
}

/// A figure by the agreed basis, as the real reader makes it.
fn free(figures: &SkuFigures, basis: StockBasis) -> Result<u32, WhyNot> {
    let figure = match basis {
        StockBasis::Free => figures.free.ok_or(WhyNot::Absent("FreeQuantity"))?,
        StockBasis::AvailableIsFree => {
            figures.available.ok_or(WhyNot::Absent("AvailableQuantity"))?
        }
        StockBasis::AvailableLessAllocated => {
            figures.available.ok_or(WhyNot::Absent("AvailableQuantity"))?
                - figures.allocated.ok_or(WhyNot::Absent("AllocatedQuantity"))?
        }
    };
    if !figure.is_integer() || figure.abs() > Decimal::from(1_000_000_000) {
        return Err(WhyNot::NoNumber("FreeQuantity"));
    }
    Ok(figure.to_u32().unwrap_or(0))
}

impl PrimaStock for Port {
    async fn range(
        &self,
        range: &ProductRange,
        basis: StockBasis,
    ) -> Result<RangeReading, RangeFailure> {
        let world = self.world();
        let (asked_at, really_asked_at) = (self.now(), world.now());
        if world.silent.get() {
            tokio::time::sleep(Duration::from_secs(20)).await;
            return Err(PrimaError::unknown("ProductAvailableToSell", "no answer in time").into());
        }
        let about = || format!("{:?} to {:?}", range.from, range.to);
        let call = self
            .begin(Kind::Figures("ProductAvailableToSell"), (&range.from, &range.to), about)
            .await;
        self.invocation.notes.seen.borrow_mut().has_failed |= !call.is_answered();
        let now = world.now();
        let rows = if world.empty.get() {
            Vec::new()
        } else {
            world.office.borrow_mut().available(&range.from, &range.to, now)
        };
        // It takes a while to answer.
        tokio::time::sleep(Duration::from_millis(call.dice.between(100, 8000))).await;
        self.end(&call).await;
        if call.fate != Fate::Goes || world.silent.get() {
            return Err(PrimaError::unknown("ProductAvailableToSell", "the answer was cut").into());
        }
        if let Some(most) =
            world.plan.longest_answer.filter(|most| rows.len() > *most && !world.quiet.get())
        {
            self.invocation.notes.seen.borrow_mut().has_failed = true;
            world.tell(|| "the answer is cut for its length".to_owned());
            return Err(RangeFailure {
                error: PrimaError::unknown(
                    "ProductAvailableToSell",
                    "the answer was cut for its length",
                ),
                products: rows.iter().take(most).map(|row| row.sku.product.clone()).collect(),
                skus: most as u64,
                length: TOO_LONG,
            });
        }
        let answered: BTreeSet<&Sku> = rows.iter().map(|row| &row.sku).collect();
        let is_within = |product: &str| {
            product >= range.from.as_str() && (range.to.is_empty() || product <= range.to.as_str())
        };
        let lacked = world
            .plan
            .items
            .iter()
            .filter(|item| is_within(&item.sku.product) && !answered.contains(&item.sku));
        self.invocation
            .notes
            .seen
            .borrow_mut()
            .lacked
            .extend(lacked.map(|item| item.offer_sku.clone()));
        Ok(self.reading(&rows, basis, asked_at, really_asked_at))
    }

    async fn named(
        &self,
        skus: &[SkuOverride],
        basis: StockBasis,
    ) -> Result<RangeReading, PrimaError> {
        let world = self.world();
        let (asked_at, really_asked_at) = (self.now(), world.now());
        if world.silent.get() {
            tokio::time::sleep(Duration::from_secs(20)).await;
            return Err(PrimaError::unknown("MultiAvailableToSell", "no answer in time"));
        }
        let call = self
            .begin(Kind::Figures("MultiAvailableToSell"), (), || format!("of {}", skus.len()))
            .await;
        let wanted: Vec<Sku> = skus
            .iter()
            .map(|sku| {
                let mut codes = sku.matrix_codes.iter().cloned();
                Sku {
                    product: sku.product.clone(),
                    matrix: std::array::from_fn(|_| codes.next().unwrap_or_default()),
                }
            })
            .collect();
        let rows = if world.empty.get() {
            Vec::new()
        } else {
            world.office.borrow_mut().available_of(&wanted, world.now())
        };
        tokio::time::sleep(Duration::from_millis(call.dice.between(50, 2000))).await;
        self.end(&call).await;
        if call.fate != Fate::Goes || world.silent.get() {
            return Err(PrimaError::unknown("MultiAvailableToSell", "the answer was cut"));
        }
        Ok(self.reading(&rows, basis, asked_at, really_asked_at))
    }
}

impl Port {
    /// What an answer of Prima's says.
    fn reading(
        &self,
        rows: &[SkuFigures],
        basis: StockBasis,
        asked_at: Timestamp,
        really_asked_at: Timestamp,
    ) -> RangeReading {
        let mut by_key: BTreeMap<SkuKey, Result<u32, WhyNot>> = BTreeMap::new();
        let mut products = Vec::new();
        let mut basis_of_run = self.invocation.notes.basis.borrow_mut();
        basis_of_run.answered_at = Some(self.world().now());
        for row in rows {
            let key = SkuKey::of(&row.sku.product, row.sku.matrix.iter().map(String::as_str));
            let figure = free(row, basis);
            let twice = by_key.get(&key).is_some_and(|known| *known != figure);
            by_key.insert(key, if twice { Err(WhyNot::Twice) } else { figure });
            products.push(row.sku.product.clone());
        }
        for row in rows {
            let key = SkuKey::of(&row.sku.product, row.sku.matrix.iter().map(String::as_str));
            let offer_sku =
                format!("{}-{}-{}", row.sku.product, row.sku.matrix[0], row.sku.matrix[1]);
            self.invocation.notes.seen.borrow_mut().answered.insert(offer_sku.clone());
            let known = basis_of_run.figures.entry(offer_sku).or_default();
            *known = match by_key.get(&key) {
                Some(Ok(free)) => {
                    Answered { figure: Some((really_asked_at, *free)), ..Answered::default() }
                }
                _ => Answered { is_unusable: true, lacking: 0, ..*known },
            };
        }
        products.dedup();
        let figures =
            by_key.iter().filter_map(|(key, free)| Some(Figure::new(*key, free.ok()?))).collect();
        let unusable = by_key
            .iter()
            .filter_map(|(key, free)| Some(Unusable { key: *key, sku: None, why: free.err()? }))
            .collect();
        RangeReading {
            asked_at,
            figures,
            unusable,
            below_zero: 0,
            nameless: 0,
            products,
            length: 100 * rows.len() as u64,
        }
    }
}

impl Port {
    /// An answer is taken over: what it lacked is counted once a run, whatever ranges it was asked
    /// for in. An empty catalogue is no evidence of anything.
    fn count_lacking(&self) {
        let mut seen = self.invocation.notes.seen.borrow_mut();
        let lacked = std::mem::take(&mut seen.lacked);
        if seen.answered.is_empty() && !seen.has_failed {
            return;
        }
        let mut basis = self.invocation.notes.basis.borrow_mut();
        for offer_sku in lacked.difference(&seen.answered) {
            basis.figures.entry(offer_sku.clone()).or_default().lacking += 1;
        }
    }

    /// A run reads the ledgers again once Prima has answered, and notes what was sold: that is what
    /// it decides by.
    async fn note_ledger(&self, channel: &str) {
        let Some(index) = CHANNELS.iter().take(LIVE).position(|id| *id == channel) else { return };
        let ledger = self.world().entries(index).await;
        let mut seen = self.invocation.notes.seen.borrow_mut();
        if seen.sent.is_empty() {
            seen.ledgers.insert(index, ledger);
        }
    }

    fn note_list(&self, name: &str, bytes: Option<&[u8]>) {
        let Some(channel) =
            (0..LIVE).find(|channel| stock_files::offers_of(CHANNELS[*channel]) == name)
        else {
            return;
        };
        let list = bytes.and_then(|bytes| OffersList::decode(bytes.to_vec()).ok());
        let listed = list.map(|list| list.skus().map(str::to_owned).collect());
        self.invocation.notes.seen.borrow_mut().listed.insert(channel, listed.unwrap_or_default());
    }
}

impl FlightStore for Port {
    async fn flights(&self, channel: &str) -> Result<Vec<Flight>, StoreError> {
        self.load("flights").await?;
        let world = self.world();
        let flights = world.store.flights(channel).await;
        self.invocation
            .notes
            .basis
            .borrow_mut()
            .flights_at
            .insert(world.index(channel), world.now());
        flights
    }
}

fn name_of(record: StockRecord<'_>) -> String {
    match record {
        StockRecord::Head(channel) => format!("head of {channel}"),
        StockRecord::Push(channel) => format!("memory of {channel}"),
        StockRecord::Installation => "memory of the installation".to_owned(),
        StockRecord::Lease => "lease".to_owned(),
    }
}

impl LedgerStore for Port {
    async fn load_record<T: DeserializeOwned + Default>(
        &self,
        record: StockRecord<'_>,
    ) -> Result<(T, Version), StoreError> {
        self.load(&name_of(record)).await?;
        self.world().ledger.load_record(record).await
    }

    async fn save_record<T: Serialize>(
        &self,
        record: StockRecord<'_>,
        document: &T,
        version: &Version,
    ) -> Result<Version, StoreError> {
        let name = name_of(record);
        let call = self.begin(Kind::Save, &name, || name.clone()).await;
        if call.fails() {
            return Err(unavailable());
        }
        let saved = self.world().ledger.save_record(record, document, version).await;
        // What it has noted itself it knows.
        if let StockRecord::Head(channel) = record {
            self.note_ledger(channel).await;
        }
        if let Err(problem) = &saved {
            self.world().tell(|| format!("       {} {problem}", self.invocation.caller));
        }
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(unavailable()) } else { saved }
    }

    async fn load_kept(&self, channel: &str) -> Result<Kept, StoreError> {
        self.load(&format!("ledger of {channel}")).await?;
        self.note_ledger(channel).await;
        self.world().ledger.load_kept(channel).await
    }

    async fn put_part(&self, channel: &str, name: &str, part: Vec<u8>) -> Result<(), StoreError> {
        let call =
            self.begin(Kind::Save, ("part", channel), || format!("a part of {channel}")).await;
        if call.fails() {
            return Err(unavailable());
        }
        let put = self.world().ledger.put_part(channel, name, part).await;
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(unavailable()) } else { put }
    }

    async fn delete_part(&self, channel: &str, name: &str) -> Result<(), StoreError> {
        self.world().ledger.delete_part(channel, name).await
    }
}

impl StockFiles for Port {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.load(name).await?;
        let bytes = self.world().files.read(name).await?;
        if name == FIGURES
            && let Some(bytes) = &bytes
        {
            self.invocation.notes.basis.borrow_mut().figures =
                self.world().figures.borrow().get(bytes).cloned().unwrap_or_default();
        }
        self.note_list(name, bytes.as_deref());
        Ok(bytes)
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        if name == FIGURES {
            self.count_lacking();
        }
        let call = self.begin(Kind::Write, name, || name.to_owned()).await;
        if call.fails() {
            return Err(unavailable());
        }
        if name == FIGURES {
            let known = self.invocation.notes.basis.borrow().figures.clone();
            self.world().figures.borrow_mut().insert(bytes.clone(), known);
        }
        self.note_list(name, Some(&bytes));
        if let Some(channel) = name.strip_prefix("imports/").and_then(|name| name.split('/').next())
        {
            let index = self.world().index(channel);
            let ledger = self.world().entries(index).await;
            self.invocation.notes.seen.borrow_mut().at_keeping.insert(index, ledger);
        }
        self.world().files.write(name, bytes).await?;
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(unavailable()) } else { Ok(()) }
    }
}

impl ImportQueue for Port {
    async fn ask_later(&self, message: &ImportMessage, delay: Duration) -> Result<(), QueueError> {
        let world = self.world();
        let call = self
            .begin(Kind::Send, &message.channel, || {
                format!("ask about {} in {delay:?}", message.mark)
            })
            .await;
        if call.fails() {
            return Err(not_sent([0]));
        }
        // SQS loses none; a mistake of somebody's does: a queue emptied by hand.
        if !world.mishap(&call.dice, 0.03) {
            let body = Body::Text(serde_json::to_string(message).unwrap_or_default());
            world.imports.borrow_mut().send(
                body,
                after(world.now(), delay),
                call.dice.between(0, 1 << 20),
            );
            world.imports_moved.notify_one();
        }
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(not_sent([0])) } else { Ok(()) }
    }
}

impl ChannelDocuments for Port {
    async fn channels(&self) -> Result<ChannelList, UnusableDocument> {
        self.load("channels").await?;
        Ok(ChannelList { channels: self.world().channels.clone(), unusable: Vec::new() })
    }

    async fn stored_document<D: ChannelDocument>(
        &self,
        channel: &str,
        _freshness: Freshness,
    ) -> Result<Option<D>, UnusableDocument> {
        let world = self.world();
        let index = world.index(channel);
        match D::key(channel) {
            DocumentKey::StockRules(_) => {
                self.load("pages").await?;
                if world.wrong_documents.get() == Some(index) {
                    self.invocation.notes.wrong_documents.set(true);
                    return Err(UnusableDocument::Wrong(
                        FieldError::new("floor_minutes", "takes 1 to 1440").to_string(),
                    ));
                }
                let rules = world.rules.borrow()[index].clone();
                self.invocation.notes.basis.borrow_mut().rules.insert(index, rules.clone());
                Ok(as_asked(&rules))
            }
            // Every channel reads its SKUs by the defaults.
            DocumentKey::OrderRules(_) => {
                self.load("SKUs").await?;
                Ok(world.whole.as_ref().and_then(|whole| whole.document(index, &D::key(channel))))
            }
            key => {
                if !self.asks(Kind::Rules, channel, || channel.to_owned()).await {
                    return Err(UnusableDocument::Unavailable("throttled".to_owned()));
                }
                Ok(world.whole.as_ref().and_then(|whole| whole.document(index, &key)))
            }
        }
    }

    async fn sku_overrides(
        &self,
        _channel: &str,
        _skus: &[&str],
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument> {
        Ok(HashMap::new())
    }

    async fn all_sku_overrides(
        &self,
        _channel: &str,
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument> {
        Ok(HashMap::new())
    }

    async fn keep_document<D: ChannelDocument>(
        &self,
        channel: &str,
        document: &D,
        _author: &str,
        _at: Timestamp,
    ) -> Result<(), UnusableDocument> {
        if let Some(whole) = &self.world().whole {
            whole.keep(self.world().index(channel), document);
        }
        Ok(())
    }
}
