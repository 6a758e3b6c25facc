//! What the simulation of orders adds to the world: a marketplace's orders and Prima's, and the
//! judge's notes of what is done with them.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use acknowledge_orders::OVERLAP;
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
use shared::kit::clock::{Clock as _, after, before};
use shared::mirakl::{
    MiraklError, MiraklOrders, OrderPage, OrderQuery, OrderState, ReferenceAnswer, SellerReference,
};
use shared::prima::sku::SkuOverride;
use shared::prima::{PrimaError, PrimaOrder, PrimaOrderStatus, PrimaOrders};

use super::judge::SENDINGS;
use super::marketplace::{Marketplace, Sale};
use super::plan::{CHANNELS, Moment};
use super::world::World;
use crate::world::dice::Dice;
use crate::world::documents::as_asked;
use crate::world::fate::{Call, Fate, Kind, Pace, System};
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

/// Calls of one channel's Mirakl.
impl Port {
    fn channel_id(&self) -> &str {
        self.world().plan.channels.get(self.channel).map_or("", |channel| channel.id.as_str())
    }

    async fn call_mirakl(
        &self,
        kind: Kind,
        thing: impl std::hash::Hash,
        about: impl FnOnce() -> String,
    ) -> Result<Call, MiraklError> {
        let (world, operation) = (self.world(), kind.operation());
        let call = self.begin(kind, thing, about).await;
        // The client keeps to its deadline, by its own clock.
        if self.now() > self.deadline {
            return Err(MiraklError::not_sent(operation, "no time left"));
        }
        let moment = Moment::from(world.passed());
        if world.plan.key_refused.get(self.channel).is_some_and(|windows| windows.holds(moment))
            && !world.quiet.get()
        {
            return Err(MiraklError::refused(operation, 401, None, "unauthorised"));
        }
        if let Some(status) = world.refused.borrow().get(operation) {
            return Err(MiraklError::refused(operation, *status, None, "Forbidden"));
        }
        match call.fate {
            Fate::Fails if world.scripted => Err(MiraklError {
                status: Some(503),
                ..MiraklError::unknown(operation, "service unavailable")
            }),
            Fate::Fails => Err(match call.dice.index(4) {
                0 => MiraklError::refused(operation, 429, None, "too many requests"),
                1 => MiraklError::not_sent(operation, "connection refused"),
                2 => MiraklError::unknown(operation, "timed out"),
                _ => MiraklError {
                    status: Some(503),
                    ..MiraklError::unknown(operation, "service unavailable")
                },
            }),
            _ => Ok(call),
        }
    }

    /// The marketplace's limit is waited for as the real client does.
    async fn limited(&self, query: &OrderQuery) -> Result<(), MiraklError> {
        let world = self.world();
        loop {
            let Err(wait) = world.begin_listing(self.channel) else { return Ok(()) };
            world.tell(|| {
                format!("       {} too many listings: again in {wait:?}", self.invocation.caller)
            });
            let ends_at = after(self.now(), wait);
            if ends_at > self.deadline
                || query.limit_waited_until.is_some_and(|until| ends_at > until)
            {
                let problem = MiraklError::refused("OR11", 429, None, "too many requests");
                return Err(MiraklError { retry_after: Some(wait), ..problem });
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn answer<T>(
        &self,
        call: &Call,
        operation: &'static str,
        answer: Result<T, MiraklError>,
    ) -> Result<T, MiraklError> {
        self.end(call).await;
        if call.fate == Fate::AnswerLost {
            Err(MiraklError::unknown(operation, "the connection broke"))
        } else {
            answer
        }
    }
}

impl MiraklOrders for Port {
    async fn list_orders(
        &self,
        query: &OrderQuery,
        offset: usize,
    ) -> Result<OrderPage, MiraklError> {
        let world = self.world();
        // Neither what is looked up by ids nor the daily look is the minute's listing.
        let is_minutely =
            query.order_ids.is_empty() && !query.states.contains(&OrderState::Shipped);
        let call = self
            .call_mirakl(Kind::List, (self.channel, is_minutely, offset), || {
                format!(
                    "{} {} states, {} ids, from {:?}, offset {offset}",
                    self.channel_id(),
                    query.states.len(),
                    query.order_ids.len(),
                    query.updated_from
                )
            })
            .await;
        let call = match call {
            Ok(call) => self.limited(query).await.map(|()| call),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = &call
            && is_minutely
        {
            self.note_page(query, Err(problem));
        }
        let call = call?;
        if offset == 0 && is_minutely {
            let now = world.now();
            if let Some(listings) = world.listings.borrow_mut().get_mut(self.channel) {
                listings.push(now);
            }
        }
        let page =
            world.shop(self.channel_id(), |shop| shop.list(query, offset)).unwrap_or_default();
        let answer = self.answer(&call, "OR11", Ok(page)).await;
        if is_minutely {
            self.note_page(query, answer.as_ref());
        }
        answer
    }

    async fn accept_order(
        &self,
        order_id: &str,
        order_line_ids: &[String],
    ) -> Result<(), MiraklError> {
        if let Some(polled) = self.invocation.notes.polled.borrow_mut().get_mut(self.channel) {
            polled.tried.insert(order_id.to_owned());
        }
        let call = self
            .call_mirakl(Kind::Accept, order_id, || format!("{} {order_id}", self.channel_id()))
            .await?;
        let now = self.world().now();
        let answer = self
            .world()
            .shop(self.channel_id(), |shop| shop.accept(order_id, order_line_ids, now))
            .unwrap_or(Ok(()));
        self.answer(&call, "OR21", answer).await
    }

    async fn write_references(
        &self,
        references: &[SellerReference],
    ) -> Result<Vec<ReferenceAnswer>, MiraklError> {
        let call = self
            .call_mirakl(Kind::Reference, self.channel, || {
                let ids: Vec<_> =
                    references.iter().map(|reference| reference.order_id.as_str()).collect();
                format!("{} {}", self.channel_id(), ids.join(" "))
            })
            .await?;
        let now = self.world().now();
        let write = |shop: &mut Marketplace| {
            if shop.refuses_all_of(references) {
                return Err(MiraklError::refused("OR04", 400, None, "a reference is not valid"));
            }
            Ok(shop.write_references(references, now))
        };
        let answers = self.world().shop(self.channel_id(), write).unwrap_or(Ok(Vec::new()));
        self.answer(&call, "OR04", answers).await
    }
}

impl PrimaOrders for Port {
    async fn order_status(
        &self,
        order_number: &str,
    ) -> Result<Option<PrimaOrderStatus>, PrimaError> {
        let world = self.world();
        let call = self.begin(Kind::Ask, order_number, || order_number.to_owned()).await;
        self.end(&call).await;
        if world.always_fails(Kind::Ask, order_number) {
            return Err(self.fault(Kind::Ask, "OrderStatus", order_number));
        }
        if call.fate != Fate::Goes {
            return Err(self.no_answer(&call, Kind::Ask, "OrderStatus", order_number).await);
        }
        if world.prima_unclear.get() || world.mishap(&call.dice, world.profile.prima_unclear) {
            return Err(PrimaError::refused("OrderStatus", "The database is being saved"));
        }
        let status = world.office.borrow_mut().status(order_number, world.now());
        world.tell(|| format!("       {} Prima says {status:?}", self.invocation.caller));
        Ok(status)
    }

    async fn new_order(&self, order: &PrimaOrder) -> Result<(), PrimaError> {
        let world = self.world();
        self.judge_sending(order);
        self.judge_repetition(&order.order_number).await;
        let call =
            self.begin(Kind::NewOrder, &order.order_number, || order.order_number.clone()).await;
        if world.always_fails(Kind::NewOrder, &order.order_number) {
            self.end(&call).await;
            world.not_taken.borrow_mut().insert(order.order_number.clone());
            return Err(self.fault(Kind::NewOrder, "NewOrder", &order.order_number));
        }
        // What is lost, or outlives its caller, may have its effect much later: up to Prima's
        // longest execution.
        let late = match call.fate {
            Fate::AnswerLost | Fate::CrashAfter if world.scripted => {
                world.script.is_none_or(|script| script.late)
            }
            Fate::AnswerLost | Fate::CrashAfter => call.dice.chance(0.6),
            Fate::Late => true,
            Fate::Goes | Fate::Fails | Fate::CrashBefore => false,
        };
        if late {
            let longest = world.plan.behaviour.longest_execution_seconds;
            let wait = if world.scripted {
                u64::from(longest) - 1
            } else {
                call.dice.between(0, u64::from(longest) - 1)
            };
            world.office.borrow_mut().submit(order, after(world.now(), Duration::from_secs(wait)));
            world.tell(|| {
                format!(
                    "       {} NewOrder {} has its effect in {wait} s",
                    self.invocation.caller, order.order_number
                )
            });
            self.end(&call).await;
            return Err(self
                .lost_answer(&call, Kind::NewOrder, "NewOrder", &order.order_number)
                .await);
        }
        if call.fails() {
            return Err(self
                .no_answer(&call, Kind::NewOrder, "NewOrder", &order.order_number)
                .await);
        }
        let answer = world.office.borrow_mut().new_order(order, world.now());
        self.end(&call).await;
        if call.fate == Fate::AnswerLost {
            return Err(self
                .lost_answer(&call, Kind::NewOrder, "NewOrder", &order.order_number)
                .await);
        }
        world.not_taken.borrow_mut().clear();
        answer.map_err(|words| PrimaError::refused("NewOrder", words))
    }

    async fn cancel_order(&self, order_number: &str, _narrative: &str) -> Result<(), PrimaError> {
        let world = self.world();
        if !world.plan.behaviour.cancel_order {
            world.violate(format!(
                "CancelOrder of {order_number} was sent to a Prima that has no such document"
            ));
        }
        let call = self.begin(Kind::CancelOrder, order_number, || order_number.to_owned()).await;
        if call.fails() {
            return Err(self
                .no_answer(&call, Kind::CancelOrder, "CancelOrder", order_number)
                .await);
        }
        if call.fate == Fate::AnswerLost && !world.scripted && call.dice.chance(0.4) {
            let wait = call.dice.seconds(0, 240);
            world.office.borrow_mut().submit_cancellation(order_number, after(world.now(), wait));
            return Err(self
                .lost_answer(&call, Kind::CancelOrder, "CancelOrder", order_number)
                .await);
        }
        let answer = world.office.borrow_mut().cancel_order(order_number, world.now());
        self.end(&call).await;
        if call.fate == Fate::AnswerLost {
            return Err(self
                .lost_answer(&call, Kind::CancelOrder, "CancelOrder", order_number)
                .await);
        }
        answer.map_err(|words| PrimaError::refused("CancelOrder", words))
    }
}

impl Port {
    /// Nothing came of it: either nothing was sent, or nobody knows.
    async fn no_answer(
        &self,
        call: &Call,
        kind: Kind,
        document: &'static str,
        number: &str,
    ) -> PrimaError {
        let world = self.world();
        // A Prima that is down takes no connection.
        let is_down = world.scripted && world.plan.prima_down.holds(Moment::from(world.passed()));
        if is_down || !world.scripted && call.dice.chance(0.5) {
            if kind == Kind::CancelOrder {
                world.note_unanswered(kind, number);
            }
            return PrimaError::not_sent(document, "connection refused");
        }
        self.lost_answer(call, kind, document, number).await
    }

    /// What the web service answers where the procedure behind it ends in an error.
    fn fault(&self, kind: Kind, document: &'static str, number: &str) -> PrimaError {
        let world = self.world();
        world.faults.set(world.faults.get() + 1);
        world.note_unanswered(kind, number);
        world.tell(|| {
            format!(
                "       {} Prima answers {document} {number} with a fault",
                self.invocation.caller
            )
        });
        let problem =
            PrimaError::unknown(document, "Procedure x/y.p has mismatched parameters (3230)");
        PrimaError { request_id: Some(format!("simulated-{number}")), ..problem }
    }

    /// `NewOrder` may not be sent for ever, and people are told where Prima takes no order at all.
    async fn judge_repetition(&self, number: &str) {
        let world = self.world();
        let Ok(breakers) = world.store.load_breakers().await else { return };
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

    async fn lost_answer(
        &self,
        call: &Call,
        kind: Kind,
        document: &'static str,
        number: &str,
    ) -> PrimaError {
        self.world().note_unanswered(kind, number);
        if self.world().scripted || call.dice.chance(0.5) {
            tokio::time::sleep(self.world().plan.behaviour.answer_timeout()).await;
        }
        PrimaError::unknown(document, "no answer")
    }

    /// What a page of the minute's listing showed. All pages come before the first acceptance:
    /// accepting while paging by offset skips orders.
    fn note_page(&self, query: &OrderQuery, page: Result<&OrderPage, &MiraklError>) {
        let mut polled = self.invocation.notes.polled.borrow_mut();
        let Some(polled) = polled.get_mut(self.channel) else { return };
        let Ok(page) = page else {
            polled.window_incomplete |= query.updated_from.is_some();
            polled.full_incomplete |= query.updated_from.is_none() && query.states.len() > 1;
            return;
        };
        if !polled.tried.is_empty() {
            self.world().violate(format!(
                "{} was paged on after orders of that listing had been accepted",
                self.channel_id()
            ));
        }
        let shown = page.orders.iter().map(|order| {
            (Some(&order.order_id), order.order_state == OrderState::WaitingAcceptance)
        });
        let unreadable = page.unreadable.iter().map(|order| {
            (
                order.order_id.as_ref(),
                order
                    .acceptable
                    .as_ref()
                    .is_some_and(|order| order.state == OrderState::WaitingAcceptance),
            )
        });
        for (order_id, waits) in shown.chain(unreadable) {
            polled.waiting.extend(order_id.map(|order_id| (order_id.clone(), waits)));
        }
    }

    /// Right before `NewOrder`: the row must allow it.
    fn judge_sending(&self, order: &PrimaOrder) {
        let world = self.world();
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
        let behind = |sale: &&Sale| {
            sale.order.order_state == OrderState::WaitingAcceptance
                && sale.order.last_updated_date < next
        };
        shop.sales().iter().find(behind).map(|sale| sale.order.order_id.clone())
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
