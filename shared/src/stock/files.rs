//! The large files of stock: Prima's figures, lists of offers, imports under way. None is the only copy of a fact: figures and lists are
//! read again, and an import whose file is lost leaves its lines in doubt until they are published again.
//!
//! | name | what |
//! | --- | --- |
//! | `figures` | [`super::figures`] |
//! | `offers/<channel>` | [`super::offers_list`] |
//! | `imports/<channel>/<mark>` | [`super::imports`] |

use std::cell::RefCell;
use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;

use crate::aws::code_of;
use crate::state::StoreError;

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

/// In a bucket.
#[derive(Clone, Debug)]
pub struct S3StockFiles {
    client: Client,
    bucket: String,
}

impl S3StockFiles {
    /// In this one.
    pub fn new(config: &aws_config::SdkConfig, bucket: impl Into<String>) -> Self {
        // A bucket's name in the path: the only form that every S3, a local one too, understands.
        let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
        Self { client: Client::from_conf(config), bucket: bucket.into() }
    }
}

impl StockFiles for S3StockFiles {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = match self.client.get_object().bucket(&self.bucket).key(name).send().await {
            Ok(answer) => answer,
            Err(error) if matches!(error.as_service_error(), Some(GetObjectError::NoSuchKey(_))) => return Ok(None),
            Err(error) => return Err(StoreError::Unavailable(format!("reading the file {name}: {}", code_of(&error)))),
        };
        let body = answer.body.collect().await.map_err(|_| StoreError::Unavailable(format!("the file {name} was cut short")))?;
        Ok(Some(body.to_vec()))
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let sent = self.client.put_object().bucket(&self.bucket).key(name).body(ByteStream::from(bytes)).send().await;
        sent.map(drop).map_err(|error| StoreError::Unavailable(format!("writing the file {name}: {}", code_of(&error))))
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
