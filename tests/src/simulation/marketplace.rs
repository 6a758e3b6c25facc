//! The simulators' marketplace, and what people do in it at which time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use shared::kit::clock::after;
use shared::mirakl::{self, OrderPage, OrderQuery, UnreadableOrder};
use simulators::mirakl::model::{Order, OrderLine, OwnTimes, PAY_ON_ACCEPTANCE};
use simulators::mirakl::{Decision, OperatorRefund, Settings, State, order_json};

use super::plan::SHOP;
use crate::world::orders::filter;

/// Something that happens to an order by itself, or by somebody other than the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// The customer has been debited.
    Debit,
    /// The whole order is cancelled.
    Cancel,
    /// One piece of its first live line is cancelled.
    CancelPiece,
    /// A person accepts it in the back office.
    AcceptByPerson,
    /// A person refuses it in the back office.
    RefuseByPerson,
    /// A person marks it as shipped in the back office.
    Ship,
    /// Something unimportant changes: only `last_updated_date` moves.
    Touch,
    /// One piece of its first line that has one left is refunded, and named.
    RefundPiece,
    /// All that was paid is refunded, without a word of pieces: so customer care cancels what is
    /// paid.
    RefundAll,
    /// A little is given back, and every piece stays paid for.
    Goodwill,
    /// What is refunded as a whole, or shipped, is closed.
    Close,
    /// An old platform says of the order itself that it is refunded.
    EnterRefunded,
}

/// What OR11 says of an order that is not so.
pub type Shows = fn(&mut mirakl::Order);

/// An order that is to arrive, and what is peculiar to it.
#[derive(Clone, Debug)]
pub struct Sale {
    /// The order, in the state in which it is first listed.
    pub order: Order,
    /// When the seller's time to accept ends.
    pub deadline: Timestamp,
    /// How long the debit takes after acceptance; `None`: it is never debited.
    pub debit_after: Option<Duration>,
    /// What happens how long after it became firm.
    pub once_firm: Vec<(Duration, Happening)>,
    /// It is listed in a shape that cannot be read.
    pub unreadable: bool,
    /// What OR11 says of it that is not so.
    pub shows: Option<Shows>,
}

impl Sale {
    /// A new one.
    #[must_use]
    pub fn new(
        order: Order,
        deadline: Timestamp,
        debit_after: Option<Duration>,
        once_firm: Vec<(Duration, Happening)>,
        unreadable: bool,
    ) -> Self {
        Self { order, deadline, debit_after, once_firm, unreadable, shows: None }
    }
}

/// When an order became firm: paid for, where that comes before its dispatch.
#[must_use]
pub fn firm_at(order: &Order) -> Option<Timestamp> {
    if order.payment_workflow == PAY_ON_ACCEPTANCE {
        order.customer_debited_date
    } else {
        order.accepted_at
    }
}

/// Pieces of a line that are to be delivered, or have been.
#[must_use]
pub fn left_of(order: &Order, line: &OrderLine) -> u32 {
    let before_it_left = || {
        let refunds = line.refunds.iter();
        refunds.filter(|one| order.shipped_date.is_none_or(|shipped| one.created < shipped))
    };
    let given_back: Decimal = before_it_left().map(|refund| refund.amount).sum();
    let is_over = matches!(line.state, State::Canceled | State::Refused)
        || (before_it_left().next().is_some() && given_back >= line.price());
    let excluded = before_it_left().filter(|refund| refund.excluded_from_shipment);
    let excluded: u32 = excluded.map(|refund| refund.quantity).sum();
    if is_over { 0 } else { line.quantity.saturating_sub(excluded) }
}

/// Everything was refunded before it left.
#[must_use]
pub fn is_refunded(order: &Order) -> bool {
    order.lines.iter().any(|line| !line.refunds.is_empty())
        && !matches!(order.state, State::Canceled | State::Refused)
        && order.lines.iter().all(|line| left_of(order, line) == 0)
}

/// A part of it was cancelled or refunded after it was firm.
#[must_use]
pub fn lost_pieces(order: &Order) -> bool {
    let firm_at = firm_at(order);
    order.lines.iter().any(|line| {
        let cancelled = line.cancelations.iter().any(|one| Some(one.created) >= firm_at);
        firm_at.is_some() && (cancelled || left_of(order, line) < line.quantity)
    })
}

/// An order as the marketplace has it, for a course.
#[derive(Clone, Debug)]
pub struct Seen {
    /// As OR11 lists it, where it can be read.
    pub order: mirakl::Order,
    /// Since when it waits for acceptance, or waited.
    pub waiting_since: Timestamp,
    /// When the connector's OR21 had its effect.
    pub accepted_by_connector: Option<Timestamp>,
}

impl Seen {
    /// Prima's number, as the marketplace holds it.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.order.seller_reference()
    }
}

/// What is peculiar to an order that has arrived.
#[derive(Debug, Default)]
struct Peculiar {
    unreadable: bool,
    shows: Option<Shows>,
    accepted_by_person: bool,
    forgotten: bool,
    unreferenceable: bool,
}

/// An order as it was read last, and what it was read from.
#[derive(Debug)]
struct Read {
    from: Order,
    read: Result<mirakl::Order, UnreadableOrder>,
}

/// One marketplace with one shop, and its people.
#[derive(Debug)]
pub struct Marketplace {
    /// The simulator's own.
    pub model: simulators::mirakl::Marketplace,
    agenda: BTreeMap<(Timestamp, u64), (String, Happening)>,
    happenings: u64,
    /// What happens to orders that are not firm yet, once they are.
    once_firm: Vec<(String, Vec<(Duration, Happening)>)>,
    peculiar: HashMap<String, Peculiar>,
    /// Each order is read anew only where it has changed.
    read: HashMap<String, Read>,
    /// Listings name their total.
    counts: bool,
    /// A page has so many orders at most, whatever is asked.
    pub longest_page: usize,
    refused_with_all: HashSet<String>,
}

impl Marketplace {
    /// One without orders.
    #[must_use]
    pub fn new(whole_seconds: bool, references_touch: bool, counts: bool) -> Self {
        let settings = Settings {
            debit_seconds: 0,
            payment_seconds: Some(0),
            update_delta_seconds: 0,
            sales_lower_offers: false,
            whole_seconds,
            references_update: references_touch,
            ..Settings::default()
        };
        Self {
            model: simulators::mirakl::Marketplace::new(settings),
            agenda: BTreeMap::new(),
            happenings: 0,
            once_firm: Vec::new(),
            peculiar: HashMap::new(),
            read: HashMap::new(),
            counts,
            longest_page: 100,
            refused_with_all: HashSet::new(),
        }
    }

    fn peculiar_to(&mut self, order_id: &str) -> &mut Peculiar {
        self.read.remove(order_id);
        self.peculiar.entry(order_id.to_owned()).or_default()
    }

    /// Lists an order in a shape that cannot be read from now on.
    pub fn make_unreadable(&mut self, order_id: &str, now: Timestamp) {
        self.peculiar_to(order_id).unreadable = true;
        self.model.touch(order_id, now);
    }

    /// Lists an order in its usual shape from now on.
    pub fn make_readable(&mut self, order_id: &str, now: Timestamp) {
        self.peculiar_to(order_id).unreadable = false;
        self.model.touch(order_id, now);
    }

    /// Says something else of an order from now on, or what is so.
    pub fn shows(&mut self, order_id: &str, shows: Option<Shows>) {
        self.peculiar_to(order_id).shows = shows;
    }

    /// Knows nothing of an order from now on.
    pub fn forget(&mut self, order_id: &str) {
        self.peculiar_to(order_id).forgotten = true;
    }

    /// It knows all orders again.
    pub fn remember(&mut self) {
        self.peculiar.values_mut().for_each(|one| one.forgotten = false);
    }

    /// Refuses a whole OR04 that names this order from now on.
    pub fn refuse_calls_that_name(&mut self, order_id: &str) {
        self.refused_with_all.insert(order_id.to_owned());
    }

    /// Whether a whole OR04 that names this order is refused.
    #[must_use]
    pub fn refuses_all_with(&self, order_id: &str) -> bool {
        self.refused_with_all.contains(order_id)
    }

    /// Refuses every reference of an order from now on.
    pub fn refuse_references_of(&mut self, order_id: &str) {
        self.peculiar_to(order_id).unreferenceable = true;
    }

    /// Whether an order's references are refused.
    #[must_use]
    pub fn refuses_reference_of(&self, order_id: &str) -> bool {
        self.peculiar.get(order_id).is_some_and(|one| one.unreferenceable)
    }

    /// Whether an order cannot be read.
    #[must_use]
    pub fn is_unreadable(&self, order_id: &str) -> bool {
        self.peculiar.get(order_id).is_some_and(|one| one.unreadable)
    }

    /// When the connector's OR21 had its effect on an order.
    #[must_use]
    pub fn accepted_by_connector(&self, order: &Order) -> Option<Timestamp> {
        let by_person =
            self.peculiar.get(&order.order_id).is_some_and(|one| one.accepted_by_person);
        let by_connector = order.accept_calls > 0 && !by_person && order.accepted_at.is_some();
        order.acceptance_decision_date.filter(|_| by_connector)
    }

    /// Since when an order waits for its acceptance, or waited.
    #[must_use]
    pub fn waiting_since(order: &Order) -> Timestamp {
        after(order.created, order.times.staging.unwrap_or_default())
    }

    /// An order, for a course.
    #[must_use]
    pub fn seen(&self, order_id: &str) -> Option<Seen> {
        let order = self.model.order(order_id)?;
        let mut listed: mirakl::Order =
            serde_json::from_str(&order_json(order, self.model.settings())).ok()?;
        if let Some(show) = self.peculiar.get(order_id).and_then(|one| one.shows) {
            show(&mut listed);
        }
        Some(Seen {
            order: listed,
            waiting_since: Self::waiting_since(order),
            accepted_by_connector: self.accepted_by_connector(order),
        })
    }

    /// Takes a new order in.
    pub fn place(&mut self, sale: Sale) {
        let Sale { mut order, deadline, debit_after, once_firm, unreadable, shows } = sale;
        let (id, created) = (order.order_id.clone(), order.created);
        let staging = order.times.staging.filter(|_| order.state == State::Staging);
        let window = deadline.duration_since(created).unsigned_abs();
        // What is firm as it arrives has been paid.
        let payment = debit_after.filter(|_| order.state != State::Shipping);
        order.automatic_acceptance =
            Some(!matches!(order.state, State::Staging | State::WaitingAcceptance));
        order.times = OwnTimes {
            staging,
            acceptance: Some(window.saturating_sub(staging.unwrap_or_default())),
            payment,
            is_never_paid: debit_after.is_none() && order.state != State::Shipping,
        };
        *self.peculiar_to(&id) = Peculiar { unreadable, shows, ..Peculiar::default() };
        self.model.place(order, created);
        if !once_firm.is_empty() {
            self.once_firm.push((id, once_firm));
        }
        self.advance(created);
        self.follow();
    }

    /// Plans a happening for an order, at a time.
    pub fn plan_for(&mut self, order_id: &str, at: Timestamp, happening: Happening) {
        self.happenings += 1;
        self.agenda.insert((at, self.happenings), (order_id.to_owned(), happening));
    }

    /// Lets everything happen that is due.
    pub fn advance(&mut self, now: Timestamp) {
        loop {
            let planned = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let due = self.model.next_due();
            match (due, planned) {
                (Some(due), _) if due <= now && planned.is_none_or(|planned| due <= planned) => {
                    if self.model.advance(due) > 0 {
                        self.follow();
                    }
                }
                (_, Some(planned)) if planned <= now => {
                    if let Some((_, (order_id, happening))) = self.agenda.pop_first() {
                        self.happen(&order_id, happening, planned);
                    }
                }
                _ => return,
            }
        }
    }

    /// Plans what happens to orders that have become firm.
    pub fn follow(&mut self) {
        let firm = |(id, _): &(String, _)| {
            self.model.order(id).filter(|order| order.state == State::Shipping).and_then(firm_at)
        };
        let firm: Vec<_> = self.once_firm.iter().map(firm).collect();
        let mut places = firm.iter();
        let mut now_firm = Vec::new();
        self.once_firm.retain_mut(|(id, happenings)| {
            let Some(Some(at)) = places.next() else { return true };
            now_firm.push((std::mem::take(id), *at, std::mem::take(happenings)));
            false
        });
        for (id, at, happenings) in now_firm {
            for (wait, happening) in happenings {
                self.plan_for(&id, after(at, wait), happening);
            }
        }
    }

    fn happen(&mut self, id: &str, happening: Happening, at: Timestamp) {
        let Some(order) = self.model.order(id) else { return };
        let state = order.state;
        let line = order.lines.iter().find(|line| left_of(order, line) > 0).cloned();
        match happening {
            Happening::Debit => drop(self.model.debit(id, at)),
            Happening::Cancel => drop(self.model.cancel(id, at)),
            Happening::CancelPiece => {
                let is_accepted = matches!(
                    state,
                    State::WaitingDebit | State::WaitingDebitPayment | State::Shipping
                );
                if let Some(line) = line.filter(|_| is_accepted) {
                    self.model.cancel_line(id, &line.order_line_id, 1, at);
                }
            }
            Happening::AcceptByPerson => self.decide(id, true, at),
            Happening::RefuseByPerson => self.decide(id, false, at),
            Happening::Ship => drop(self.model.ship(id, at)),
            Happening::Touch => drop(self.model.touch(id, at)),
            Happening::RefundPiece => {
                if let Some(line) = line {
                    self.refund(id, &line, 1, line.price_unit, at);
                }
            }
            Happening::RefundAll => drop(self.model.refund_all(id, at)),
            Happening::Goodwill => {
                if let Some(line) = line.filter(|line| line.refunds.is_empty()) {
                    self.refund(id, &line, 0, Decimal::ONE, at);
                }
            }
            Happening::Close => drop(self.model.close(id, at)),
            Happening::EnterRefunded => drop(self.model.enter_refunded(id, at)),
        }
    }

    fn refund(
        &mut self,
        id: &str,
        line: &OrderLine,
        quantity: u32,
        amount: Decimal,
        at: Timestamp,
    ) {
        let refund = OperatorRefund {
            order_line_id: line.order_line_id.clone(),
            quantity,
            amount,
            shipping_amount: Decimal::ZERO,
        };
        self.model.refund(id, &[refund], at);
    }

    /// A person decides in the back office.
    fn decide(&mut self, id: &str, accepted: bool, at: Timestamp) {
        let Some(order) = self.model.order(id) else { return };
        let ids: Vec<_> = order.lines.iter().map(|line| line.order_line_id.clone()).collect();
        let decisions: Vec<_> =
            ids.iter().map(|order_line_id| Decision { order_line_id, accepted }).collect();
        if self.model.accept(SHOP, id, &decisions, at).is_ok() {
            self.peculiar_to(id).accepted_by_person = true;
            self.follow();
        }
    }

    /// OR11.
    #[must_use]
    pub fn list(&mut self, query: &OrderQuery, offset: usize) -> OrderPage {
        let Self { model, peculiar, read, .. } = self;
        let mut page = OrderPage::default();
        let mut total = 0;
        for order in model.list_orders(SHOP, &filter(query), 0, usize::MAX).orders {
            let peculiar = peculiar.get(&order.order_id);
            if peculiar.is_some_and(|one| one.forgotten) {
                continue;
            }
            let known = read.get(&order.order_id).is_some_and(|known| known.from == *order);
            if !known {
                let from = order.clone();
                let is_unreadable = peculiar.is_some_and(|one| one.unreadable);
                let read_now = as_listed(
                    order,
                    model.settings(),
                    is_unreadable,
                    peculiar.and_then(|one| one.shows),
                );
                read.insert(order.order_id.clone(), Read { from, read: read_now });
            }
            let Some(Read { read, .. }) = read.get(&order.order_id) else { continue };
            let is_asked_for = |order: &mirakl::Order| {
                query.states.is_empty() || query.states.contains(&order.order_state)
            };
            if !read.as_ref().map_or(true, is_asked_for) {
                continue;
            }
            if total >= offset && page.length < self.longest_page {
                page.length += 1;
                match read {
                    Ok(order) => page.orders.push(order.clone()),
                    Err(unreadable) => page.unreadable.push(unreadable.clone()),
                }
            }
            total += 1;
        }
        page.total_count = self.counts.then(|| u64::try_from(total).unwrap_or(u64::MAX));
        page
    }
}

/// An order as the connector reads it in a listing.
fn as_listed(
    order: &Order,
    settings: &Settings,
    is_unreadable: bool,
    shows: Option<Shows>,
) -> Result<mirakl::Order, UnreadableOrder> {
    let mut json = order_json(order, settings);
    if is_unreadable && let Ok(mut value) = serde_json::from_str::<serde_json::Value>(&json) {
        value["order_lines"][0]["price"] = "no number".into();
        json = value.to_string();
    }
    let page = OrderPage::read(format!(r#"{{"orders":[{json}]}}"#).as_bytes()).unwrap_or_default();
    let unreadable = |problem: &str| UnreadableOrder {
        order_id: Some(order.order_id.clone()),
        acceptable: None,
        problem: problem.to_owned(),
    };
    let Some(mut listed) = page.orders.into_iter().next() else {
        let read = page.unreadable.into_iter().next();
        return Err(read.unwrap_or_else(|| unreadable("it was read as nothing")));
    };
    if let Some(show) = shows {
        show(&mut listed);
    }
    Ok(listed)
}
