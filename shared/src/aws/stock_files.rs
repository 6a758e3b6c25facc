//! The large files of stock in a bucket.

use crate::aws::bucket::Bucket;
use crate::domain::state::StoreError;
use crate::domain::stock::files::StockFiles;

/// In a bucket.
#[derive(Clone, Debug)]
pub struct S3StockFiles(Bucket);

impl S3StockFiles {
    /// In this one.
    pub fn new(config: &aws_config::SdkConfig, bucket: impl Into<String>) -> Self {
        Self(Bucket::new(config, bucket))
    }
}

impl StockFiles for S3StockFiles {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.read(name).await
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.0.write(name, bytes).await
    }
}
