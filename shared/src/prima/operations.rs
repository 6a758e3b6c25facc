//! What the connector asks of Prima's orders.

use super::error::PrimaError;
use super::order::{PrimaOrder, PrimaOrderStatus, PrimaProgress};

/// The order documents of one Prima installation.
///
/// Every call obeys the time budget that the implementation was given. None is repeated by the
/// implementation: of `NewOrder` nobody knows whether Prima de-duplicates, and the flow decides
/// about the others.
pub trait PrimaOrders {
    /// `OrderStatus`. Safe to repeat.
    ///
    /// An order that Prima does not know is `Ok(None)`; only the configured "unknown order" text
    /// counts as that, any other `RequestStatus="ERROR"` is an error with
    /// [`super::Outcome::Refused`].
    async fn order_status(
        &self,
        order_number: &str,
    ) -> Result<Option<PrimaOrderStatus>, PrimaError>;

    /// `NewOrder`. Ask first: a repeat may make a second order.
    ///
    /// # Errors
    /// [`super::Outcome::Refused`] only where Prima read the order and answered
    /// `RequestStatus="ERROR"`.
    async fn new_order(&self, order: &PrimaOrder) -> Result<(), PrimaError>;

    /// `CancelOrder` (assumed; a capability that a site may lack). Ask first.
    async fn cancel_order(&self, order_number: &str, narrative: &str) -> Result<(), PrimaError>;
}

/// What Prima tells of an order's dispatch.
pub trait PrimaDispatches {
    /// `OrderStatus`, with the parcels that have left. Safe to repeat. `Ok(None)` as
    /// [`PrimaOrders::order_status`].
    ///
    /// # Errors
    /// As there.
    async fn order_progress(&self, order_number: &str)
    -> Result<Option<PrimaProgress>, PrimaError>;
}
