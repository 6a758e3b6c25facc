//! A second copy of the channels' definitions, in Secrets Manager beside their keys: so that a
//! function that starts cold while DynamoDB fails still knows which channels to accept orders on.
//! The table is the truth; this is read only when the table cannot be.

use aws_sdk_secretsmanager::Client;

use crate::aws::config::code_of;
use crate::aws::secrets::{self, SecretUnwritten};
use crate::domain::channel::Channel;
use crate::domain::documents::COPY_OF_CHANNELS;

/// The copy cannot be read, or not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// Its secret cannot be read.
    #[error("the secret {secret} cannot be read ({code})")]
    Unread {
        /// The secret's name.
        secret: String,
        /// What Secrets Manager said.
        code: String,
    },
    /// Its secret holds something else.
    #[error("the secret {secret} is no list of definitions")]
    NoList {
        /// The secret's name.
        secret: String,
    },
    /// The definitions cannot be written as JSON.
    #[error("the channels' definitions cannot be written as JSON")]
    Unwritable,
    /// Its secret was not written.
    #[error("the copy of the channels' definitions: {0}, then repeat the command")]
    Unwritten(#[from] SecretUnwritten),
}

/// The copy, as one secret: a JSON list of definitions.
#[derive(Clone, Debug)]
pub struct ChannelCopy {
    client: Client,
    name: String,
}

impl ChannelCopy {
    /// The copy under the prefix that the channels' secrets have.
    #[must_use]
    pub fn new(client: Client, prefix: &str) -> Self {
        Self { client, name: format!("{prefix}{COPY_OF_CHANNELS}") }
    }

    /// The definitions that can be used.
    ///
    /// # Errors
    /// There is no copy, it cannot be read, or it is none.
    pub async fn read(&self) -> Result<Vec<Channel>, CopyError> {
        let secret = self.name.clone();
        match self.client.get_secret_value().secret_id(&secret).send().await {
            Ok(answer) => usable(answer.secret_string().unwrap_or_default())
                .ok_or(CopyError::NoList { secret }),
            Err(error) => Err(CopyError::Unread { secret, code: code_of(&error) }),
        }
    }

    /// Replaces the copy.
    ///
    /// # Errors
    /// It cannot be written: what to check.
    pub async fn write(&self, channels: &[Channel]) -> Result<(), CopyError> {
        let text = serde_json::to_string(channels).map_err(|_| CopyError::Unwritable)?;
        let description = "Copy of the Mirakl channels' definitions, read only while the channels table cannot be";
        Ok(secrets::write(&self.client, &self.name, description, &text).await.map(drop)?)
    }
}

/// Each definition by itself: one that cannot be used takes nothing from the others.
fn usable(text: &str) -> Option<Vec<Channel>> {
    let documents: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let channels = documents
        .into_iter()
        .filter_map(|document| serde_json::from_value::<Channel>(document).ok());
    Some(channels.filter(|channel| channel.problems().is_empty()).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    /// A channel definition that cannot be used takes nothing from the others.
    #[test]
    fn an_unusable_definition_leaves_the_others_usable() {
        let sound = r#"{"id":"a","base_url":"https://a.mirakl.net","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":60}"#;
        let text = format!(r#"[{{"id":"b"}},{sound},{}]"#, sound.replace(":60", ":1"));
        let ids: Vec<String> =
            usable(&text).unwrap().into_iter().map(|channel| channel.id).collect();
        assert_eq!(ids, ["a"]);
        assert!(usable("").is_none() && usable("{}").is_none());
    }
}
