//! What every [`PayoutStore`] and every [`PayoutFiles`] must do, as one suite, as
//! [`crate::domain::state::contract`] is for the orders' store. It is public for that reason only;
//! no function calls it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::exceptions::{Finding, PayoutExceptionKind};
use super::key::{CycleKey, JournalKind, JournalName};
use super::posting::JournalRow;
use super::row::{CycleJournal, CycleRow, CycleStage, ShopKey, ShopRow};
use super::store::{JournalMessage, PayoutFiles, PayoutStore, lines_file};
use crate::domain::state::StoreError;
use crate::kit::amount::Amount;
use crate::mirakl::finance::{BillingCycle, PayOut};

/// Cycles whose rows do not fit into one answer of DynamoDB's, which has a megabyte.
const MANY: u32 = 30;

/// Fails with what was expected and what was found instead.
macro_rules! holds {
    ($condition:expr, $($expected:tt)+) => {
        if !$condition {
            return Err(format!($($expected)+));
        }
    };
}

/// Runs the whole suite on shops of the host `run`.
///
/// # Errors
/// The first promise that the store does not keep.
pub async fn check(store: &impl PayoutStore, run: &str) -> Result<(), String> {
    shops(store, &ShopKey { host: run.to_owned(), shop: "1".to_owned() }).await?;
    cycles(store, run).await?;
    many(store, &ShopKey { host: run.to_owned(), shop: "3".to_owned() }).await?;
    references(store, run).await
}

/// Runs the suite of files on names that begin with `run`.
///
/// # Errors
/// The first promise that is not kept.
pub async fn check_files(files: &impl PayoutFiles, run: &str) -> Result<(), String> {
    let name = lines_file(&key(run, "1", "C 1/ü", "GBP"));
    let nothing = files.read(&name).await.map_err(said)?;
    holds!(nothing.is_none(), "a file that nobody wrote is none, not {nothing:?}");
    for content in [b"first".to_vec(), vec![0, 159, 146, 150], Vec::new()] {
        files.write(&name, content.clone()).await.map_err(said)?;
        let read = files.read(&name).await.map_err(said)?;
        holds!(read == Some(content), "a file is read as it was last written, not {read:?}");
    }
    Ok(())
}

async fn shops(store: &impl PayoutStore, shop: &ShopKey) -> Result<(), String> {
    let mut ours = store.load_shop(shop).await.map_err(said)?;
    holds!(ours == ShopRow::default(), "a shop that nobody read is new, not {ours:?}");
    let mut theirs = ours.clone();
    ours.read_at = Some(moment(1));
    store.save_shop(shop, &mut ours).await.map_err(said)?;
    conflict(&store.save_shop(shop, &mut theirs).await, "the second of two first saves")?;
    holds!(theirs.version == 0, "a conflict leaves the version as it was");
    let read = store.load_shop(shop).await.map_err(said)?;
    holds!(read == ours && read.version == 1, "a shop is read as it was saved, not {read:?}");
    let mut outdated = read.clone();
    store.save_shop(shop, &mut ours).await.map_err(said)?;
    conflict(&store.save_shop(shop, &mut outdated).await, "an outdated save")
}

async fn cycles(store: &impl PayoutStore, host: &str) -> Result<(), String> {
    let shop = ShopKey { host: host.to_owned(), shop: "2".to_owned() };
    let pounds = key(host, "2", "C#1", "GBP");
    holds!(
        store.load_cycle(&pounds).await.map_err(said)?.is_none(),
        "a cycle that nobody saved is none"
    );
    let mut ours = row(&pounds);
    let mut theirs = ours.clone();
    store.save_cycle(&mut ours).await.map_err(said)?;
    conflict(&store.save_cycle(&mut theirs).await, "the second of two first saves")?;
    ours.stage = CycleStage::Tied;
    ours.journals.push(journal(&pounds));
    ours.findings.push(finding());
    let mut outdated = ours.clone();
    store.save_cycle(&mut ours).await.map_err(said)?;
    conflict(&store.save_cycle(&mut outdated).await, "an outdated save")?;
    let read = store.load_cycle(&pounds).await.map_err(said)?;
    holds!(read.as_ref() == Some(&ours), "a cycle is read as it was saved, not {read:?}");

    // The same cycle in another currency, and the same of another shop, are others.
    store.save_cycle(&mut row(&key(host, "2", "C#1", "EUR"))).await.map_err(said)?;
    store.save_cycle(&mut row(&key(host, "20", "C#1", "GBP"))).await.map_err(said)?;
    store.save_shop(&shop, &mut ShopRow::default()).await.map_err(said)?;
    let listed = store.cycles(&shop).await.map_err(said)?;
    let currencies: Vec<_> = listed.iter().map(|row| row.key.currency.as_str()).collect();
    holds!(currencies == ["EUR", "GBP"], "the shop's own cycles are listed, not {currencies:?}");
    holds!(listed.last() == Some(&ours), "a cycle is listed as it was saved");
    Ok(())
}

async fn many(store: &impl PayoutStore, shop: &ShopKey) -> Result<(), String> {
    for number in 0..MANY {
        let mut large = row(&key(&shop.host, &shop.shop, &format!("C{number:02}"), "GBP"));
        large.channel = "x".repeat(100_000);
        store.save_cycle(&mut large).await.map_err(said)?;
    }
    let listed = store.cycles(shop).await.map_err(said)?;
    let in_order = listed.is_sorted_by(|one, other| one.key < other.key);
    let found = listed.len();
    holds!(in_order && found == MANY as usize, "all {MANY} cycles come, in order, not {found}");
    Ok(())
}

async fn references(store: &impl PayoutStore, host: &str) -> Result<(), String> {
    let ours = JournalMessage { cycle: key(host, "4", "C1", "GBP"), name: JournalName::default() };
    let another = JournalName { kind: JournalKind::Supplementary(1), ..JournalName::default() };
    let theirs = JournalMessage { name: another, ..ours.clone() };
    let reference = format!("{host}-reference/A1");
    for time in ["first", "second"] {
        let reserved = store.reserve_reference(&reference, &ours).await.map_err(said)?;
        holds!(reserved == Ok(()), "a reference is its own journal's, the {time} time too");
    }
    let refused = store.reserve_reference(&reference, &theirs).await.map_err(said)?;
    holds!(refused == Err(ours), "the holder of a reference is told, not {refused:?}");
    Ok(())
}

fn key(host: &str, shop: &str, cycle: &str, currency: &str) -> CycleKey {
    CycleKey {
        host: host.to_owned(),
        shop: shop.to_owned(),
        cycle: cycle.to_owned(),
        currency: currency.to_owned(),
        psp: super::key::NO_PSP.to_owned(),
    }
}

fn row(key: &CycleKey) -> CycleRow {
    let cycle = BillingCycle {
        id: key.cycle.clone(),
        currency: key.currency.clone(),
        psp: None,
        shop: None,
        voucher: None,
        created: Some(moment(0)),
        transferred_to_seller: money(88_310),
        transferred_to_operator: None,
        pay_out: PayOut::default(),
        summary: BTreeMap::new(),
        unread_fields: Vec::new(),
    };
    CycleRow::new(key.clone(), "outfitter-uk", cycle, moment(0))
}

/// A journal, so that each of its parts is seen to be read as it was saved.
fn journal(key: &CycleKey) -> CycleJournal {
    let name = JournalName::default();
    let (guid, reference) = (key.guid(&name), key.reference(&name, 20));
    CycleJournal {
        row: JournalRow::new(name, guid, reference, "hash".to_owned(), true, moment(2)),
        total: money(10_050),
        clearing: money(-10_050),
        date: Date::constant(2026, 11, 20),
        transfer: money(88_310),
    }
}

fn finding() -> Finding {
    Finding {
        kind: PayoutExceptionKind::CycleUntied,
        subject: "C#1".to_owned(),
        amount: Some(money(1)),
        lines: vec!["line".to_owned()],
        reason: "0.01 is missing".to_owned(),
        remedy: "look".to_owned(),
    }
}

fn money(pennies: i64) -> Amount {
    Amount(Decimal::new(pennies, 2))
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap_or_default()
}

fn conflict<T: Debug>(result: &Result<T, StoreError>, what: &str) -> Result<(), String> {
    match result {
        Err(StoreError::Conflict(_)) => Ok(()),
        other => Err(format!("{what} is a conflict, not {other:?}")),
    }
}

fn said(problem: StoreError) -> String {
    problem.to_string()
}
