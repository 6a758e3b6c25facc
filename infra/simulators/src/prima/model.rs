//! A Prima installation without network or XML.
//!
//! Every method takes the time as `now` and is synchronous, so that a test may move the clock as it
//! likes. Effects that were submitted for later land before anything else is looked at.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::books::{
    BankReceipt, BookRules, Books, CreditNote, NewCreditNote, NewJournal, PostedJournal,
    Transaction,
};
use super::order::{
    NewOrder, NewOrderCharge, NewOrderLine, NewOrderPayment, Refusal, Stage, StoredOrder,
};
use super::parcel::Parcel;
use super::settings::{KnownSkus, OrderRules, RepeatedNumber, StockRules};
use super::shelves::Shelves;
use super::validation::{check_order, check_order_number};
use crate::past::PastOrder;

/// What `OrderStatus` answers of an order that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderStatusAnswer {
    /// The `OrderStatus` attribute.
    pub status: String,
    /// `OrderDespatchData`, where the installation answers it.
    pub parcels: Vec<Parcel>,
}

/// How often things happened to an installation, in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Orders made, repeated ones included.
    pub orders: u64,
    /// Orders made although Prima already had their `OrderNumber` or `TPGUID`.
    pub repeated: u64,
    /// Orders cancelled.
    pub cancelled: u64,
    /// `NewOrder` and `CancelOrder` that were refused, late ones included.
    pub refused: u64,
    /// Effects that landed after their caller had gone.
    pub late: u64,
    /// Pieces of orders that were oversold as they came in: with all others that had not left, and
    /// those set aside elsewhere, they were more than lay in the warehouse.
    pub oversold: u64,
}

/// A change that lands later.
#[derive(Clone, Debug)]
enum Effect {
    New(Box<NewOrder>),
    Cancel { number: String, narrative: String },
    Journal(Box<NewJournal>),
}

/// One Prima installation and its orders.
#[derive(Debug)]
pub struct Installation {
    rules: OrderRules,
    skus: KnownSkus,
    next_id: u64,
    pub(super) orders: BTreeMap<u64, StoredOrder>,
    pub(super) shelves: Shelves,
    /// None: nothing is invoiced, so that a simulation of orders alone pays nothing for it.
    books: Option<Books>,
    by_number: HashMap<String, Vec<u64>>,
    by_third_party_id: HashMap<String, Vec<u64>>,
    /// By the time they land and, within it, the order they were submitted in.
    pending: BTreeMap<(Timestamp, u64), Effect>,
    next_effect: u64,
    totals: Totals,
    parcels: u64,
}

impl Installation {
    /// An installation without orders and stock.
    #[must_use]
    pub fn new(rules: OrderRules) -> Self {
        Self::with_stock(rules, StockRules::default())
    }

    /// An installation without orders.
    #[must_use]
    pub fn with_stock(rules: OrderRules, stock: StockRules) -> Self {
        Self {
            shelves: Shelves::new(stock),
            books: None,
            skus: KnownSkus::new(&rules.catalogue),
            rules,
            next_id: 1,
            orders: BTreeMap::new(),
            by_number: HashMap::new(),
            by_third_party_id: HashMap::new(),
            pending: BTreeMap::new(),
            next_effect: 0,
            totals: Totals::default(),
            parcels: 0,
        }
    }

    /// Replaces the rules for everything that comes from now on.
    pub fn set_rules(&mut self, rules: OrderRules) {
        self.skus = KnownSkus::new(&rules.catalogue);
        self.rules = rules;
    }

    /// `NewOrder`: takes the order in, on hold if it says so.
    ///
    /// # Errors
    /// The order is not valid, or is a repeat and the installation refuses those.
    pub fn new_order(&mut self, order: NewOrder, now: Timestamp) -> Result<(), Refusal> {
        self.land(now);
        self.take_in(order, now)
    }

    /// `MultiNewOrder`: takes all orders in, or none if one of them is not valid (assumed).
    ///
    /// # Errors
    /// The first refusal.
    pub fn new_orders(&mut self, orders: Vec<NewOrder>, now: Timestamp) -> Result<(), Refusal> {
        self.land(now);
        for order in &orders {
            self.check(order)?;
        }
        orders.into_iter().try_for_each(|order| self.take_in(order, now))
    }

    /// `NewOrder` whose effect, or refusal, comes at `apply_at`: the caller has long stopped
    /// waiting by then.
    pub fn submit(&mut self, order: NewOrder, apply_at: Timestamp) {
        self.submit_effect(Effect::New(Box::new(order)), apply_at);
    }

    /// `CancelOrder` whose effect, or refusal, comes at `apply_at`.
    pub fn submit_cancellation(&mut self, number: &str, narrative: &str, apply_at: Timestamp) {
        self.submit_effect(
            Effect::Cancel { number: number.to_owned(), narrative: narrative.to_owned() },
            apply_at,
        );
    }

    /// `OrderStatus`. Of several orders with one number, the first.
    ///
    /// # Errors
    /// Prima does not know the order.
    pub fn order_status(
        &mut self,
        number: &str,
        now: Timestamp,
    ) -> Result<OrderStatusAnswer, Refusal> {
        self.land(now);
        let order = self.first(number)?;
        let parcels = if self.rules.dispatch_data { order.parcels.clone() } else { Vec::new() };
        Ok(OrderStatusAnswer { status: order.status().to_owned(), parcels })
    }

    /// `CancelOrder` (assumed). Of several orders with one number, the first that is not cancelled.
    ///
    /// # Errors
    /// The installation has no such request, does not know the order, or has cancelled or
    /// dispatched it, even in part.
    pub fn cancel_order(
        &mut self,
        number: &str,
        narrative: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.land(now);
        self.cancel_by_request(number, narrative, now)
    }

    /// Keeps books by these rules from now on.
    pub fn set_book_rules(&mut self, rules: BookRules) {
        self.books_mut().rules = rules;
    }

    /// The books; empty where the installation keeps none.
    pub fn books(&mut self) -> &Books {
        self.books_mut()
    }

    fn books_mut(&mut self) -> &mut Books {
        self.books.get_or_insert_with(|| Books::new(BookRules::default()))
    }

    /// `NewJournal`.
    ///
    /// # Errors
    /// See [`Books::post`].
    pub fn new_journal(&mut self, journal: NewJournal, now: Timestamp) -> Result<(), Refusal> {
        self.land(now);
        self.books_mut().post(journal, now).map(drop)
    }

    /// `NewJournal` whose effect, or refusal, comes at `apply_at`.
    pub fn submit_journal(&mut self, journal: NewJournal, apply_at: Timestamp) {
        self.submit_effect(Effect::Journal(Box::new(journal)), apply_at);
    }

    /// `JournalStatus`.
    ///
    /// # Errors
    /// See [`Books::journal_status`].
    pub fn journal_status(&mut self, id: &str, now: Timestamp) -> Result<PostedJournal, Refusal> {
        self.land(now);
        self.books().journal_status(id).cloned()
    }

    /// `NominalTransactions`.
    ///
    /// # Errors
    /// See [`Books::nominal_transactions`].
    pub fn nominal_transactions(
        &mut self,
        nominal: &str,
        days: [Date; 2],
        now: Timestamp,
    ) -> Result<Vec<Transaction>, Refusal> {
        self.land(now);
        let found = self.books().nominal_transactions(nominal, days)?;
        Ok(found.into_iter().cloned().collect())
    }

    /// `CreditNotes`.
    ///
    /// # Errors
    /// See [`Books::credit_notes_of`].
    pub fn credit_notes(
        &mut self,
        days: [Date; 2],
        now: Timestamp,
    ) -> Result<Vec<CreditNote>, Refusal> {
        self.land(now);
        Ok(self.books().credit_notes_of(days)?.into_iter().cloned().collect())
    }

    /// Makes a credit note, as a person does for goods that came back.
    ///
    /// # Errors
    /// Prima does not know the order.
    pub fn credit(
        &mut self,
        number: &str,
        note: &NewCreditNote,
        now: Timestamp,
    ) -> Result<CreditNote, Refusal> {
        self.land(now);
        let order = self.first(number)?.clone();
        Ok(self.books_mut().credit(&order, note, now).clone())
    }

    /// Money came in at the bank.
    pub fn receive(&mut self, receipt: &BankReceipt, now: Timestamp) {
        self.books_mut().receive(receipt, now);
    }

    /// Invoices what has left of an order, where books are kept.
    pub(super) fn invoice(&mut self, id: u64, now: Timestamp) {
        if let (Some(books), Some(order)) = (&mut self.books, self.orders.get(&id))
            && matches!(order.stage, Stage::PartDispatched | Stage::Dispatched)
        {
            books.invoice(order, now);
        }
    }

    /// Moves an order on, as a person or the warehouse does.
    ///
    /// # Errors
    /// Prima does not know the order; it is on hold and goods would have to move; it is cancelled
    /// or dispatched; or goods have left and it would go back.
    pub fn move_to(&mut self, number: &str, stage: Stage, now: Timestamp) -> Result<(), Refusal> {
        self.land(now);
        let order = self.first_mut(number)?;
        let from = order.stage.as_str().to_owned();
        let refused = match (&order.stage, &stage) {
            (Stage::Dispatched | Stage::Cancelled, _) => true,
            (Stage::PartDispatched, to) => !matches!(to, Stage::Dispatched),
            (_, Stage::Allocated | Stage::Picking | Stage::PartDispatched | Stage::Dispatched) => {
                order.hold.is_some()
            }
            _ => false,
        };
        if refused {
            return Err(Refusal::new(format!(
                "Order {number} cannot go from {from} to {}",
                stage.as_str()
            )));
        }
        if stage == Stage::Cancelled {
            return self.cancel(number, "Cancelled by hand", now);
        }
        let id = order.id;
        let Some(order) = self.orders.get_mut(&id) else { return Ok(()) };
        match stage {
            Stage::Allocated | Stage::Picking => self.shelves.allocate(order),
            Stage::Dispatched => self.shelves.leave(order, &order.left()),
            _ => {}
        }
        order.stage = stage;
        order.changed_at = now;
        self.invoice(id, now);
        Ok(())
    }

    /// Puts an open order on hold, as a person does.
    ///
    /// # Errors
    /// Prima does not know the order, or it is open no longer.
    pub fn hold(&mut self, number: &str, narrative: &str, now: Timestamp) -> Result<(), Refusal> {
        self.set_hold(number, Some(narrative.to_owned()), now)
    }

    /// Releases an open order from hold, as a person does.
    ///
    /// # Errors
    /// Prima does not know the order, or it is open no longer.
    pub fn release(&mut self, number: &str, now: Timestamp) -> Result<(), Refusal> {
        self.set_hold(number, None, now)
    }

    /// All orders with a number, oldest first: more than one where it was repeated.
    #[must_use]
    pub fn orders_by_number(&self, number: &str) -> Vec<&StoredOrder> {
        self.by_ids(self.by_number.get(number))
    }

    /// All orders with a `TPGUID`, oldest first.
    #[must_use]
    pub fn orders_by_third_party_id(&self, id: &str) -> Vec<&StoredOrder> {
        self.by_ids(self.by_third_party_id.get(id))
    }

    /// Every order, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = &StoredOrder> {
        self.orders.values()
    }

    /// The number of orders that the installation has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether the installation has no order.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// The number of effects that are still to land.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// When the next effect lands; none if none is to.
    #[must_use]
    pub fn next_effect_at(&self) -> Option<Timestamp> {
        self.pending.first_key_value().map(|((at, _), _)| *at)
    }

    /// How often things happened so far; forgetting orders takes nothing away.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Drops all orders with a number, so that a long simulation keeps its memory; returns how many
    /// there were.
    pub fn forget(&mut self, number: &str) -> usize {
        let ids = self.by_number.remove(number).unwrap_or_default();
        for id in &ids {
            let Some(order) = self.orders.remove(id) else { continue };
            if !matches!(order.stage, Stage::Dispatched | Stage::Cancelled) {
                self.shelves.release(&order, &order.left());
            }
            let third_party_id = &order.order.third_party_id;
            if let Some(others) = self.by_third_party_id.get_mut(third_party_id) {
                others.retain(|other| other != id);
                if others.is_empty() {
                    self.by_third_party_id.remove(third_party_id);
                }
            }
        }
        ids.len()
    }

    /// Lets every effect land that is due.
    pub fn land(&mut self, now: Timestamp) {
        while let Some(entry) = self.pending.first_entry() {
            let at = entry.key().0;
            if at > now {
                return;
            }
            self.totals.late += 1;
            // Nobody is there to hear of a refusal; the total of refusals tells.
            let _unheard = match entry.remove() {
                Effect::New(order) => self.take_in(*order, at),
                Effect::Cancel { number, narrative } => {
                    self.cancel_by_request(&number, &narrative, at)
                }
                Effect::Journal(journal) => self.books_mut().post(*journal, at).map(drop),
            };
        }
    }

    pub(super) fn parcels_booked(&self) -> u64 {
        self.parcels
    }

    pub(super) fn count_parcel(&mut self) {
        self.parcels += 1;
    }

    fn submit_effect(&mut self, effect: Effect, apply_at: Timestamp) {
        self.pending.insert((apply_at, self.next_effect), effect);
        self.next_effect += 1;
    }

    fn is_repeated(&self, order: &NewOrder) -> bool {
        self.by_number.contains_key(&order.order_number)
            || (!order.third_party_id.is_empty()
                && self.by_third_party_id.contains_key(&order.third_party_id))
    }

    fn check(&mut self, order: &NewOrder) -> Result<(), Refusal> {
        let mut result = check_order(order, &self.rules, &self.skus);
        if result.is_ok()
            && self.rules.repeated_number == RepeatedNumber::Refused
            && self.is_repeated(order)
        {
            result = Err(Refusal::new(format!("Order {} already exists", order.order_number)));
        }
        if result.is_err() {
            self.totals.refused += 1;
        }
        result
    }

    fn take_in(&mut self, mut order: NewOrder, now: Timestamp) -> Result<(), Refusal> {
        self.check(&order)?;
        if self.is_repeated(&order) {
            self.totals.repeated += 1;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.totals.orders += 1;
        self.by_number.entry(order.order_number.clone()).or_default().push(id);
        if !order.third_party_id.is_empty() {
            self.by_third_party_id.entry(order.third_party_id.clone()).or_default().push(id);
        }
        if !self.rules.keeps_any_character {
            order.convert_to_latin1();
        }
        let hold = order.hold.clone();
        let mut stored = StoredOrder {
            id,
            order,
            stage: Stage::Entered,
            hold,
            cancelled_because: None,
            entered_at: now,
            changed_at: now,
            parcels: Vec::new(),
            set_aside: false,
        };
        self.totals.oversold += self.shelves.come_in(&mut stored);
        self.orders.insert(id, stored);
        Ok(())
    }

    /// Takes in an order of the past, whole and gone, or cancelled before it left: its stock moved
    /// long ago, its invoice and its credit notes have their own days.
    pub fn take_in_past(&mut self, past: &PastOrder) {
        let lines = (1..).zip(&past.lines).map(|(number, line)| NewOrderLine {
            number,
            product: line.sku.clone(),
            quantity: line.quantity,
            price: if self.prices_are_of_pieces() {
                line.price / Decimal::from(line.quantity.max(1))
            } else {
                line.price
            },
            ..NewOrderLine::default()
        });
        let total = past.charges + past.lines.iter().map(|line| line.price).sum::<Decimal>();
        let order = NewOrder {
            order_number: past.number.clone(),
            header: [("Currency".to_owned(), past.currency.clone())].into(),
            lines: lines.collect(),
            charges: vec![NewOrderCharge {
                code: "CARRIAGE".to_owned(),
                value: past.charges,
                ..NewOrderCharge::default()
            }],
            payments: vec![NewOrderPayment {
                method: past.pay_method.clone(),
                amount: total,
                ..NewOrderPayment::default()
            }],
            ..NewOrder::default()
        };
        let id = self.next_id;
        self.next_id += 1;
        self.totals.orders += 1;
        self.by_number.entry(past.number.clone()).or_default().push(id);
        let stage = if past.left_at.is_some() { Stage::Dispatched } else { Stage::Cancelled };
        let stored = StoredOrder {
            id,
            order,
            stage,
            hold: None,
            cancelled_because: None,
            entered_at: past.entered_at,
            changed_at: past.left_at.unwrap_or(past.entered_at),
            parcels: Vec::new(),
            set_aside: false,
        };
        self.orders.insert(id, stored.clone());
        if let Some(left_at) = past.left_at {
            self.invoice(id, left_at);
        }
        for credit in &past.credits {
            let note = NewCreditNote { gross: credit.gross, lines: Vec::new() };
            self.books_mut().credit(&stored, &note, credit.at);
        }
    }

    fn prices_are_of_pieces(&mut self) -> bool {
        self.books_mut().rules.price_of_piece
    }

    fn cancel_by_request(
        &mut self,
        number: &str,
        narrative: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if !self.rules.cancel_order {
            self.totals.refused += 1;
            return Err(Refusal::new("Unknown request type: CancelOrder"));
        }
        self.cancel(number, narrative, now)
    }

    fn cancel(&mut self, number: &str, narrative: &str, now: Timestamp) -> Result<(), Refusal> {
        let result = self.try_cancel(number, narrative, now);
        match result {
            Ok(()) => self.totals.cancelled += 1,
            Err(_) => self.totals.refused += 1,
        }
        result
    }

    fn try_cancel(&mut self, number: &str, narrative: &str, now: Timestamp) -> Result<(), Refusal> {
        let unknown = self.unknown_order();
        check_order_number(number, &self.rules)?;
        let ids = self.by_number.get(number).cloned().unwrap_or_default();
        let standing = ids
            .iter()
            .find(|id| self.orders.get(id).is_some_and(|order| order.stage != Stage::Cancelled));
        let Some(order) = standing.or(ids.first()).and_then(|id| self.orders.get_mut(id)) else {
            return Err(unknown);
        };
        match order.stage {
            Stage::Cancelled => Err(Refusal::new(format!("Order {number} is already cancelled"))),
            Stage::PartDispatched | Stage::Dispatched => {
                Err(Refusal::new(format!("Order {number} is already dispatched")))
            }
            _ => {
                self.shelves.release(order, &order.left());
                order.stage = Stage::Cancelled;
                order.cancelled_because = Some(narrative.to_owned());
                order.changed_at = now;
                Ok(())
            }
        }
    }

    fn set_hold(
        &mut self,
        number: &str,
        hold: Option<String>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.land(now);
        let order = self.first_mut(number)?;
        if !order.stage.is_open() {
            return Err(Refusal::new(format!("Order {number} is {}", order.stage.as_str())));
        }
        order.hold = hold;
        order.changed_at = now;
        Ok(())
    }

    fn unknown_order(&self) -> Refusal {
        Refusal::new(self.rules.unknown_order_text.clone())
    }

    pub(super) fn first(&self, number: &str) -> Result<&StoredOrder, Refusal> {
        let id = self.by_number.get(number).and_then(|ids| ids.first());
        id.and_then(|id| self.orders.get(id)).ok_or_else(|| self.unknown_order())
    }

    pub(super) fn first_mut(&mut self, number: &str) -> Result<&mut StoredOrder, Refusal> {
        let unknown = self.unknown_order();
        let id = self.by_number.get(number).and_then(|ids| ids.first());
        id.and_then(|id| self.orders.get_mut(id)).ok_or(unknown)
    }

    fn by_ids(&self, ids: Option<&Vec<u64>>) -> Vec<&StoredOrder> {
        ids.into_iter().flatten().filter_map(|id| self.orders.get(id)).collect()
    }
}
