//! API keys in Secrets Manager: one secret a channel, `{"api_key":"..."}`. Read at first use, kept
//! in memory for a few minutes, never anywhere else. And how a secret is written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::create_secret::CreateSecretError;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::warn;

use crate::aws::config::code_of;
use crate::mirakl::keys::{ApiKeys, KeyError};

/// How long a key is used before it is read again: how soon a rotated key is noticed, where the old
/// one still works.
const KEPT: Duration = Duration::from_secs(300);

/// The channels' API keys.
#[derive(Debug)]
pub struct SecretsManagerKeys {
    client: Client,
    prefix: String,
    cache: Mutex<HashMap<String, (Instant, SecretString)>>,
}

/// What a channel's secret holds. Anything else in it is somebody else's.
#[derive(Deserialize)]
struct ChannelSecret {
    api_key: String,
}

impl SecretsManagerKeys {
    /// Keys in secrets whose names are `prefix` and the channel's id.
    pub fn new(client: Client, prefix: impl Into<String>) -> Self {
        Self { client, prefix: prefix.into(), cache: Mutex::default() }
    }

    /// A channel's key; read again where it is older than five minutes, or where `refresh` says
    /// that it was refused. Where it cannot be read again for its age alone, the old one goes on
    /// being used.
    ///
    /// # Errors
    /// Why it cannot be read and what to do; nothing of its content.
    pub async fn key(&self, channel_id: &str, refresh: bool) -> Result<SecretString, KeyError> {
        let cached = self.cached().get(channel_id).cloned();
        if let Some((read_at, key)) = &cached
            && !refresh
            && read_at.elapsed() < KEPT
        {
            return Ok(key.clone());
        }
        match (self.read(channel_id).await, cached) {
            (Ok(key), _) => {
                self.cached().insert(channel_id.to_owned(), (Instant::now(), key.clone()));
                Ok(key)
            }
            (Err(problem), Some((_, key))) if !refresh => {
                warn!(channel = channel_id, %problem, "going on with the key that was read before");
                Ok(key)
            }
            (Err(problem), _) => Err(problem),
        }
    }

    async fn read(&self, channel_id: &str) -> Result<SecretString, KeyError> {
        let (secret, remedy) = (format!("{}{channel_id}", self.prefix), remedy(channel_id));
        match self.client.get_secret_value().secret_id(&secret).send().await {
            Ok(answer) => key_in(answer.secret_string().unwrap_or_default())
                .ok_or(KeyError::Malformed { secret, remedy }),
            Err(error) => Err(KeyError::Unread { secret, code: code_of(&error), remedy }),
        }
    }

    fn cached(&self) -> MutexGuard<'_, HashMap<String, (Instant, SecretString)>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ApiKeys for SecretsManagerKeys {
    async fn api_key(&self, channel_id: &str, refresh: bool) -> Result<SecretString, KeyError> {
        self.key(channel_id, refresh).await
    }
}

/// A secret was not written: what to check; nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret {secret} was not written ({code}): check that your role may create secrets and put their values"
)]
pub struct SecretUnwritten {
    /// The secret's name.
    pub secret: String,
    /// What Secrets Manager said.
    pub code: String,
}

/// Writes a secret; a new one where there is none of that name. True where it is new.
///
/// # Errors
/// It was not written.
pub async fn write(
    client: &Client,
    name: &str,
    description: &str,
    secret: &str,
) -> Result<bool, SecretUnwritten> {
    let refused = |code: String| SecretUnwritten { secret: name.to_owned(), code };
    match client
        .create_secret()
        .name(name)
        .description(description)
        .secret_string(secret)
        .send()
        .await
    {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.as_service_error(),
                Some(CreateSecretError::ResourceExistsException(_))
            ) =>
        {
            let replaced =
                client.put_secret_value().secret_id(name).secret_string(secret).send().await;
            replaced.map(|_| false).map_err(|error| refused(code_of(&error)))
        }
        Err(error) => Err(refused(code_of(&error))),
    }
}

fn remedy(channel_id: &str) -> String {
    format!("store the key with `prima-mirakl channels key {channel_id}`")
}

fn key_in(secret: &str) -> Option<SecretString> {
    // The parser's message could quote the key: it is dropped.
    let secret: ChannelSecret = serde_json::from_str(secret).ok()?;
    let usable = !secret.api_key.is_empty() && secret.api_key.chars().all(|c| c.is_ascii_graphic());
    usable.then(|| SecretString::from(secret.api_key))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_is_read_from_its_form_and_from_no_other() {
        let key = key_in(r#"{"api_key":"0f-3a","note":"rotated"}"#)
            .map(|key| key.expose_secret().to_owned());
        assert_eq!(key.as_deref(), Some("0f-3a"));
        for other in [
            "",
            "0f-3a",
            r#"{"api_key":""}"#,
            r#"{"key":"a"}"#,
            "{\"api_key\":\"a b\"}",
            "{\"api_key\":\"a\\n\"}",
        ] {
            assert!(key_in(other).is_none(), "{other}");
        }
    }
}
