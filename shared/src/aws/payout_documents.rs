//! A channel's payout documents, from DynamoDB.

use crate::aws::documents::Documents;
use crate::domain::channel::Channel;
use crate::domain::documents::{DocumentKey, UnusableDocument};
use crate::domain::payout::chart::Chart;
use crate::domain::payout::rules::PayoutRules;
use crate::domain::payout::store::{PayoutDirectory, PayoutDocuments};

impl PayoutDirectory for &Documents {
    async fn channels(&self) -> Result<Vec<Channel>, UnusableDocument> {
        Ok(Documents::channels(self).await?.channels)
    }

    async fn payout_documents(&self, channel: &str) -> Result<PayoutDocuments, UnusableDocument> {
        let (rules_key, chart_key) =
            (DocumentKey::PayoutRules(channel.to_owned()), DocumentKey::Chart(channel.to_owned()));
        let missing = |key: &DocumentKey| UnusableDocument::Wrong(format!("{key} is missing"));
        let rules: PayoutRules = self.read(&rules_key).await?.ok_or_else(|| missing(&rules_key))?;
        let chart: Chart = self.read(&chart_key).await?.ok_or_else(|| missing(&chart_key))?;
        UnusableDocument::unless_sound(&rules_key, &rules.problems())?;
        // Whether it has every bank is asked when it is stored, and of each cycle.
        UnusableDocument::unless_sound(&chart_key, &chart.problems(&[]))?;
        Ok(PayoutDocuments { rules, chart })
    }
}
