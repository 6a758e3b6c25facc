//! What every [`LedgerStore`] must do, as one suite, as [`crate::domain::state::contract`] is for
//! the other store. It is public for that reason only; no function calls it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{LedgerStore, StockRecord, StoredLedger};
use crate::domain::state::StoreError;
use crate::domain::stock::ledger::{Change, sku_hash};
use crate::domain::stock::offer::Shown;

/// Entries that need more than one part, and more than the megabyte of one answer of DynamoDB's.
const MANY: u32 = 150_000;

/// Fails with what was expected and what was found instead.
macro_rules! holds {
    ($condition:expr, $($expected:tt)+) => {
        if !$condition {
            return Err(format!($($expected)+));
        }
    };
}

/// Runs the whole suite on channels whose names begin with `run`. The record of the whole
/// installation is used, and left as it was.
///
/// # Errors
/// The first promise that the store does not keep.
pub async fn check(store: &impl LedgerStore, run: &str) -> Result<(), String> {
    records(store, &format!("{run}-records")).await?;
    appending(store, &format!("{run}-appending")).await?;
    racing(store, &format!("{run}-racing")).await?;
    compacting(store, &format!("{run}-compacting")).await?;
    racing_a_compaction(store, &format!("{run}-racing-compaction")).await?;
    many(store, &format!("{run}-many")).await?;
    damage(store, &format!("{run}-damage")).await
}

async fn records(store: &impl LedgerStore, channel: &str) -> Result<(), String> {
    let (before, version) =
        store.load_record::<Value>(StockRecord::Installation).await.map_err(said)?;
    for (record, version) in
        [(StockRecord::Push(channel), Default::default()), (StockRecord::Installation, version)]
    {
        let ours =
            store.save_record(record, &json!({"ours": "ü"}), &version).await.map_err(said)?;
        let theirs = store.save_record(record, &json!({"ours": "ü"}), &version).await;
        conflict(&theirs, "the second of two saves of one version")?;
        let (found, version) = store.load_record::<Value>(record).await.map_err(said)?;
        holds!(
            found == json!({"ours": "ü"}) && version == ours,
            "a record is read as it was saved, not {found}"
        );
        let newer = store.save_record(record, &json!({"ours": 2}), &version).await.map_err(said)?;
        holds!(newer != version, "every save makes another version");
        conflict(&store.save_record(record, &json!({}), &version).await, "an outdated save")?;
        let (found, _) = store.load_record::<Value>(record).await.map_err(said)?;
        holds!(found == json!({"ours": 2}), "a conflict writes nothing, not {found}");
    }
    let (_, version) = store.load_record::<Value>(StockRecord::Installation).await.map_err(said)?;
    store.save_record(StockRecord::Installation, &before, &version).await.map(drop).map_err(said)
}

async fn appending(store: &impl LedgerStore, channel: &str) -> Result<(), String> {
    let mut stored = load(store, channel).await?;
    holds!(stored.ledger().entries().next().is_none(), "a new channel's ledger is empty");
    append(store, &mut stored, &[("A", Shown::Known(3)), ("B", Shown::InDoubt(70_000))]).await?;
    append(
        store,
        &mut stored,
        &[("C", Shown::Unknown(0)), ("A", Shown::Known(9)), ("A", Shown::Known(4))],
    )
    .await?;
    append(store, &mut stored, &[("B", Shown::Never)]).await?;
    shows(store, channel, &[("A", Shown::Known(4)), ("B", Shown::Never), ("C", Shown::Unknown(0))])
        .await?;
    holds!(
        load(store, channel).await?.ledger() == stored.ledger(),
        "who appends holds what is stored"
    );

    let version = stored.version.clone();
    append(store, &mut stored, &[("A", Shown::Known(4)), ("D", Shown::Never)]).await?;
    holds!(stored.version == version, "what changes nothing is not written");
    shows(store, &format!("{channel}-other"), &[("A", Shown::Never)]).await
}

/// Two writers, who is first being one or the other, and both at once.
async fn racing(store: &impl LedgerStore, channel: &str) -> Result<(), String> {
    append(
        store,
        &mut load(store, channel).await?,
        &[("A", Shown::Known(0)), ("B", Shown::Known(0))],
    )
    .await?;
    for round in 1..=2 {
        let (mut first, mut second) = (load(store, channel).await?, load(store, channel).await?);
        if round == 2 {
            std::mem::swap(&mut first, &mut second);
        }
        append(store, &mut first, &[("A", Shown::Known(round))]).await?;
        let change = [
            Change { sku_hash: sku_hash("A"), value: Shown::Known(99) },
            Change { sku_hash: sku_hash("B"), value: Shown::Known(round) },
        ];
        conflict(
            &store.append(&mut second, &change).await,
            "an append to what another has changed",
        )?;
        holds!(
            second.ledger().shown(sku_hash("B")) == Shown::Known(round - 1),
            "a conflict leaves what was stored as it was"
        );
        shows(store, channel, &[("A", Shown::Known(round)), ("B", Shown::Known(round - 1))])
            .await?;
        second = load(store, channel).await?;
        append(store, &mut second, &[("B", Shown::Known(round))]).await?;
        shows(store, channel, &[("A", Shown::Known(round)), ("B", Shown::Known(round))]).await?;
    }
    let (mut one, mut two) = (load(store, channel).await?, load(store, channel).await?);
    let (of_one, of_two) = ([("A", Shown::Known(10))], [("B", Shown::Known(20))]);
    let (one, two) = futures_util::future::join(
        append(store, &mut one, &of_one),
        append(store, &mut two, &of_two),
    )
    .await;
    holds!(
        one.is_ok() != two.is_ok(),
        "of two appends at once exactly one is made: {one:?}, {two:?}"
    );
    let expected = if one.is_ok() {
        [("A", Shown::Known(10)), ("B", Shown::Known(2))]
    } else {
        [("A", Shown::Known(2)), of_two[0]]
    };
    shows(store, channel, &expected).await
}

async fn compacting(store: &impl LedgerStore, channel: &str) -> Result<(), String> {
    let mut stored = load(store, channel).await?;
    let base: Vec<(String, Shown)> =
        (0..100).map(|number| (number.to_string(), Shown::Known(number))).collect();
    let base: Vec<(&str, Shown)> = base.iter().map(|(sku, shown)| (sku.as_str(), *shown)).collect();
    append(store, &mut stored, &base).await?;
    let mut rounds = 0;
    while !stored.compaction_is_due() {
        holds!(rounds < 1000, "a ledger that grows is to be compacted");
        rounds += 1;
        append(
            store,
            &mut stored,
            &[("1", Shown::Unknown(rounds)), ("none", Shown::Known(rounds)), ("2", Shown::Never)],
        )
        .await?;
    }
    holds!(
        rounds > 2,
        "a ledger that was hardly changed is not to be compacted, as this one after {rounds} changes"
    );
    // A run died after it wrote a part, and before it named it.
    store.put_part(channel, "part#dead#0000", b"left by a crash".to_vec()).await.map_err(said)?;
    let mut stored = load(store, channel).await?;
    let before = stored.clone();
    store.compact(&mut stored).await.map_err(said)?;
    holds!(!stored.compaction_is_due(), "what was compacted is not to be compacted again");
    let kept = store.load_kept(channel).await.map_err(said)?;
    holds!(
        kept.parts.len() == 1,
        "base, changes and leftovers are one base afterwards, not {} parts",
        kept.parts.len()
    );
    let found = load(store, channel).await?;
    holds!(
        found.ledger() == before.ledger() && stored.ledger() == before.ledger(),
        "compaction changes nothing that is shown"
    );
    append(store, &mut stored, &[("3", Shown::InDoubt(1))]).await?;
    shows(
        store,
        channel,
        &[
            ("1", Shown::Unknown(rounds)),
            ("2", Shown::Never),
            ("3", Shown::InDoubt(1)),
            ("4", Shown::Known(4)),
        ],
    )
    .await
}

async fn racing_a_compaction(store: &impl LedgerStore, channel: &str) -> Result<(), String> {
    append(
        store,
        &mut load(store, channel).await?,
        &[("A", Shown::Known(1)), ("B", Shown::Known(1))],
    )
    .await?;
    append(store, &mut load(store, channel).await?, &[("B", Shown::Known(2))]).await?;
    let (mut compactor, mut writer) = (load(store, channel).await?, load(store, channel).await?);
    append(store, &mut writer, &[("A", Shown::Known(3))]).await?;
    conflict(&store.compact(&mut compactor).await, "compacting what another has changed")?;
    shows(store, channel, &[("A", Shown::Known(3)), ("B", Shown::Known(2))]).await?;

    let mut compactor = load(store, channel).await?;
    store.compact(&mut compactor).await.map_err(said)?;
    let change = [Change { sku_hash: sku_hash("A"), value: Shown::Known(4) }];
    conflict(&store.append(&mut writer, &change).await, "an append to what another has compacted")?;
    shows(store, channel, &[("A", Shown::Known(3)), ("B", Shown::Known(2))]).await?;
    append(store, &mut load(store, channel).await?, &[("A", Shown::Known(5))]).await?;
    shows(store, channel, &[("A", Shown::Known(5)), ("B", Shown::Known(2))]).await
}

async fn many(store: &impl LedgerStore, channel: &str) -> Result<(), String> {
    let changes: Vec<Change> = (0..MANY)
        .map(|number| Change {
            sku_hash: sku_hash(&number.to_string()),
            value: Shown::Known(number),
        })
        .collect();
    let mut stored = load(store, channel).await?;
    store.append(&mut stored, &changes).await.map_err(said)?;
    let kept = store.load_kept(channel).await.map_err(said)?;
    let bytes: usize = kept.parts.values().map(Vec::len).sum();
    holds!(
        kept.parts.len() > 2 && bytes > 1 << 20,
        "{MANY} entries take several parts and pages, not {} of {bytes} bytes",
        kept.parts.len()
    );
    append(store, &mut stored, &[("0", Shown::Unknown(7))]).await?;
    store.compact(&mut stored).await.map_err(said)?;
    let found = load(store, channel).await?;
    let shown: BTreeMap<u64, Shown> =
        found.ledger().entries().map(|entry| (entry.sku_hash, entry.value)).collect();
    let mut expected: BTreeMap<u64, Shown> =
        changes.iter().map(|change| (change.sku_hash, change.value)).collect();
    expected.insert(sku_hash("0"), Shown::Unknown(7));
    holds!(shown == expected, "{MANY} entries are read as they were written");
    Ok(())
}

async fn damage(store: &impl LedgerStore, channel: &str) -> Result<(), String> {
    append(store, &mut load(store, channel).await?, &[("A", Shown::Known(1))]).await?;
    let kept = store.load_kept(channel).await.map_err(said)?;
    let (name, part) = kept.parts.first_key_value().ok_or("a part")?;
    let mut damaged = part.clone();
    damaged[2] ^= 1;
    store.put_part(channel, name, damaged).await.map_err(said)?;
    names(store.load(channel).await, name)?;
    store.delete_part(channel, name).await.map_err(said)?;
    names(store.load(channel).await, name)?;
    store.delete_part(channel, name).await.map_err(said)?;
    store.put_part(channel, name, part.clone()).await.map_err(said)?;
    shows(store, channel, &[("A", Shown::Known(1))]).await
}

fn names(loaded: Result<StoredLedger, StoreError>, name: &str) -> Result<(), String> {
    match loaded {
        Err(StoreError::Unreadable { record, .. }) if record.ends_with(name) => Ok(()),
        other => Err(format!(
            "a part that is damaged or gone makes the ledger unreadable and is named ({name}), not {other:?}"
        )),
    }
}

async fn load(store: &impl LedgerStore, channel: &str) -> Result<StoredLedger, String> {
    store.load(channel).await.map_err(said)
}

async fn append(
    store: &impl LedgerStore,
    stored: &mut StoredLedger,
    changes: &[(&str, Shown)],
) -> Result<(), String> {
    let changes: Vec<Change> = changes
        .iter()
        .map(|(sku, value)| Change { sku_hash: sku_hash(sku), value: *value })
        .collect();
    store.append(stored, &changes).await.map_err(said)
}

async fn shows(
    store: &impl LedgerStore,
    channel: &str,
    expected: &[(&str, Shown)],
) -> Result<(), String> {
    let stored = load(store, channel).await?;
    for (sku, shown) in expected {
        let found = stored.ledger().shown(sku_hash(sku));
        holds!(found == *shown, "{channel}: '{sku}' is {shown:?}, not {found:?}");
    }
    Ok(())
}

fn conflict<T: std::fmt::Debug>(outcome: &Result<T, StoreError>, what: &str) -> Result<(), String> {
    holds!(
        matches!(outcome, Err(StoreError::Conflict(_))),
        "{what} is a conflict, not {outcome:?}"
    );
    Ok(())
}

fn said(error: StoreError) -> String {
    error.to_string()
}
