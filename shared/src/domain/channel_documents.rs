//! Where functions read the channels and their documents: one port for all flows.
//!
//! A document that a flow needs implements [`ChannelDocument`]. A flow that needs several together
//! has a struct of them with a function `read`, such as
//! [`DispatchDocuments`](crate::domain::dispatch::documents::DispatchDocuments).

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::channel::Channel;
use crate::domain::documents::{DocumentKey, UnusableDocument};
use crate::kit::field_error::FieldError;
use crate::prima::sku::SkuOverride;

/// A document of one channel.
pub trait ChannelDocument: Clone + Serialize + DeserializeOwned + 'static {
    /// Its key for a channel.
    fn key(channel: &str) -> DocumentKey;

    /// Everything that is wrong with it, one entry a field.
    fn problems(&self) -> Vec<FieldError>;
}

/// How old the answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As old as the cache keeps documents.
    Cached,
    /// Read now, past any cache.
    Now,
}

/// All channels: those that can work, and what is wrong with the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelList {
    /// Those that can work, by id. One whose definition became unusable is among them while this
    /// process knows its last usable version.
    pub channels: Vec<Channel>,
    /// One entry for each definition that cannot be used: its id and why.
    pub unusable: Vec<(String, String)>,
}

impl ChannelList {
    /// A channel that can work; `None` where no such channel is defined.
    ///
    /// # Errors
    /// [`UnusableDocument::Wrong`]: its definition cannot be used.
    pub fn channel(&self, id: &str) -> Result<Option<&Channel>, UnusableDocument> {
        let found = self.channels.iter().find(|channel| channel.id == id);
        match self.unusable.iter().find(|(unusable, _)| unusable == id) {
            Some((_, problem)) if found.is_none() => {
                let key = DocumentKey::Channel(id.to_owned());
                Err(UnusableDocument::Wrong(format!("{key} cannot be used: {problem}")))
            }
            _ => Ok(found),
        }
    }

    /// The channels that cannot work: no usable version of their definition is known.
    pub fn not_working(&self) -> impl Iterator<Item = &(String, String)> {
        self.unusable
            .iter()
            .filter(|(id, _)| !self.channels.iter().any(|channel| channel.id == *id))
    }
}

/// The documents of all channels.
pub trait ChannelDocuments {
    /// All channels.
    ///
    /// # Errors
    /// They cannot be read.
    async fn channels(&self) -> Result<ChannelList, UnusableDocument>;

    /// A channel's document as it is stored, its own problems unseen; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or does not have the type's shape.
    async fn stored_document<D: ChannelDocument>(
        &self,
        channel: &str,
        freshness: Freshness,
    ) -> Result<Option<D>, UnusableDocument>;

    /// The overrides of these SKUs on a channel, by SKU; those without one are absent.
    ///
    /// # Errors
    /// One cannot be read, or does not have the type's shape.
    async fn sku_overrides(
        &self,
        channel: &str,
        skus: &[&str],
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument>;

    /// All overrides of a channel, by SKU. One that does not have the type's shape is left out.
    ///
    /// # Errors
    /// They cannot be read.
    async fn all_sku_overrides(
        &self,
        channel: &str,
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument>;

    /// Stores what `author` read elsewhere, whatever stood there before, without a history.
    ///
    /// # Errors
    /// It cannot be written now.
    async fn keep_document<D: ChannelDocument>(
        &self,
        channel: &str,
        document: &D,
        author: &str,
        at: Timestamp,
    ) -> Result<(), UnusableDocument>;

    /// A channel's document that has no problem; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is wrong.
    async fn document<D: ChannelDocument>(
        &self,
        channel: &str,
        freshness: Freshness,
    ) -> Result<Option<D>, UnusableDocument> {
        let document: Option<D> = self.stored_document(channel, freshness).await?;
        if let Some(document) = &document {
            UnusableDocument::unless_sound(&D::key(channel), &document.problems())?;
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn channel(id: &str) -> Channel {
        serde_json::from_str(&format!(
            r#"{{"id":"{id}","base_url":"https://a.mirakl.net","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":60}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_channel_works_while_a_usable_version_is_known() {
        let broken = |id: &str| (id.to_owned(), "id: is empty".to_owned());
        let list = ChannelList {
            channels: vec![channel("a"), channel("b")],
            unusable: vec![broken("b"), broken("c")],
        };
        assert_eq!(list.not_working().collect::<Vec<_>>(), [&broken("c")]);
        let found = |id: &str| list.channel(id).map(|found| found.map(|one| one.id.as_str()));
        assert_eq!((found("a"), found("b"), found("d")), (Ok(Some("a")), Ok(Some("b")), Ok(None)));
        let problem = found("c").unwrap_err();
        assert!(
            problem.to_string().contains("channel c cannot be used: id: is empty"),
            "{problem}"
        );
    }
}
