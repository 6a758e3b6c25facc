//! Puts the documents of `infra/seed` into the stack, as an operator does, with the local world's
//! addresses in them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::deployment::Deployment;
use crate::paths;

/// A channel of the seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedChannel {
    /// The channel's id; its documents are `infra/seed/channels/<id>.json` and
    /// `infra/seed/rules/<id>.json`.
    pub id: String,
    /// Mirakl's shop id.
    pub shop_id: i64,
    /// The API key that the simulated Mirakl takes.
    pub api_key: String,
    /// The currency of its orders.
    pub currency: &'static str,
    /// `TAX_INCLUDED` or `TAX_EXCLUDED`.
    pub tax_mode: &'static str,
    /// Its marketplace ships in parts.
    pub multi_shipment: bool,
}

/// The two channels of the local world: one in pounds with taxes included, whose marketplace ships
/// whole orders; one in euros with taxes excluded, whose marketplace ships in parts.
#[must_use]
pub fn channels() -> Vec<SeedChannel> {
    let channel = |id: &str, shop_id, currency, tax_mode, multi_shipment| SeedChannel {
        id: id.to_owned(),
        shop_id,
        api_key: format!("local-key-of-{id}"),
        currency,
        tax_mode,
        multi_shipment,
    };
    vec![
        channel("outfitter-uk", 2001, "GBP", "TAX_INCLUDED", false),
        channel("modehaus-eu", 3001, "EUR", "TAX_EXCLUDED", true),
    ]
}

/// Stores installation, channels, order rules and keys through the operator command. `changes` are
/// merged into the installation document, or into the definition of every channel.
pub(crate) async fn plant(
    deployment: &Deployment,
    channels: &[SeedChannel],
    installation_changes: &Value,
    channel_changes: &Value,
) -> Result<()> {
    let seed = paths::workspace().join("infra/seed");
    let directory = deployment.aws().directory().to_owned();
    let installation = changed(
        &seed.join("installation.json"),
        installation_changes,
        &directory.join("installation.json"),
    )?;
    deployment.operator(&["installation", "put", &installation], "").await?;
    for channel in channels {
        let id = channel.id.as_str();
        let definition = seed.join(format!("channels/{id}.json"));
        let definition =
            changed(&definition, channel_changes, &directory.join(format!("channel-{id}.json")))?;
        deployment.operator(&["channels", "put", &definition], "").await?;
        let rules = seed.join(format!("rules/{id}.json"));
        deployment.operator(&["rules", "put", id, &rules.to_string_lossy()], "").await?;
        let rules = seed.join(format!("dispatch-rules/{id}.json"));
        deployment.operator(&["dispatch-rules", "put", id, &rules.to_string_lossy()], "").await?;
        let rules = seed.join(format!("payout-rules/{id}.json"));
        deployment.operator(&["payout-rules", "put", id, &rules.to_string_lossy()], "").await?;
        let chart = seed.join(format!("charts/{id}.json"));
        deployment.operator(&["chart", "put", id, &chart.to_string_lossy()], "").await?;
        deployment.operator(&["channels", "key", id], &channel.api_key).await?;
        // After the key: the map is checked against the marketplace's own list.
        let map = seed.join(format!("carriers/{id}.csv"));
        deployment.operator(&["carriers", "import", id, &map.to_string_lossy()], "").await?;
    }
    Ok(())
}

/// Writes a changed copy of a JSON document and returns its path.
fn changed(source: &Path, changes: &Value, target: &PathBuf) -> Result<String> {
    let text =
        std::fs::read_to_string(source).with_context(|| format!("reading {}", source.display()))?;
    let mut document =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", source.display()))?;
    merge(&mut document, changes);
    std::fs::write(target, serde_json::to_vec_pretty(&document)?)?;
    Ok(target.to_string_lossy().into_owned())
}

/// Puts what `changes` names in its place in `target`; the rest stays.
pub(crate) fn merge(target: &mut Value, changes: &Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(target.entry(name).or_insert(Value::Null), change);
            }
        }
        (target, changes) => *target = changes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_reach_into_a_document_and_leave_the_rest() {
        let mut document =
            json!({"prima": {"endpoint": "a", "parts": {"request": "r"}}, "behaviour": {}});
        merge(
            &mut document,
            &json!({"prima": {"endpoint": "b"}, "behaviour": {"cancel_order": true}}),
        );
        assert_eq!(
            document,
            json!({"prima": {"endpoint": "b", "parts": {"request": "r"}}, "behaviour": {"cancel_order": true}})
        );
    }
}
