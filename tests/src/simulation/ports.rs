//! What the simulation of orders adds to the world: a marketplace's orders and Prima's, and the
//! judge's notes of what is done with them.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use acknowledge_orders::OVERLAP;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use shared::domain::channel_documents::{
    ChannelDocument, ChannelDocuments, ChannelList, Freshness,
};
use shared::domain::documents::UnusableDocument;
use shared::domain::events::{Event, EventKind};
use shared::domain::order::row::{OrderKey, OrderRow};
use shared::domain::order::rules::OrderRules;
use shared::domain::prima_breaker::NEW_ORDER;
use shared::domain::queue::ExceptionMessage;
use shared::domain::state::{BreakerStore as _, PollState};
use shared::kit::clock::before;
use shared::mirakl::{MiraklError, OrderPage, OrderQuery, OrderState, SellerReference};
use shared::prima::connection::PrimaBehaviour;
use shared::prima::sku::SkuOverride;
use shared::prima::{PrimaError, PrimaOrder};
use simulators::mirakl::{Order, State};
use simulators::prima::Installation;

use super::judge::SENDINGS;
use super::plan::{CHANNELS, Moment, SHOP, Windows};
use super::world::World;
use crate::world::dice::Dice;
use crate::world::documents::as_asked;
use crate::world::fate::{Call, Fate, Kind, Pace, System};
use crate::world::models::Models;
use crate::world::orders::OrderScene;
use crate::world::scene::{self, Scene};

/// Orders that Prima does not take, one after the other, before people must know: more than close
/// the breaker, since a note of it may be lost.
const NOT_TAKEN: usize = 8;

/// One invocation.
pub type Invocation = scene::Invocation<World>;
/// All ports of one invocation.
pub type Port = scene::Port<World>;

/// What the judge notes of one invocation.
#[derive(Debug)]
pub struct Notes {
    /// Orders whose exception it told of.
    pub told: RefCell<Vec<OrderKey>>,
    /// What it was shown of each marketplace, and did about it.
    pub polled: RefCell<Vec<Polled>>,
}

impl Default for Notes {
    fn default() -> Self {
        Self { told: RefCell::default(), polled: vec![Polled::default(); CHANNELS.len()].into() }
    }
}

/// What one poll was shown of a marketplace, and did about it.
#[derive(Clone, Debug, Default)]
pub struct Polled {
    /// Each order of the minute's listing, and whether it waits for acceptance; as last shown.
    pub waiting: HashMap<String, bool>,
    /// Orders that it tried to accept.
    pub tried: HashSet<String>,
    /// A page of a listing by window did not come.
    pub window_incomplete: bool,
    /// A page of a listing by state alone did not come.
    pub full_incomplete: bool,
}

impl Scene for World {
    type Notes = Notes;

    // A scripted run is spoilt at one call after the other: its calls are those of its story.
    fn spoils_slots(&self) -> bool {
        !self.scripted
    }

    fn index(&self, channel: &str) -> usize {
        self.plan.channel_index(channel).unwrap_or_default()
    }

    fn latency(&self, kind: Kind, slow: bool, dice: &Dice) -> Duration {
        if self.scripted {
            if let Some(lasts) = self.lasting.borrow().get(&kind) {
                return *lasts;
            }
            return Duration::from_millis(match kind.system() {
                System::Prima => 400,
                System::Mirakl => 80,
                System::Store | System::Queue | System::Bus => 4,
            });
        }
        let pace = match kind.system() {
            System::Prima => Pace { usual: (100, 3_000), slow: (2_000, 58_000) },
            System::Mirakl => Pace { usual: (30, 400), slow: (500, 12_000) },
            // Every other call takes no time that matters.
            System::Store | System::Queue | System::Bus if !slow && dice.chance(0.5) => {
                return Duration::ZERO;
            }
            System::Store | System::Queue | System::Bus => {
                Pace { usual: (1, 6), slow: (20, 4_000) }
            }
        };
        pace.drawn(slow, dice)
    }

    fn is_down(&self, kind: Kind, channel: usize) -> bool {
        let (plan, moment) = (&self.plan, Moment::from(self.passed()));
        let of_channel =
            || plan.mirakl_down.get(channel).is_some_and(|windows| windows.holds(moment));
        match kind.system() {
            System::Mirakl => of_channel(),
            System::Store if kind == Kind::Key => of_channel(),
            System::Store => plan.store_down.holds(moment),
            System::Queue => plan.queue_down.holds(moment),
            System::Bus => plan.bus_down.holds(moment),
            System::Prima => plan.prima_down.holds(moment),
        }
    }

    /// What it told of may be told again.
    fn was_cut_short(invocation: &Invocation) {
        for key in invocation.notes.told.borrow().iter() {
            invocation.world.excuse(key);
        }
    }

    fn saved(invocation: &Invocation, row: &OrderRow) {
        invocation.world.note_row(row);
    }

    /// An announcement that could not be recorded is made again.
    fn not_saved(invocation: &Invocation, row: &OrderRow) {
        if row.exception.as_ref().is_some_and(|exception| exception.told.is_told()) {
            invocation.world.excuse(&row.key);
        }
    }

    fn watermark_moved(
        invocation: &Invocation,
        channel: &str,
        before: Option<Timestamp>,
        poll: &PollState,
    ) {
        judge_watermark(invocation, channel, before.is_none(), poll.watermark);
    }

    fn as_of(&self, since: Timestamp, channel: &str, index_state: &str, keys: &mut Vec<OrderKey>) {
        for (_, key, from, to) in
            self.index_changes.borrow().iter().rev().take_while(|(at, ..)| *at > since)
        {
            if key.channel != channel {
                continue;
            }
            if *to == index_state {
                keys.retain(|other| other != key);
            } else if *from == index_state && !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }

    fn shows(invocation: &Invocation, exception: &ExceptionMessage, fate: Fate) {
        if fate == Fate::Fails {
            return;
        }
        let (world, key) = (&invocation.world, OrderKey::new(&exception.channel, &exception.order));
        if fate != Fate::Goes {
            world.excuse(&key);
        }
        let mut told = world.told.borrow_mut();
        let told = told.entry(key.clone()).or_default();
        told.messages += 1;
        if told.exceptions == 0 {
            world.violate(format!(
                "people were told of an exception of {key} before its row said so"
            ));
        }
        invocation.notes.told.borrow_mut().push(key);
    }

    fn publishes(invocation: &Invocation, event: &Event, fate: Fate) {
        let world = &invocation.world;
        let (EventKind::OrderException, Some(channel), Some(order)) =
            (event.kind, &event.channel, &event.order)
        else {
            return;
        };
        let key = OrderKey::new(channel, order);
        if fate != Fate::Goes {
            world.excuse(&key);
        }
        if fate != Fate::Fails {
            world.told.borrow_mut().entry(key.clone()).or_default().events += 1;
            invocation.notes.told.borrow_mut().push(key);
        }
    }
}

impl World {
    fn excuse(&self, key: &OrderKey) {
        self.told.borrow_mut().entry(key.clone()).or_default().excused = true;
    }
}

impl Models for World {
    fn model<T>(
        &self,
        channel: usize,
        work: impl FnOnce(&mut simulators::mirakl::Marketplace) -> T,
    ) -> Option<T> {
        self.shops.borrow_mut().get_mut(channel).map(|shop| work(&mut shop.model))
    }

    fn advance(&self, now: Timestamp) {
        self.shops.borrow_mut().iter_mut().for_each(|shop| shop.advance(now));
    }

    fn office(&self) -> &RefCell<Installation> {
        &self.office
    }

    fn shop_id(_channel: usize) -> i64 {
        SHOP
    }

    fn instead(
        &self,
        channel: usize,
        operations: &[&'static str],
        _about: &str,
    ) -> Option<MiraklError> {
        let moment = Moment::from(self.passed());
        let is_refused = |windows: &Windows| windows.holds(moment) && !self.quiet.get();
        let operation = operations.first().copied().unwrap_or_default();
        if self.plan.key_refused.get(channel).is_some_and(is_refused) {
            return Some(MiraklError::refused(operation, 401, None, "unauthorised"));
        }
        let refused = self.refused.borrow();
        let status = refused.get(operation)?;
        Some(MiraklError::refused(operation, *status, None, "Forbidden"))
    }
}

/// The minute's listing: neither what is looked up by ids nor the daily look.
fn is_minutely(query: &OrderQuery) -> bool {
    query.order_ids.is_empty() && !query.states.contains(&OrderState::Shipped)
}

impl OrderScene for World {
    fn channel_id(&self, channel: usize) -> &str {
        self.plan.channels.get(channel).map_or("", |channel| channel.id.as_str())
    }

    fn behaviour(&self) -> &PrimaBehaviour {
        &self.plan.behaviour
    }

    fn begin_listing(
        &self,
        channel: usize,
        query: &OrderQuery,
        offset: usize,
    ) -> Result<(), Duration> {
        self.wait_for_limit(channel)?;
        if offset == 0
            && is_minutely(query)
            && let Some(listings) = self.listings.borrow_mut().get_mut(channel)
        {
            listings.push(self.now());
        }
        Ok(())
    }

    fn list(&self, channel: usize, query: &OrderQuery, offset: usize) -> OrderPage {
        self.advance(self.now());
        let mut shops = self.shops.borrow_mut();
        shops.get_mut(channel).map(|shop| shop.list(query, offset)).unwrap_or_default()
    }

    /// All pages come before the first acceptance: accepting while paging by offset skips orders.
    fn was_listed(
        invocation: &Invocation,
        channel: usize,
        query: &OrderQuery,
        page: Result<&OrderPage, &MiraklError>,
    ) {
        let mut polled = invocation.notes.polled.borrow_mut();
        let Some(polled) = polled.get_mut(channel).filter(|_| is_minutely(query)) else { return };
        let Ok(page) = page else {
            polled.window_incomplete |= query.updated_from.is_some();
            polled.full_incomplete |= query.updated_from.is_none() && query.states.len() > 1;
            return;
        };
        if !polled.tried.is_empty() {
            invocation.world.violate(format!(
                "{} was paged on after orders of that listing had been accepted",
                invocation.world.channel_id(channel)
            ));
        }
        let shown = page.orders.iter().map(|order| {
            (Some(&order.order_id), order.order_state == OrderState::WaitingAcceptance)
        });
        let unreadable = page.unreadable.iter().map(|order| {
            let acceptable = order.acceptable.as_ref();
            let waits =
                acceptable.is_some_and(|order| order.state == OrderState::WaitingAcceptance);
            (order.order_id.as_ref(), waits)
        });
        for (order_id, waits) in shown.chain(unreadable) {
            polled.waiting.extend(order_id.map(|order_id| (order_id.clone(), waits)));
        }
    }

    fn accepts(invocation: &Invocation, channel: usize, order_id: &str) {
        if let Some(polled) = invocation.notes.polled.borrow_mut().get_mut(channel) {
            polled.tried.insert(order_id.to_owned());
        }
    }

    fn accepted(&self, channel: usize, _order_id: &str) {
        if let Some(shop) = self.shops.borrow_mut().get_mut(channel) {
            shop.follow();
        }
    }

    fn refuses_references(
        &self,
        channel: usize,
        references: &[SellerReference],
    ) -> Option<MiraklError> {
        let shops = self.shops.borrow();
        let shop = shops.get(channel)?;
        let is_refused = references.iter().any(|one| shop.refuses_all_with(&one.order_id));
        is_refused.then(|| MiraklError::refused("OR04", 400, None, "a reference is not valid"))
    }

    fn refuses_reference(&self, channel: usize, order_id: &str) -> Option<String> {
        let shops = self.shops.borrow();
        let is_refused = shops.get(channel)?.refuses_reference_of(order_id);
        is_refused.then(|| "the reference cannot be changed".to_owned())
    }

    fn about_to_send(invocation: &Invocation, order: &PrimaOrder) {
        let world = &invocation.world;
        world.judge_sending(order);
        world.judge_repetition(&order.order_number);
        world.sent.borrow_mut().insert(order.order_number.clone(), order.clone());
    }

    fn about_to_cancel(&self, order_number: &str) {
        if !self.plan.behaviour.cancel_order {
            self.violate(format!(
                "CancelOrder of {order_number} was sent to a Prima that has no such document"
            ));
        }
    }

    /// What the web service answers where the procedure behind it ends in an error, or the database
    /// is busy.
    fn prima_instead(
        invocation: &Invocation,
        call: &Call,
        kind: Kind,
        order_number: &str,
    ) -> Option<PrimaError> {
        let world = &invocation.world;
        let document = kind.operation();
        if world.always_fails(kind, order_number) {
            if kind == Kind::NewOrder {
                world.not_taken.borrow_mut().insert(order_number.to_owned());
            }
            world.note_fault();
            world.note_unanswered(kind, order_number);
            world.tell(|| {
                format!(
                    "       {} Prima answers {document} {order_number} with a fault",
                    invocation.caller
                )
            });
            let problem =
                PrimaError::unknown(document, "Procedure x/y.p has mismatched parameters (3230)");
            let request_id = Some(format!("simulated-{order_number}"));
            return Some(PrimaError { request_id, ..problem });
        }
        let is_unclear = kind == Kind::Ask
            && (world.prima_unclear.get() || world.mishap(&call.dice, world.profile.prima_unclear));
        is_unclear.then(|| PrimaError::refused(document, "The database is being saved"))
    }

    fn was_answered(&self, _order_number: &str) {
        self.not_taken.borrow_mut().clear();
    }

    fn had_no_answer(&self, kind: Kind, order_number: &str, was_sent: bool) {
        if was_sent || kind == Kind::CancelOrder {
            self.note_unanswered(kind, order_number);
        }
    }
}

impl World {
    /// `NewOrder` may not be sent for ever, and people are told where Prima takes no order at all.
    fn judge_repetition(&self, number: &str) {
        let world = self;
        let Some(Ok(breakers)) = world.store.load_breakers().now_or_never() else { return };
        let takes_orders = !breakers.is_open(NEW_ORDER) && world.wiped_at.get().is_none();
        let sent = {
            let mut sent = world.sent_in_vain.borrow_mut();
            let entry = sent.entry(number.to_owned()).or_default();
            entry.0 = takes_orders;
            entry.1
        };
        if !takes_orders {
            return;
        }
        let not_taken = world.not_taken.borrow().len();
        if not_taken >= NOT_TAKEN {
            world.violate(format!(
                "Prima did not take {not_taken} orders in a row, and {number} is sent as if it did"
            ));
        }
        // Those that were under way when the breaker opened are excused.
        let most = SENDINGS + 4 * world.openings.get();
        if sent >= most {
            world.violate(format!(
                "NewOrder of {number} is sent once more, after {sent} times in vain"
            ));
        }
    }

    /// Right before `NewOrder`: the row must allow it.
    fn judge_sending(&self, order: &PrimaOrder) {
        let world = self;
        let key = OrderKey::new(&order.order_channel, &order.customer_reference);
        let notes = world.notes.borrow();
        let problem = match notes.get(&key) {
            None => world.wiped_at.get().is_none().then_some("its row was never saved"),
            Some(note) => match (note.attempt, note.cancel_known) {
                (None, _) => Some("no attempt stands in its row"),
                (Some((attempt, _)), Some(cancel)) if cancel < attempt => {
                    Some("its row said that it is cancelled")
                }
                _ => None,
            },
        };
        drop(notes);
        if let Some(problem) = problem {
            world.violate(format!("NewOrder of {key} was sent although {problem}"));
        }
    }
}

/// The watermark moved: no order that waits may lie behind it, or the next listing does not show
/// it.
fn judge_watermark(
    invocation: &Invocation,
    channel: &str,
    first: bool,
    watermark: Option<Timestamp>,
) {
    let world = &invocation.world;
    let index = world.plan.channel_index(channel).unwrap_or_default();
    let incomplete =
        |polled: &Polled| if first { polled.full_incomplete } else { polled.window_incomplete };
    if invocation.notes.polled.borrow().get(index).is_some_and(incomplete) {
        world.violate(format!(
            "the watermark of {channel} moved although the listing was incomplete"
        ));
    }
    let next = watermark.map(|mark| before(mark, OVERLAP));
    let passed = world.shop(channel, |shop| {
        let behind = |order: &&Order| {
            order.state == State::WaitingAcceptance && Some(order.last_updated) < next
        };
        shop.model.orders().find(behind).map(|order| order.order_id.clone())
    });
    if let Some(order_id) = passed.flatten() {
        world.violate(format!(
            "the watermark of {channel} passed {order_id}, which still waits for acceptance"
        ));
    }
}

/// The channels' documents: their definitions as the world has them, and their rules, prepared once.
#[derive(Clone)]
pub struct Documents {
    /// Whose invocation reads them.
    pub port: Port,
    /// The rules of each channel.
    pub rules: Rc<HashMap<String, OrderRules>>,
}

impl fmt::Debug for Documents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Documents")
    }
}

impl ChannelDocuments for Documents {
    async fn channels(&self) -> Result<ChannelList, UnusableDocument> {
        let channels = self.port.world().channels.borrow().to_vec();
        Ok(ChannelList { channels, unusable: Vec::new() })
    }

    async fn stored_document<D: ChannelDocument>(
        &self,
        channel: &str,
        _freshness: Freshness,
    ) -> Result<Option<D>, UnusableDocument> {
        if !self.port.asks(Kind::Rules, channel, || channel.to_owned()).await {
            return Err(UnusableDocument::Unavailable("throttled".to_owned()));
        }
        Ok(self.rules.get(channel).and_then(|rules| as_asked(rules)))
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
        _channel: &str,
        _document: &D,
        _author: &str,
        _at: Timestamp,
    ) -> Result<(), UnusableDocument> {
        Ok(())
    }
}
