//! Where a channel's API key comes from.

use secrecy::SecretString;

/// Why a key cannot be read, and what to do; nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Its secret cannot be read.
    #[error("the secret {secret} cannot be read ({code}): {remedy}")]
    Unread {
        /// The secret's name.
        secret: String,
        /// What Secrets Manager said.
        code: String,
        /// What to do.
        remedy: String,
    },
    /// Its secret holds something else.
    #[error("the secret {secret} is not of the form {{\"api_key\":\"...\"}}: {remedy}")]
    Malformed {
        /// The secret's name.
        secret: String,
        /// What to do.
        remedy: String,
    },
}

/// Reads API keys.
pub trait ApiKeys {
    /// The raw key of a channel; `refresh` asks past any cache, after Mirakl refused the one it was
    /// given.
    ///
    /// # Errors
    /// Why the key cannot be read.
    async fn api_key(&self, channel_id: &str, refresh: bool) -> Result<SecretString, KeyError>;
}
