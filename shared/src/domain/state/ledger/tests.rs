#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::in_memory::{Crash, MemoryLedger};
use super::*;
use crate::domain::stock::ledger::sku_hash;
use crate::domain::stock::offer::Shown;

const CHANNEL: &str = "outfitter-uk";

fn known(numbers: std::ops::Range<u32>, quantity: u32) -> Vec<Change> {
    numbers
        .map(|number| Change {
            sku_hash: sku_hash(&number.to_string()),
            value: Shown::Known(quantity),
        })
        .collect()
}

/// A base of several parts, and two changes.
async fn grown() -> MemoryLedger {
    let store = MemoryLedger::default();
    let mut stored = store.load(CHANNEL).await.unwrap();
    store.append(&mut stored, &known(0..120_000, 1)).await.unwrap();
    store.append(&mut stored, &known(0..100, 2)).await.unwrap();
    store.append(&mut stored, &known(50..60, 3)).await.unwrap();
    assert!(stored.head.sets[0].parts > 1);
    store
}

#[tokio::test]
async fn the_ledger_in_memory_keeps_the_promises() {
    assert_eq!(contract::check(&MemoryLedger::default(), "memory").await, Ok(()));
}

/// Does something with the store that crashes at every one of its writes in turn, with and without
/// effect, and looks at what is left.
async fn crashes_everywhere(
    act: impl AsyncFn(&MemoryLedger, &mut StoredLedger) -> Result<(), StoreError>,
    may_become: &Ledger,
) -> u32 {
    for writes in 0.. {
        for has_effect in [false, true] {
            let store = grown().await;
            let mut stored = store.load(CHANNEL).await.unwrap();
            let before = stored.ledger().clone();
            store.crash(Some(Crash { writes, has_effect }));
            let outcome = act(&store, &mut stored).await;
            store.crash(None);
            let mut found = store.load(CHANNEL).await.unwrap();
            assert!(
                *found.ledger() == before || found.ledger() == may_become,
                "crash at write {writes}: all or nothing"
            );
            if outcome.is_ok() {
                assert!(found.ledger() == may_become);
                assert!(writes > 0 && !has_effect);
                return writes;
            }
            // The next run repeats it, on whatever was left.
            act(&store, &mut found).await.unwrap();
            store.compact(&mut found).await.unwrap();
            assert!(store.load(CHANNEL).await.unwrap().ledger() == may_become);
            let kept = store.load_kept(CHANNEL).await.unwrap();
            assert!(
                kept.parts.keys().eq(kept.head.0.parts().collect::<Vec<_>>().iter()),
                "crash at write {writes}: leftovers"
            );
        }
    }
    0
}

/// A crash between any two writes loses nothing and leaves nothing behind for good.
#[tokio::test]
async fn no_crash_between_writes_loses_or_leaks_anything() {
    let before = grown().await.load(CHANNEL).await.unwrap().ledger().clone();
    let writes =
        crashes_everywhere(async |store, stored| store.compact(stored).await, &before).await;
    assert!(writes > 6, "base parts, the head, the deletions: {writes} writes");
    let mut changed = before.clone();
    let changes = known(90_000..200_000, 7);
    changed.apply(&changed.effective(&changes));
    let writes =
        crashes_everywhere(async |store, stored| store.append(stored, &changes).await, &changed)
            .await;
    assert!(writes > 2, "the change's parts and the head: {writes} writes");
}

/// Whoever holds a ledger that was wiped is refused, even when as much was written since.
#[tokio::test]
async fn a_holder_of_a_wiped_ledger_is_always_refused() {
    let store = grown().await;
    let (mut writer, mut compactor) =
        (store.load(CHANNEL).await.unwrap(), store.load(CHANNEL).await.unwrap());
    store.wipe();
    assert!(store.load(CHANNEL).await.unwrap().ledger().entries().next().is_none());
    for round in 0..2 {
        assert!(
            matches!(
                store.append(&mut writer, &known(0..1, 9)).await,
                Err(StoreError::Conflict(_))
            ),
            "round {round}"
        );
        assert!(
            matches!(store.compact(&mut compactor).await, Err(StoreError::Conflict(_))),
            "round {round}"
        );
        let mut anew = store.load(CHANNEL).await.unwrap();
        for quantity in 10..13 {
            store.append(&mut anew, &known(0..1, quantity)).await.unwrap();
        }
        assert_eq!(anew.ledger().entries().count(), 1);
    }
}

/// A ledger is compacted when as much was read again as its base holds.
#[test]
fn compaction_is_due_once_re_reads_outweigh_the_base() {
    let set = |bytes| KeptSet { mark: String::new(), parts: 1, bytes };
    let due = |bytes: &[u64]| Head { sets: bytes.iter().copied().map(set).collect() }.is_due();
    assert!(!due(&[]) && !due(&[100]) && !due(&[100, 1000]), "nothing was read again yet");
    assert!(!due(&[100, 99, 5000]) && due(&[100, 100, 5000]));
    assert!(!due(&[100, 33, 32, 9]) && due(&[100, 34, 32, 9]), "the older of two was read twice");
    assert!(!due(&vec![u64::from(u32::MAX); MOST_SETS.min(3) - 1]));
    assert!(due(&[vec![1 << 40], vec![1; MOST_SETS - 1]].concat()), "a head has an end");
    // One percent of a base each time.
    let rounds = (1..200).find(|rounds| due(&[vec![100_000], vec![1000; *rounds]].concat()));
    assert_eq!(rounds, Some(15));
}

/// Somebody compacts between the reading of the head and that of the parts.
struct Interrupted {
    store: MemoryLedger,
    compactor: RefCell<Option<StoredLedger>>,
}

impl LedgerStore for Interrupted {
    async fn load_record<T: DeserializeOwned + Default>(
        &self,
        record: StockRecord<'_>,
    ) -> Result<(T, Version), StoreError> {
        self.store.load_record(record).await
    }

    async fn save_record<T: Serialize>(
        &self,
        record: StockRecord<'_>,
        document: &T,
        version: &Version,
    ) -> Result<Version, StoreError> {
        self.store.save_record(record, document, version).await
    }

    async fn load_kept(&self, channel: &str) -> Result<Kept, StoreError> {
        let head = self.store.load_record(StockRecord::Head(channel)).await?;
        let compactor = self.compactor.take();
        if let Some(mut compactor) = compactor {
            self.store.compact(&mut compactor).await?;
        }
        Ok(Kept { head, ..self.store.load_kept(channel).await? })
    }

    async fn put_part(&self, channel: &str, name: &str, part: Vec<u8>) -> Result<(), StoreError> {
        self.store.put_part(channel, name, part).await
    }

    async fn delete_part(&self, channel: &str, name: &str) -> Result<(), StoreError> {
        self.store.delete_part(channel, name).await
    }
}

#[tokio::test]
async fn a_ledger_that_is_compacted_while_it_is_read_is_read_again() {
    let store = grown().await;
    let compactor = store.load(CHANNEL).await.unwrap();
    let before = compactor.ledger().clone();
    let store = Interrupted { store, compactor: RefCell::new(Some(compactor)) };
    assert!(store.load(CHANNEL).await.unwrap().ledger() == &before);
}
