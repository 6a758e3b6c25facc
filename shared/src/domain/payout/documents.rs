//! The documents by which a channel's payouts are booked: its payout rules, and its chart of
//! accounts.

use super::chart::Chart;
use super::rules::PayoutRules;
use crate::domain::channel_documents::{ChannelDocument, ChannelDocuments, Freshness};
use crate::domain::documents::{DocumentKey, UnusableDocument};
use crate::kit::field_error::FieldError;

/// A channel's payout documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutDocuments {
    /// Its rules.
    pub rules: PayoutRules,
    /// Its chart.
    pub chart: Chart,
}

impl PayoutDocuments {
    /// Reads them.
    ///
    /// # Errors
    /// One is missing, is wrong, or cannot be read.
    pub async fn read(
        documents: &impl ChannelDocuments,
        channel: &str,
    ) -> Result<Self, UnusableDocument> {
        let missing =
            |what: &str| UnusableDocument::Wrong(format!("channel {channel} has no {what}"));
        Ok(Self {
            rules: documents
                .document(channel, Freshness::Cached)
                .await?
                .ok_or_else(|| missing("payout rules"))?,
            chart: documents
                .document(channel, Freshness::Cached)
                .await?
                .ok_or_else(|| missing("chart of accounts"))?,
        })
    }
}

impl ChannelDocument for PayoutRules {
    fn key(channel: &str) -> DocumentKey {
        DocumentKey::PayoutRules(channel.to_owned())
    }

    fn problems(&self) -> Vec<FieldError> {
        self.problems()
    }
}

impl ChannelDocument for Chart {
    fn key(channel: &str) -> DocumentKey {
        DocumentKey::Chart(channel.to_owned())
    }

    /// Whether it has the bank accounts of the currencies that a shop is paid in shows only with
    /// its cycles.
    fn problems(&self) -> Vec<FieldError> {
        self.problems(&[])
    }
}
