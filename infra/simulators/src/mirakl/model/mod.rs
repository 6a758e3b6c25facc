//! A marketplace as a state machine: no network, no JSON, and no clock but the `now` that every
//! call is given.
//!
//! It serves behind HTTP, and in a fault simulation that lives through very many orders. So nothing
//! here walks over all orders: a heap knows which are due, and indexes know which are open, which
//! were updated lately and which carry a reference.

mod acceptance;
mod cancelation;
mod import;
pub mod ledger;
mod listing;
mod marketplace;
mod offers;
mod operator;
mod order;
mod pace;
mod refusal;
mod settings;
mod shelves;
mod shipment;
mod shipping;
mod taxes;

pub use acceptance::Decision;
pub use import::{Import, ImportFate, ImportKind, ImportLine, ImportStatus, LineError};
pub use listing::{Filter, Page};
pub use marketplace::Marketplace;
pub use operator::OperatorRefund;
pub use order::{
    AdditionalField, Address, Cancelation, Cause, Customer, Fee, FieldValue, Order, OrderLine,
    Organization, OwnTimes, PAY_ON_ACCEPTANCE, Promotion, Refund, SHOPS_OWN_CENTER, State, Tax,
};
pub use refusal::Refusal;
pub use settings::{Settings, ShopProfile};
pub use shelves::{NewOffer, Offer};
pub use shipment::{Carrier, Shipment, Tracking};
pub use shipping::{LineSettlement, NewShipment};
