//! Tries a channel's connections.

use anyhow::Result;
use shared::channels::DocumentKey;
use shared::secrets::SecretsManagerKeys;

use crate::documents::mode;
use crate::place::Connector;
use crate::table::table;

/// `check`: what can be told of a channel without changing anything.
pub(crate) async fn run(connector: &Connector, channel: &str) -> Result<String> {
    let definition = connector.channel(channel).await?;
    let documents = connector.documents()?;
    let client = aws_sdk_secretsmanager::Client::new(&connector.config);
    let keys = SecretsManagerKeys::new(client, connector.secret_prefix()?);
    let mut table = table(&["what", "result", "remedy"]);
    table.add_row(["definition", &format!("sound; orders {}", mode(definition.orders)), ""]);
    let [result, remedy] = match keys.key(channel, true).await {
        Ok(_) => ["stored".to_owned(), String::new()],
        Err(problem) => ["missing".to_owned(), problem],
    };
    table.add_row(["API key".to_owned(), result, remedy]);
    let stored = [
        ("order rules", DocumentKey::OrderRules(channel.to_owned()), format!("prima-mirakl rules put {channel} FILE")),
        ("installation", DocumentKey::Installation, "prima-mirakl installation put FILE".to_owned()),
    ];
    for (what, key, remedy) in stored {
        let [result, remedy] = match documents.stored(&key).await? {
            Some(stored) => [format!("stored, version {}", stored.version), String::new()],
            None => ["missing: no order can be created in Prima".to_owned(), remedy],
        };
        table.add_row([what.to_owned(), result, remedy]);
    }
    Ok(table.to_string())
}
