//! Where a channel's despatch documents are read: its rules, its carrier map, and what its marketplace demands.

use serde::de::DeserializeOwned;

use super::carriers::CarrierMap;
use super::platform::Platform;
use super::rules::DespatchRules;
use crate::channel::Channel;
use crate::channels::{DocumentKey, Documents, UnusableDocument};
use crate::state::StoreError;

/// A channel's documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Its rules; the defaults where there are none.
    pub rules: DespatchRules,
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
    async fn keep_platform(&self, channel: &str, platform: &Platform) -> Result<(), UnusableDocument>;
}

impl Documents {
    async fn page<T: DeserializeOwned>(&self, key: &DocumentKey, anew: bool) -> Result<Option<T>, StoreError> {
        if anew { self.read_anew(key).await } else { self.read(key).await }
    }
}

impl Book for &Documents {
    async fn channels(&self) -> Result<Vec<Channel>, UnusableDocument> {
        Ok(Documents::channels(self).await?.channels)
    }

    async fn pages(&self, channel: &str, anew: bool) -> Result<Pages, UnusableDocument> {
        let (rules, carriers, platform) = (
            DocumentKey::DespatchRules(channel.to_owned()),
            DocumentKey::CarrierMap(channel.to_owned()),
            DocumentKey::Platform(channel.to_owned()),
        );
        let pages = Pages {
            rules: self.page(&rules, anew).await?.unwrap_or_default(),
            carriers: self.page(&carriers, anew).await?.unwrap_or_default(),
            platform: self.page(&platform, anew).await?,
        };
        UnusableDocument::unless_sound(&rules, &pages.rules.problems())?;
        UnusableDocument::unless_sound(&carriers, &pages.carriers.problems())?;
        Ok(pages)
    }

    async fn keep_platform(&self, channel: &str, platform: &Platform) -> Result<(), UnusableDocument> {
        let key = DocumentKey::Platform(channel.to_owned());
        self.keep(&key, platform, "update-dispatches", platform.read_at).await.map_err(UnusableDocument::from)
    }
}
