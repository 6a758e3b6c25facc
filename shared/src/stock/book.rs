//! Where a channel's stock documents are read: its stock rules, and how its offers' SKUs are read.

use super::rules::StockRules;
use crate::channel::Channel;
use crate::channels::{DocumentKey, Documents, UnusableDocument};
use crate::order::mapping::SkuReader;
use crate::order::rules::OrderRules;

/// A channel's documents.
#[derive(Clone, Debug)]
pub struct StockPages {
    /// Its stock rules; the defaults where there are none.
    pub rules: StockRules,
    /// How its offers' SKUs are read: as where its orders are mapped.
    pub skus: SkuReader,
}

/// The documents of all channels.
pub trait StockBook {
    /// All channels that can work.
    ///
    /// # Errors
    /// They cannot be read.
    async fn channels(&self) -> Result<Vec<Channel>, UnusableDocument>;

    /// Channels whose definition cannot be used, with what is wrong: they sell all the same.
    ///
    /// # Errors
    /// They cannot be read.
    async fn unusable(&self) -> Result<Vec<(String, String)>, UnusableDocument>;

    /// A channel's documents.
    ///
    /// # Errors
    /// One cannot be read, or is wrong.
    async fn pages(&self, channel: &str) -> Result<StockPages, UnusableDocument>;

    /// How a channel's offers' SKUs are read: all that protecting what it has sold needs.
    ///
    /// # Errors
    /// They cannot be read, or are wrong; stock rules that are wrong are no matter here.
    async fn skus(&self, channel: &str) -> Result<SkuReader, UnusableDocument>;
}

impl StockBook for &Documents {
    async fn channels(&self) -> Result<Vec<Channel>, UnusableDocument> {
        Ok(Documents::channels(self).await?.channels)
    }

    async fn unusable(&self) -> Result<Vec<(String, String)>, UnusableDocument> {
        let list = Documents::channels(self).await?;
        // One whose version of before goes on is no matter here.
        let goes_on = |id: &String| list.channels.iter().any(|channel| channel.id == *id);
        Ok(list.unusable.into_iter().filter(|(id, _)| !goes_on(id)).collect())
    }

    async fn pages(&self, channel: &str) -> Result<StockPages, UnusableDocument> {
        let key = DocumentKey::StockRules(channel.to_owned());
        let rules: StockRules = self.read(&key).await?.unwrap_or_default();
        UnusableDocument::unless_sound(&key, &rules.problems())?;
        Ok(StockPages { rules, skus: StockBook::skus(self, channel).await? })
    }

    async fn skus(&self, channel: &str) -> Result<SkuReader, UnusableDocument> {
        let orders: Option<OrderRules> = self.read(&DocumentKey::OrderRules(channel.to_owned())).await?;
        let overrides = self.all_sku_overrides(channel).await?;
        Ok(SkuReader::new(&orders.map(|rules| rules.sku).unwrap_or_default(), overrides))
    }
}
