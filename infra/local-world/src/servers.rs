//! How each simulated system is configured and served: the one place that knows the simulators' own
//! configuration.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::options::WorldOptions;
use crate::seed::{self, SeedChannel};
use crate::simulated::Simulated;

/// SKUs that both systems know.
const CATALOGUE_SIZE: usize = 400;

/// The simulated Mirakl: one shop for each channel; its traffic is recorded under `recordings`.
pub(crate) async fn mirakl(
    options: &WorldOptions,
    channels: &[SeedChannel],
    recordings: &Path,
) -> Result<Simulated> {
    let shops: Vec<_> = channels
        .iter()
        .map(|channel| {
            json!({"shop_id": channel.shop_id, "api_key": channel.api_key, "currency": channel.currency,
                "tax_included": channel.tax_mode == "TAX_INCLUDED", "multi_shipment": channel.multi_shipment})
        })
        .collect();
    let mut config = json!({
        "shops": shops, "seed": options.seed, "catalogue_size": CATALOGUE_SIZE,
        "settings": {"call_interval_seconds": 1, "debit_seconds": 1},
        "misbehaviour": {"seed": options.seed},
        "record": recordings.join("mirakl.jsonl"),
    });
    seed::merge(&mut config, &options.mirakl);
    let config = serde_json::from_value(config).context("the simulated Mirakl's configuration")?;
    Simulated::start("the simulated Mirakl", |listener| {
        simulators::mirakl::serve(config, listener, std::future::pending())
    })
    .await
}

/// The simulated Prima: it sells what the marketplace offers.
pub(crate) async fn prima(options: &WorldOptions) -> Result<Simulated> {
    let mut config = json!({
        "settings": {"orders": {"catalogue": {"generated": {"seed": options.seed, "size": CATALOGUE_SIZE}}}},
        "misbehaviour": {"seed": options.seed},
    });
    seed::merge(&mut config, &options.prima);
    let config = serde_json::from_value(config).context("the simulated Prima's configuration")?;
    Simulated::start("the simulated Prima", |listener| {
        simulators::prima::serve(config, listener, std::future::pending())
    })
    .await
}
