//! The documents by which a channel's orders become Prima orders: its order rules, and what
//! operators say of single SKUs.

use std::collections::HashMap;

use super::rules::OrderRules;
use crate::domain::channel_documents::{ChannelDocument, ChannelDocuments, Freshness};
use crate::domain::documents::{DocumentKey, UnusableDocument};
use crate::kit::field_error::FieldError;
use crate::prima::sku::SkuOverride;

/// A channel's order documents, as far as one order needs them.
#[derive(Clone, Debug)]
pub struct OrderDocuments {
    /// The channel's name, for people.
    pub channel_name: String,
    /// Its rules.
    pub rules: OrderRules,
    /// Its exceptions from the SKU template, by the offer's SKU.
    pub sku_overrides: HashMap<String, SkuOverride>,
}

impl OrderDocuments {
    /// Reads them, with the overrides of these SKUs.
    ///
    /// # Errors
    /// One cannot be read, is wrong, or the channel has no rules: what price means on it cannot be
    /// guessed.
    pub async fn read(
        documents: &impl ChannelDocuments,
        channel: &str,
        skus: &[&str],
    ) -> Result<Self, UnusableDocument> {
        let rules = documents.document(channel, Freshness::Cached).await?.ok_or_else(|| {
            UnusableDocument::Wrong(format!("channel {channel} has no order rules"))
        })?;
        let definition = documents.channels().await?;
        let channel_name =
            definition.channel(channel)?.map(|channel| channel.name.clone()).unwrap_or_default();
        let sku_overrides = documents.sku_overrides(channel, skus).await?;
        Ok(Self { channel_name, rules, sku_overrides })
    }
}

impl ChannelDocument for OrderRules {
    fn key(channel: &str) -> DocumentKey {
        DocumentKey::OrderRules(channel.to_owned())
    }

    fn problems(&self) -> Vec<FieldError> {
        self.problems()
    }
}
