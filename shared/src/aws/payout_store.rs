//! The rows of payouts on DynamoDB, in one table.
//!
//! | `pk` | `sk` | what |
//! | --- | --- | --- |
//! | `shop#<host>#<shop>` | `reading` | what the reader of the shop remembers |
//! | `shop#<host>#<shop>` | `cycle#<cycle>#<currency>#<psp>` | a billing cycle |
//! | `journal#<reference>` | `reference` | which journal has this reference, for ever |
//!
//! Each is one JSON `document` with its `version`, on which every write is conditional.

use aws_sdk_dynamodb::Client;

use crate::aws::config::code_of;
use crate::aws::store::{Item, put_unless_refused, put_versioned, read_document, text};
use crate::domain::payout::key::CycleKey;
use crate::domain::payout::row::{CycleRow, ShopKey, ShopRow};
use crate::domain::payout::store::{JournalMessage, PayoutStore};
use crate::domain::state::{StoreError, to_json};

/// The rows of payouts in one table.
#[derive(Clone, Debug)]
pub struct DynamoDbPayouts {
    client: Client,
    table: String,
}

impl DynamoDbPayouts {
    /// In this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    async fn get(&self, pk: &str, sk: &str) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| {
            StoreError::Unavailable(format!("reading {pk}: {}", code_of(&error)))
        })?;
        Ok(answer.item)
    }
}

impl PayoutStore for DynamoDbPayouts {
    async fn load_shop(&self, shop: &ShopKey) -> Result<ShopRow, StoreError> {
        let Some(item) = self.get(&partition(shop), READING).await? else {
            return Ok(ShopRow::default());
        };
        let (mut row, version): (ShopRow, _) = read_document(&item, &format!("shop {shop}"))?;
        row.version = version;
        Ok(row)
    }

    async fn save_shop(&self, shop: &ShopKey, row: &mut ShopRow) -> Result<(), StoreError> {
        let what = format!("shop {shop}");
        let item = item_of(&partition(shop), READING, to_json(row, &what)?);
        put_versioned(&self.client, &self.table, item, row.version, || what.clone()).await?;
        row.version += 1;
        Ok(())
    }

    async fn cycles(&self, shop: &ShopKey) -> Result<Vec<CycleRow>, StoreError> {
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :cycles)")
                .expression_attribute_values(":pk", text(partition(shop)))
                .expression_attribute_values(":cycles", text(CYCLES))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let page = query.send().await.map_err(|error| {
                StoreError::Unavailable(format!(
                    "reading the cycles of {shop}: {}",
                    code_of(&error)
                ))
            })?;
            for item in page.items() {
                rows.push(cycle_of(item)?);
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                break;
            }
        }
        rows.sort_by(|one: &CycleRow, other| one.key.cmp(&other.key));
        Ok(rows)
    }

    async fn load_cycle(&self, key: &CycleKey) -> Result<Option<CycleRow>, StoreError> {
        let item = self.get(&partition(&key.shop_key()), &cycle_key(key)).await?;
        item.map(|item| cycle_of(&item)).transpose()
    }

    async fn save_cycle(&self, row: &mut CycleRow) -> Result<(), StoreError> {
        let what = format!("cycle {}", row.key);
        let pk = partition(&row.key.shop_key());
        let item = item_of(&pk, &cycle_key(&row.key), to_json(row, &what)?);
        put_versioned(&self.client, &self.table, item, row.version, || what.clone()).await?;
        row.version += 1;
        Ok(())
    }

    async fn reserve_reference(
        &self,
        reference: &str,
        of: &JournalMessage,
    ) -> Result<Result<(), JournalMessage>, StoreError> {
        let what = format!("the reference {reference}");
        let item = item_of(&format!("journal#{reference}"), "reference", to_json(of, &what)?);
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .item("version", aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned()))
            .condition_expression("attribute_not_exists(pk)");
        let Some(stored) = put_unless_refused(request, &what).await? else { return Ok(Ok(())) };
        // Its own reservation, from an earlier run or from an attempt whose answer was lost.
        let (holder, _): (JournalMessage, _) = read_document(&stored, &what)?;
        Ok(if holder == *of { Ok(()) } else { Err(holder) })
    }
}

const READING: &str = "reading";
const CYCLES: &str = "cycle#";

fn partition(shop: &ShopKey) -> String {
    format!("shop#{}#{}", shop.host, shop.shop)
}

fn cycle_key(key: &CycleKey) -> String {
    format!("{CYCLES}{}#{}#{}", key.cycle, key.currency, key.psp)
}

fn item_of(pk: &str, sk: &str, document: String) -> Item {
    Item::from([
        ("pk".to_owned(), text(pk)),
        ("sk".to_owned(), text(sk)),
        ("document".to_owned(), text(document)),
    ])
}

fn cycle_of(item: &Item) -> Result<CycleRow, StoreError> {
    let (mut row, version): (CycleRow, _) = read_document(item, "a cycle's row")?;
    row.version = version;
    Ok(row)
}
