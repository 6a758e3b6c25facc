//! What a scene has whose marketplaces and Prima are the simulators' own models, and what it may
//! say of each call of their operations.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::Timestamp;
use shared::kit::odd_form::OddForm;
use shared::mirakl::{MiraklError, Order};
use shared::prima::PrimaError;
use shared::prima::documents::DocumentProblem;
use simulators::mirakl::{Marketplace, Refusal, order_json};
use simulators::prima::{Installation, OrderStatusAnswer, order_status_document};

use super::fate::Call;
use super::scene::{Invocation, Scene};

/// A scene on the simulators' own models.
pub trait Models: Scene {
    /// The marketplace of a channel, as it was left.
    fn model<T>(&self, channel: usize, work: impl FnOnce(&mut Marketplace) -> T) -> Option<T>;

    /// Lets happen in the marketplaces what is due.
    fn advance(&self, now: Timestamp);

    /// Prima.
    fn office(&self) -> &RefCell<Installation>;

    /// The shop of a channel.
    fn shop_id(channel: usize) -> i64;

    /// The marketplace of a channel, everything that is due having happened.
    fn shop<T>(
        &self,
        channel: usize,
        work: impl FnOnce(&mut Marketplace, Timestamp) -> T,
    ) -> Option<T> {
        let now = self.now();
        self.advance(now);
        self.model(channel, |shop| work(shop, now))
    }

    /// Mirakl's order, as OR11 lists it.
    fn listed(&self, channel: usize, order_id: &str) -> Option<Order> {
        self.shop(channel, |shop, _| {
            let order = shop.order(order_id)?;
            serde_json::from_str(&order_json(order, shop.settings())).ok()
        })
        .flatten()
    }

    /// What Mirakl says instead of an answer to one of these operations.
    fn instead(
        &self,
        _channel: usize,
        _operations: &[&'static str],
        _about: &str,
    ) -> Option<MiraklError> {
        None
    }

    /// A call about an order got no answer by chance.
    fn got_no_answer(&self, _about: &str) {}

    /// A call of an operation got its answer.
    fn answered(&self, _operation: &'static str, _channel: usize) {}

    /// An invocation heard what became of a call.
    fn hears(
        _invocation: &Invocation<Self>,
        _channel: usize,
        _problem: &MiraklError,
        _operations: &[&'static str],
    ) {
    }

    /// Mirakl is about to be told that something of an order has left.
    fn tells(&self, _operation: &str, _order_id: &str) {}

    /// Nobody knows what came of our refund of a line.
    fn refund_in_doubt(_world: &Rc<Self>, _order_id: String, _order_line_id: String) {}

    /// Whatever the connector settles of an order, so that a scene sees what changes by it.
    fn settles<T>(&self, _channel: usize, _order_id: &str, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// Prima answers nothing at all.
    fn prima_is_silent(&self) -> bool {
        false
    }

    /// A question for an order had no answer.
    fn question_in_doubt(&self, _order_number: &str) {}

    /// Prima's answer to `OrderStatus`, as it writes it.
    fn status_document(&self, order_number: &str, answer: &OrderStatusAnswer) -> String {
        order_status_document(order_number, answer)
    }

    /// Fields of what the marketplaces demand that are in a form that is not understood.
    fn odd_fields(&self) -> Vec<OddForm> {
        Vec::new()
    }
}

/// What Mirakl refuses.
pub(crate) fn refused(operation: &'static str, refusal: &Refusal) -> MiraklError {
    MiraklError::refused(
        operation,
        refusal.status,
        Some(refusal.code).filter(|code| !code.is_empty()),
        refusal.message.clone(),
    )
}

/// How a call fails that has no effect.
pub(crate) fn failed(operation: &'static str, call: &Call) -> MiraklError {
    match call.dice.between(0, 2) {
        0 => MiraklError::not_sent(operation, "no connection"),
        1 => MiraklError::refused(operation, 429, None, "Too Many Requests"),
        _ => MiraklError {
            status: Some(503),
            ..MiraklError::unknown(operation, "Service Unavailable")
        },
    }
}

/// How the real client names what is wrong with an answer to `OrderStatus`.
pub(crate) fn unclear(problem: DocumentProblem) -> PrimaError {
    match problem {
        DocumentProblem::Refused(message) => PrimaError::refused("OrderStatus", message),
        DocumentProblem::Unreadable(message) => PrimaError::unclear("OrderStatus", message),
    }
}
