//! The channels' documents, from DynamoDB, as the functions read them.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::aws::documents::Documents;
use crate::domain::channel_documents::{ChannelDocument, ChannelDocuments, ChannelList, Freshness};
use crate::domain::documents::UnusableDocument;
use crate::prima::sku::SkuOverride;

impl ChannelDocuments for &Documents {
    async fn channels(&self) -> Result<ChannelList, UnusableDocument> {
        Ok(Documents::channels(self).await?)
    }

    async fn stored_document<D: ChannelDocument>(
        &self,
        channel: &str,
        freshness: Freshness,
    ) -> Result<Option<D>, UnusableDocument> {
        let key = D::key(channel);
        Ok(match freshness {
            Freshness::Cached => self.read(&key).await,
            Freshness::Now => self.read_anew(&key).await,
        }?)
    }

    async fn sku_overrides(
        &self,
        channel: &str,
        skus: &[&str],
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument> {
        Ok(Documents::sku_overrides(self, channel, skus.iter().copied()).await?)
    }

    async fn all_sku_overrides(
        &self,
        channel: &str,
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument> {
        Ok(Documents::all_sku_overrides(self, channel).await?)
    }

    async fn keep_document<D: ChannelDocument>(
        &self,
        channel: &str,
        document: &D,
        author: &str,
        at: Timestamp,
    ) -> Result<(), UnusableDocument> {
        Ok(self.keep(&D::key(channel), document, author, at).await?)
    }
}
