//! Orders' rows, what the index shows of them, and the numbers that they reserve in Prima.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, Select,
    TransactWriteItem,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::aws::config::code_of;
use crate::aws::store::flights::flight_item;
use crate::aws::store::{DynamoDbStore, Item, put_unless_refused, read_document, text, text_of};
use crate::domain::order::row::{OrderKey, OrderRow, Stage};
use crate::domain::state::{NumberStore, OrderStore, Reservation, StoreError, to_json, write_mark};
use crate::domain::stock::flight::Flight;
use crate::kit::clock::after;

/// Keys in one `BatchGetItem`: DynamoDB's limit.
const BATCH: usize = 100;
/// Batches read at once.
const BATCHES_AT_ONCE: usize = 4;
/// Times that what a batch left unprocessed is asked for again.
const REPEATS: u32 = 6;

impl OrderStore for DynamoDbStore {
    async fn load_order(&self, key: &OrderKey) -> Result<Option<OrderRow>, StoreError> {
        self.get(&self.orders_table, &order_key(key), None)
            .await?
            .map(|item| row_of(&item))
            .transpose()
    }

    async fn load_orders(
        &self,
        keys: &[OrderKey],
    ) -> Result<HashMap<OrderKey, OrderRow>, StoreError> {
        // A key that is named twice in one batch makes DynamoDB refuse the whole of it.
        let unique: Vec<OrderKey> =
            keys.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        let batches: Vec<Vec<OrderKey>> = unique.chunks(BATCH).map(<[OrderKey]>::to_vec).collect();
        let rows: Vec<Vec<OrderRow>> = stream::iter(batches)
            .map(|batch| self.get_batch(batch))
            .buffer_unordered(BATCHES_AT_ONCE)
            .try_collect()
            .await?;
        Ok(rows.into_iter().flatten().map(|row| (row.key.clone(), row)).collect())
    }

    async fn save_order(&self, row: &mut OrderRow) -> Result<(), StoreError> {
        let flight = Flight::of(row);
        let written = row.flight.replace(flight.digest());
        let saved = match item_of(row, self.retention) {
            Ok(item) if written == row.flight => {
                self.put(&self.orders_table, item, row.version, || format!("order {}", row.key))
                    .await
            }
            // Boxed: a transaction's future is large, and most saves are none.
            Ok(item) => Box::pin(self.put_with_flight(item, row.version, &flight)).await,
            Err(problem) => Err(problem),
        };
        match saved {
            Ok(()) => row.version += 1,
            // What stands there is what stood there before, as far as this row knows.
            Err(_) => row.flight = written,
        }
        saved
    }

    async fn orders_in(
        &self,
        channel: &str,
        index_state: &str,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError> {
        Ok(self
            .index_entries(channel, index_state, None, limit)
            .await?
            .into_iter()
            .map(|(key, _)| key)
            .collect())
    }

    async fn orders_due(
        &self,
        channel: &str,
        index_state: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError> {
        Ok(self
            .index_entries(channel, index_state, Some(until), limit)
            .await?
            .into_iter()
            .map(|(key, _)| key)
            .collect())
    }
}

impl NumberStore for DynamoDbStore {
    async fn holder_of(&self, number: &str) -> Result<Option<OrderKey>, StoreError> {
        let record = number_key(number);
        match self.get(&self.orders_table, &record, None).await? {
            None => Ok(None),
            Some(item) => holder(&item, &record).map(Some),
        }
    }

    async fn reserve_number(
        &self,
        number: &str,
        key: &OrderKey,
    ) -> Result<Reservation, StoreError> {
        let record = number_key(number);
        let request = self
            .client
            .put_item()
            .table_name(&self.orders_table)
            .item("pk", text(&record))
            .item("channel", text(&key.channel))
            .item("order_id", text(&key.order_id))
            .condition_expression("attribute_not_exists(pk)");
        let Some(stored) = put_unless_refused(request, &record).await? else {
            return Ok(Reservation::Ours);
        };
        let holder = holder(&stored, &record)?;
        Ok(if holder == *key { Reservation::Ours } else { Reservation::HeldBy(holder) })
    }
}

impl DynamoDbStore {
    /// Orders in an index state and their moments there ([`OrderRow::index_moment`]), oldest first,
    /// at most `limit`; with `until` only those whose moment has come by then. The index lags.
    ///
    /// # Errors
    /// As [`OrderStore::orders_in`].
    pub async fn index_entries(
        &self,
        channel: &str,
        index_state: &str,
        until: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<(OrderKey, Timestamp)>, StoreError> {
        let mut entries = Vec::new();
        let mut start = None;
        while entries.len() < limit {
            let wanted = i32::try_from(limit - entries.len()).unwrap_or(i32::MAX);
            let query = self.index_query(channel, index_state, until);
            let page = query.limit(wanted).set_exclusive_start_key(start).send().await.map_err(
                |error| {
                    StoreError::Unavailable(format!(
                        "index of {}: {}",
                        self.orders_table,
                        code_of(&error)
                    ))
                },
            )?;
            for item in page.items() {
                entries.push(index_entry(item)?);
            }
            start = page.last_evaluated_key().cloned();
            if start.is_none() {
                break;
            }
        }
        Ok(entries)
    }

    /// How many orders are in an index state. The index lags.
    ///
    /// # Errors
    /// As [`OrderStore::orders_in`].
    pub async fn count_in(&self, channel: &str, index_state: &str) -> Result<usize, StoreError> {
        let mut count = 0;
        let mut start = None;
        loop {
            let page = self
                .index_query(channel, index_state, None)
                .select(Select::Count)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| {
                    StoreError::Unavailable(format!(
                        "index of {}: {}",
                        self.orders_table,
                        code_of(&error)
                    ))
                })?;
            count += usize::try_from(page.count()).unwrap_or(0);
            start = page.last_evaluated_key().cloned();
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    fn index_query(
        &self,
        channel: &str,
        index_state: &str,
        until: Option<Timestamp>,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(&self.orders_table)
            .index_name("by-state")
            .expression_attribute_values(":state", text(channel_state(channel, index_state)));
        match until {
            None => query.key_condition_expression("channel_state = :state"),
            Some(until) => query
                .key_condition_expression("channel_state = :state AND since <= :until")
                .expression_attribute_values(":until", text(sortable(until))),
        }
    }

    async fn get_batch(&self, keys: Vec<OrderKey>) -> Result<Vec<OrderRow>, StoreError> {
        let wanted =
            keys.iter().map(|key| Item::from([("pk".to_owned(), text(order_key(key)))])).collect();
        let unusable = |error: aws_sdk_dynamodb::error::BuildError| {
            StoreError::Unavailable(format!("a batch of rows: {error}"))
        };
        let request = KeysAndAttributes::builder()
            .set_keys(Some(wanted))
            .consistent_read(true)
            .build()
            .map_err(unusable)?;
        let mut remaining = Some(HashMap::from([(self.orders_table.clone(), request)]));
        let mut rows = Vec::with_capacity(keys.len());
        for repeat in 0..=REPEATS {
            if repeat > 0 {
                tokio::time::sleep(Duration::from_millis(25 << repeat)).await;
            }
            let answer = self
                .client
                .batch_get_item()
                .set_request_items(remaining.take())
                .send()
                .await
                .map_err(|error| {
                    StoreError::Unavailable(format!("reading a batch of rows: {}", code_of(&error)))
                })?;
            for item in answer
                .responses()
                .and_then(|tables| tables.get(&self.orders_table))
                .into_iter()
                .flatten()
            {
                // One row of a newer version, say, may not keep all others from their turn; whoever
                // needs this very one is told.
                match row_of(item) {
                    Ok(row) => rows.push(row),
                    Err(problem) => {
                        tracing::error!(%problem, "a row cannot be read, and is left out")
                    }
                }
            }
            remaining = answer.unprocessed_keys.filter(|tables| !tables.is_empty());
            if remaining.is_none() {
                return Ok(rows);
            }
        }
        Err(StoreError::Unavailable(
            "a batch of rows stays unprocessed: the orders table throttles".to_owned(),
        ))
    }

    /// Puts a row where the stored version still is `version`, and its flight: both or neither.
    async fn put_with_flight(
        &self,
        mut row: Item,
        version: u64,
        flight: &Flight,
    ) -> Result<(), StoreError> {
        let what = format!("order {}", flight.key);
        let unwritable = |problem: aws_sdk_dynamodb::error::BuildError| {
            StoreError::Unavailable(format!("writing {what}: {problem}"))
        };
        let mark = write_mark();
        row.insert("version".to_owned(), AttributeValue::N((version + 1).to_string()));
        row.insert("write".to_owned(), text(&mark));
        let put = Put::builder().table_name(&self.orders_table).set_item(Some(row));
        let put = if version == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string()))
        };
        let put = put
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unwritable)?;
        let flight = Put::builder()
            .table_name(&self.stock_table)
            .set_item(Some(flight_item(flight)?))
            .build()
            .map_err(unwritable)?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().put(flight).build());
        let Err(error) = request.send().await else { return Ok(()) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        else {
            return Err(StoreError::Unavailable(format!("writing {what}: {}", code_of(&error))));
        };
        let reasons = cancelled.cancellation_reasons();
        match reasons.first().and_then(|reason| Some((reason.code()?, reason.item()))) {
            // Our own write, whose answer was lost: the client repeated it.
            Some(("ConditionalCheckFailed", Some(stored)))
                if text_of(stored, "write") == Some(&mark) =>
            {
                Ok(())
            }
            Some(("ConditionalCheckFailed" | "TransactionConflict", _)) => {
                Err(StoreError::Conflict(what))
            }
            _ => {
                let codes: Vec<_> = reasons.iter().filter_map(|reason| reason.code()).collect();
                Err(StoreError::Unavailable(format!(
                    "writing {what} and what it has in flight: {}",
                    codes.join(", ")
                )))
            }
        }
    }
}

fn order_key(key: &OrderKey) -> String {
    format!("order#{key}")
}

fn number_key(number: &str) -> String {
    format!("number#{number}")
}

pub(crate) fn channel_state(channel: &str, index_state: &str) -> String {
    format!("{channel}#{index_state}")
}

/// A moment whose text sorts as time does: always nine decimals.
fn sortable(moment: Timestamp) -> String {
    format!("{moment:.9}")
}

/// Finished for good: its row may go when its retention ends.
fn is_finished(row: &OrderRow) -> bool {
    matches!(row.stage, Stage::Created | Stage::Shipped | Stage::Cancelled | Stage::Refused)
        && !row.owes_reference()
}

pub(crate) fn item_of(row: &OrderRow, retention: Duration) -> Result<Item, StoreError> {
    let mut item = Item::from([
        ("pk".to_owned(), text(order_key(&row.key))),
        ("channel_state".to_owned(), text(channel_state(&row.key.channel, row.index_state()))),
        ("since".to_owned(), text(sortable(row.index_moment()))),
        ("stage".to_owned(), text(row.stage.name())),
        ("document".to_owned(), text(to_json(row, "an order's row")?)),
    ]);
    if is_finished(row) {
        let expiry = after(row.since, retention).as_second();
        item.insert("expires_at".to_owned(), AttributeValue::N(expiry.to_string()));
    }
    Ok(item)
}

pub(crate) fn row_of(item: &Item) -> Result<OrderRow, StoreError> {
    let record = text_of(item, "pk").unwrap_or("an order's row");
    let (mut row, version) = read_document::<OrderRow>(item, record)?;
    row.version = version;
    Ok(row)
}

pub(crate) fn index_entry(item: &Item) -> Result<(OrderKey, Timestamp), StoreError> {
    let pk = text_of(item, "pk").unwrap_or_default();
    let unreadable = |problem: &str| StoreError::Unreadable {
        record: format!("index entry {pk}"),
        problem: problem.to_owned(),
    };
    let (channel, order_id) = pk
        .strip_prefix("order#")
        .and_then(|key| key.split_once('#'))
        .ok_or_else(|| unreadable("its key is not that of an order"))?;
    let since = text_of(item, "since")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| unreadable("'since' is not a moment"))?;
    Ok((OrderKey::new(channel, order_id), since))
}

fn holder(item: &Item, record: &str) -> Result<OrderKey, StoreError> {
    match (text_of(item, "channel"), text_of(item, "order_id")) {
        (Some(channel), Some(order_id)) => Ok(OrderKey::new(channel, order_id)),
        _ => Err(StoreError::Unreadable {
            record: record.to_owned(),
            problem: "it names no order".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
