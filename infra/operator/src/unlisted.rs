//! `stock unlisted`: Prima's SKUs that no channel offers.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use shared::aws::prima_client::Installed;
use shared::domain::prima_calls::PrimaCaller;
use shared::domain::state::ledger::{LedgerStore, StockRecord};
use shared::domain::stock::memory::StockMemory;
use shared::kit::clock::after;
use shared::prima::sku::PrimaSku;
use shared::prima::stock::SkuKey;

use crate::all_channels::AllChannels;
use crate::connector::Connector;
use crate::table::table;

/// SKUs that are shown; a file has all of them.
const SHOWN: usize = 50;
/// Asking for a large catalogue takes a while.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A SKU that no channel offers, with its free units; none where it has no usable figure.
type Unlisted = (PrimaSku, Option<u32>);

/// Asks Prima for everything, in the ranges that the stock flow has learnt, and leaves out what is
/// on a channel's list of offers.
pub(crate) async fn run(connector: &Connector, csv: Option<&Path>) -> Result<String> {
    let all = AllChannels::read(connector).await?;
    if let Some((id, problem)) = all.wrong.first() {
        return Err(anyhow!("what {id} offers cannot be told: {problem}"));
    }
    let (mut offered, mut without_list) = (HashSet::new(), Vec::new());
    for (channel, pages, _, offers) in &all.channels {
        match offers {
            Some(offers) => offered.extend(
                offers.skus().filter_map(|sku| pages.skus.read(sku).ok()).map(|sku| sku.key()),
            ),
            None => without_list.push(channel.id.as_str()),
        }
    }
    let documents = connector.documents()?;
    let (installation, client) = Installed::new(PrimaCaller::PushStock).now(&documents).await?;
    let basis = installation.stock.agreed().map_err(|problem| anyhow!(problem))?;
    let client = client.until(after(connector.now, PATIENCE));
    let (memory, _) =
        connector.ledger()?.load_record::<StockMemory>(StockRecord::Installation).await?;
    let mut found: HashMap<SkuKey, Unlisted> = HashMap::new();
    let mut all = HashSet::new();
    for range in memory.plan.ranges() {
        let asked = client.range_with_names(&range, basis).await;
        let (reading, names) = asked.with_context(|| {
            format!("Prima's products from {:?} to {:?} were not read", range.from, range.to)
        })?;
        for sku in names {
            let key = sku.key();
            all.insert(key);
            if !offered.contains(&key) {
                found.insert(key, (sku, reading.free(key)));
            }
        }
    }
    let mut found: Vec<Unlisted> = found.into_values().collect();
    sort(&mut found);
    if let Some(path) = csv {
        write(path, &found).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(render(&found, all.len(), &without_list, csv))
}

/// What could be sold most of comes first.
fn sort(found: &mut [Unlisted]) {
    found.sort_by(|(one, free), (other, other_free)| {
        other_free.cmp(free).then_with(|| {
            (&one.product, &one.matrix_codes).cmp(&(&other.product, &other.matrix_codes))
        })
    });
}

fn write(path: &Path, found: &[Unlisted]) -> Result<()> {
    let mut file = csv::Writer::from_path(path)?;
    file.write_record([
        "product",
        "matrix_code_1",
        "matrix_code_2",
        "matrix_code_3",
        "matrix_code_4",
        "free",
    ])?;
    for (sku, free) in found {
        let free = free.map(|free| free.to_string()).unwrap_or_default();
        let codes = sku.matrix_codes.iter().map(String::as_str);
        file.write_record(
            std::iter::once(sku.product.as_str())
                .chain(codes)
                .chain(std::iter::once(free.as_str())),
        )?;
    }
    Ok(file.flush()?)
}

fn render(found: &[Unlisted], all: usize, without_list: &[&str], csv: Option<&Path>) -> String {
    let mut text = format!("{} of Prima's {all} SKUs are offered on no channel.", found.len());
    if !without_list.is_empty() {
        text.push_str(&format!(
            " There is no list of offers yet of {}: what is offered there is not known.",
            without_list.join(", ")
        ));
    }
    if let Some(path) = csv {
        text.push_str(&format!(" All of them: {}", path.display()));
        return text;
    }
    if found.is_empty() {
        return text;
    }
    let mut shown = table(&["product", "matrix codes", "free"]);
    for (sku, free) in found.iter().take(SHOWN) {
        let codes: Vec<&str> =
            sku.matrix_codes.iter().map(String::as_str).filter(|code| !code.is_empty()).collect();
        shown.add_row([
            sku.product.clone(),
            codes.join(", "),
            free.map_or_else(|| "not usable".to_owned(), |free| free.to_string()),
        ]);
    }
    let more = found.len().saturating_sub(SHOWN);
    let more =
        if more > 0 { format!("\nand {more} more: --csv FILE writes all") } else { String::new() };
    format!("{text}\n{shown}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(product: &str, colour: &str) -> PrimaSku {
        PrimaSku {
            product: product.to_owned(),
            matrix_codes: [colour, "", "", ""].map(str::to_owned),
        }
    }

    /// What most could be sold of comes first, and what is cut off is said.
    #[test]
    fn the_most_sellable_come_first_and_cuts_are_announced() {
        let mut found = vec![
            (sku("W2", "NAV"), Some(1)),
            (sku("W1", "RED"), None),
            (sku("W3", "BLK"), Some(7)),
            (sku("W2", "BLK"), Some(1)),
        ];
        sort(&mut found);
        let order: Vec<_> = found
            .iter()
            .map(|(sku, _)| format!("{} {}", sku.product, sku.matrix_codes[0]))
            .collect();
        assert_eq!(order, ["W3 BLK", "W2 BLK", "W2 NAV", "W1 RED"]);
        let text = render(&found, 10, &["modehaus-eu"], None);
        for part in ["4 of Prima's 10 SKUs", "no list of offers yet of modehaus-eu", "not usable"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let many: Vec<Unlisted> =
            (0..60).map(|number| (sku(&format!("P{number}"), ""), Some(1))).collect();
        assert!(render(&many, 60, &[], None).contains("and 10 more: --csv FILE"));
    }
}
