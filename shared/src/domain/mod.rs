//! What orders, dispatches, stock and exceptions are, and the rules that hold for them. No AWS, no
//! HTTP: what the rules need of the outside stands behind small traits.

pub mod channel;
pub mod channel_documents;
pub mod conditions;
pub mod dispatch;
pub mod documents;
pub mod events;
pub mod exception;
pub mod exceptions;
pub mod installation;
pub mod notify;
pub mod order;
pub mod payout;
pub mod prima_breaker;
pub mod prima_calls;
pub mod prima_slots;
pub mod queue;
pub mod rights;
pub mod state;
pub mod stock;
pub mod unknown_values;
