//! The documents of payouts: a channel's payout rules, and its chart of accounts.

use std::collections::BTreeSet;

use anyhow::Result;
use shared::domain::documents::DocumentKey;
use shared::domain::payout::chart::{Book, Booking, Chart, ChartVersion};
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::row::ShopKey;
use shared::domain::payout::rules::PayoutRules;
use shared::domain::payout::store::PayoutStore as _;
use shared::kit::field_error::FieldError;
use shared::mirakl::finance::TransactionType;

use crate::answers::{Found, Refused};
use crate::arguments::{ChartCommand, PayoutRulesCommand};
use crate::connector::Connector;
use crate::documents::{history, put, read, show};
use crate::table::table;

/// `payout-rules`
pub(crate) async fn rules(connector: &Connector, command: PayoutRulesCommand) -> Result<String> {
    let documents = connector.documents()?;
    match command {
        PayoutRulesCommand::Put { channel, file } => {
            let rules = read::<PayoutRules>(&file, PayoutRules::problems)?;
            connector.channel(&channel).await?;
            put(connector, &documents, &DocumentKey::PayoutRules(channel), &rules).await
        }
        PayoutRulesCommand::Show { channel } => {
            let remedy = format!("`prima-mirakl payout-rules put {channel} FILE`");
            show(&documents, &DocumentKey::PayoutRules(channel), &remedy, connector.now).await
        }
        PayoutRulesCommand::History { channel } => {
            history(&documents, &DocumentKey::PayoutRules(channel), connector.now).await
        }
    }
}

/// `chart`
pub(crate) async fn chart(connector: &Connector, command: ChartCommand) -> Result<String> {
    let documents = connector.documents()?;
    match command {
        ChartCommand::Put { channel, file } => {
            let uses = uses(connector, &channel).await?;
            let chart = read::<Chart>(&file, |chart| chart.problems(&uses))?;
            let stored = put(connector, &documents, &DocumentKey::Chart(channel), &chart).await?;
            Ok(format!("{stored}{}", told_uses(&uses)))
        }
        ChartCommand::Check { channel } => {
            let uses = uses(connector, &channel).await?;
            let chart = stored(connector, &channel).await?;
            let problems = chart.problems(&uses);
            if problems.is_empty() {
                return Ok(format!("The chart of channel {channel} is sound.{}", told_uses(&uses)));
            }
            let lines: Vec<String> = problems.iter().map(FieldError::to_string).collect();
            Err(Found(lines.join("\n")).into())
        }
        ChartCommand::Show { channel } => {
            let remedy = put_remedy(&channel);
            show(&documents, &DocumentKey::Chart(channel), &remedy, connector.now).await
        }
        ChartCommand::History { channel } => {
            history(&documents, &DocumentKey::Chart(channel), connector.now).await
        }
        ChartCommand::Types { channel } => {
            let chart = stored(connector, &channel).await?;
            let today = connector.now.to_zoned(jiff::tz::TimeZone::UTC).date();
            let version = chart.at(today).or_else(|| chart.versions.first());
            version.map(types).ok_or_else(|| {
                Refused::because(format!("the chart of channel {channel} has no version"))
            })
        }
    }
}

fn put_remedy(channel: &str) -> String {
    format!("`prima-mirakl chart put {channel} FILE`")
}

async fn stored(connector: &Connector, channel: &str) -> Result<Chart> {
    let key = DocumentKey::Chart(channel.to_owned());
    connector.documents()?.read(&key).await?.ok_or_else(|| {
        anyhow::anyhow!("there is none of {key}: store it with {}", put_remedy(channel))
    })
}

/// The currencies and payment service providers of the shop's cycles, as far as they are known.
async fn uses(connector: &Connector, channel: &str) -> Result<Vec<(String, String)>> {
    let definition = connector.channel(channel).await?;
    let Some(shop) = ShopKey::of(&definition) else { return Ok(Vec::new()) };
    let cycles = connector.payouts()?.cycles(&shop).await?;
    Ok(uses_of(cycles.iter().map(|cycle| &cycle.key)))
}

fn uses_of<'k>(cycles: impl Iterator<Item = &'k CycleKey>) -> Vec<(String, String)> {
    let uses: BTreeSet<_> = cycles.map(|key| (key.currency.clone(), key.psp.clone())).collect();
    uses.into_iter().collect()
}

fn told_uses(uses: &[(String, String)]) -> String {
    if uses.is_empty() {
        return " No cycle of the shop is known yet: whether every currency has its bank account shows with the first.".to_owned();
    }
    let each: Vec<String> =
        uses.iter().map(|(currency, psp)| format!("{currency} by {psp}")).collect();
    format!(" The shop's cycles are in: {}.", each.join(", "))
}

/// Where each type is booked.
fn types(version: &ChartVersion) -> String {
    let mut table = table(&["type", "booked", "nominal", "cost centre", "tax code", "narrative"]);
    for kind in TransactionType::ALL {
        let booking = version.types.get(kind.code());
        table.add_row(row(kind.code(), booking));
    }
    format!("# The version that holds from {}\n{table}", version.effective_from)
}

fn row(code: &str, booking: Option<&Booking>) -> [String; 6] {
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let Some(booking) = booking else {
        return [code, "MISSING", "", "", "", ""].map(str::to_owned);
    };
    let book = match booking.book {
        Book::Nominal => "to a nominal",
        Book::Vat => "input VAT",
        Book::Reserve => "reserve",
        Book::Prima => "by Prima's invoices and credit notes",
        Book::Cash => "by the bank's reconciliation",
        Book::Suspense => "suspense",
        Book::Hold => "holds the cycle",
        Book::ByDocument => "by manual_credits",
    };
    [
        code.to_owned(),
        book.to_owned(),
        text(booking.nominal.as_ref()),
        text(booking.cost_centre.as_ref()),
        text(booking.tax_code.as_ref()),
        text(booking.narrative.as_ref()),
    ]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use shared::domain::channel::{Channel, Mode};
    use shared::domain::installation::Installation;

    use super::*;

    fn seed(path: &str) -> String {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../seed");
        std::fs::read_to_string(root.join(path)).unwrap()
    }

    /// Both demo channels can be booked as they are seeded.
    #[test]
    fn the_seeds_are_sound() {
        let installation: Installation = serde_json::from_str(&seed("installation.json")).unwrap();
        assert_eq!(installation.problems(), []);
        for (channel, currency) in [("outfitter-uk", "GBP"), ("modehaus-eu", "EUR")] {
            let definition: Channel =
                serde_json::from_str(&seed(&format!("channels/{channel}.json"))).unwrap();
            assert!(definition.payouts != Mode::Off && ShopKey::of(&definition).is_some());
            let rules: PayoutRules =
                serde_json::from_str(&seed(&format!("payout-rules/{channel}.json"))).unwrap();
            assert_eq!(rules.problems(), [], "{channel}");
            let chart: Chart =
                serde_json::from_str(&seed(&format!("charts/{channel}.json"))).unwrap();
            let uses = [(currency.to_owned(), "NOT_SPECIFIED".to_owned())];
            assert_eq!(chart.problems(&uses), [], "{channel}");
            let shown = types(&chart.versions[0]);
            assert!(shown.contains("COMMISSION_FEE") && !shown.contains("MISSING"), "{shown}");
        }
    }

    #[test]
    fn a_chart_is_held_against_the_currencies_in_use() {
        let chart: Chart = serde_json::from_str(&seed("charts/outfitter-uk.json")).unwrap();
        let key = |currency: &str| CycleKey {
            host: "a.mirakl.net".to_owned(),
            shop: "1".to_owned(),
            cycle: "C".to_owned(),
            currency: currency.to_owned(),
            psp: "NOT_SPECIFIED".to_owned(),
        };
        let keys = [key("GBP"), key("EUR"), key("GBP")];
        let problems = chart.problems(&uses_of(keys.iter()));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].problem, "has no account for EUR by NOT_SPECIFIED");
    }
}
