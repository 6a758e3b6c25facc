//! The documents that operators write: channel definitions, order rules, SKU overrides, the
//! installation document. They are read with a short cache, and a warm process goes on with the
//! last good ones while DynamoDB fails.
//!
//! | table | `pk` | `sk` | what |
//! | --- | --- | --- | --- |
//! | channels | `channels` | `<channel>` | a channel's definition |
//! | channels | `installation` | `definition` | the installation document |
//! | rules | `<channel>` | `order-rules` | how its orders become Prima's |
//! | rules | `<channel>` | `sku#<SKU>` | an override for one SKU |
//! | rules | `<channel>` | `dispatch-rules` | how its dispatches are told |
//! | rules | `<channel>` | `carriers` | its carrier map |
//! | rules | `<channel>` | `stock-rules` | what is held back of its stock, and how often it is pushed |
//! | rules | `<channel>` | `shipping-requirements` | what the marketplace demands of a shipment, as last read |
//! | either | `history#<pk>#<sk>` | `<version, ten digits>` | each version, with author and time |

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::warn;

use crate::aws::config::code_of;
use crate::aws::store::{Item, text, text_of};
use crate::domain::channel::Channel;
use crate::domain::channel_documents::ChannelList;
use crate::domain::documents::DocumentKey;
use crate::domain::state::StoreError;
use crate::kit::field_error::FieldError;

/// How long a document is used before it is read again: how soon a change is noticed.
const KEPT: Duration = Duration::from_secs(60);
/// How long the last good ones are used before DynamoDB is tried again.
const KEPT_IN_TROUBLE: Duration = Duration::from_secs(10);
/// Entries in the cache at most; SKU overrides could be very many.
const CACHED: usize = 20_000;
/// A document as it is stored: a version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// 1 for the first.
    pub version: u64,
    /// Who wrote it.
    pub author: String,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// JSON.
    pub text: String,
}

impl StoredDocument {
    /// The document in its type.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], naming `key` and the field.
    pub fn read<T: DeserializeOwned>(&self, key: &DocumentKey) -> Result<T, StoreError> {
        serde_json::from_str(&self.text).map_err(|problem| StoreError::Unreadable {
            record: key.to_string(),
            problem: problem.to_string(),
        })
    }
}

/// The documents, on DynamoDB.
#[derive(Debug)]
pub struct Documents {
    client: Client,
    channels_table: String,
    rules_table: String,
    single: Cache<DocumentKey, Option<StoredDocument>>,
    listing: Cache<(), ChannelList>,
}

impl Documents {
    /// The documents in these two tables.
    pub fn new(
        client: Client,
        channels_table: impl Into<String>,
        rules_table: impl Into<String>,
    ) -> Self {
        let (channels_table, rules_table) = (channels_table.into(), rules_table.into());
        Self {
            client,
            channels_table,
            rules_table,
            single: Cache::default(),
            listing: Cache::default(),
        }
    }

    /// All channels. One definition that cannot be used takes nothing from the others; where it was
    /// usable when this process last read it, that version goes on being used.
    ///
    /// # Errors
    /// DynamoDB fails, and this process never read them before.
    pub async fn channels(&self) -> Result<ChannelList, StoreError> {
        if let Some(fresh) = self.listing.fresh(&()) {
            return Ok(fresh);
        }
        let read = self.read_channels().await;
        let read = read.map(|list| keep_last_good(list, self.listing.last_good(&())));
        self.listing.settle((), read, "the channels")
    }

    /// A document in its type; `None` where there is none.
    ///
    /// # Errors
    /// DynamoDB fails, and this process never read it before; or it does not have the type's shape.
    pub async fn read<T: DeserializeOwned>(
        &self,
        key: &DocumentKey,
    ) -> Result<Option<T>, StoreError> {
        let stored = match self.single.fresh(key) {
            Some(fresh) => fresh,
            None => self.single.settle(key.clone(), self.stored(key).await, &key.to_string())?,
        };
        stored.map(|document| document.read(key)).transpose()
    }

    /// The overrides of these SKUs on a channel, by SKU; those without one are absent.
    ///
    /// # Errors
    /// As [`Documents::read`].
    pub async fn sku_overrides<T: DeserializeOwned>(
        &self,
        channel: &str,
        skus: impl IntoIterator<Item = &str>,
    ) -> Result<HashMap<String, T>, StoreError> {
        let mut overrides = HashMap::new();
        for sku in skus {
            let key = DocumentKey::SkuOverride { channel: channel.to_owned(), sku: sku.to_owned() };
            if let Some(found) = self.read(&key).await? {
                overrides.insert(sku.to_owned(), found);
            }
        }
        Ok(overrides)
    }

    /// All overrides of a channel, by SKU, past the cache: for whoever reads the SKUs of all its
    /// offers. One that cannot be read is left out and logged.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn all_sku_overrides<T: DeserializeOwned>(
        &self,
        channel: &str,
    ) -> Result<HashMap<String, T>, StoreError> {
        let items = self.query_from(&self.rules_table, channel, Some("sku#")).await?;
        let mut overrides = HashMap::new();
        for item in items {
            let sku = text_of(&item, "sk")
                .and_then(|sk| sk.strip_prefix("sku#"))
                .unwrap_or_default()
                .to_owned();
            let key = DocumentKey::SkuOverride { channel: channel.to_owned(), sku: sku.clone() };
            match document_of(&item, &key.to_string()).and_then(|stored| stored.read(&key)) {
                Ok(known) => drop(overrides.insert(sku, known)),
                Err(problem) => warn!(channel, sku, %problem, "an override cannot be used"),
            }
        }
        Ok(overrides)
    }

    /// A document as it is stored, past the cache.
    ///
    /// # Errors
    /// DynamoDB fails, or the record is none of a document.
    pub async fn stored(&self, key: &DocumentKey) -> Result<Option<StoredDocument>, StoreError> {
        let (pk, sk) = key.keys();
        let request = self
            .client
            .get_item()
            .table_name(self.table(key))
            .key("pk", text(pk))
            .key("sk", text(sk));
        let answer = request
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable("reading", key, &code_of(&error)))?;
        answer.item().map(|item| document_of(item, &key.to_string())).transpose()
    }

    /// All versions of a document, oldest first.
    ///
    /// # Errors
    /// As [`Documents::stored`].
    pub async fn history(&self, key: &DocumentKey) -> Result<Vec<StoredDocument>, StoreError> {
        let items = self.query(self.table(key), &history_key(key)).await?;
        items.iter().map(|item| document_of(item, &key.to_string())).collect()
    }

    /// Stores a new version of a document and adds it to the history, both or neither. Answers its
    /// version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where somebody else changed it since it was read here.
    pub async fn put<T: Serialize>(
        &self,
        key: &DocumentKey,
        document: &T,
        author: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let unwritable =
            |problem: String| StoreError::Unreadable { record: key.to_string(), problem };
        let before = self.stored(key).await?.map_or(0, |stored| stored.version);
        let body =
            serde_json::to_string(document).map_err(|problem| unwritable(problem.to_string()))?;
        let stored = StoredDocument {
            version: before + 1,
            author: author.to_owned(),
            at: Some(now),
            text: body,
        };
        let (pk, sk) = key.keys();
        let item = |pk: &str, sk: &str| {
            Put::builder().table_name(self.table(key)).set_item(Some(item_of(pk, sk, &stored)))
        };
        let current = item(&pk, &sk)
            .condition_expression("attribute_not_exists(pk) OR #version = :before")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":before", AttributeValue::N(before.to_string()));
        let kept = item(&history_key(key), &format!("{:010}", stored.version))
            .condition_expression("attribute_not_exists(pk)");
        let mut request = self.client.transact_write_items();
        for put in [current, kept] {
            let put = put.build().map_err(|problem| unwritable(problem.to_string()))?;
            request = request.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match request.send().await {
            Ok(_) => Ok(stored.version),
            Err(error) if is_conflict(error.as_service_error()) => {
                Err(StoreError::Conflict(key.to_string()))
            }
            Err(error) => Err(unavailable("writing", key, &code_of(&error))),
        }
    }

    /// A document in its type, past the cache, which takes it in; `None` where there is none.
    ///
    /// # Errors
    /// As [`Documents::stored`]; or it does not have the type's shape.
    pub async fn read_anew<T: DeserializeOwned>(
        &self,
        key: &DocumentKey,
    ) -> Result<Option<T>, StoreError> {
        let stored =
            self.single.settle(key.clone(), Ok(self.stored(key).await?), &key.to_string())?;
        stored.map(|document| document.read(key)).transpose()
    }

    /// Stores what was read elsewhere, whatever stood there before, without a history.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn keep<T: Serialize>(
        &self,
        key: &DocumentKey,
        document: &T,
        author: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let unwritable =
            |problem: String| StoreError::Unreadable { record: key.to_string(), problem };
        let body =
            serde_json::to_string(document).map_err(|problem| unwritable(problem.to_string()))?;
        let stored =
            StoredDocument { version: 1, author: author.to_owned(), at: Some(now), text: body };
        let (pk, sk) = key.keys();
        let request = self
            .client
            .put_item()
            .table_name(self.table(key))
            .set_item(Some(item_of(&pk, &sk, &stored)));
        request.send().await.map_err(|error| unavailable("writing", key, &code_of(&error)))?;
        self.single.settle(key.clone(), Ok(Some(stored)), &key.to_string()).map(drop)
    }

    async fn read_channels(&self) -> Result<ChannelList, StoreError> {
        let mut list = ChannelList::default();
        for item in self.query(&self.channels_table, "channels").await? {
            let id = text_of(&item, "sk").unwrap_or_default().to_owned();
            match channel_of(&item, &id) {
                Ok(channel) => list.channels.push(channel),
                Err(problem) => list.unusable.push((id, problem.to_string())),
            }
        }
        Ok(list)
    }

    async fn query(&self, table: &str, pk: &str) -> Result<Vec<Item>, StoreError> {
        self.query_from(table, pk, None).await
    }

    /// The items of a partition; with `begins`, those whose sort key begins so.
    async fn query_from(
        &self,
        table: &str,
        pk: &str,
        begins: Option<&str>,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let query =
                self.client.query().table_name(table).expression_attribute_values(":pk", text(pk));
            let query = match begins {
                None => query.key_condition_expression("pk = :pk"),
                Some(begins) => query
                    .key_condition_expression("pk = :pk AND begins_with(sk, :begins)")
                    .expression_attribute_values(":begins", text(begins)),
            };
            let page =
                query.consistent_read(true).set_exclusive_start_key(start).send().await.map_err(
                    |error| StoreError::Unavailable(format!("listing {pk}: {}", code_of(&error))),
                )?;
            start = page.last_evaluated_key().cloned();
            items.extend(page.items.unwrap_or_default());
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    fn table(&self, key: &DocumentKey) -> &str {
        match key {
            DocumentKey::Installation | DocumentKey::Channel(_) => &self.channels_table,
            DocumentKey::OrderRules(_)
            | DocumentKey::DispatchRules(_)
            | DocumentKey::CarrierMap(_)
            | DocumentKey::ShippingRequirements(_)
            | DocumentKey::StockRules(_)
            | DocumentKey::PayoutRules(_)
            | DocumentKey::Chart(_)
            | DocumentKey::SkuOverride { .. } => &self.rules_table,
        }
    }
}

fn history_key(key: &DocumentKey) -> String {
    let (pk, sk) = key.keys();
    format!("history#{pk}#{sk}")
}

fn unavailable(doing: &str, key: &DocumentKey, code: &str) -> StoreError {
    StoreError::Unavailable(format!("{doing} {key}: {code}"))
}

fn is_conflict(error: Option<&TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error else {
        return false;
    };
    let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.into_iter().any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}

/// A document's record; [`document_of`] reads it.
fn item_of(pk: &str, sk: &str, stored: &StoredDocument) -> Item {
    let mut item = Item::from([
        ("pk".to_owned(), text(pk)),
        ("sk".to_owned(), text(sk)),
        ("document".to_owned(), text(&stored.text)),
        ("version".to_owned(), AttributeValue::N(stored.version.to_string())),
        ("author".to_owned(), text(&stored.author)),
    ]);
    item.extend(stored.at.map(|at| ("at".to_owned(), text(at.to_string()))));
    item
}

fn document_of(item: &Item, record: &str) -> Result<StoredDocument, StoreError> {
    let unreadable = |problem: &str| StoreError::Unreadable {
        record: record.to_owned(),
        problem: problem.to_owned(),
    };
    let version = item
        .get("version")
        .and_then(|value| value.as_n().ok())
        .and_then(|digits| digits.parse().ok());
    Ok(StoredDocument {
        version: version.ok_or_else(|| unreadable("it has no version"))?,
        author: text_of(item, "author").unwrap_or_default().to_owned(),
        at: text_of(item, "at").and_then(|moment| moment.parse().ok()),
        text: text_of(item, "document").ok_or_else(|| unreadable("it has no document"))?.to_owned(),
    })
}

/// Why a channel's definition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum UnusableDefinition {
    /// It does not have the shape of one.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// Fields of it are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Wrong(Vec<FieldError>),
}

/// A definition that can be used, or why it cannot.
fn channel_of(item: &Item, id: &str) -> Result<Channel, UnusableDefinition> {
    let key = DocumentKey::Channel(id.to_owned());
    let channel: Channel =
        document_of(item, &key.to_string()).and_then(|stored| stored.read(&key))?;
    let mut problems = channel.problems();
    if channel.id != id {
        let problem = format!("is {} in the definition that is stored as {id}", channel.id);
        problems.push(FieldError::new("id", problem));
    }
    if problems.is_empty() { Ok(channel) } else { Err(UnusableDefinition::Wrong(problems)) }
}

/// Where a definition became unusable, the version that was used before goes on.
fn keep_last_good(mut list: ChannelList, before: Option<ChannelList>) -> ChannelList {
    for (id, problem) in &list.unusable {
        warn!(channel = id, problem, "a channel's definition cannot be used");
    }
    let before = before.map(|list| list.channels).unwrap_or_default();
    let broken = |channel: &Channel| list.unusable.iter().any(|(id, _)| *id == channel.id);
    let kept: Vec<Channel> = before.into_iter().filter(broken).collect();
    list.channels.extend(kept);
    list.channels.sort_by(|one, other| one.id.cmp(&other.id));
    list
}

/// What was read, and until when it is used without asking.
#[derive(Debug)]
struct Cache<K, V> {
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self { entries: Mutex::default() }
    }
}

impl<K: Eq + std::hash::Hash, V: Clone> Cache<K, V> {
    fn fresh(&self, key: &K) -> Option<V> {
        self.entries()
            .get(key)
            .filter(|(until, _)| Instant::now() < *until)
            .map(|(_, value)| value.clone())
    }

    fn last_good(&self, key: &K) -> Option<V> {
        self.entries().get(key).map(|(_, value)| value.clone())
    }

    /// Keeps what was read; where reading failed, answers what was read before.
    fn settle(&self, key: K, read: Result<V, StoreError>, what: &str) -> Result<V, StoreError> {
        let mut entries = self.entries();
        match read {
            Ok(value) => {
                if entries.len() >= CACHED {
                    entries.clear();
                }
                entries.insert(key, (Instant::now() + KEPT, value.clone()));
                Ok(value)
            }
            Err(problem) => match entries.get_mut(&key) {
                Some((until, value)) => {
                    warn!(%problem, "going on with {what} as read before");
                    *until = Instant::now() + KEPT_IN_TROUBLE;
                    Ok(value.clone())
                }
                None => Err(problem),
            },
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
