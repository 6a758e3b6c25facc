//! The store in memory: the reference model of the one on DynamoDB, and the fault simulation's.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{
    BreakerStore, CollectionState, CollectionStore, FlightStore, NumberStore, OrderStore,
    PollState, PollStore, PrimaBreakers, Reservation, StoreError,
};
use crate::domain::order::row::{OrderKey, OrderRow};
use crate::domain::prima_slots::{PrimaSlots, SlotStore};
use crate::domain::stock::flight::Flight;

/// Everything in memory, for one thread.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    orders: HashMap<OrderKey, OrderRow>,
    index: BTreeSet<(String, &'static str, Timestamp, OrderKey)>,
    numbers: HashMap<String, OrderKey>,
    polls: HashMap<String, PollState>,
    breakers: PrimaBreakers,
    collection: CollectionState,
    slots: PrimaSlots,
}

impl MemoryStore {
    /// All rows, in no order: for judging.
    #[must_use]
    pub fn rows(&self) -> Vec<OrderRow> {
        self.inner.borrow().orders.values().cloned().collect()
    }

    /// Forgets everything, as a wiped table would.
    pub fn wipe(&self) {
        *self.inner.borrow_mut() = Inner::default();
    }
}

fn index_entry(row: &OrderRow) -> (String, &'static str, Timestamp, OrderKey) {
    (row.key.channel.clone(), row.index_state(), row.index_moment(), row.key.clone())
}

impl OrderStore for MemoryStore {
    async fn load_order(&self, key: &OrderKey) -> Result<Option<OrderRow>, StoreError> {
        Ok(self.inner.borrow().orders.get(key).cloned())
    }

    async fn load_orders(
        &self,
        keys: &[OrderKey],
    ) -> Result<HashMap<OrderKey, OrderRow>, StoreError> {
        let inner = self.inner.borrow();
        Ok(keys
            .iter()
            .filter_map(|key| inner.orders.get(key))
            .map(|row| (row.key.clone(), row.clone()))
            .collect())
    }

    async fn save_order(&self, row: &mut OrderRow) -> Result<(), StoreError> {
        let mut inner = self.inner.borrow_mut();
        let stored = inner.orders.get(&row.key);
        if stored.map_or(0, |stored| stored.version) != row.version {
            return Err(StoreError::Conflict(format!("order {}", row.key)));
        }
        let outdated = stored.map(index_entry);
        if let Some(entry) = outdated {
            inner.index.remove(&entry);
        }
        row.version += 1;
        inner.index.insert(index_entry(row));
        inner.orders.insert(row.key.clone(), row.clone());
        Ok(())
    }

    async fn orders_in(
        &self,
        channel: &str,
        index_state: &str,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError> {
        let inner = self.inner.borrow();
        let of_channel =
            inner.index.iter().filter(|(c, state, _, _)| c == channel && *state == index_state);
        Ok(of_channel.take(limit).map(|(_, _, _, key)| key.clone()).collect())
    }

    async fn orders_due(
        &self,
        channel: &str,
        index_state: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError> {
        let inner = self.inner.borrow();
        let due = inner.index.iter().filter(|(c, state, moment, _)| {
            c == channel && *state == index_state && *moment <= until
        });
        Ok(due.take(limit).map(|(_, _, _, key)| key.clone()).collect())
    }
}

impl NumberStore for MemoryStore {
    async fn holder_of(&self, number: &str) -> Result<Option<OrderKey>, StoreError> {
        Ok(self.inner.borrow().numbers.get(number).cloned())
    }

    async fn reserve_number(
        &self,
        number: &str,
        key: &OrderKey,
    ) -> Result<Reservation, StoreError> {
        let mut inner = self.inner.borrow_mut();
        let holder = inner.numbers.entry(number.to_owned()).or_insert_with(|| key.clone());
        Ok(if holder == key { Reservation::Ours } else { Reservation::HeldBy(holder.clone()) })
    }
}

impl PollStore for MemoryStore {
    async fn load_poll(&self, channel: &str) -> Result<PollState, StoreError> {
        Ok(self.inner.borrow().polls.get(channel).cloned().unwrap_or_default())
    }

    async fn save_poll(&self, channel: &str, poll: &mut PollState) -> Result<(), StoreError> {
        let mut inner = self.inner.borrow_mut();
        if inner.polls.get(channel).map_or(0, |stored| stored.version) != poll.version {
            return Err(StoreError::Conflict(format!("poll state of {channel}")));
        }
        poll.version += 1;
        inner.polls.insert(channel.to_owned(), poll.clone());
        Ok(())
    }
}

impl CollectionStore for MemoryStore {
    async fn load_collection(&self) -> Result<CollectionState, StoreError> {
        Ok(self.inner.borrow().collection.clone())
    }

    async fn save_collection(&self, collection: &mut CollectionState) -> Result<(), StoreError> {
        let mut inner = self.inner.borrow_mut();
        if inner.collection.version != collection.version {
            return Err(StoreError::Conflict("the collector's state".to_owned()));
        }
        collection.version += 1;
        inner.collection = collection.clone();
        Ok(())
    }
}

impl BreakerStore for MemoryStore {
    async fn load_breakers(&self) -> Result<PrimaBreakers, StoreError> {
        Ok(self.inner.borrow().breakers.clone())
    }

    async fn save_breakers(&self, breakers: &mut PrimaBreakers) -> Result<(), StoreError> {
        let mut inner = self.inner.borrow_mut();
        if inner.breakers.version != breakers.version {
            return Err(StoreError::Conflict("Prima's breakers".to_owned()));
        }
        breakers.version += 1;
        inner.breakers = breakers.clone();
        Ok(())
    }
}

impl SlotStore for MemoryStore {
    async fn load_slots(&self) -> Result<PrimaSlots, StoreError> {
        Ok(self.inner.borrow().slots.clone())
    }

    async fn save_slots(&self, slots: &mut PrimaSlots) -> Result<(), StoreError> {
        let mut inner = self.inner.borrow_mut();
        if inner.slots.version != slots.version {
            return Err(StoreError::Conflict("the slots of Prima's calls".to_owned()));
        }
        slots.version += 1;
        inner.slots = slots.clone();
        Ok(())
    }
}

impl FlightStore for MemoryStore {
    async fn flights(&self, channel: &str) -> Result<Vec<Flight>, StoreError> {
        let inner = self.inner.borrow();
        let mut flights: Vec<Flight> = inner
            .orders
            .values()
            .filter(|row| row.key.channel == channel)
            .map(Flight::of)
            .collect();
        // In the order of the real store, so that one seed is one story.
        flights.sort_by(|one, other| one.key.order_id.cmp(&other.key.order_id));
        Ok(flights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_store_in_memory_keeps_the_stores_promises() {
        assert_eq!(super::super::contract::check(&MemoryStore::default(), "memory").await, Ok(()));
        assert_eq!(
            super::super::contract::check_flights(&MemoryStore::default(), "memory").await,
            Ok(())
        );
        assert_eq!(super::super::contract::check_slots(&MemoryStore::default()).await, Ok(()));
    }
}
