//! What the marketplace does by itself, and when (Mirakl seller API, "Life cycle").

use std::time::Duration;

use jiff::Timestamp;

use super::cancelation::cancel_all;
use super::order::{Cause, Order, PAY_ON_ACCEPTANCE, State};
use super::settings::{Settings, seconds};

/// The times of the settings, cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    acceptance_window: Duration,
    debit: Duration,
    payment: Duration,
    received: Option<Duration>,
    automatic: bool,
}

impl Pace {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            acceptance_window: seconds(settings.acceptance_window_seconds),
            debit: seconds(settings.debit_seconds),
            payment: seconds(settings.payment_seconds.unwrap_or(settings.debit_seconds)),
            received: settings.received_seconds.map(seconds),
            automatic: settings.automatic_acceptance,
        }
    }

    /// The next step of an order whose time has come at `at`.
    pub(super) fn move_on(self, order: &mut Order, at: Timestamp) {
        order.due = None;
        match order.state {
            State::Staging if order.automatic_acceptance.unwrap_or(self.automatic) => {
                self.accepted(order, at)
            }
            State::Staging => {
                order.enter(State::WaitingAcceptance);
                order.due = Some(at + order.times.acceptance.unwrap_or(self.acceptance_window));
            }
            State::WaitingAcceptance => {
                order.cause = Some(Cause::AcceptanceTimeout);
                order.enter(State::Refused);
            }
            State::WaitingDebit => {
                order.enter(State::WaitingDebitPayment);
                order.due = Some(at + order.times.payment.unwrap_or(self.payment));
            }
            State::WaitingDebitPayment if order.payment_fails => {
                cancel_all(order, Cause::PaymentRefused, at)
            }
            State::WaitingDebitPayment => {
                order.customer_debited_date = Some(at);
                order.enter(State::Shipping);
            }
            State::Shipped | State::ToCollect => {
                order.enter(State::Received);
                order.due = self.received.map(|wait| at + wait);
            }
            State::Received => order.enter(State::Closed),
            State::Shipping if order.fully_refunded() => order.enter(State::Closed),
            State::Shipping
            | State::Closed
            | State::Refused
            | State::Canceled
            | State::Refunded => {}
        }
    }

    /// The order was accepted, by the seller or for it.
    pub(super) fn accepted(self, order: &mut Order, at: Timestamp) {
        order.accepted_at = Some(at);
        if order.payment_workflow != PAY_ON_ACCEPTANCE {
            // Shipped first, paid afterwards, if anybody ever says so.
            order.enter(State::Shipping);
            order.due = None;
            return;
        }
        order.enter(State::WaitingDebit);
        order.due = (!order.times.is_never_paid).then_some(at + self.debit);
    }

    /// The order was shipped.
    pub(super) fn shipped(self, order: &mut Order, at: Timestamp) {
        order.shipped_date = Some(at);
        if order.payment_workflow == "PAY_ON_SHIPMENT" {
            order.customer_debited_date.get_or_insert(at);
        }
        order.enter(State::Shipped);
        order.due = self.received.map(|wait| at + wait);
    }
}
