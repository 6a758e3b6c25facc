//! The stock's memory on DynamoDB: one table, keys `pk` and `sk` as in the table of
//! [`crate::domain::state::ledger`]. A record has its JSON as `document` and the mark of its latest
//! write as `write`, which is its version; a part has its bytes as `data`.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aws::config::code_of;
use crate::aws::store::{Item, put_unless_refused, text, text_of};
use crate::domain::state::ledger::{Kept, LedgerStore, StockRecord, Version, partition};
use crate::domain::state::{StoreError, to_json, write_mark};

/// The stock's memory in one table.
#[derive(Clone, Debug)]
pub struct DynamoDbLedger {
    client: Client,
    table: String,
}

impl DynamoDbLedger {
    /// In this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl LedgerStore for DynamoDbLedger {
    async fn load_record<T: DeserializeOwned + Default>(
        &self,
        record: StockRecord<'_>,
    ) -> Result<(T, Version), StoreError> {
        let (pk, sk) = record.keys();
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| {
            StoreError::Unavailable(format!("reading {}: {}", record.name(), code_of(&error)))
        })?;
        answer.item.map_or_else(|| Ok(Default::default()), |item| read_record(&item, record))
    }

    async fn save_record<T: Serialize>(
        &self,
        record: StockRecord<'_>,
        document: &T,
        version: &Version,
    ) -> Result<Version, StoreError> {
        let (name, mark) = (record.name(), write_mark());
        let (pk, sk) = record.keys();
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(pk))
            .item("sk", text(sk));
        let request =
            request.item("document", text(to_json(document, &name)?)).item("write", text(&mark));
        let conditional = match &version.0 {
            None => request.condition_expression("attribute_not_exists(pk)"),
            Some(read) => request
                .condition_expression("#write = :read")
                .expression_attribute_names("#write", "write")
                .expression_attribute_values(":read", text(read)),
        };
        match put_unless_refused(conditional, &name).await? {
            // Our own write, whose answer was lost: the client repeated it.
            Some(stored) if text_of(&stored, "write") != Some(&mark) => {
                Err(StoreError::Conflict(name))
            }
            _ => Ok(Version(Some(mark))),
        }
    }

    async fn load_kept(&self, channel: &str) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        let mut start = None;
        loop {
            // 'head' sorts before 'part': it is read first, and with the first page.
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(partition(channel)))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let page = query.send().await.map_err(|error| {
                StoreError::Unavailable(format!(
                    "reading {}: {}",
                    partition(channel),
                    code_of(&error)
                ))
            })?;
            for mut item in page.items.unwrap_or_default() {
                let Some(AttributeValue::S(sk)) = item.remove("sk") else { continue };
                if sk == "head" {
                    kept.head = read_record(&item, StockRecord::Head(channel))?;
                } else if let Some(AttributeValue::B(data)) = item.remove("data") {
                    kept.parts.insert(sk, data.into_inner());
                }
            }
            start = page.last_evaluated_key.filter(|key: &HashMap<_, _>| !key.is_empty());
            if start.is_none() {
                return Ok(kept);
            }
        }
    }

    async fn put_part(&self, channel: &str, name: &str, part: Vec<u8>) -> Result<(), StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(partition(channel)))
            .item("sk", text(name));
        let sent = request.item("data", AttributeValue::B(Blob::new(part))).send().await;
        sent.map(drop).map_err(|error| {
            StoreError::Unavailable(format!(
                "writing {}/{name}: {}",
                partition(channel),
                code_of(&error)
            ))
        })
    }

    async fn delete_part(&self, channel: &str, name: &str) -> Result<(), StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", text(partition(channel)))
            .key("sk", text(name));
        let sent = request.send().await;
        sent.map(drop).map_err(|error| {
            StoreError::Unavailable(format!(
                "deleting {}/{name}: {}",
                partition(channel),
                code_of(&error)
            ))
        })
    }
}

fn read_record<T: DeserializeOwned>(
    item: &Item,
    record: StockRecord<'_>,
) -> Result<(T, Version), StoreError> {
    let unreadable = |problem: String| StoreError::Unreadable { record: record.name(), problem };
    let mark = text_of(item, "write").ok_or_else(|| unreadable("it has no mark".to_owned()))?;
    let document =
        text_of(item, "document").ok_or_else(|| unreadable("it has no document".to_owned()))?;
    Ok((
        serde_json::from_str(document).map_err(|problem| unreadable(problem.to_string()))?,
        Version(Some(mark.to_owned())),
    ))
}
