//! The large files of stock: Prima's figures, lists of offers, imports under way. None is the only
//! copy of a fact: figures and lists are read again, and an import whose file is lost leaves its
//! lines in doubt until they are published again.
//!
//! | name | what |
//! | --- | --- |
//! | `figures` | [`super::figures`] |
//! | `offers/<channel>` | [`super::offers_list`] |
//! | `imports/<channel>/<mark>` | [`super::imports`] |

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::domain::state::StoreError;

/// The name of Prima's figures.
pub const FIGURES: &str = "figures";

/// The name of a channel's list of offers.
#[must_use]
pub fn offers_of(channel: &str) -> String {
    format!("offers/{channel}")
}

/// The name of the lines of an import.
#[must_use]
pub fn import_of(channel: &str, mark: &str) -> String {
    format!("imports/{channel}/{mark}")
}

/// Where they are kept.
pub trait StockFiles {
    /// A file; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a file, whatever was there before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError>;
}

impl<T: StockFiles> StockFiles for &T {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).read(name).await
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        (**self).write(name, bytes).await
    }
}

/// In memory, for one thread: the fault simulation's.
#[derive(Debug, Default)]
pub struct MemoryStockFiles {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl StockFiles for MemoryStockFiles {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.files.borrow().get(name).cloned())
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.files.borrow_mut().insert(name.to_owned(), bytes);
        Ok(())
    }
}
