//! Where a channel's API key comes from.

use secrecy::SecretString;

/// Reads API keys.
pub trait ApiKeys {
    /// The raw key of a channel; `refresh` asks past any cache, after Mirakl refused the one it was given.
    ///
    /// # Errors
    /// Why the key cannot be read, for a person; nothing of the key.
    async fn api_key(&self, channel_id: &str, refresh: bool) -> Result<SecretString, String>;
}
