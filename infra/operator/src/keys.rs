//! A channel's API key: from standard input into Secrets Manager, and nowhere else.

use std::io::{IsTerminal, Read};

use anyhow::{Result, anyhow};
use secrecy::SecretString;
use shared::aws::secrets;
use shared::domain::channel::Channel;
use shared::kit::clock::SystemClock;
use shared::mirakl::client::HttpDirectory;
use shared::mirakl::keys::{ApiKeys, KeyError};

use crate::answers::Refused;

use crate::connector::Connector;

/// The longest key that is believed to be one.
const LONGEST: u64 = 1000;

/// Stores the key that stands on standard input as `channel`'s, once the marketplace has taken it;
/// with `force` in any case.
pub(crate) async fn put(connector: &Connector, channel: &str, force: bool) -> Result<String> {
    let prefix = connector.secret_prefix()?;
    let definition = connector.channel(channel).await?;
    let key = read(channel)?;
    if !force {
        try_key(connector, &definition, &key).await?;
    }
    let name = format!("{prefix}{channel}");
    let secret = serde_json::json!({ "api_key": key }).to_string();
    let client = aws_sdk_secretsmanager::Client::new(&connector.config);
    let description = format!("API key of the Mirakl channel {channel}");
    let is_new = secrets::write(&client, &name, &description, &secret).await?;
    Ok(if is_new {
        format!("Stored the key of channel {channel} in the new secret {name}.")
    } else {
        format!(
            "Replaced the key of channel {channel} in the secret {name}. Functions use it within five minutes, or as soon as the old one is refused."
        )
    })
}

/// The key that is to be stored, for whatever channel.
struct Given(SecretString);

impl ApiKeys for Given {
    async fn api_key(&self, _channel_id: &str, _refresh: bool) -> Result<SecretString, KeyError> {
        Ok(self.0.clone())
    }
}

/// Asks for the shop behind the key (A01): a good key is not to be overwritten by one that opens
/// nothing, or another shop.
async fn try_key(connector: &Connector, channel: &Channel, key: &str) -> Result<()> {
    let keys = Given(SecretString::from(key.to_owned()));
    let account = match HttpDirectory::new(keys, SystemClock)
        .client_of(channel.shop(), connector.patience_ends())
    {
        Ok(client) => client.account().await,
        Err(problem) => Err(problem),
    };
    let refused = match account {
        Ok(account) => {
            let Some((wanted, opened)) =
                channel.shop_id.zip(account.shop_id).filter(|(wanted, opened)| wanted != opened)
            else {
                return Ok(());
            };
            format!(
                "the key opens shop {opened}, and the definition of channel {} names shop {wanted}",
                channel.id
            )
        }
        Err(problem) if problem.is_key_refused() => {
            format!("the marketplace refuses the key: {problem}")
        }
        Err(problem) => format!("the key cannot be tried: {problem}"),
    };
    Err(Refused::because(format!(
        "{refused}. The key that is stored was not touched. To store this one all the same, add --force."
    )))
}

fn read(channel: &str) -> Result<String> {
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        return Err(anyhow!(
            "the key is read from standard input, so that it appears on no screen: prima-mirakl channels key {channel} < FILE, \
             or from your password manager's command"
        ));
    }
    let mut text = String::new();
    input
        .by_ref()
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|_| anyhow!("standard input is no text: give the key alone"))?;
    usable(&text).map(str::to_owned)
}

/// The key in what was read: alone, in one line.
fn usable(text: &str) -> Result<&str> {
    let key = text.trim();
    let sound = !key.is_empty()
        && text.len() as u64 <= LONGEST
        && key.chars().all(|c| c.is_ascii_graphic());
    // What was given may be a mistyped key: it is not shown.
    sound.then_some(key).ok_or_else(|| {
        anyhow!("standard input holds no API key: give the key alone, in one line, without quotes")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_alone_and_is_never_shown_in_an_error() {
        assert_eq!(usable(" 0f-3a\n").ok(), Some("0f-3a"));
        for wrong in ["", "\n", "one two", "one\ntwo", "k\u{e9}y", &"k".repeat(1001)] {
            let error = usable(wrong)
                .map(str::to_owned)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.starts_with("standard input holds no API key"), "{wrong}");
        }
    }
}
