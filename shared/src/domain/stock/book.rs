//! Where a channel's stock documents are read: its stock rules, and how its offers' SKUs are read.

use super::rules::StockRules;
use crate::domain::channel::Channel;
use crate::domain::documents::UnusableDocument;
use crate::domain::order::mapping::SkuReader;

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
