//! What is to follow a listing, and what the poller knows besides the order.

use jiff::Timestamp;

/// What is to follow once the row is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Send the order to the `orders` queue, to be created.
    Create,
    /// Send it there to be cancelled in Prima.
    Cancel,
    /// Say that the acceptance window was missed.
    WindowMissed,
}

/// What the poller knows besides the order itself.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// We accepted the order in this very run.
    pub accepted: bool,
    /// Prima takes orders; else firm ones wait as rows.
    pub prima_takes_orders: bool,
    /// The present moment.
    pub now: Timestamp,
}
