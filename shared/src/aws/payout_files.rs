//! The large files of payouts in a bucket: lines, journals, reports, the operator's documents.

use crate::aws::bucket::Bucket;
use crate::domain::payout::store::PayoutFiles;
use crate::domain::state::StoreError;

/// In a bucket.
#[derive(Clone, Debug)]
pub struct S3PayoutFiles(Bucket);

impl S3PayoutFiles {
    /// In this one.
    pub fn new(config: &aws_config::SdkConfig, bucket: impl Into<String>) -> Self {
        Self(Bucket::new(config, bucket))
    }
}

impl PayoutFiles for S3PayoutFiles {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.read(name).await
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.0.write(name, bytes).await
    }
}
