//! What a run of the stock reads and writes of its ledger, in bytes, by the store in memory: which
//! writes what the one on DynamoDB writes.

use anyhow::Result;
use local_world::Build;
use shared::domain::state::ledger::LedgerStore as _;
use shared::domain::state::ledger::in_memory::MemoryLedger;
use shared::domain::stock::ledger::{Change, encode, sku_hash};
use shared::domain::stock::offer::Shown;

use crate::row::{Figure, Row};

/// Offers of the channel.
const OFFERS: u32 = 1_000_000;
/// Changed by each run.
const CHANGED: u32 = OFFERS / 100;
/// Compactions that are lived through.
const COMPACTIONS: u32 = 3;
/// Spreads what is changed over all offers: coprime to their number, so that none comes twice
/// before all have come.
const STRIDE: u32 = 618_033;

/// Measures.
pub(crate) async fn measure(_: Build) -> Result<Vec<Row>> {
    println!("A ledger of {OFFERS} offers, {CHANGED} of them changed by each run");
    let store = MemoryLedger::default();
    let change = |number: u32, quantity: u32| {
        let offer = u32::try_from(u64::from(number) * u64::from(STRIDE) % u64::from(OFFERS))
            .unwrap_or_default();
        Change { sku_hash: sku_hash(&format!("SKU-{offer}")), value: Shown::Known(quantity % 60) }
    };
    let everything: Vec<Change> = (0..OFFERS).map(|number| change(number, number)).collect();
    store.append(&mut store.load("uk").await?, &everything).await?;
    let before = store.traffic();
    let (mut runs, mut compactions, mut least, mut compacting, mut plain) = (0_u32, 0, 0, 0, 0);
    while compactions < COMPACTIONS {
        let mut held = store.load("uk").await?;
        let base: usize = encode(held.ledger().entries()).iter().map(Vec::len).sum();
        let changes: Vec<Change> =
            (0..CHANGED).map(|number| change(runs * CHANGED + number, number + runs + 1)).collect();
        let changes = held.ledger().effective(&changes);
        store.append(&mut held, &changes).await?;
        least += base + encode(changes.iter().copied()).iter().map(Vec::len).sum::<usize>();
        plain += 9 * (OFFERS as usize + changes.len());
        runs += 1;
        if held.compaction_is_due() {
            let written = store.traffic().written;
            store.compact(&mut held).await?;
            compacting += store.traffic().written - written;
            compactions += 1;
        }
    }
    let after = store.traffic();
    let (read, written) = (after.read - before.read, after.written - before.written);
    let megabytes = |bytes: f64| bytes / f64::from(runs) / 1e6;
    Ok(vec![Row {
        what: format!("stock ledger of {OFFERS} offers, {CHANGED} changed: read and written a run"),
        unit: "MB",
        ours: Some(Figure::one(megabytes((read + written) as f64), "compactions included")),
        bound: Some(Figure::one(megabytes(least as f64), "the ledger read, the changes written")),
        peer: None,
        note: format!(
            "{runs} runs, {compactions} compactions; read {:.2}, written {:.3}, of that by compactions {:.3}. The bound is in our own \
             form; with 8 bytes a hash and 1 a quantity it would be {:.2}. Deleted besides: {:.3}",
            megabytes(read as f64),
            megabytes(written as f64),
            megabytes(compacting as f64),
            megabytes(plain as f64),
            megabytes((after.deleted - before.deleted) as f64),
        ),
    }])
}
