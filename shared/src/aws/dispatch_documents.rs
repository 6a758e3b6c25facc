//! A channel's dispatch documents, from DynamoDB.

use serde::de::DeserializeOwned;

use crate::aws::documents::Documents;
use crate::domain::channel::Channel;
use crate::domain::dispatch::book::{Book, Pages};
use crate::domain::documents::{DocumentKey, UnusableDocument};
use crate::domain::state::StoreError;
use crate::mirakl::shipping_requirements::Platform;

impl Documents {
    async fn page<T: DeserializeOwned>(
        &self,
        key: &DocumentKey,
        anew: bool,
    ) -> Result<Option<T>, StoreError> {
        if anew { self.read_anew(key).await } else { self.read(key).await }
    }
}

impl Book for &Documents {
    async fn channels(&self) -> Result<Vec<Channel>, UnusableDocument> {
        Ok(Documents::channels(self).await?.channels)
    }

    async fn pages(&self, channel: &str, anew: bool) -> Result<Pages, UnusableDocument> {
        let (rules, carriers, platform) = (
            DocumentKey::DispatchRules(channel.to_owned()),
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

    async fn keep_platform(
        &self,
        channel: &str,
        platform: &Platform,
    ) -> Result<(), UnusableDocument> {
        let key = DocumentKey::Platform(channel.to_owned());
        self.keep(&key, platform, "update-dispatches", platform.read_at)
            .await
            .map_err(UnusableDocument::from)
    }
}
