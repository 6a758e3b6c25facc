//! What orders have in flight: a record beside each order's row.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::aws::config::code_of;
use crate::aws::store::{DynamoDbStore, Item, text, text_of};
use crate::domain::state::{FlightStore, StoreError, to_json};
use crate::domain::stock::flight::Flight;

impl FlightStore for DynamoDbStore {
    async fn flights(&self, channel: &str) -> Result<Vec<Flight>, StoreError> {
        let mut flights = Vec::new();
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.stock_table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(flights_key(channel)))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let page = query.send().await.map_err(|error| {
                StoreError::Unavailable(format!(
                    "reading {}: {}",
                    flights_key(channel),
                    code_of(&error)
                ))
            })?;
            for item in page.items() {
                let order_id = text_of(item, "sk").unwrap_or_default();
                let unreadable = |problem: String| StoreError::Unreadable {
                    record: format!("{}/{order_id}", flights_key(channel)),
                    problem,
                };
                let document = text_of(item, "document")
                    .ok_or_else(|| unreadable("it has no document".to_owned()))?;
                flights.push(
                    serde_json::from_str(document)
                        .map_err(|problem| unreadable(problem.to_string()))?,
                );
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(flights);
            }
        }
    }
}

fn flights_key(channel: &str) -> String {
    format!("flights#{channel}")
}

pub(crate) fn flight_item(flight: &Flight) -> Result<Item, StoreError> {
    let mut item = Item::from([
        ("pk".to_owned(), text(flights_key(&flight.key.channel))),
        ("sk".to_owned(), text(&flight.key.order_id)),
        ("document".to_owned(), text(to_json(flight, "an order's flight")?)),
    ]);
    item.extend(
        flight
            .forgotten_at()
            .map(|at| ("expires_at".to_owned(), AttributeValue::N(at.as_second().to_string()))),
    );
    Ok(item)
}
