//! Prima as a state machine: typed, with the time handed in. A repeated number makes a second
//! order, since nobody knows whether Prima would refuse it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use shared::prima::{PrimaOrder, PrimaOrderStatus};

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Entered.
    Open,
    /// Its goods have left.
    Dispatched,
    /// Cancelled.
    Cancelled,
}

/// An order that Prima has.
#[derive(Clone, Debug)]
pub struct Entered {
    /// Its number.
    pub number: String,
    /// `OrderChannel`: the channel it came from; empty where a person keyed it.
    pub channel: String,
    /// `CustomerRef`: Mirakl's order id.
    pub order_id: String,
    /// Line reference and pieces.
    pub lines: Vec<(String, u32)>,
    /// When it was entered.
    pub at: Timestamp,
    /// How far it has come.
    pub progress: Progress,
    /// The order as it was sent; nothing in it where a person keyed it.
    pub document: PrimaOrder,
}

/// Prima.
#[derive(Debug, Default)]
pub struct Office {
    orders: Vec<Entered>,
    by_number: HashMap<String, Vec<usize>>,
    late: BTreeMap<(Timestamp, u64), Late>,
    submitted: u64,
    /// `CancelOrder` is there.
    pub cancels: bool,
}

#[derive(Debug)]
enum Late {
    New(Box<PrimaOrder>),
    Cancel(String),
}

/// A product that Prima does not know.
pub const UNKNOWN_PRODUCT: &str = "NOSUCH";

impl Office {
    /// Lets every late effect land that is due.
    pub fn land(&mut self, now: Timestamp) {
        while let Some(entry) = self.late.first_entry() {
            let at = entry.key().0;
            if at > now {
                return;
            }
            // Nobody is there to hear of a refusal.
            let _unheard = match entry.remove() {
                Late::New(order) => self.enter(&order, at),
                Late::Cancel(number) => self.cancel(&number),
            };
        }
    }

    /// `NewOrder`.
    ///
    /// # Errors
    /// Prima's words.
    pub fn new_order(&mut self, order: &PrimaOrder, now: Timestamp) -> Result<(), String> {
        self.land(now);
        self.enter(order, now)
    }

    /// `NewOrder` whose effect comes at a later time.
    pub fn submit(&mut self, order: &PrimaOrder, at: Timestamp) {
        self.submitted += 1;
        self.late.insert((at, self.submitted), Late::New(Box::new(order.clone())));
    }

    /// `CancelOrder` whose effect comes at a later time.
    pub fn submit_cancellation(&mut self, number: &str, at: Timestamp) {
        self.submitted += 1;
        self.late.insert((at, self.submitted), Late::Cancel(number.to_owned()));
    }

    /// `OrderStatus`.
    pub fn status(&mut self, number: &str, now: Timestamp) -> Option<PrimaOrderStatus> {
        self.land(now);
        let first = *self.by_number.get(number)?.first()?;
        Some(match self.orders[first].progress {
            Progress::Open => PrimaOrderStatus::Open("Entered".to_owned()),
            Progress::Dispatched => PrimaOrderStatus::Dispatched,
            Progress::Cancelled => PrimaOrderStatus::Cancelled,
        })
    }

    /// `CancelOrder`.
    ///
    /// # Errors
    /// Prima's words.
    pub fn cancel_order(&mut self, number: &str, now: Timestamp) -> Result<(), String> {
        self.land(now);
        self.cancel(number)
    }

    /// A person keys an order.
    pub fn key_by_hand(&mut self, number: &str, now: Timestamp) {
        self.store(Entered {
            number: number.to_owned(),
            channel: String::new(),
            order_id: String::new(),
            lines: Vec::new(),
            at: now,
            progress: Progress::Open,
            document: PrimaOrder::default(),
        });
    }

    /// The warehouse dispatches an order; false where it is not open.
    pub fn dispatch(&mut self, index: usize) -> bool {
        match self.orders.get_mut(index) {
            Some(order) if order.progress == Progress::Open => {
                order.progress = Progress::Dispatched;
                true
            }
            _ => false,
        }
    }

    /// All orders, oldest first.
    #[must_use]
    pub fn orders(&self) -> &[Entered] {
        &self.orders
    }

    /// Effects are still to land.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.late.is_empty()
    }

    fn enter(&mut self, order: &PrimaOrder, now: Timestamp) -> Result<(), String> {
        if order.lines.iter().any(|line| line.product == UNKNOWN_PRODUCT) {
            return Err(format!("Product {UNKNOWN_PRODUCT} does not exist"));
        }
        if order.lines.is_empty() {
            return Err("The order has no lines".to_owned());
        }
        self.store(Entered {
            number: order.order_number.clone(),
            channel: order.order_channel.clone(),
            order_id: order.customer_reference.clone(),
            lines: order.lines.iter().map(|line| (line.reference.clone(), line.quantity)).collect(),
            at: now,
            progress: Progress::Open,
            document: order.clone(),
        });
        Ok(())
    }

    fn store(&mut self, order: Entered) {
        self.by_number.entry(order.number.clone()).or_default().push(self.orders.len());
        self.orders.push(order);
    }

    fn cancel(&mut self, number: &str) -> Result<(), String> {
        if !self.cancels {
            return Err("Unknown request type: CancelOrder".to_owned());
        }
        let Some(&first) = self.by_number.get(number).and_then(|places| places.first()) else {
            return Err("Order not found".to_owned());
        };
        match self.orders[first].progress {
            Progress::Open => {
                self.orders[first].progress = Progress::Cancelled;
                Ok(())
            }
            Progress::Dispatched => Err("Order is already dispatched".to_owned()),
            Progress::Cancelled => Err("Order is already cancelled".to_owned()),
        }
    }
}
