//! Who makes journals and queues them, and the person who approves, mends, imports and settles. The
//! person does nothing but what they were told of.

use std::rc::Rc;
use std::time::Duration;

use shared::domain::conditions::announce;
use shared::domain::payout::journal_csv::Control;
use shared::domain::payout::journal_exceptions::{OF_JOURNALS, follow_journals};
use shared::domain::payout::journal_files::{control_file, import_file, keep};
use shared::domain::payout::posting::{Act, Finding, JournalRow, Stage};
use shared::domain::payout::row::{CycleJournal, CycleRow};
use shared::domain::payout::store::{PayoutFiles as _, PayoutStore as _, journal_file};
use shared::kit::amount::Amount;
use shared::kit::clock::after;
use shared::kit::digest::sha256_hex;
use shared::mirakl::finance::{BillingCycle, PayOut};
use simulators::prima::books;

use super::ports::{Invocation, Port};
use super::world::{JournalMessageKey, MISSING, Spoilt, Wanted, World, journal, message};
use crate::world::queue::Body;

/// Whoever made an exception has told of it by now.
const TOLD_BY_NOW: Duration = Duration::from_secs(600);

/// Makes journals, and queues those that may go: what `reconcile-payouts` does.
pub(super) async fn reconcile(world: Rc<World>) {
    loop {
        let keys: Vec<JournalMessageKey> = world.wanted.borrow().keys().cloned().collect();
        for key in keys {
            follow_up(&world, &key).await;
        }
        tokio::time::sleep(Duration::from_secs(900)).await;
    }
}

async fn follow_up(world: &World, key: &JournalMessageKey) {
    let Some(wanted) = world.wanted.borrow().get(key).cloned() else { return };
    let now = world.now();
    if now < wanted.at {
        return;
    }
    let dice = world.dice_again(("reconcile", &key.0, key.1));
    let Ok(stored) = world.payouts.load_cycle(&key.0).await else { return };
    let mut cycle =
        stored.unwrap_or_else(|| CycleRow::new(key.0.clone(), &world.channel.id, listed(key), now));
    let wanted = changed(world, key, wanted, &cycle);
    let Ok(hash) = wanted.journal.hash() else { return };
    match cycle.journal_mut(&key.1) {
        None => {
            let _ = keep(&world.payouts, &wanted.journal).await;
            cycle.journals.push(made(&wanted, hash, now));
        }
        Some(journal) if journal.row.hash != hash => {
            let _ = keep(&world.payouts, &wanted.journal).await;
            let voided = journal.row.change(hash, wanted.needs_approval, now);
            world.tell(|| format!("reconcile: {} has changed: {voided:?}", journal.row.reference));
        }
        Some(_) => {}
    }
    let Some(row) = cycle.journal(&key.1).map(|journal| journal.row.clone()) else { return };
    if row.stage == Stage::Approved || row.has_missed_its_message(now) {
        spoil(world, key, &wanted, &row).await;
        send(world, key);
        // Now and then it dies before it has noted that.
        if world.may_go_wrong() && dice.chance(0.1) {
            return;
        }
        if let Some(journal) = cycle.journal_mut(&key.1) {
            journal.row = match row.stage {
                Stage::Approved => row.queued(now),
                _ => JournalRow { message_due: Some(now), ..row },
            };
        }
    }
    follow_journals(&mut cycle, now);
    let _ = world.payouts.save_cycle(&mut cycle).await;
}

/// The journal as it is now: another amount, where Prima cannot have it yet.
fn changed(world: &World, key: &JournalMessageKey, wanted: Wanted, cycle: &CycleRow) -> Wanted {
    if wanted.changes_at.is_none_or(|at| world.now() < at) {
        return wanted;
    }
    let mut wanted = Wanted { changes_at: None, ..wanted };
    let may_change = cycle.journal(&key.1).is_none_or(|journal| !journal.row.may_be_in_prima());
    if may_change {
        let nominal = wanted.journal.lines[0].account.nominal.clone();
        wanted.journal = journal(&key.0, key.1, &nominal, 123_456);
    }
    world.wanted.borrow_mut().insert(key.clone(), wanted.clone());
    wanted
}

fn listed(key: &JournalMessageKey) -> BillingCycle {
    BillingCycle {
        id: key.0.cycle.clone(),
        currency: key.0.currency.clone(),
        psp: None,
        shop: Some(key.0.shop.clone()),
        voucher: None,
        created: None,
        transferred_to_seller: Amount::ZERO,
        transferred_to_operator: None,
        pay_out: PayOut::default(),
        summary: std::collections::BTreeMap::new(),
        unread_fields: Vec::new(),
    }
}

fn made(wanted: &Wanted, hash: String, now: jiff::Timestamp) -> CycleJournal {
    let journal = &wanted.journal;
    let (guid, reference) = (journal.guid.clone(), journal.reference.clone());
    CycleJournal {
        row: JournalRow::new(journal.name, guid, reference, hash, wanted.needs_approval, now),
        total: journal.debits(),
        clearing: journal.clearing(),
        date: journal.date,
        transfer: Amount::ZERO,
    }
}

fn send(world: &World, key: &JournalMessageKey) {
    if let Ok(body) = serde_json::to_string(&message(key)) {
        world.journals.borrow_mut().send(Body::Text(body), world.now(), 0);
        world.journals_moved.notify_one();
    }
}

/// Somebody spoils the content of a journal that is about to be sent.
async fn spoil(world: &World, key: &JournalMessageKey, wanted: &Wanted, row: &JournalRow) {
    let Some(spoilt) = wanted.spoilt.filter(|_| world.may_go_wrong()) else { return };
    if let Some(wanted) = world.wanted.borrow_mut().get_mut(key) {
        wanted.spoilt = None;
    }
    let bytes = match spoilt {
        Spoilt::Emptied => Vec::new(),
        Spoilt::Changed => {
            let nominal = &wanted.journal.lines[0].account.nominal;
            serde_json::to_vec(&journal(&key.0, key.1, nominal, 7)).unwrap_or_default()
        }
    };
    world.tell(|| format!("the content of {} is spoilt: {spoilt:?}", row.reference));
    let _ = world.payouts.write(&journal_file(&row.hash), bytes).await;
}

/// Tells of what nobody was told of: the other part of `reconcile-payouts`.
pub(super) async fn tell(world: Rc<World>) {
    loop {
        tokio::time::sleep(Duration::from_secs(600)).await;
        let port = Port::new(&Invocation::new(&world, "tell", 0.0, ()));
        let cycles: Vec<_> = world.wanted.borrow().keys().map(|key| key.0.clone()).collect();
        for key in cycles {
            let Ok(Some(mut cycle)) = world.payouts.load_cycle(&key).await else { continue };
            let now = world.now();
            let is_due = |one: &shared::domain::payout::exceptions::PayoutException| {
                OF_JOURNALS.contains(&one.kind) && after(one.first_seen, TOLD_BY_NOW) <= now
            };
            let (mut due, others): (Vec<_>, Vec<_>) = cycle.exceptions.drain(..).partition(is_due);
            announce(&port, &port, &cycle.channel, &mut due, now).await;
            cycle.exceptions = others.into_iter().chain(due).collect();
            let _ = world.payouts.save_cycle(&mut cycle).await;
        }
    }
}

/// A person of finance.
pub(super) async fn person(world: Rc<World>) {
    loop {
        let wait = world.dice_again("person").seconds(120, 1800);
        tokio::time::sleep(wait).await;
        let keys: Vec<JournalMessageKey> = world.wanted.borrow().keys().cloned().collect();
        for key in keys {
            let Ok(Some(mut cycle)) = world.payouts.load_cycle(&key.0).await else { continue };
            let Some(row) = cycle.journal(&key.1).map(|journal| journal.row.clone()) else {
                continue;
            };
            let Some(acted) = act(&world, &key, row).await else { continue };
            world.tell(|| format!("a person: {} is {}", acted.reference, acted.stage.words()));
            if let Some(journal) = cycle.journal_mut(&key.1) {
                journal.row = acted;
            }
            follow_journals(&mut cycle, world.now());
            if world.payouts.save_cycle(&mut cycle).await.is_ok() {
                world.saved(&cycle);
            }
        }
    }
}

async fn act(world: &World, key: &JournalMessageKey, row: JournalRow) -> Option<JournalRow> {
    let now = world.now();
    let by = || Act { by: "finance".to_owned(), at: now, note: "looked".to_owned() };
    let hash = row.hash.clone();
    if row.stage == Stage::AwaitingApproval {
        return row.approve(&hash, by()).ok();
    }
    if !world.knows(&row.reference, row.since) || world.given_up.borrow().contains(&row.reference) {
        return None;
    }
    match row.stage {
        Stage::Rejected => {
            world.books.borrow_mut().rules_mut().nominals.insert(MISSING.to_owned());
            row.approve(&hash, by()).ok()
        }
        Stage::NeedsPerson => {
            // They look only once nothing can be under way any more.
            let quiet = Duration::from_secs(900);
            if now < after(row.attempted_at.unwrap_or(row.since), quiet) {
                return None;
            }
            let is_there = world.copies(&row.guid) > 0;
            restore(world, key, &row).await;
            row.settle(if is_there { Finding::Posted } else { Finding::NotPosted }, by()).ok()
        }
        Stage::Unusable => {
            if row.problem.as_deref().is_some_and(|problem| problem.contains("another file")) {
                // An earlier file, of another content: they have to look into it at leisure.
                world.given_up.borrow_mut().insert(row.reference.clone());
                return None;
            }
            restore(world, key, &row).await;
            row.approve(&hash, by()).ok()
        }
        Stage::Written => {
            if world.copies(&row.guid) == 0 && !import(world, &row).await {
                world.books.borrow_mut().rules_mut().nominals.insert(MISSING.to_owned());
                return None;
            }
            row.imported(by()).ok()
        }
        _ => None,
    }
}

/// Puts the content back that was approved.
async fn restore(world: &World, key: &JournalMessageKey, row: &JournalRow) {
    let journal = world.wanted.borrow().get(key).map(|wanted| wanted.journal.clone());
    if let Some(journal) = journal
        && journal.hash().is_ok_and(|hash| hash == row.hash)
    {
        let _ = keep(&world.payouts, &journal).await;
    }
}

/// Imports the file of a journal. False where the ledger does not take it.
async fn import(world: &World, row: &JournalRow) -> bool {
    let read = async |name: String| world.payouts.read(&name).await.ok().flatten();
    let (Some(csv), Some(control)) =
        (read(import_file(&row.reference)).await, read(control_file(&row.reference)).await)
    else {
        world.violate(format!("{} is called written, and a file is missing", row.reference));
        return false;
    };
    let control: Option<Control> = serde_json::from_slice(&control).ok();
    if control.is_none_or(|control| control.sha256 != sha256_hex(&csv)) {
        world.violate(format!("the control file of {} does not fit", row.reference));
        return false;
    }
    let Some(journal) = parsed(&csv) else {
        world.violate(format!("the file of {} cannot be read", row.reference));
        return false;
    };
    world.post(journal).is_ok()
}

/// A journal in the neutral layout.
fn parsed(csv: &[u8]) -> Option<books::NewJournal> {
    let text = std::str::from_utf8(csv).ok()?;
    let csv = shared::kit::csv::HeadingCsv::read(text, &[], &["journal_ref"]).ok()?;
    let mut journal = books::NewJournal::default();
    for line in csv.lines() {
        let line = line.ok()?;
        journal.reference = line.field("journal_ref").to_owned();
        journal.third_party_id = line.field("external_ref").to_owned();
        journal.date = line.field("journal_date").parse().ok()?;
        journal.period = line.field("period").to_owned();
        journal.currency = line.field("currency").to_owned();
        journal.lines.push(books::JournalLine {
            nominal: line.field("nominal").to_owned(),
            debit: line.field("debit").parse().unwrap_or_default(),
            credit: line.field("credit").parse().unwrap_or_default(),
            narrative: line.field("narrative").to_owned(),
            ..books::JournalLine::default()
        });
    }
    Some(journal)
}
