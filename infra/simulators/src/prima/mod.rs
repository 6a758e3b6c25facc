//! A stateful simulator of Prima's SOAP web service.
//!
//! Two layers: [`model`] is an installation without network or XML, cheap enough to live through a
//! million orders in process; [`http`] puts the Progress `OpenEdge` Web Services Adapter in front
//! of it, oddities included.

mod book_control;
mod book_documents;
pub mod books;
mod calls;
mod control;
mod documents;
pub mod http;
pub mod model;
pub mod order;
mod parcel;
mod queue;
mod repeated;
mod response;
pub mod settings;
mod shelves;
mod simulator;
mod soap;
mod stock;
mod text;
mod validation;
mod warehouse;
mod wsdl;
mod xml;

#[cfg(test)]
mod tests;

pub use http::{Config, Simulator, serve};
pub use model::{Installation, OrderStatusAnswer};
pub use order::{
    Attributes, NewOrder, NewOrderCharge, NewOrderLine, NewOrderPayment, Refusal, Stage,
    StoredOrder,
};
pub use parcel::Parcel;
pub use settings::{
    Catalogue, GeneratedStock, Lowered, OrderRules, RepeatedNumber, Settings, ShownFigures, Sku,
    StockRules,
};
pub use shelves::{Odd, SkuFigures, Stock, StockRow};
pub use warehouse::{Booking, Round, RoundDone};

/// `NewOrder` or `MultiNewOrder` as Prima reads it: for whoever runs the model without HTTP.
///
/// # Errors
/// It is no such document, or an order in it cannot be read.
pub fn read_new_orders(document: &str) -> Result<Vec<NewOrder>, Refusal> {
    match documents::read(document).request {
        documents::Request::NewOrders(orders) => orders,
        documents::Request::Refused(refusal) => Err(refusal),
        _ => Err(Refusal { text: "This is no NewOrder".to_owned() }),
    }
}

/// The answer to `OrderStatus` as Prima writes it: for whoever runs the model without HTTP.
#[must_use]
pub fn order_status_document(number: &str, answer: &OrderStatusAnswer) -> String {
    let format = response::ResponseFormat {
        root: "Response".to_owned(),
        case: settings::ElementCase::Documented,
        encoding: settings::Encoding::Utf8,
    };
    documents::progress(number, answer, &format)
}
