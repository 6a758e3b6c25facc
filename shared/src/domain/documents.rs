//! The documents that operators write, by name, and why one is of no use.

use crate::domain::state::StoreError;
use crate::kit::field_error::FieldError;

/// The id under which the second copy of all channels' definitions stands; no channel may have it.
pub const COPY_OF_CHANNELS: &str = "definitions";
/// Names that keys use themselves: no channel may have them as its id.
pub const RESERVED_IDS: [&str; 3] = ["channels", "installation", COPY_OF_CHANNELS];

/// Which document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKey {
    /// The installation's.
    Installation,
    /// A channel's definition.
    Channel(String),
    /// A channel's order rules.
    OrderRules(String),
    /// A channel's dispatch rules.
    DispatchRules(String),
    /// A channel's carrier map.
    CarrierMap(String),
    /// What a channel's marketplace demands of a shipment.
    ShippingRequirements(String),
    /// A channel's stock rules.
    StockRules(String),
    /// A channel's payout rules.
    PayoutRules(String),
    /// A channel's chart of accounts.
    Chart(String),
    /// A channel's override for one SKU.
    SkuOverride {
        /// The channel.
        channel: String,
        /// The offer's SKU.
        sku: String,
    },
}

impl DocumentKey {
    pub(crate) fn keys(&self) -> (String, String) {
        match self {
            Self::Installation => ("installation".to_owned(), "definition".to_owned()),
            Self::Channel(id) => ("channels".to_owned(), id.clone()),
            Self::OrderRules(channel) => (channel.clone(), "order-rules".to_owned()),
            Self::DispatchRules(channel) => (channel.clone(), "dispatch-rules".to_owned()),
            Self::CarrierMap(channel) => (channel.clone(), "carriers".to_owned()),
            Self::ShippingRequirements(channel) => {
                (channel.clone(), "shipping-requirements".to_owned())
            }
            Self::StockRules(channel) => (channel.clone(), "stock-rules".to_owned()),
            Self::PayoutRules(channel) => (channel.clone(), "payout-rules".to_owned()),
            Self::Chart(channel) => (channel.clone(), "chart".to_owned()),
            Self::SkuOverride { channel, sku } => (channel.clone(), format!("sku#{sku}")),
        }
    }
}

impl std::fmt::Display for DocumentKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Installation => formatter.write_str("the installation document"),
            Self::Channel(id) => write!(formatter, "the definition of channel {id}"),
            Self::OrderRules(channel) => write!(formatter, "the order rules of channel {channel}"),
            Self::DispatchRules(channel) => {
                write!(formatter, "the dispatch rules of channel {channel}")
            }
            Self::CarrierMap(channel) => write!(formatter, "the carrier map of channel {channel}"),
            Self::ShippingRequirements(channel) => {
                write!(formatter, "what the marketplace of channel {channel} demands")
            }
            Self::StockRules(channel) => write!(formatter, "the stock rules of channel {channel}"),
            Self::PayoutRules(channel) => {
                write!(formatter, "the payout rules of channel {channel}")
            }
            Self::Chart(channel) => write!(formatter, "the chart of channel {channel}"),
            Self::SkuOverride { channel, sku } => {
                write!(formatter, "the override of SKU {sku} on channel {channel}")
            }
        }
    }
}

/// Why a document is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableDocument {
    /// It is missing or wrong: a person has to act.
    #[error("{0}")]
    Wrong(String),
    /// It cannot be read now.
    #[error("the documents cannot be read now: {0}")]
    Unavailable(String),
}

impl From<StoreError> for UnusableDocument {
    fn from(problem: StoreError) -> Self {
        match problem {
            StoreError::Unreadable { record, problem } => {
                Self::Wrong(format!("{record} cannot be used: {problem}"))
            }
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl UnusableDocument {
    /// Holds a document's own problems against it.
    ///
    /// # Errors
    /// [`UnusableDocument::Wrong`] with all of them, where there is one.
    pub fn unless_sound(key: &DocumentKey, problems: &[FieldError]) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Err(Self::Wrong(format!("{key} cannot be used: {}", problems.join("; "))))
    }
}
