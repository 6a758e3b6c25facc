//! Tries a channel's connections.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use shared::aws::documents::Documents;
use shared::aws::secrets::SecretsManagerKeys;
use shared::domain::channel::{Channel, Mode};
use shared::domain::dispatch::rules::{DispatchRules, ShortLines};
use shared::domain::documents::DocumentKey;
use shared::domain::installation::Installation;
use shared::domain::payout::row::ShopKey;
use shared::domain::payout::store::PayoutStore as _;
use shared::domain::prima_calls::PrimaCaller;
use shared::domain::stock::rules::{ImportKind, StockRules};
use shared::kit::clock::{SystemClock, before};
use shared::mirakl::probe::Probed;
use shared::mirakl::rights::refusal;
use shared::mirakl::shipping_requirements::ShippingRequirements;
use shared::prima::wsdl;

use crate::answers::Found;
use crate::connector::Connector;
use crate::documents::mode;
use crate::table::table;

/// As long as what a marketplace demands is not read again: some of it may be read once a day.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A finding: what was looked at, what was found, and what to do about it (empty: nothing).
type Finding = [String; 3];

/// `check`: what can be told of a channel without changing anything, on both sides.
/// [`Found`] where something has a remedy.
pub(crate) async fn run(connector: &Connector, channel: &str) -> Result<String> {
    let definition = connector.channel(channel).await?;
    let documents = connector.documents()?;
    let keys = connector.mirakl_keys()?;
    let mut findings = vec![[
        "definition".to_owned(),
        format!("sound; orders {}", mode(definition.orders)),
        String::new(),
    ]];
    let [result, remedy] = match keys.key(channel, true).await {
        Ok(_) => ["stored".to_owned(), String::new()],
        Err(problem) => ["missing".to_owned(), problem.to_string()],
    };
    findings.push(["API key".to_owned(), result, remedy]);
    let stored = [
        (
            "order rules",
            DocumentKey::OrderRules(channel.to_owned()),
            format!("prima-mirakl rules put {channel} FILE"),
        ),
        (
            "installation",
            DocumentKey::Installation,
            "prima-mirakl installation put FILE".to_owned(),
        ),
    ];
    for (what, key, remedy) in stored {
        let [result, remedy] = match documents.stored(&key).await? {
            Some(stored) => [format!("stored, version {}", stored.version), String::new()],
            None => ["missing: no order can be created in Prima".to_owned(), remedy],
        };
        findings.push([what.to_owned(), result, remedy]);
    }
    findings.extend(mirakl(connector, &definition, keys).await);
    findings.extend(rights(connector, &definition, &documents).await?);
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

/// An operation that a flow needs, and for what.
type Needed = (&'static str, &'static str);

/// The operations that the channel's flows need; what is off needs none. `ships_in_parts`: none
/// where that is not known.
fn needed(
    channel: &Channel,
    dispatch: &DispatchRules,
    stock: &StockRules,
    requirements: Option<&ShippingRequirements>,
) -> Vec<Needed> {
    let is_on = |mode| mode != Mode::Off;
    let mut needed = Vec::new();
    if is_on(channel.orders) {
        needed.extend([("OR11", "orders"), ("OR21", "orders"), ("OR04", "orders")]);
    }
    if is_on(channel.dispatches) {
        let in_parts = requirements.map(|requirements| requirements.multi_shipment);
        needed.extend([
            ("OR11", "dispatches"),
            ("PC01", "dispatches"),
            ("SH21", "dispatches"),
            ("SH12", "dispatches"),
        ]);
        if in_parts != Some(true) {
            needed.extend([("OR23", "dispatches"), ("OR24", "dispatches")]);
        }
        if in_parts != Some(false) {
            needed.extend([("ST01", "dispatches"), ("ST11", "dispatches")]);
        }
        match dispatch.short_lines {
            ShortLines::Exception => {}
            ShortLines::Cancel => needed.push(("OR30", "dispatches")),
            ShortLines::Refund => needed.push(("OR28", "dispatches")),
        }
    }
    if is_on(channel.stock) {
        needed.push(("OF21", "stock"));
        match stock.import {
            // The same right opens what follows the import up.
            ImportKind::Stock => needed.push(("STO01", "stock")),
            ImportKind::Offers => needed.extend([("OF01", "stock"), ("OF02", "stock")]),
        }
    }
    if is_on(channel.payouts) {
        needed.extend([("TL02", "payouts"), ("SBC11", "payouts"), ("IV01", "payouts")]);
    }
    let mut seen = HashSet::new();
    needed.retain(|(operation, _)| seen.insert(*operation));
    needed
}

/// Probes each right that the channel's flows need, without an effect.
async fn rights(
    connector: &Connector,
    channel: &Channel,
    documents: &Documents,
) -> Result<Vec<Finding>> {
    let dispatch: DispatchRules =
        documents.read(&DocumentKey::DispatchRules(channel.id.clone())).await?.unwrap_or_default();
    let stock: StockRules =
        documents.read(&DocumentKey::StockRules(channel.id.clone())).await?.unwrap_or_default();
    let requirements: Option<ShippingRequirements> =
        documents.read(&DocumentKey::ShippingRequirements(channel.id.clone())).await?;
    // These may be read once a day: what was read lately is not asked again.
    let is_fresh = requirements
        .as_ref()
        .is_some_and(|requirements| requirements.read_at >= before(connector.now, DAY));
    let is_listed = match (channel.payouts, ShopKey::of(channel)) {
        (Mode::Off, _) | (_, None) => false,
        (_, Some(shop)) => {
            let listed = connector.payouts()?.load_shop(&shop).await?.listed_on;
            let yesterday = before(connector.now, DAY).to_zoned(jiff::tz::TimeZone::UTC).date();
            listed.is_some_and(|day| day >= yesterday)
        }
    };
    // Said already: the definition has to be mended first.
    let Ok(client) = connector.mirakl(connector.mirakl_keys()?, channel) else {
        return Ok(Vec::new());
    };
    let mut findings = Vec::new();
    for (operation, flow) in needed(channel, &dispatch, &stock, requirements.as_ref()) {
        let was_read = match operation {
            "PC01" | "SH21" | "SH12" => is_fresh,
            "SBC11" | "IV01" => is_listed,
            _ => false,
        };
        let probed = if was_read { Probed::There } else { client.probe(operation).await };
        let [result, remedy] = match probed {
            Probed::There => ["there".to_owned(), String::new()],
            Probed::Missing(told) => {
                let remedy = format!(
                    "{}: have the marketplace give it to the key's user",
                    refusal(operation, &told)
                );
                ["MISSING".to_owned(), remedy]
            }
            Probed::Unclear(told) => [
                format!("cannot be told now ({told}): run this again in some minutes"),
                String::new(),
            ],
        };
        findings.push([format!("right to {operation} ({flow})"), result, remedy]);
    }
    Ok(findings)
}

/// Whether the marketplace answers, the key opens the shop, and the platform is set up as the
/// definition believes.
async fn mirakl(
    connector: &Connector,
    channel: &Channel,
    keys: SecretsManagerKeys,
) -> Vec<Finding> {
    let finding =
        |what: &str, result: String, remedy: &str| [what.to_owned(), result, remedy.to_owned()];
    let client = match connector.mirakl(keys, channel) {
        Ok(client) => client,
        Err(problem) => {
            return vec![finding("Mirakl", problem.to_string(), "mend the channel's definition")];
        }
    };
    let mut findings = Vec::new();
    match client.version().await {
        Ok(()) => findings.push(finding("Mirakl (V01)", "answers".to_owned(), "")),
        Err(problem) => {
            return vec![finding(
                "Mirakl (V01)",
                problem.to_string(),
                "check base_url, and that this machine reaches it",
            )];
        }
    }
    let mut unread_fields = Vec::new();
    findings.push(match client.account().await {
        Ok(account) => {
            unread_fields.extend(account.unread_fields);
            let state = account.shop_state.unwrap_or_else(|| "unknown".to_owned());
            let remedy =
                if state == "OPEN" { "" } else { "the shop is not open: ask the marketplace" };
            let shop = account.shop_id.map_or_else(|| "?".to_owned(), |id| id.to_string());
            finding(
                "shop (A01)",
                format!("{state}, shop {shop}, {}", account.currency_iso_code.unwrap_or_default()),
                remedy,
            )
        }
        Err(problem) => finding(
            "shop (A01)",
            problem.to_string(),
            &format!("store a key that opens this shop: prima-mirakl channels key {}", channel.id),
        ),
    });
    findings.push(match client.platform_configuration().await {
        Ok(platform) => {
            unread_fields.extend(platform.unread_fields);
            let workflows = platform.features.order_workflows;
            let acceptance = workflows.order_acceptance.unwrap_or_else(|| "unknown".to_owned());
            let tax = platform.features.order_tax_mode.unwrap_or_else(|| "unknown".to_owned());
            finding("platform (PC01)", format!("acceptance {acceptance}; tax mode {tax}"), "")
        }
        Err(problem) => finding(
            "platform (PC01)",
            format!("{problem}; the key's user may lack ROLE_SHOP_ADMIN, which dispatches need"),
            "",
        ),
    });
    findings.extend(unread_fields.iter().map(|form| {
        let remedy = "it was done without: say the form to the connector's engineer (9: a digit, a: a letter)";
        finding("odd field", format!("{form} is not understood"), remedy)
    }));
    findings
}

/// Whether Prima's service answers from here, and whether its WSDL agrees with the installation
/// document.
async fn prima(installation: &Installation) -> Finding {
    let what = "Prima (WSDL)".to_owned();
    let client = match installation.prima_client(PrimaCaller::CreatePrimaOrders, SystemClock) {
        Ok(client) => client,
        Err(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            return [
                what,
                problems.join("; "),
                "mend it: prima-mirakl installation put FILE".to_owned(),
            ];
        }
    };
    let text = match client.fetch_wsdl().await {
        Ok(text) => text,
        Err(problem) => {
            return [
                what,
                problem.to_string(),
                "run this where Prima can be reached, or check prima.endpoint".to_owned(),
            ];
        }
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
                let result = std::iter::once("agrees with the installation document".to_owned())
                    .chain(proposed.notes);
                return [what, result.collect::<Vec<_>>().join("; "), String::new()];
            }
            let proposal = serde_json::to_string(&proposed).unwrap_or_default();
            [
                what,
                "differs from the installation document".to_owned(),
                format!("the WSDL says: {proposal}"),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    /// A check that finds something is told apart from one that does not.
    #[test]
    fn a_check_with_findings_differs_from_a_clean_one() {
        let finding = |result: &str, remedy: &str| {
            ["shop (A01)".to_owned(), result.to_owned(), remedy.to_owned()]
        };
        assert!(answer(&[finding("OPEN", "")]).unwrap().ends_with("Nothing is to be done."));
        let found = answer(&[finding("OPEN", ""), finding("401", "store a key")]).unwrap_err();
        assert!(found.is::<Found>() && found.to_string().ends_with("To be done: 1."), "{found}");
    }

    #[test]
    fn only_the_rights_of_flows_that_are_on_are_needed() {
        let mut channel: Channel = serde_json::from_str(
            r#"{"id":"c","base_url":"https://c.mirakl.net","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":60}"#,
        )
        .unwrap();
        let refund = DispatchRules { short_lines: ShortLines::Refund, ..DispatchRules::default() };
        let needs = |channel: &Channel, requirements: Option<&ShippingRequirements>| -> Vec<&str> {
            needed(channel, &refund, &StockRules::default(), requirements)
                .into_iter()
                .map(|(operation, _)| operation)
                .collect()
        };
        assert_eq!(needs(&channel, None), Vec::<&str>::new());
        channel.orders = Mode::Live;
        assert_eq!(needs(&channel, None), ["OR11", "OR21", "OR04"]);
        (channel.dispatches, channel.stock) = (Mode::Observe, Mode::Live);
        let in_parts =
            ShippingRequirements { multi_shipment: true, ..ShippingRequirements::default() };
        assert_eq!(
            needs(&channel, Some(&in_parts)),
            [
                "OR11", "OR21", "OR04", "PC01", "SH21", "SH12", "ST01", "ST11", "OR28", "OF21",
                "STO01"
            ]
        );
        let by_offers = StockRules { import: ImportKind::Offers, ..StockRules::default() };
        let of_stock: Vec<&str> = needed(&channel, &refund, &by_offers, Some(&in_parts))
            .into_iter()
            .filter_map(|(operation, flow)| (flow == "stock").then_some(operation))
            .collect();
        assert_eq!(of_stock, ["OF21", "OF01", "OF02"]);
        channel.payouts = Mode::Observe;
        assert!(needs(&channel, Some(&in_parts)).ends_with(&["TL02", "SBC11", "IV01"]));
        assert!(needs(&channel, Some(&ShippingRequirements::default())).contains(&"OR24"));
        assert!(
            ["OR24", "ST01"].iter().all(|operation| needs(&channel, None).contains(operation)),
            "not known: both"
        );
    }
}
