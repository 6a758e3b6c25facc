//! What a listing of Mirakl's makes of an order's row: pure rules, no clock, no store.

mod acceptance;
mod cancellation;
mod driven_on;
mod firm;
mod missing_parts;
mod next;
mod on_listing;
mod operator;
mod over;

pub use cancellation::on_cancellation;
pub use driven_on::{LEASE_IS_DEAD, is_left_alone};
pub use next::{Circumstances, Next};
pub use on_listing::{on_listing, on_look};

#[cfg(test)]
mod tests;
