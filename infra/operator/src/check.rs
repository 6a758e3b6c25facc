//! Tries a channel's connections.

use anyhow::Result;
use shared::channel::Channel;
use shared::channels::DocumentKey;
use shared::clock::SystemClock;
use shared::installation::Installation;
use shared::prima::{PrimaClient, wsdl};
use shared::secrets::SecretsManagerKeys;

use crate::answers::Found;
use crate::documents::mode;
use crate::place::Connector;
use crate::table::table;

/// A finding: what was looked at, what was found, and what to do about it (empty: nothing).
type Finding = [String; 3];

/// `check`: what can be told of a channel without changing anything, on both sides.
/// [`Found`] where something has a remedy.
pub(crate) async fn run(connector: &Connector, channel: &str) -> Result<String> {
    let definition = connector.channel(channel).await?;
    let documents = connector.documents()?;
    let keys = connector.mirakl_keys()?;
    let mut findings = vec![["definition".to_owned(), format!("sound; orders {}", mode(definition.orders)), String::new()]];
    let [result, remedy] = match keys.key(channel, true).await {
        Ok(_) => ["stored".to_owned(), String::new()],
        Err(problem) => ["missing".to_owned(), problem],
    };
    findings.push(["API key".to_owned(), result, remedy]);
    let stored = [
        ("order rules", DocumentKey::OrderRules(channel.to_owned()), format!("prima-mirakl rules put {channel} FILE")),
        ("installation", DocumentKey::Installation, "prima-mirakl installation put FILE".to_owned()),
    ];
    for (what, key, remedy) in stored {
        let [result, remedy] = match documents.stored(&key).await? {
            Some(stored) => [format!("stored, version {}", stored.version), String::new()],
            None => ["missing: no order can be created in Prima".to_owned(), remedy],
        };
        findings.push([what.to_owned(), result, remedy]);
    }
    findings.extend(mirakl(connector, &definition, keys).await);
    let installation: Option<Installation> = documents.read(&DocumentKey::Installation).await?;
    if let Some(installation) = installation {
        findings.push(prima(&installation).await);
    }
    answer(&findings)
}

/// What was found, as a table; [`Found`] where something is to be done.
fn answer(findings: &[Finding]) -> Result<String> {
    let mut table = table(&["what", "result", "remedy"]);
    for finding in findings {
        table.add_row(finding);
    }
    match findings.iter().filter(|[_, _, remedy]| !remedy.is_empty()).count() {
        0 => Ok(format!("{table}\nNothing is to be done.")),
        count => Err(Found(format!("{table}\nTo be done: {count}.")).into()),
    }
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
        Err(problem) => finding(
            "shop (A01)",
            problem.to_string(),
            &format!("store a key that opens this shop: prima-mirakl channels key {}", channel.id),
        ),
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
            format!("{problem}; the key's user may lack ROLE_SHOP_ADMIN: nothing depends on it, this check says less"),
            "",
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
                let result = std::iter::once("agrees with the installation document".to_owned()).chain(proposed.notes);
                return [what, result.collect::<Vec<_>>().join("; "), String::new()];
            }
            let proposal = serde_json::to_string(&proposed).unwrap_or_default();
            [what, "differs from the installation document".to_owned(), format!("the WSDL says: {proposal}")]
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn a_check_that_finds_something_is_told_apart_from_one_that_does_not() {
        let finding = |result: &str, remedy: &str| ["shop (A01)".to_owned(), result.to_owned(), remedy.to_owned()];
        assert!(answer(&[finding("OPEN", "")]).unwrap().ends_with("Nothing is to be done."));
        let found = answer(&[finding("OPEN", ""), finding("401", "store a key")]).unwrap_err();
        assert!(found.is::<Found>() && found.to_string().ends_with("To be done: 1."), "{found}");
    }
}
