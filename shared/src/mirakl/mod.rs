//! The Mirakl seller API, as the connector uses it. Operations come in families: [`MiraklOrders`]
//! is that of orders.

pub mod account;
pub mod call;
mod caller;
pub mod client;
pub mod error;
pub mod error_report;
pub mod finance;
pub mod keys;
mod lenient;
pub mod offer_export;
pub mod order;
mod order_line;
mod order_state;
mod page;
pub mod paging;
pub mod probe;
mod problem;
pub mod rights;
pub mod shipping;
mod shipping_client;
pub mod shipping_requirements;
pub mod stock;
mod stock_client;
pub mod stock_file;
#[cfg(test)]
mod tests;
mod wire;

use jiff::Timestamp;

pub use error::{MiraklError, Outcome};
pub use order::{Order, OrderState};
pub(crate) use wire::null_as_default;

/// What to list (Mirakl seller API, OR11). Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderQuery {
    /// `order_state_codes`: any of these; empty for all.
    pub states: Vec<OrderState>,
    /// `order_ids`: any of these, at most 100; empty for all.
    pub order_ids: Vec<String>,
    /// `start_update_date`: last updated at this moment or later. Mirakl subtracts a time delta of
    /// its own: expect repeats.
    pub updated_from: Option<Timestamp>,
    /// Where Mirakl's limit is met, it is waited for no longer than until this moment; else until
    /// the client's deadline.
    pub limit_waited_until: Option<Timestamp>,
}

/// One page of OR11, ordered by creation date, oldest first.
#[derive(Clone, Debug, Default)]
pub struct OrderPage {
    /// The orders that could be read.
    pub orders: Vec<Order>,
    /// Orders of this page whose JSON could not be read: their id, where that at least could be,
    /// and why. Never dropped in silence.
    pub unreadable: Vec<UnreadableOrder>,
    /// How many orders the page held, readable or not: what the next page's offset is counted from.
    pub length: usize,
    /// All that match, over all pages; older platforms leave it out.
    pub total_count: Option<u64>,
}

/// An order in a listing that does not have the shape of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableOrder {
    /// `order_id`, where it could be read.
    pub order_id: Option<String>,
    /// Its state and lines, where those could be read: enough to accept it, since acknowledging
    /// comes before understanding.
    pub acceptable: Option<Acceptable>,
    /// What is wrong with it, without any of its content.
    pub problem: String,
}

/// What accepting an order takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptable {
    /// The order's state.
    pub state: OrderState,
    /// The ids of all of its lines.
    pub order_line_ids: Vec<String>,
}

/// An order number of Prima's for Mirakl to keep (OR04 `order_reference_for_seller`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SellerReference {
    /// The Mirakl order.
    pub order_id: String,
    /// Prima's order number.
    pub reference: String,
}

/// How OR04 answered for one order: a 2xx answer is not success for each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceAnswer {
    /// The Mirakl order.
    pub order_id: String,
    /// `None` when Mirakl keeps the reference now; else its reason, as `code: message`.
    pub refused: Option<String>,
}

/// The order operations of one channel: one shop on one marketplace.
///
/// Every call obeys the time budget that the implementation was given; a 429 has been retried
/// within it, by `Retry-After`, before it is answered.
pub trait MiraklOrders {
    /// OR11: one page of at most 100 orders from `offset` on. Safe to repeat.
    async fn list_orders(
        &self,
        query: &OrderQuery,
        offset: usize,
    ) -> Result<OrderPage, MiraklError>;

    /// OR21: accepts all lines of an order in one call. Convergent: a repeat is harmless, and
    /// answers `ORDER_INVALID_STATE` ([`MiraklError::is_invalid_state`]).
    async fn accept_order(
        &self,
        order_id: &str,
        order_line_ids: &[String],
    ) -> Result<(), MiraklError>;

    /// OR04: writes references of at most 100 orders. Convergent. Once a minute.
    async fn write_references(
        &self,
        references: &[SellerReference],
    ) -> Result<Vec<ReferenceAnswer>, MiraklError>;
}
