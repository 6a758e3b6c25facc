//! What is remembered of a channel, or of the installation: one record each.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aws::store::{DynamoDbStore, Item, read_document, text};
use crate::domain::prima_slots::{PrimaSlots, SlotStore};
use crate::domain::state::{
    BreakerStore, CollectionState, CollectionStore, PollState, PollStore, PrimaBreakers,
    StoreError, to_json,
};

impl PollStore for DynamoDbStore {
    async fn load_poll(&self, channel: &str) -> Result<PollState, StoreError> {
        let (mut poll, version) = self.load_document::<PollState>(channel, "poll").await?;
        poll.version = version;
        Ok(poll)
    }

    async fn save_poll(&self, channel: &str, poll: &mut PollState) -> Result<(), StoreError> {
        self.save_document(
            channel,
            "poll",
            poll,
            poll.version,
            &format!("poll state of {channel}"),
        )
        .await?;
        poll.version += 1;
        Ok(())
    }
}

impl CollectionStore for DynamoDbStore {
    async fn load_collection(&self) -> Result<CollectionState, StoreError> {
        let (mut collection, version) =
            self.load_document::<CollectionState>("installation", "collection").await?;
        collection.version = version;
        Ok(collection)
    }

    async fn save_collection(&self, collection: &mut CollectionState) -> Result<(), StoreError> {
        let what = "the collector's state";
        self.save_document("installation", "collection", collection, collection.version, what)
            .await?;
        collection.version += 1;
        Ok(())
    }
}

impl BreakerStore for DynamoDbStore {
    async fn load_breakers(&self) -> Result<PrimaBreakers, StoreError> {
        let (mut breakers, version) =
            self.load_document::<PrimaBreakers>("installation", "prima-breakers").await?;
        breakers.version = version;
        Ok(breakers)
    }

    async fn save_breakers(&self, breakers: &mut PrimaBreakers) -> Result<(), StoreError> {
        self.save_document(
            "installation",
            "prima-breakers",
            breakers,
            breakers.version,
            "Prima's breakers",
        )
        .await?;
        breakers.version += 1;
        Ok(())
    }
}

impl SlotStore for DynamoDbStore {
    async fn load_slots(&self) -> Result<PrimaSlots, StoreError> {
        let (mut slots, version) =
            self.load_document::<PrimaSlots>("installation", "prima-slots").await?;
        slots.version = version;
        Ok(slots)
    }

    async fn save_slots(&self, slots: &mut PrimaSlots) -> Result<(), StoreError> {
        self.save_document(
            "installation",
            "prima-slots",
            slots,
            slots.version,
            "the slots of Prima's calls",
        )
        .await?;
        slots.version += 1;
        Ok(())
    }
}

impl DynamoDbStore {
    async fn load_document<T: DeserializeOwned + Default>(
        &self,
        pk: &str,
        sk: &str,
    ) -> Result<(T, u64), StoreError> {
        match self.get(&self.channels_table, pk, Some(sk)).await? {
            None => Ok((T::default(), 0)),
            Some(item) => read_document(&item, &format!("{pk}/{sk}")),
        }
    }

    async fn save_document<T: Serialize>(
        &self,
        pk: &str,
        sk: &str,
        document: &T,
        version: u64,
        what: &str,
    ) -> Result<(), StoreError> {
        let item = Item::from([
            ("pk".to_owned(), text(pk)),
            ("sk".to_owned(), text(sk)),
            ("document".to_owned(), text(to_json(document, what)?)),
        ]);
        self.put(&self.channels_table, item, version, || what.to_owned()).await
    }
}
