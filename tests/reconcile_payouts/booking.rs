//! Journals: the worked example, approval, the queue, and changes after posting.

use std::time::Duration;

use rust_decimal::Decimal;
use shared::domain::channel::{Channel, Mode};
use shared::domain::payout::journal::Journal;
use shared::domain::payout::posting::{Act, Known, Stage};
use shared::domain::payout::row::{CycleRow, CycleStage};
use shared::domain::payout::store::{PayoutFiles, document_file, report_file, report_lines_file};
use shared::kit::amount::Amount;
use shared::kit::currency::written;
use simulators::mirakl::model::ledger::{Billing, Spoiling, TransactionType as Type};

use super::world::World;

fn table(journal: &Journal) -> String {
    let show = |amount: Amount| {
        if amount == Amount::ZERO { String::new() } else { written(amount, &journal.currency) }
    };
    let rows = journal.lines.iter().map(|line| {
        let (nominal, code) = (&line.account.nominal, line.account.tax_code.clone());
        format!(
            "{:>2} {nominal} {:<2} {:>7} {:>7} {}",
            line.line,
            code.unwrap_or_default(),
            show(line.debit),
            show(line.credit),
            line.narrative
        )
    });
    let totals = format!("totals {} {}", show(journal.debits()), show(journal.credits()));
    rows.chain([totals]).collect::<Vec<_>>().join("\n")
}

/// The cycle of the accountant's example, line by line.
#[tokio::test]
async fn the_worked_example_comes_out_line_by_line() {
    let world = World::new(Billing::default()).await;
    let at = world.began - Duration::from_secs(3600);
    for (kind, pence) in [
        (Type::OrderAmount, [12_000, 3600, 7200].as_slice()),
        (Type::OrderShippingAmount, &[499, 499]),
        (Type::CommissionFee, &[1875, 540, 1155]),
        (Type::CommissionVat, &[375, 108, 231]),
        (Type::RefundOrderAmount, &[4800]),
        (Type::SubscriptionFee, &[3900]),
        (Type::SubscriptionVat, &[780]),
        (Type::ManualCredit, &[1000]),
        (Type::SellerPenaltyFee, &[300]),
        (Type::ReserveSettlement, &[1250]),
        (Type::ReserveFunding, &[2000]),
    ] {
        for pence in pence {
            world.book(kind, *pence, false, at);
        }
    }
    world.book(Type::RefundCommissionFee, 720, true, at);
    world.book(Type::ManualInvoice, 2500, true, at);
    world.close(at);
    world.pay(at);
    world.read_twice().await;
    let row = &world.cycles().await[0];
    assert_eq!(row.cycle.transferred_to_seller, Amount(Decimal::new(7848, 2)));
    assert_eq!((row.stage, world.told()), (CycleStage::Tied, vec![]), "{}", world.reason());
    let journal = world.journal(row).await;
    let table = table(&journal).replace(&row.key.cycle, "BC-2031");
    insta::assert_snapshot!(table, @r"
     1 5600 T1   35.70         COMMISSION_FEE, 3 lines
     2 2201       7.14         COMMISSION_VAT
     3 5600 T1            7.20 REFUND_COMMISSION_FEE, 1 line
     4 2201               1.44 REFUND_COMMISSION_VAT
     5 7610 T1   39.00         SUBSCRIPTION_FEE
     6 2201       7.80         SUBSCRIPTION_VAT
     7 6201 T1   25.00         MANUAL_INVOICE 000000000002
     8 2201       5.00         MANUAL_INVOICE_VAT
     9 7620 T9    3.00         SELLER_PENALTY_FEE
    10 4920 T9           10.00 MANUAL_CREDIT 000000000001
    11 1265 T9   20.00         RESERVE_FUNDING
    12 1265 T9           12.50 RESERVE_SETTLEMENT
    13 1260 T9          111.50 net deductions BC-2031
    totals 142.64 142.64
    ");
    assert_eq!(journal.clearing(), Amount(Decimal::new(-11_150, 2)));
}

#[tokio::test]
async fn a_cycle_has_its_report_and_the_csv_of_its_lines_and_both_follow_its_journal() {
    let world = World::lived(Billing::default(), 1).await;
    world.read_twice().await;
    let row = world.cycles().await[0].clone();
    let text = async |name: String| {
        String::from_utf8(world.payouts.read(&name).await.unwrap().unwrap()).unwrap()
    };
    let csv = text(report_lines_file(&row.key)).await;
    let lines = csv.lines().count() as u64;
    assert_eq!(lines, row.readings[0].lines + 2, "the headings and the PAYMENT");
    assert!(csv.contains(&row.journals[0].row.reference));
    let (document, files) = (&row.documents[0], row.document_files.len());
    let file = document_file(&row.key, document.invoice_id.unwrap());
    assert!(files == 1 && !world.payouts.read(&file).await.unwrap().unwrap().is_empty());
    let before = text(report_file(&row.key)).await;
    assert!(before.contains(&row.key.cycle));
    world.wait(1);
    world.change(&row.key, |row| post(row, &world)).await;
    world.run_on(1, 14).await;
    assert_ne!(text(report_file(&row.key)).await, before, "it is posted");
}

fn approve(row: &mut CycleRow, world: &World) {
    let act = Act { by: "ann".to_owned(), at: world.now.get(), note: "looked at".to_owned() };
    let journal = &mut row.journals.last_mut().unwrap().row;
    *journal = journal.clone().approve(&journal.hash.clone(), act).unwrap();
}

fn post(row: &mut CycleRow, world: &World) {
    for journal in &mut row.journals {
        journal.row = journal.row.clone().posted(None, Known::Answer, world.now.get());
    }
}

#[tokio::test]
async fn what_is_approved_is_queued_once_and_again_where_its_message_may_be_lost() {
    let world = World::lived(Billing::default(), 1).await;
    world.read_twice().await;
    let key = world.cycles().await[0].key.clone();
    world.change(&key, |row| approve(row, &world)).await;
    world.run_on(1, 15).await;
    assert_eq!(world.cycles().await[0].journals[0].row.stage, Stage::Queued);
    assert_eq!(world.queued.borrow().len(), 1);
    world.run_on(3, 15).await;
    assert_eq!(world.queued.borrow().len(), 1, "it is not queued for long");
    world.run_on(1, 15).await;
    assert_eq!(world.queued.borrow().len(), 2);
    let queued = world.queued.borrow().clone();
    assert_eq!(queued[0], queued[1]);
}

#[tokio::test]
async fn what_is_approved_and_no_longer_ties_is_not_queued() {
    let world = World::lived(Billing::default(), 1).await;
    world.read_twice().await;
    let key = world.cycles().await[0].key.clone();
    world.change(&key, |row| approve(row, &world)).await;
    world.spoil(Type::CommissionFee, &Spoiling::Change { by: Decimal::new(1, 2) });
    world.run_on(30, 61).await;
    assert_eq!(world.told(), ["cycle-untied"]);
    assert!(world.queued.borrow().is_empty());
    // The same lines make the same journal, and its approval still holds.
    world.spoil(Type::CommissionFee, &Spoiling::Mend);
    world.run_on(3, 61).await;
    assert_eq!((world.told(), !world.queued.borrow().is_empty()), (vec![], true));
}

#[tokio::test]
async fn what_is_queued_and_no_longer_ties_is_called_back() {
    let world = World::lived(Billing::default(), 1).await;
    world.rules(|documents| documents.rules.approval = false);
    world.read_twice().await;
    assert_eq!(world.cycles().await[0].journals[0].row.stage, Stage::Queued);
    world.spoil(Type::CommissionFee, &Spoiling::Change { by: Decimal::new(1, 2) });
    world.run_on(1, 15).await;
    assert_eq!(world.cycles().await[0].journals[0].row.stage, Stage::Approved);
}

#[tokio::test]
async fn a_change_before_posting_voids_the_approval_and_says_so() {
    let world = World::lived(Billing::default(), 1).await;
    world.read_twice().await;
    let key = world.cycles().await[0].key.clone();
    world.channels.borrow_mut()[0].payouts = Mode::Observe;
    world.change(&key, |row| approve(row, &world)).await;
    let ready = world.ready();
    world.rules(|documents| {
        documents.chart.versions[0].types.get_mut("COMMISSION_FEE").unwrap().nominal =
            Some("5601".to_owned());
    });
    world.run_on(1, 15).await;
    let row = &world.cycles().await[0];
    let journal = &row.journals[0].row;
    assert_eq!((&journal.stage, journal.approval.is_none()), (&Stage::AwaitingApproval, true));
    assert!(world.journal(row).await.lines.iter().any(|line| line.account.nominal == "5601"));
    assert_eq!(world.ready(), ready + 1);
    let events = world.events.borrow();
    assert!(events.last().unwrap().reason.contains("approval was voided"));
}

#[tokio::test]
async fn what_changes_after_posting_is_supplementary_only_where_the_transfer_changed_with_it() {
    for moves_transfer in [false, true] {
        let world = World::lived(Billing::default(), 1).await;
        world.read_twice().await;
        let key = world.cycles().await[0].key.clone();
        world.change(&key, |row| post(row, &world)).await;
        world.run_on(1, 15).await;
        let pound = Decimal::ONE;
        let changed = Spoiling::Change { by: pound };
        world.spoil(Type::CommissionFee, &changed);
        if moves_transfer {
            world.transfers_more.set(pound);
            // The day's listing comes first.
            world.wait(24 * 60);
            world.spoil(Type::Payment, &Spoiling::Change { by: -pound });
        }
        world.run_on(4, 61).await;
        let row = &world.cycles().await[0];
        assert_eq!(row.journals[0].row.name.to_string(), "");
        if moves_transfer {
            assert_eq!(world.told(), Vec::<String>::new(), "{}", world.reason());
            assert_eq!(row.journals[1].row.name.to_string(), "/A1");
            assert_eq!(row.journals[1].row.stage, Stage::AwaitingApproval);
            let journal = world.journal(row).await;
            assert_eq!((journal.problems(), journal.clearing()), (vec![], Amount(pound)));
            assert_eq!(journal.lines.len(), 2);
        } else {
            assert_eq!(world.told(), ["cycle-changed-after-posting"]);
            assert_eq!((row.journals.len(), row.findings[0].amount), (1, Some(Amount(pound))));
        }
    }
}

#[tokio::test]
async fn two_live_channels_of_one_shop_are_refused_and_wrong_documents_leave_neighbours_alone() {
    let world = World::lived(Billing::default(), 1).await;
    let first = world.channels.borrow()[0].clone();
    let second = Channel { id: "uk-too".to_owned(), ..first.clone() };
    let other = Channel { id: "de".to_owned(), shop_id: Some(7), ..first };
    world.channels.borrow_mut().extend([second, other]);
    world.run_on(4, 61).await;
    let mut told: Vec<_> =
        world.shown.borrow().iter().map(|one| (one.channel.clone(), one.kind.clone())).collect();
    told.sort();
    let kind = || "documents-unusable".to_owned();
    assert_eq!(told, [("de".to_owned(), kind()), ("uk".to_owned(), kind())]);
    assert_eq!(world.calls_of_log.get(), 0);
    world.channels.borrow_mut()[1].payouts = Mode::Off;
    world.read_twice().await;
    assert_eq!(world.told(), ["documents-unusable"], "the other channel's");
    assert_eq!(world.cycles().await[0].stage, CycleStage::Tied);
}
