//! The documents by which a channel's dispatches are told: its rules, its carrier map, and what its
//! marketplace demands.

use super::carriers::CarrierMap;
use super::rules::DispatchRules;
use crate::domain::channel_documents::{ChannelDocument, ChannelDocuments, Freshness};
use crate::domain::documents::{DocumentKey, UnusableDocument};
use crate::kit::field_error::FieldError;
use crate::mirakl::shipping_requirements::ShippingRequirements;

/// A channel's dispatch documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatchDocuments {
    /// Its rules; the defaults where there are none.
    pub rules: DispatchRules,
    /// Its carrier map; empty where there is none.
    pub carriers: CarrierMap,
    /// What its marketplace demands, as last read; `None` where it was never read.
    pub requirements: Option<ShippingRequirements>,
}

impl DispatchDocuments {
    /// Reads them.
    ///
    /// # Errors
    /// One cannot be read, or is wrong.
    pub async fn read(
        documents: &impl ChannelDocuments,
        channel: &str,
        freshness: Freshness,
    ) -> Result<Self, UnusableDocument> {
        Ok(Self {
            rules: documents.document(channel, freshness).await?.unwrap_or_default(),
            carriers: documents.document(channel, freshness).await?.unwrap_or_default(),
            requirements: documents.document(channel, freshness).await?,
        })
    }
}

impl ChannelDocument for DispatchRules {
    fn key(channel: &str) -> DocumentKey {
        DocumentKey::DispatchRules(channel.to_owned())
    }

    fn problems(&self) -> Vec<FieldError> {
        self.problems()
    }
}

impl ChannelDocument for CarrierMap {
    fn key(channel: &str) -> DocumentKey {
        DocumentKey::CarrierMap(channel.to_owned())
    }

    fn problems(&self) -> Vec<FieldError> {
        self.problems()
    }
}

impl ChannelDocument for ShippingRequirements {
    fn key(channel: &str) -> DocumentKey {
        DocumentKey::ShippingRequirements(channel.to_owned())
    }

    /// The marketplace's own answer has none.
    fn problems(&self) -> Vec<FieldError> {
        Vec::new()
    }
}
