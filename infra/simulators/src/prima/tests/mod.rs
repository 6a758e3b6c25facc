//! The installation in process, and the adapter over real connections.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod books;
mod model;
mod stock;
mod wire;

use super::order::{NewOrder, NewOrderLine};

fn order(number: &str) -> NewOrder {
    NewOrder {
        order_number: number.to_owned(),
        third_party_id: number.to_owned(),
        lines: vec![NewOrderLine {
            number: 1,
            product: "DRESS1".to_owned(),
            matrix: ["NAVY", "12", "", ""].map(str::to_owned),
            quantity: 1,
            ..NewOrderLine::default()
        }],
        ..NewOrder::default()
    }
}
