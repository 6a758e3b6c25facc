//! The store on DynamoDB.
//!
//! | table | `pk` | `sk` | what |
//! | --- | --- | --- | --- |
//! | orders | `order#<channel>#<order id>` | | an order's row |
//! | orders | `number#<number>` | | whose an order number is |
//! | stock | `flights#<channel>` | `<order id>` | what the order has in flight |
//! | channels | `<channel>` | `poll` | a channel's poll state |
//! | channels | `installation` | `prima-breakers` | whether Prima takes orders |
//! | channels | `installation` | `collection` | what the collector of dispatches remembers |
//!
//! A record is one JSON `document` beside what keys, conditions and the index need. Every write is
//! conditional on `version`, and carries a mark of its own (`write`): where the answer to a write
//! was lost and its repeat finds the condition broken by itself, the mark tells that from another's
//! write. A row whose flight has changed is written with it in one transaction; the row remembers
//! which state of it stands there, so that most writes are of the row alone.

mod flights;
mod orders;
mod states;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::de::DeserializeOwned;

use crate::aws::config::code_of;
use crate::domain::state::{StoreError, write_mark};

/// An item as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The store on DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoDbStore {
    client: Client,
    orders_table: String,
    channels_table: String,
    stock_table: String,
    retention: Duration,
}

impl DynamoDbStore {
    /// The store in these tables. `retention`: how long the row of a finished order is kept; a
    /// number's reservation is kept for ever.
    pub fn new(
        client: Client,
        orders_table: impl Into<String>,
        channels_table: impl Into<String>,
        stock_table: impl Into<String>,
        retention: Duration,
    ) -> Self {
        Self {
            client,
            orders_table: orders_table.into(),
            channels_table: channels_table.into(),
            stock_table: stock_table.into(),
            retention,
        }
    }

    async fn get(
        &self,
        table: &str,
        pk: &str,
        sk: Option<&str>,
    ) -> Result<Option<Item>, StoreError> {
        let mut request =
            self.client.get_item().table_name(table).key("pk", text(pk)).consistent_read(true);
        if let Some(sk) = sk {
            request = request.key("sk", text(sk));
        }
        let answer = request.send().await.map_err(|error| {
            StoreError::Unavailable(format!("reading {pk}: {}", code_of(&error)))
        })?;
        Ok(answer.item)
    }

    /// Puts a versioned record where the stored version is still `version`.
    async fn put(
        &self,
        table: &str,
        item: Item,
        version: u64,
        what: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        put_versioned(&self.client, table, item, version, what).await
    }
}

/// Puts a versioned record where the stored version is still `version` (0: where there is none).
pub(super) async fn put_versioned(
    client: &Client,
    table: &str,
    mut item: Item,
    version: u64,
    what: impl Fn() -> String,
) -> Result<(), StoreError> {
    let mark = write_mark();
    item.insert("version".to_owned(), AttributeValue::N((version + 1).to_string()));
    item.insert("write".to_owned(), text(&mark));
    let request = client.put_item().table_name(table).set_item(Some(item));
    let conditional = if version == 0 {
        request.condition_expression("attribute_not_exists(pk)")
    } else {
        request
            .condition_expression("#version = :version")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":version", AttributeValue::N(version.to_string()))
    };
    match put_unless_refused(conditional, &what()).await? {
        None => Ok(()),
        // Our own write, whose answer was lost: the client repeated it.
        Some(stored) if text_of(&stored, "write") == Some(&mark) => Ok(()),
        Some(_) => Err(StoreError::Conflict(what())),
    }
}

/// Puts an item; `Some` of what is stored where the condition does not hold.
pub(super) async fn put_unless_refused(
    request: PutItemFluentBuilder,
    what: &str,
) -> Result<Option<Item>, StoreError> {
    let sent = request
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    let Err(error) = sent else { return Ok(None) };
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
            Ok(Some(refusal.item().cloned().unwrap_or_default()))
        }
        _ => Err(StoreError::Unavailable(format!("writing {what}: {}", code_of(&error)))),
    }
}

/// The JSON `document` of an item, and its version.
pub(crate) fn read_document<T: DeserializeOwned>(
    item: &Item,
    record: &str,
) -> Result<(T, u64), StoreError> {
    let unreadable =
        |problem: String| StoreError::Unreadable { record: record.to_owned(), problem };
    let version = match item.get("version") {
        Some(AttributeValue::N(digits)) => {
            digits.parse().map_err(|_| unreadable("'version' is no whole number".to_owned()))?
        }
        _ => return Err(unreadable("it has no version".to_owned())),
    };
    let document =
        text_of(item, "document").ok_or_else(|| unreadable("it has no document".to_owned()))?;
    Ok((
        serde_json::from_str(document).map_err(|problem| unreadable(problem.to_string()))?,
        version,
    ))
}

/// A text attribute's value.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// An item's text attribute.
pub(crate) fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}
