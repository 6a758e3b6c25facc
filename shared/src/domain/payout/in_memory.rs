//! Payouts in memory, for one thread: the reference model of the store on DynamoDB and S3, and the
//! fault simulation's.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::key::CycleKey;
use super::row::{CycleRow, ShopKey, ShopRow};
use super::store::{JournalMessage, PayoutFiles, PayoutStore};
use crate::domain::state::StoreError;

/// Rows and files.
#[derive(Debug, Default)]
pub struct MemoryPayouts {
    shops: RefCell<BTreeMap<ShopKey, ShopRow>>,
    cycles: RefCell<BTreeMap<CycleKey, CycleRow>>,
    references: RefCell<BTreeMap<String, JournalMessage>>,
    files: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl MemoryPayouts {
    /// Forgets all rows, as a wiped table would. Files stay.
    pub fn wipe(&self) {
        self.shops.borrow_mut().clear();
        self.cycles.borrow_mut().clear();
        self.references.borrow_mut().clear();
    }
}

impl PayoutStore for MemoryPayouts {
    async fn load_shop(&self, shop: &ShopKey) -> Result<ShopRow, StoreError> {
        Ok(self.shops.borrow().get(shop).cloned().unwrap_or_default())
    }

    async fn save_shop(&self, shop: &ShopKey, row: &mut ShopRow) -> Result<(), StoreError> {
        let mut shops = self.shops.borrow_mut();
        if shops.get(shop).map_or(0, |stored| stored.version) != row.version {
            return Err(StoreError::Conflict(format!("shop {shop}")));
        }
        row.version += 1;
        shops.insert(shop.clone(), row.clone());
        Ok(())
    }

    async fn cycles(&self, shop: &ShopKey) -> Result<Vec<CycleRow>, StoreError> {
        let cycles = self.cycles.borrow();
        Ok(cycles.values().filter(|row| row.key.shop_key() == *shop).cloned().collect())
    }

    async fn load_cycle(&self, key: &CycleKey) -> Result<Option<CycleRow>, StoreError> {
        Ok(self.cycles.borrow().get(key).cloned())
    }

    async fn save_cycle(&self, row: &mut CycleRow) -> Result<(), StoreError> {
        let mut cycles = self.cycles.borrow_mut();
        if cycles.get(&row.key).map_or(0, |stored| stored.version) != row.version {
            return Err(StoreError::Conflict(format!("cycle {}", row.key)));
        }
        row.version += 1;
        cycles.insert(row.key.clone(), row.clone());
        Ok(())
    }

    async fn reserve_reference(
        &self,
        reference: &str,
        of: &JournalMessage,
    ) -> Result<Result<(), JournalMessage>, StoreError> {
        let mut references = self.references.borrow_mut();
        let holder = references.entry(reference.to_owned()).or_insert_with(|| of.clone());
        Ok(if holder == of { Ok(()) } else { Err(holder.clone()) })
    }
}

impl PayoutFiles for MemoryPayouts {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.files.borrow().get(name).cloned())
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.files.borrow_mut().insert(name.to_owned(), bytes);
        Ok(())
    }
}
