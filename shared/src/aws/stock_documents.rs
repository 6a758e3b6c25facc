//! A channel's stock documents, from DynamoDB.

use crate::aws::documents::Documents;
use crate::domain::channel::Channel;
use crate::domain::documents::{DocumentKey, UnusableDocument};
use crate::domain::order::mapping::SkuReader;
use crate::domain::order::rules::OrderRules;
use crate::domain::stock::book::{StockBook, StockPages};
use crate::domain::stock::rules::StockRules;

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
        let orders: Option<OrderRules> =
            self.read(&DocumentKey::OrderRules(channel.to_owned())).await?;
        let overrides = self.all_sku_overrides(channel).await?;
        Ok(SkuReader::new(&orders.map(|rules| rules.sku).unwrap_or_default(), overrides))
    }
}
