//! Where a channel's dispatch documents are read: its rules, its carrier map, and what its
//! marketplace demands.

use super::carriers::CarrierMap;
use super::rules::DispatchRules;
use crate::domain::channel::Channel;
use crate::domain::documents::UnusableDocument;
use crate::mirakl::shipping_requirements::Platform;

/// A channel's documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Its rules; the defaults where there are none.
    pub rules: DispatchRules,
    /// Its carrier map; empty where there is none.
    pub carriers: CarrierMap,
    /// What its marketplace demands, as last read; `None` where it was never read.
    pub platform: Option<Platform>,
}

/// The documents of all channels.
pub trait Book {
    /// All channels that can work.
    ///
    /// # Errors
    /// They cannot be read.
    async fn channels(&self) -> Result<Vec<Channel>, UnusableDocument>;

    /// A channel's documents; `anew` reads them past any cache.
    ///
    /// # Errors
    /// One cannot be read, or is wrong.
    async fn pages(&self, channel: &str, anew: bool) -> Result<Pages, UnusableDocument>;

    /// Keeps what a marketplace demands.
    ///
    /// # Errors
    /// It cannot be kept now; it is read again the next time then.
    async fn keep_platform(
        &self,
        channel: &str,
        platform: &Platform,
    ) -> Result<(), UnusableDocument>;
}
