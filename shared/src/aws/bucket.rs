//! Files in a bucket.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;

use crate::aws::config::code_of;
use crate::domain::state::StoreError;

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// The bucket of this name.
    pub(super) fn new(config: &aws_config::SdkConfig, name: impl Into<String>) -> Self {
        // A bucket's name in the path: the only form that every S3, a local one too, understands.
        let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
        Self { client: Client::from_conf(config), name: name.into() }
    }

    /// A file; `None` where there is none.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = match self.client.get_object().bucket(&self.name).key(name).send().await {
            Ok(answer) => answer,
            Err(error)
                if matches!(error.as_service_error(), Some(GetObjectError::NoSuchKey(_))) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(StoreError::Unavailable(format!(
                    "reading the file {name}: {}",
                    code_of(&error)
                )));
            }
        };
        let body = answer
            .body
            .collect()
            .await
            .map_err(|_| StoreError::Unavailable(format!("the file {name} was cut short")))?;
        Ok(Some(body.to_vec()))
    }

    /// Writes a file, whatever was there before.
    pub(super) async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let sent = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(name)
            .body(ByteStream::from(bytes))
            .send()
            .await;
        sent.map(drop).map_err(|error| {
            StoreError::Unavailable(format!("writing the file {name}: {}", code_of(&error)))
        })
    }
}
