//! The documents by which a channel's stock is published: its stock rules, and how its offers' SKUs
//! are read.

use super::rules::StockRules;
use crate::domain::channel_documents::{ChannelDocument, ChannelDocuments, Freshness};
use crate::domain::documents::{DocumentKey, UnusableDocument};
use crate::domain::order::mapping::SkuReader;
use crate::domain::order::rules::OrderRules;
use crate::kit::field_error::FieldError;

/// A channel's stock documents.
#[derive(Clone, Debug)]
pub struct StockDocuments {
    /// Its stock rules; the defaults where there are none.
    pub rules: StockRules,
    /// How its offers' SKUs are read: as where its orders are mapped.
    pub skus: SkuReader,
}

impl StockDocuments {
    /// Reads them.
    ///
    /// # Errors
    /// One cannot be read, or is wrong.
    pub async fn read(
        documents: &impl ChannelDocuments,
        channel: &str,
    ) -> Result<Self, UnusableDocument> {
        let rules = documents.document(channel, Freshness::Cached).await?.unwrap_or_default();
        Ok(Self { rules, skus: read_skus(documents, channel).await? })
    }
}

/// How a channel's offers' SKUs are read: all that protecting what it has sold needs.
///
/// # Errors
/// The documents cannot be read. Rules that are wrong elsewhere are no matter here.
pub async fn read_skus(
    documents: &impl ChannelDocuments,
    channel: &str,
) -> Result<SkuReader, UnusableDocument> {
    let orders: Option<OrderRules> = documents.stored_document(channel, Freshness::Cached).await?;
    let overrides = documents.all_sku_overrides(channel).await?;
    Ok(SkuReader::new(&orders.map(|rules| rules.sku).unwrap_or_default(), overrides))
}

impl ChannelDocument for StockRules {
    fn key(channel: &str) -> DocumentKey {
        DocumentKey::StockRules(channel.to_owned())
    }

    fn problems(&self) -> Vec<FieldError> {
        self.problems()
    }
}
