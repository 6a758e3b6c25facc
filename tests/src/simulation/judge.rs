//! The judge: what must be true at the end, by what the two systems themselves hold.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use shared::domain::events::{Event, EventKind};
use shared::domain::order::row::{
    EXCEPTION_UNANNOUNCED, ExceptionKind, OrderKey, REFERENCE_PENDING, Stage,
};
use shared::domain::prima_breaker::NEW_ORDER;
use shared::domain::state::BreakerStore as _;
use shared::kit::clock::after;
use shared::mirakl::OrderState;
use simulators::mirakl::{Cause, Order, State};
use simulators::prima::{Installation, Stage as PrimaStage, StoredOrder};

use super::goods::{Goods, order};
use super::marketplace::{Sale, firm_at, is_refunded, left_of, lost_pieces};
use super::plan::{CHANNELS, Truth, WINDOW, Wipe};
use super::world::{RowNote, World, channel_of, order_id_of};
use crate::world::fate::Kind;
use crate::world::privacy::{heard, is_personal};
use crate::world::queue::Body;

/// An order without any peculiarity.
#[must_use]
pub fn ordinary_sale(world: &World, id: &str, created: Timestamp) -> Sale {
    let waiting = OrderState::WaitingAcceptance;
    let order = order(id, &waiting, created, Goods::Ordinary, &world.dice_of(id));
    Sale::new(
        order,
        after(created, Duration::from_secs(u64::from(WINDOW) * 60)),
        Some(Duration::ZERO),
        Vec::new(),
        false,
    )
}

/// Sendings of a call about one order in vain before a person is asked.
pub(super) const SENDINGS: u32 = 3;
/// The same of questions.
const QUESTIONS: u32 = 5;

type Copies<'o> = HashMap<(&'o str, &'o str), Vec<&'o StoredOrder>>;

fn copies(office: &Installation) -> Copies<'_> {
    let mut copies: Copies<'_> = HashMap::new();
    for order in office.orders().filter(|order| !channel_of(order).is_empty()) {
        copies.entry((channel_of(order), order_id_of(order))).or_default().push(order);
    }
    copies
}

/// The lines of an order in Prima: Mirakl's ids and pieces.
fn lines_of(copy: &StoredOrder) -> Vec<(String, u32)> {
    copy.order.lines.iter().map(|line| (line.reference.clone(), line.quantity)).collect()
}

/// Whether these orders are in Prima.
#[must_use]
pub fn are_in_prima(world: &World, orders: &[(usize, String)]) -> bool {
    let office = world.office.borrow();
    let copies = copies(&office);
    orders.iter().all(|(channel, id)| copies.contains_key(&(CHANNELS[*channel], id.as_str())))
}

/// What is not as it must be in the end, and may still become so.
#[must_use]
pub fn open_ends(world: &World) -> Vec<String> {
    let now = world.now();
    let mut ends = Vec::new();
    let mut office = world.office.borrow_mut();
    office.land(now);
    if office.pending() > 0 {
        ends.push("Prima is still at work".to_owned());
        return ends;
    }
    let copies = copies(&office);
    let mut shops = world.shops.borrow_mut();
    let notes = world.notes.borrow();
    for (channel, shop) in CHANNELS.iter().zip(shops.iter_mut()) {
        shop.advance(now);
        for order in shop.model.orders() {
            let key = OrderKey::new(*channel, &order.order_id);
            let copies =
                copies.get(&(*channel, order.order_id.as_str())).map_or(&[][..], Vec::as_slice);
            let case = Case {
                world,
                order,
                copies,
                note: notes.get(&key),
                truth: world.plan.truth(&key),
                key,
            };
            if let Some(end) = case.open_end() {
                ends.push(format!(
                    "{} ({} in Mirakl, {} in Prima, row {}): {end}",
                    case.key,
                    order.state.code(),
                    copies.len(),
                    case.note.map_or("absent", |note| note.index_state)
                ));
            }
        }
    }
    ends
}

struct Case<'c> {
    world: &'c World,
    order: &'c Order,
    copies: &'c [&'c StoredOrder],
    note: Option<&'c RowNote>,
    truth: Truth,
    key: OrderKey,
}

impl Case<'_> {
    fn stage(&self) -> Option<Stage> {
        self.note.map(|note| note.stage)
    }

    fn wiped(&self) -> bool {
        self.world.wiped_at.get().is_some()
    }

    /// The table was wiped, nobody noticed, and Mirakl did not hold the number yet: nothing is left
    /// that could tell. The design asks for a rebuilding in `observe` instead; what holds even so
    /// is that nothing is created twice.
    fn forgotten(&self) -> bool {
        self.wiped()
            && matches!(self.world.plan.wipe, Some(Wipe::Unnoticed(_)))
            && self.order.reference_for_seller.is_none()
    }

    fn open_end(&self) -> Option<String> {
        if let Some(note) = self.note
            && (note.index_state == EXCEPTION_UNANNOUNCED || note.index_state == REFERENCE_PENDING)
        {
            return Some("is still to be told".to_owned());
        }
        // What was refunded before it left may not leave any more, whatever Mirakl's state of it.
        if is_refunded(self.order) && !self.truth.keyed_by_hand {
            return self.ended();
        }
        match self.order.state {
            State::WaitingAcceptance => Some("is not accepted".to_owned()),
            State::Staging => None,
            State::WaitingDebit | State::WaitingDebitPayment => {
                let known = matches!(
                    self.stage(),
                    Some(Stage::AwaitingPayment | Stage::KeyedByHand | Stage::Exception)
                );
                // An operator who adopts one that is not paid yet leaves it among the firm ones.
                let adopted =
                    self.note.is_some_and(|note| note.adopted && note.stage == Stage::Firm);
                (!known && !adopted).then(|| "its wait for payment is not recorded".to_owned())
            }
            State::Canceled | State::Refused => self.ended(),
            _ => self.firm(),
        }
    }

    fn ended(&self) -> Option<String> {
        let stands = self.copies.iter().any(|copy| copy.stage != PrimaStage::Cancelled);
        match self.stage() {
            None if !stands || self.wiped() => None,
            Some(Stage::Exception) => self.exception(),
            Some(Stage::Cancelled | Stage::Refused) if !stands || self.forgotten() => None,
            // Over before it was looked at again: no row moves for what ended.
            Some(Stage::KeyedByHand) if !stands || self.wiped() => None,
            Some(Stage::Shipped) if self.wiped() => None,
            _ => Some(if stands {
                "is cancelled, and stands in Prima".to_owned()
            } else {
                "is cancelled, and its row is open".to_owned()
            }),
        }
    }

    fn firm(&self) -> Option<String> {
        if self.truth.keyed_by_hand {
            return (!matches!(self.stage(), None | Some(Stage::KeyedByHand)))
                .then(|| "was keyed by hand, and its row says otherwise".to_owned());
        }
        let Some(copy) = self.copies.first() else {
            return match self.stage() {
                Some(Stage::Exception) => self.exception(),
                None if self.truth.shipped_by_person => None,
                Some(Stage::OperatorFulfilled) if self.truth.operator_ships => None,
                _ => Some("is firm, and neither in Prima nor an exception".to_owned()),
            };
        };
        if copy.stage == PrimaStage::Cancelled {
            return Some("is firm, and cancelled in Prima".to_owned());
        }
        let exception = match self.stage() {
            Some(Stage::Exception) => Some(self.exception()),
            Some(Stage::Created | Stage::Shipped) => None,
            // Shipped before anybody looked again after the table was wiped.
            None if self.wiped() && self.order.state != State::Shipping => Some(None),
            _ => return Some("is in Prima, and its row does not say so".to_owned()),
        };
        let listed = self.listed();
        match exception {
            Some(end) => {
                // Once a person settles it, the number goes out; until then nobody knows whose it
                // is. The same where the order was shipped by somebody before memory of it was
                // rebuilt: without a seller reference only a person can tell.
                let is_ours =
                    self.note.and_then(|note| note.exception).is_none_or(|(_, kind)| match kind {
                        ExceptionKind::FoundInPrima => false,
                        ExceptionKind::ShippedOutsidePrima => !self.wiped(),
                        // With the table went the reservation, and the other order that wants the
                        // number had it first this time.
                        ExceptionKind::NumberTaken => !(self.wiped() && self.truth.shares_number),
                        _ => true,
                    });
                end.or_else(|| {
                    (is_ours && self.note.is_some()).then(|| self.reference(copy)).flatten()
                })
            }
            // What was cancelled before the table was wiped stands in the dead-letter queue alone;
            // no listing says what Prima was told.
            None if listed != lines_of(copy) && !self.wiped() => {
                Some(format!("Prima has {:?}, Mirakl {listed:?}", lines_of(copy)))
            }
            None => self.reference(copy),
        }
    }

    fn unanswered(&self, kind: Kind) -> u32 {
        self.world.unanswered(kind, &self.key.order_id)
    }

    /// The lines that are still to be delivered, as the marketplace has them.
    fn listed(&self) -> Vec<(String, u32)> {
        let lines = self.order.lines.iter();
        let left = lines.map(|line| (line.order_line_id.clone(), left_of(self.order, line)));
        left.filter(|(_, pieces)| *pieces > 0).collect()
    }

    fn reference(&self, copy: &StoredOrder) -> Option<String> {
        (self.order.reference_for_seller.as_ref() != Some(&copy.order.order_number))
            .then(|| "Mirakl does not hold its number".to_owned())
    }

    /// An exception must have been told, and for a reason.
    fn exception(&self) -> Option<String> {
        let told = self.world.told.borrow();
        let told = told.get(&self.key).cloned().unwrap_or_default();
        if told.messages == 0 || told.events == 0 {
            return Some(format!("is an exception that nobody was told of ({told:?})"));
        }
        let kind = self.note.and_then(|note| note.exception).map(|(_, kind)| kind)?;
        let ended =
            matches!(self.order.state, State::Canceled | State::Refused) || is_refunded(self.order);
        let justified = match kind {
            ExceptionKind::UnknownSku => self.truth.unknown_sku,
            ExceptionKind::RejectedByPrima => self.truth.refused_by_prima,
            ExceptionKind::NumberTaken => self.truth.shares_number,
            ExceptionKind::FoundInPrima => {
                self.truth.number_in_use
                    || (self.wiped() && (!self.copies.is_empty() || self.truth.shares_number))
            }
            ExceptionKind::CancelledAfterDispatch => {
                ended && self.copies.iter().any(|copy| copy.stage == PrimaStage::Dispatched)
            }
            // Where Prima can cancel an open order, and says what is to be understood, it is told
            // to.
            ExceptionKind::CancelledAfterCreation => {
                let plan = &self.world.plan;
                let silent = self.unanswered(Kind::CancelOrder) >= SENDINGS
                    || self.unanswered(Kind::Ask) >= QUESTIONS;
                let could_not =
                    !plan.behaviour.cancel_order || plan.profile.prima_unclear > 0.0 || silent;
                ended && !self.copies.is_empty() && could_not
            }
            ExceptionKind::LineCancelledAfterCreation => {
                lost_pieces(self.order)
                    && self.copies.first().is_some_and(|copy| lines_of(copy) != self.listed())
            }
            ExceptionKind::ShippedOutsidePrima => self.truth.shipped_by_person || self.forgotten(),
            ExceptionKind::Unreadable => self.truth.unreadable,
            ExceptionKind::PrimaUnclear => {
                self.world.profile.prima_unclear > 0.0 || self.unanswered(Kind::Ask) >= QUESTIONS
            }
            ExceptionKind::PrimaFault => {
                self.copies.is_empty() && self.note.is_some_and(|note| note.attempts >= SENDINGS)
            }
            ExceptionKind::Unmappable => self.truth.unmappable,
            // Without rules, or of a dispatch: nothing of that kind is in the plan.
            _ => false,
        };
        (!justified).then(|| format!("is an exception without cause: {}", kind.name()))
    }
}

/// What can only be said at the end, and what may never have happened.
pub async fn close(world: &World, quiet_at: Timestamp, fresh: &[(usize, String)]) {
    let mut wrong = Vec::new();
    never_twice(world, &mut wrong);
    paid_in_prima(world, &mut wrong);
    acknowledged(world, fresh, &mut wrong);
    told_once(world, &mut wrong);
    rhythm(world, quiet_at, &mut wrong);
    left_behind(world, &mut wrong).await;
    for row in world.store.rows() {
        let text = serde_json::to_string(&row).unwrap_or_default();
        if is_personal(&text) {
            wrong.push(format!("the row of {} holds a customer's data: {text}", row.key));
        }
    }
    let (leaks, panics) = heard();
    wrong.extend(
        leaks.into_iter().map(|line| format!("a log line holds a customer's data: {line}")),
    );
    if panics > 0 {
        wrong.push(format!("{panics} panics"));
    }
    for what in wrong {
        world.violate(what);
    }
}

fn never_twice(world: &World, wrong: &mut Vec<String>) {
    let office = world.office.borrow();
    let copies = copies(&office);
    let mut owners: HashMap<&str, (&str, &str)> = HashMap::new();
    for (owner, copies) in &copies {
        if copies.len() > 1 {
            wrong.push(format!("{}#{} is in Prima {} times", owner.0, owner.1, copies.len()));
        }
        for copy in copies {
            let number = copy.order.order_number.as_str();
            if number != owner.1 {
                wrong
                    .push(format!("{}#{} is in Prima under the number {number}", owner.0, owner.1));
            }
            let by_hand =
                office.orders_by_number(number).iter().any(|order| channel_of(order).is_empty());
            if *owners.entry(number).or_insert(*owner) != *owner || by_hand {
                wrong.push(format!("Prima's number {number} is used for two orders"));
            }
            let firm_at =
                world.shop(owner.0, |shop| shop.model.order(owner.1).and_then(firm_at)).flatten();
            if firm_at.is_none_or(|firm_at| copy.entered_at < firm_at) {
                wrong.push(format!("{}#{} was created before it was paid", owner.0, owner.1));
            }
        }
        let truth = world.plan.truth(&OrderKey::new(owner.0, owner.1));
        if truth.keyed_by_hand {
            wrong.push(format!("{}#{} was keyed by hand, and is created", owner.0, owner.1));
        }
        if truth.operator_ships {
            wrong.push(format!(
                "{}#{} is shipped by the marketplace, and is created",
                owner.0, owner.1
            ));
        }
    }
}

/// Prima holds only payments that the marketplace took, to the penny, and texts that it can keep.
fn paid_in_prima(world: &World, wrong: &mut Vec<String>) {
    let office = world.office.borrow();
    for copy in office.orders().filter(|order| !channel_of(order).is_empty()) {
        let name = format!("{}#{}", channel_of(copy), order_id_of(copy));
        let debited = world
            .shop(channel_of(copy), |shop| {
                shop.seen(order_id_of(copy))?.order.customer_debited_date
            })
            .flatten();
        let entered = &copy.order;
        let worth: Decimal =
            entered.lines.iter().map(|line| line.price * Decimal::from(line.quantity)).sum();
        let worth = worth + entered.charges.iter().map(|charge| charge.value).sum::<Decimal>();
        let paid: Decimal = entered.payments.iter().map(|payment| payment.amount).sum();
        let is_paid = entered.header.get("OrderPaid").is_some_and(|paid| paid == "Yes");
        let says_paid = is_paid || !entered.payments.is_empty();
        if says_paid && debited.is_none_or(|debited| debited > copy.entered_at) {
            wrong.push(format!("{name} is paid in Prima, and nobody has paid it"));
        }
        if says_paid && paid != worth {
            wrong.push(format!("{name} is worth {worth} in Prima, and {paid} is paid"));
        }
        let mut texts = entered.attributes.values().chain(entered.invoice.values());
        if texts.any(|text| text.contains('?')) {
            wrong.push(format!("{name} has a text that Prima keeps with question marks"));
        }
    }
}

/// What may not be left when all is settled: an open breaker, or a message that cannot be read and
/// is nowhere.
async fn left_behind(world: &World, wrong: &mut Vec<String>) {
    if world.store.load_breakers().await.is_ok_and(|breakers| breakers.stops_creation()) {
        wrong.push("Prima answers, and its breaker is still open".to_owned());
    }
    let queue = world.queue.borrow();
    if queue.needless > 0 {
        wrong.push(format!("{} messages came again although they were done with", queue.needless));
    }
    if let Some(poison) = world.poison.borrow().as_ref()
        && queue.is_empty()
        && !queue.dead.iter().any(|body| matches!(body, Body::Text(text) if text == poison))
    {
        wrong.push(
            "a message that cannot be read was lost instead of going to the dead-letter queue"
                .to_owned(),
        );
    }
}

fn acknowledged(world: &World, fresh: &[(usize, String)], wrong: &mut Vec<String>) {
    let shops = world.shops.borrow();
    for (channel, shop) in CHANNELS.iter().zip(shops.iter()) {
        for order in shop.model.orders() {
            if order.cause == Some(Cause::AcceptanceTimeout) {
                wrong.push(format!(
                    "{channel}#{} was not acknowledged before its deadline",
                    order.order_id
                ));
            }
        }
    }
    let office = world.office.borrow();
    // Sixteen minutes lie between two probes of a NewOrder that is long closed, and the first may
    // be of an order that Prima always fails for.
    let says_new_order = |(_, event): &(Timestamp, Event)| {
        event.kind == EventKind::PrimaUnavailable && event.reason.contains(NEW_ORDER)
    };
    let new_order_was_closed = world.events.borrow().iter().any(says_new_order);
    for (channel, id) in fresh {
        let Some(shop) = shops.get(*channel) else { continue };
        let Some(order) = shop.model.order(id) else { continue };
        let is_limited = world.limits.borrow().get(*channel).is_some_and(Option::is_some);
        // Where a listing is let begin once a minute, listings of three kinds take turns.
        let interval = u64::from(world.plan.channels[*channel].listing_interval_minutes)
            + if is_limited { 3 } else { 0 };
        let late = |at: Option<Timestamp>, minutes: u64| {
            at.is_none_or(|at| at > after(order.created, Duration::from_secs(60 * minutes)))
        };
        let accepted = shop.accepted_by_connector(order);
        if late(accepted, interval + 1) {
            wrong.push(format!(
                "{id} arrived in a quiet world and was acknowledged at {accepted:?}, too late"
            ));
        }
        let entered =
            office.orders().find(|order| order_id_of(order) == id).map(|order| order.entered_at);
        if late(entered, 2 * interval + if new_order_was_closed { 35 } else { 15 }) {
            wrong.push(format!(
                "{id} arrived in a quiet world and was created at {entered:?}, too late"
            ));
        }
    }
}

fn told_once(world: &World, wrong: &mut Vec<String>) {
    for (key, told) in world.told.borrow().iter() {
        if !told.excused && (told.events > told.exceptions || told.messages > told.exceptions) {
            wrong.push(format!("the exception of {key} was told more than once: {told:?}"));
        }
    }
    let events = world.events.borrow();
    let closed =
        events.iter().filter(|(_, event)| event.kind == EventKind::PrimaUnavailable).count();
    if closed > usize::try_from(world.openings.get()).unwrap_or(usize::MAX) {
        wrong.push(format!(
            "{closed} alarms of an open breaker, which opened {} times",
            world.openings.get()
        ));
    }
}

/// In a quiet world each channel keeps to its rhythm.
fn rhythm(world: &World, quiet_at: Timestamp, wrong: &mut Vec<String>) {
    let from = after(quiet_at, Duration::from_secs(180));
    for (index, (channel, listings)) in
        world.plan.channels.iter().zip(world.listings.borrow().iter()).enumerate()
    {
        // A limit that is waited for shifts them.
        if world.limits.borrow().get(index).is_some_and(Option::is_some) {
            continue;
        }
        for pair in listings.windows(2).filter(|pair| pair[0] > from) {
            let gap = pair[1].duration_since(pair[0]).as_secs();
            let interval = i64::from(channel.listing_interval_minutes) * 60;
            // A listing that shrank is repeated at once.
            if gap > 20 && gap < interval - 20 {
                wrong.push(format!("{} was listed again after {gap} s", channel.id));
                return;
            }
        }
    }
}
