//! Tries a channel's connections.

use anyhow::Result;
use shared::channel::Channel;
use shared::channels::DocumentKey;
use shared::clock::SystemClock;
use shared::installation::Installation;
use shared::prima::{PrimaClient, wsdl};
use shared::secrets::SecretsManagerKeys;

use crate::documents::mode;
use crate::place::Connector;
use crate::table::table;

/// A finding: what was looked at, what was found, and what to do about it (empty: nothing).
type Finding = [String; 3];

/// `check`: what can be told of a channel without changing anything, on both sides.
pub(crate) async fn run(connector: &Connector, channel: &str) -> Result<String> {
    let definition = connector.channel(channel).await?;
    let documents = connector.documents()?;
    let keys = connector.mirakl_keys()?;
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
    for finding in mirakl(connector, &definition, keys).await {
        table.add_row(finding);
    }
    let installation: Option<Installation> = documents.read(&DocumentKey::Installation).await?;
    if let Some(installation) = installation {
        table.add_row(prima(&installation).await);
    }
    Ok(table.to_string())
}

/// Whether the marketplace answers, the key opens the shop, and the platform is set up as the definition believes.
async fn mirakl(connector: &Connector, channel: &Channel, keys: SecretsManagerKeys) -> Vec<Finding> {
    let finding = |what: &str, result: String, remedy: &str| [what.to_owned(), result, remedy.to_owned()];
    let client = match connector.mirakl(keys, channel) {
        Ok(client) => client,
        Err(problem) => return vec![finding("Mirakl", problem.to_string(), "mend the channel's definition")],
    };
    let mut findings = Vec::new();
    match client.version().await {
        Ok(()) => findings.push(finding("Mirakl (V01)", "answers".to_owned(), "")),
        Err(problem) => return vec![finding("Mirakl (V01)", problem.to_string(), "check base_url, and that this machine reaches it")],
    }
    findings.push(match client.account().await {
        Ok(account) => {
            let state = account.shop_state.unwrap_or_else(|| "unknown".to_owned());
            let remedy = if state == "OPEN" { "" } else { "the shop is not open: ask the marketplace" };
            let shop = account.shop_id.map_or_else(|| "?".to_owned(), |id| id.to_string());
            finding("shop (A01)", format!("{state}, shop {shop}, {}", account.currency_iso_code.unwrap_or_default()), remedy)
        }
        Err(problem) => finding("shop (A01)", problem.to_string(), "store a key that opens this shop: prima-mirakl channels key"),
    });
    findings.push(match client.platform_configuration().await {
        Ok(platform) => {
            let workflows = platform.features.order_workflows;
            let acceptance = workflows.order_acceptance.unwrap_or_else(|| "unknown".to_owned());
            let tax = platform.features.order_tax_mode.unwrap_or_else(|| "unknown".to_owned());
            finding("platform (PC01)", format!("acceptance {acceptance}; tax mode {tax}"), "")
        }
        Err(problem) => finding(
            "platform (PC01)",
            problem.to_string(),
            "the key's user lacks ROLE_SHOP_ADMIN: nothing depends on it, this check says less",
        ),
    });
    findings
}

/// Whether Prima's service answers from here, and whether its WSDL agrees with the installation document.
async fn prima(installation: &Installation) -> Finding {
    let what = "Prima (WSDL)".to_owned();
    let client = match PrimaClient::new(installation, SystemClock) {
        Ok(client) => client,
        Err(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            return [what, problems.join("; "), "mend it: prima-mirakl installation put FILE".to_owned()];
        }
    };
    let text = match client.fetch_wsdl().await {
        Ok(text) => text,
        Err(problem) => return [what, problem.to_string(), "run this where Prima can be reached, or check prima.endpoint".to_owned()],
    };
    match wsdl::probe(&text) {
        Err(problem) => [what, problem.to_string(), "look at the WSDL by hand".to_owned()],
        Ok(proposed) => {
            let connection = &installation.prima;
            let agrees = proposed.message_format == connection.message_format
                && proposed.namespace == connection.namespace
                && proposed.request_part == connection.parts.request
                && proposed.result_part == connection.parts.result;
            if agrees {
                return [what, "agrees with the installation document".to_owned(), proposed.notes.join("; ")];
            }
            let proposal = serde_json::to_string(&proposed).unwrap_or_default();
            [what, "differs from the installation document".to_owned(), format!("the WSDL says: {proposal}")]
        }
    }
}
