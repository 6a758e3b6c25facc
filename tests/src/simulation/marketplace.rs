//! A marketplace as a state machine: what Mirakl does with orders, typed, with the time handed in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use shared::kit::amount::Amount;
use shared::kit::clock::after;
use shared::mirakl::order::{Cancelation, OrderLine, References, Refund};
use shared::mirakl::{
    Acceptable, MiraklError, Order, OrderPage, OrderQuery, OrderState, ReferenceAnswer,
    SellerReference, UnreadableOrder,
};

use super::goods::PAY_ON_ACCEPTANCE;

/// Something that happens to an order by itself, or by somebody other than the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// The marketplace releases it to the seller.
    Unstage,
    /// The acceptance window ends.
    Deadline,
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

/// One order of the marketplace, with all that is true of it.
#[derive(Clone, Debug)]
pub struct Sale {
    /// The order, as it is now, customer included.
    pub order: Order,
    /// When the seller's time to accept ends.
    pub deadline: Timestamp,
    /// How long the debit takes after acceptance; `None`: it is never debited.
    pub debit_after: Option<Duration>,
    /// What happens how long after it became firm.
    pub once_firm: Vec<(Duration, Happening)>,
    /// It is listed in a shape that cannot be read.
    pub unreadable: bool,
    /// Since when it waits for acceptance, or waited.
    pub waiting_since: Option<Timestamp>,
    /// When the connector's OR21 had its effect.
    pub accepted_by_connector: Option<Timestamp>,
    /// When it was past acceptance, by whomever.
    pub accepted_at: Option<Timestamp>,
    /// When it became SHIPPING.
    pub firm_at: Option<Timestamp>,
    /// When it was cancelled or refused.
    pub ended_at: Option<Timestamp>,
    /// A part of it was cancelled or refunded after it was firm.
    pub lost_pieces: bool,
    /// For judgement: pieces of each line that were refunded before it left.
    pub refunded: BTreeMap<String, u32>,
    /// The marketplace names no debit, although the order's workflow asks for one.
    pub debit_unnamed: bool,
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
        Self {
            order,
            deadline,
            debit_after,
            once_firm,
            unreadable,
            waiting_since: None,
            accepted_by_connector: None,
            accepted_at: None,
            firm_at: None,
            ended_at: None,
            lost_pieces: false,
            refunded: BTreeMap::new(),
            debit_unnamed: false,
        }
    }

    /// For judgement: pieces of a line that are still to be delivered.
    #[must_use]
    pub fn left_of(&self, line: &OrderLine) -> u32 {
        let is_over =
            matches!(line.order_line_state, Some(OrderState::Canceled | OrderState::Refused));
        let refunded = self.refunded.get(&line.order_line_id).copied().unwrap_or_default();
        if is_over { 0 } else { line.quantity.saturating_sub(refunded) }
    }

    /// For judgement: everything was refunded before it left.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        !self.refunded.is_empty()
            && self.order.order_lines.iter().all(|line| self.left_of(line) == 0)
    }

    /// Prima's number, as the marketplace holds it.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.order.seller_reference()
    }
}

/// One marketplace with one shop.
#[derive(Debug)]
pub struct Marketplace {
    sales: Vec<Sale>,
    by_id: HashMap<String, usize>,
    agenda: BTreeMap<(Timestamp, u64), (usize, Happening)>,
    happenings: u64,
    /// `last_updated_date` has whole seconds.
    pub whole_seconds: bool,
    /// Writing a reference moves `last_updated_date`.
    pub references_touch: bool,
    /// Listings name their total.
    pub counts: bool,
    /// A page has so many orders at most, whatever is asked.
    pub longest_page: usize,
    /// Orders whose references are refused.
    unreferenceable: HashSet<String>,
    refused_with_all: HashSet<String>,
    /// Orders that it does not know any more.
    forgotten: HashSet<String>,
}

impl Marketplace {
    /// One without orders.
    #[must_use]
    pub fn new(whole_seconds: bool, references_touch: bool, counts: bool) -> Self {
        Self {
            sales: Vec::new(),
            by_id: HashMap::new(),
            agenda: BTreeMap::new(),
            happenings: 0,
            whole_seconds,
            references_touch,
            counts,
            longest_page: 100,
            unreferenceable: HashSet::new(),
            refused_with_all: HashSet::new(),
            forgotten: HashSet::new(),
        }
    }

    /// Lists an order in a shape that cannot be read from now on.
    pub fn make_unreadable(&mut self, order_id: &str, now: Timestamp) {
        self.list_as(order_id, true, now);
    }

    /// Lists an order in its usual shape from now on.
    pub fn make_readable(&mut self, order_id: &str, now: Timestamp) {
        self.list_as(order_id, false, now);
    }

    fn list_as(&mut self, order_id: &str, unreadable: bool, now: Timestamp) {
        if let Some(&index) = self.by_id.get(order_id) {
            self.sales[index].unreadable = unreadable;
            self.touch(index, now);
        }
    }

    /// Changes an order in a way of its own, without a trace in its date.
    pub fn change(&mut self, order_id: &str, change: impl FnOnce(&mut Sale)) {
        if let Some(&index) = self.by_id.get(order_id) {
            change(&mut self.sales[index]);
        }
    }

    /// Changes what it says of an order.
    pub fn corrects(&mut self, order_id: &str, change: impl FnOnce(&mut Order)) {
        if let Some(&index) = self.by_id.get(order_id) {
            change(&mut self.sales[index].order);
        }
    }

    /// Knows nothing of an order from now on.
    pub fn forget(&mut self, order_id: &str) {
        self.forgotten.insert(order_id.to_owned());
    }

    /// It knows all orders again.
    pub fn remember(&mut self) {
        self.forgotten.clear();
    }

    /// Refuses a whole OR04 that names this order from now on.
    pub fn refuse_calls_that_name(&mut self, order_id: &str) {
        self.refused_with_all.insert(order_id.to_owned());
    }

    /// Whether a whole OR04 is refused.
    #[must_use]
    pub fn refuses_all_of(&self, references: &[SellerReference]) -> bool {
        references.iter().any(|reference| self.refused_with_all.contains(&reference.order_id))
    }

    /// Refuses every reference of an order from now on.
    pub fn refuse_references_of(&mut self, order_id: &str) {
        self.unreferenceable.insert(order_id.to_owned());
    }

    /// All orders, oldest first.
    #[must_use]
    pub fn sales(&self) -> &[Sale] {
        &self.sales
    }

    /// One order.
    #[must_use]
    pub fn sale(&self, order_id: &str) -> Option<&Sale> {
        self.by_id.get(order_id).map(|&index| &self.sales[index])
    }

    /// Takes a new order in.
    pub fn place(&mut self, sale: Sale) {
        let index = self.sales.len();
        let created = sale.order.created_date.unwrap_or(Timestamp::MIN);
        self.by_id.insert(sale.order.order_id.clone(), index);
        let (state, deadline) = (sale.order.order_state.clone(), sale.deadline);
        self.sales.push(sale);
        self.touch(index, created);
        match state {
            OrderState::WaitingAcceptance => {
                self.sales[index].waiting_since = Some(created);
                self.plan(index, deadline, Happening::Deadline);
            }
            OrderState::WaitingDebit | OrderState::WaitingDebitPayment => {
                self.accepted(index, created)
            }
            OrderState::Shipping => self.firm(index, created),
            _ => {}
        }
    }

    /// Plans a happening for an order, at a time.
    pub fn plan_for(&mut self, order_id: &str, at: Timestamp, happening: Happening) {
        if let Some(&index) = self.by_id.get(order_id) {
            self.plan(index, at, happening);
        }
    }

    fn plan(&mut self, index: usize, at: Timestamp, happening: Happening) {
        self.happenings += 1;
        self.agenda.insert((at, self.happenings), (index, happening));
    }

    /// Lets everything happen that is due.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let at = entry.key().0;
            let (index, happening) = entry.remove();
            self.happen(index, happening, at);
        }
    }

    fn happen(&mut self, index: usize, happening: Happening, at: Timestamp) {
        let state = self.sales[index].order.order_state.clone();
        let before_dispatch = matches!(
            state,
            OrderState::Staging
                | OrderState::WaitingAcceptance
                | OrderState::WaitingDebit
                | OrderState::WaitingDebitPayment
                | OrderState::Shipping
        );
        match happening {
            Happening::Unstage if state == OrderState::Staging => {
                self.enter(index, OrderState::WaitingAcceptance, at);
                self.sales[index].waiting_since = Some(at);
                let deadline = self.sales[index].deadline;
                self.plan(index, deadline, Happening::Deadline);
            }
            Happening::Deadline if state == OrderState::WaitingAcceptance => {
                self.sales[index].order.order_state_reason_code =
                    Some("ACCEPTANCE_TIMEOUT".to_owned());
                self.end(index, OrderState::Refused, at);
            }
            Happening::Debit
                if matches!(state, OrderState::WaitingDebit | OrderState::WaitingDebitPayment) =>
            {
                self.firm(index, at)
            }
            // Paid while the seller is at work.
            Happening::Debit if state == OrderState::Shipping => {
                self.sales[index].order.customer_debited_date = Some(at);
                self.touch(index, at);
            }
            Happening::Cancel if before_dispatch => self.end(index, OrderState::Canceled, at),
            Happening::CancelPiece
                if matches!(
                    state,
                    OrderState::WaitingDebit
                        | OrderState::WaitingDebitPayment
                        | OrderState::Shipping
                ) =>
            {
                self.cancel_piece(index, at);
            }
            Happening::AcceptByPerson if state == OrderState::WaitingAcceptance => {
                self.accepted(index, at)
            }
            Happening::RefuseByPerson if state == OrderState::WaitingAcceptance => {
                self.end(index, OrderState::Refused, at)
            }
            Happening::Ship
                if state == OrderState::Shipping && !self.sales[index].is_refunded() =>
            {
                for line in &mut self.sales[index].order.order_lines {
                    line.shipped_date = Some(at);
                }
                self.enter(index, OrderState::Shipped, at);
            }
            Happening::RefundPiece if is_paid(&state) => self.refund_piece(index, at),
            Happening::RefundAll if is_paid(&state) => self.refund_all(index, at),
            Happening::Goodwill if is_paid(&state) => self.give_back_a_little(index, at),
            Happening::Close
                if is_paid(&state)
                    && (state != OrderState::Shipping || self.sales[index].is_refunded()) =>
            {
                self.enter(index, OrderState::Closed, at);
            }
            Happening::EnterRefunded if is_paid(&state) && self.sales[index].is_refunded() => {
                self.enter(index, OrderState::Refunded, at);
            }
            Happening::Touch => self.touch(index, at),
            _ => {}
        }
    }

    fn cancel_piece(&mut self, index: usize, at: Timestamp) {
        let sale = &mut self.sales[index];
        let Some(line) = sale.order.order_lines.iter_mut().find(|line| line.is_live()) else {
            return;
        };
        let unit = line.price_unit.unwrap_or_default();
        line.quantity -= 1;
        line.cancelations.push(Cancelation {
            quantity: Some(1),
            amount: Some(unit),
            ..Cancelation::default()
        });
        line.price.0 -= unit.0;
        for total in [&mut line.total_price, &mut sale.order.price, &mut sale.order.total_price]
            .into_iter()
            .flatten()
        {
            total.0 -= unit.0;
        }
        if line.quantity == 0 {
            line.order_line_state = Some(OrderState::Canceled);
            // Its fees go with its last piece.
            let fees: rust_decimal::Decimal =
                line.fees.drain(..).filter_map(|fee| fee.amount).map(|amount| amount.0).sum();
            for total in [&mut line.total_price, &mut sale.order.total_price].into_iter().flatten()
            {
                total.0 -= fees;
            }
        }
        sale.lost_pieces |= sale.firm_at.is_some();
        if sale.order.live_lines().next().is_none() {
            self.end(index, OrderState::Canceled, at);
        } else {
            self.touch(index, at);
        }
    }

    fn refund_piece(&mut self, index: usize, at: Timestamp) {
        let sale = &self.sales[index];
        let Some(line) = sale.order.order_lines.iter().position(|line| sale.left_of(line) > 0)
        else {
            return;
        };
        let unit = sale.order.order_lines[line].price_unit.unwrap_or_default();
        self.refund(index, line, 1, Some(1), unit, at);
    }

    fn refund_all(&mut self, index: usize, at: Timestamp) {
        for line in 0..self.sales[index].order.order_lines.len() {
            let pieces = self.sales[index].left_of(&self.sales[index].order.order_lines[line]);
            if pieces > 0 {
                let of = &self.sales[index].order.order_lines[line];
                let refunded: Decimal = of
                    .refunds
                    .iter()
                    .filter_map(|refund| refund.amount)
                    .map(|amount| amount.0)
                    .sum();
                let rest = Amount(of.price.0 - refunded);
                self.refund(index, line, pieces, None, rest, at);
            }
        }
    }

    fn give_back_a_little(&mut self, index: usize, at: Timestamp) {
        let sale = &self.sales[index];
        let Some(line) = sale
            .order
            .order_lines
            .iter()
            .position(|line| sale.left_of(line) > 0 && line.refunds.is_empty())
        else {
            return;
        };
        self.refund(index, line, 0, Some(0), Amount(Decimal::ONE), at);
    }

    /// `pieces` are gone in truth; `named` is what the refund says.
    fn refund(
        &mut self,
        index: usize,
        line: usize,
        pieces: u32,
        named: Option<u32>,
        amount: Amount,
        at: Timestamp,
    ) {
        let sale = &mut self.sales[index];
        let order_line = &mut sale.order.order_lines[line];
        order_line.refunds.push(Refund {
            id: Some(format!("{}-R{}", order_line.order_line_id, order_line.refunds.len() + 1)),
            quantity: named,
            amount: Some(amount),
            shipping_amount: Some(Amount::ZERO),
            taxes: Vec::new(),
            shipping_taxes: Vec::new(),
            order_refund_id: None,
            reason_code: Some("CUSTOMER_CANCELLED".to_owned()),
            created_date: Some(at),
        });
        if pieces > 0 && order_line.shipped_date.is_none() {
            *sale.refunded.entry(order_line.order_line_id.clone()).or_default() += pieces;
            sale.lost_pieces = true;
        }
        let paid_back = |line: &OrderLine| {
            line.refunds
                .iter()
                .filter_map(|refund| refund.amount)
                .map(|amount| amount.0)
                .sum::<Decimal>()
        };
        if sale.order.live_lines().all(|line| paid_back(line) >= line.price.0) {
            sale.order.fully_refunded = Some(true);
        }
        if sale.is_refunded() {
            sale.ended_at.get_or_insert(at);
        }
        self.touch(index, at);
    }

    fn end(&mut self, index: usize, state: OrderState, at: Timestamp) {
        self.sales[index].ended_at = Some(at);
        self.enter(index, state, at);
    }

    fn accepted(&mut self, index: usize, at: Timestamp) {
        let order = &mut self.sales[index].order;
        if order.order_state == OrderState::WaitingAcceptance {
            order.acceptance_decision_date = Some(at);
        }
        self.sales[index].accepted_at.get_or_insert(at);
        match self.sales[index].debit_after {
            Some(Duration::ZERO) => self.firm(index, at),
            Some(wait) => {
                self.enter(index, OrderState::WaitingDebitPayment, at);
                self.plan(index, after(at, wait), Happening::Debit);
            }
            None => self.enter(index, OrderState::WaitingDebit, at),
        }
    }

    fn firm(&mut self, index: usize, at: Timestamp) {
        let sale = &mut self.sales[index];
        sale.accepted_at.get_or_insert(at);
        sale.firm_at = Some(at);
        if sale.order.payment_workflow.as_deref() == Some(PAY_ON_ACCEPTANCE) && !sale.debit_unnamed
        {
            sale.order.customer_debited_date = Some(at);
        }
        let later = std::mem::take(&mut sale.once_firm);
        self.enter(index, OrderState::Shipping, at);
        for (wait, happening) in later {
            self.plan(index, after(at, wait), happening);
        }
    }

    fn enter(&mut self, index: usize, state: OrderState, at: Timestamp) {
        let order = &mut self.sales[index].order;
        if matches!(state, OrderState::Canceled | OrderState::Refused) {
            for line in &mut order.order_lines {
                line.order_line_state = Some(state.clone());
            }
        }
        order.order_state = state;
        self.touch(index, at);
    }

    fn touch(&mut self, index: usize, at: Timestamp) {
        let at = if self.whole_seconds {
            Timestamp::from_second(at.as_second()).unwrap_or(at)
        } else {
            at
        };
        self.sales[index].order.last_updated_date = Some(at);
    }

    /// OR11.
    #[must_use]
    pub fn list(&self, query: &OrderQuery, offset: usize) -> OrderPage {
        let matches = |sale: &&Sale| {
            (query.states.is_empty() || query.states.contains(&sale.order.order_state))
                && (query.order_ids.is_empty() || query.order_ids.contains(&sale.order.order_id))
                && query.updated_from.is_none_or(|from| sale.order.last_updated_date >= Some(from))
                && !self.forgotten.contains(&sale.order.order_id)
        };
        let mut page = OrderPage::default();
        let mut total = 0;
        for sale in self.sales.iter().filter(matches) {
            if total >= offset && page.length < self.longest_page {
                page.length += 1;
                if sale.unreadable {
                    page.unreadable.push(unreadable(sale))
                } else {
                    page.orders.push(shown(sale))
                }
            }
            total += 1;
        }
        page.total_count = self.counts.then(|| u64::try_from(total).unwrap_or(u64::MAX));
        page
    }

    /// OR21.
    ///
    /// # Errors
    /// The order is unknown, not waiting, or the lines are not all of its lines.
    pub fn accept(
        &mut self,
        order_id: &str,
        line_ids: &[String],
        now: Timestamp,
    ) -> Result<(), MiraklError> {
        let Some(&index) = self.by_id.get(order_id) else {
            return Err(MiraklError::refused("OR21", 404, None, "order not found"));
        };
        let sale = &mut self.sales[index];
        if sale.order.order_state != OrderState::WaitingAcceptance {
            return Err(MiraklError::refused(
                "OR21",
                400,
                Some("ORDER_INVALID_STATE"),
                "the order is not waiting for acceptance",
            ));
        }
        if sale.order.order_lines.len() != line_ids.len()
            || !sale.order.order_lines.iter().all(|line| line_ids.contains(&line.order_line_id))
        {
            return Err(MiraklError::refused(
                "OR21",
                400,
                None,
                "all lines are to be decided in one call",
            ));
        }
        sale.accepted_by_connector = Some(now);
        self.accepted(index, now);
        Ok(())
    }

    /// OR04.
    pub fn write_references(
        &mut self,
        references: &[SellerReference],
        now: Timestamp,
    ) -> Vec<ReferenceAnswer> {
        let mut answers = Vec::with_capacity(references.len());
        for reference in references {
            let refused = match self.by_id.get(&reference.order_id) {
                Some(_) if self.unreferenceable.contains(&reference.order_id) => {
                    Some("400: the reference cannot be changed".to_owned())
                }
                Some(&index) => {
                    self.sales[index].order.references = Some(References {
                        order_reference_for_customer: None,
                        order_reference_for_seller: Some(reference.reference.clone()),
                    });
                    if self.references_touch {
                        self.touch(index, now);
                    }
                    None
                }
                None => Some("404: unknown order".to_owned()),
            };
            answers.push(ReferenceAnswer { order_id: reference.order_id.clone(), refused });
        }
        answers
    }
}

/// The customer was debited: what is given back from now on is a refund.
fn is_paid(state: &OrderState) -> bool {
    matches!(state, OrderState::Shipping | OrderState::Shipped | OrderState::Received)
}

/// As listed: the customer's address comes with SHIPPING.
fn shown(sale: &Sale) -> Order {
    let with_customer =
        matches!(sale.order.order_state, OrderState::Shipping | OrderState::Shipped);
    if with_customer {
        return sale.order.clone();
    }
    Order { customer: None, customer_notification_email: None, ..sale.order.clone() }
}

fn unreadable(sale: &Sale) -> UnreadableOrder {
    UnreadableOrder {
        order_id: Some(sale.order.order_id.clone()),
        acceptable: Some(Acceptable {
            state: sale.order.order_state.clone(),
            order_line_ids: sale.order.line_ids(),
        }),
        problem: "the amount of a line is no number".to_owned(),
    }
}
