//! Which cycles tie, and what is said of those that do not.

use std::time::Duration;

use rust_decimal::Decimal;
use shared::domain::channel::Mode;
use shared::domain::payout::exceptions::PayoutExceptionKind as Kind;
use shared::domain::payout::row::CycleStage;
use shared::kit::amount::Amount;
use simulators::mirakl::model::ledger::{
    AtOrBelowZero, Billing, PaymentLines, Spoiling, TransactionType as Type,
};

use super::world::{World, penny};

/// Each way of being billed.
#[tokio::test]
async fn what_the_operator_pays_ties_and_makes_a_journal_that_waits_for_approval() {
    let usual = || Billing { subscription: Some(Decimal::new(100, 2)), ..Billing::default() };
    for billing in [
        usual(),
        Billing { reserve_percent: Some(Decimal::TEN), reserve_state: true, ..usual() },
        Billing { payment_lines: PaymentLines::None, ..usual() },
        Billing { payment_lines: PaymentLines::OnePerDocument, ..usual() },
        Billing { unsigned_amounts: true, text_ids: true, ..usual() },
    ] {
        let world = World::lived(billing.clone(), 2).await;
        world.run_on(1, 0).await;
        let stages: Vec<_> = world.cycles().await.into_iter().map(|row| row.stage).collect();
        assert_eq!(stages, [CycleStage::Reading; 2], "one reading is not enough");
        world.run_on(1, 61).await;
        let cycles = world.cycles().await;
        for row in &cycles {
            let tie = row.tie.as_ref().unwrap();
            assert_eq!(row.stage, CycleStage::Tied, "{billing:?}: {row:?}");
            assert_eq!(tie.transfer, row.cycle.transferred_to_seller);
            let journal = world.journal(row).await;
            assert_eq!(journal.problems(), []);
            assert_eq!(row.journals.len(), 1);
        }
        assert_eq!((world.told(), world.ready()), (vec![], 2), "{}", world.reason());
        // A run more changes nothing and tells nobody.
        world.run_on(3, 15).await;
        assert_eq!((world.told(), world.ready()), (vec![], 2));
        assert!(world.queued.borrow().is_empty(), "nobody has approved");
        let again: Vec<_> =
            world.cycles().await.into_iter().map(|row| (row.stage, row.journals)).collect();
        let before: Vec<_> = cycles.into_iter().map(|row| (row.stage, row.journals)).collect();
        assert_eq!(again, before);
    }
}

#[tokio::test]
async fn two_payment_services_are_two_journals_and_ids_may_come_late() {
    let billing = Billing {
        psp_codes: vec!["MANGOPAY".into(), "OPERATOR".into()],
        ids_late_seconds: 60,
        documents_late_seconds: 120,
        ..Billing::default()
    };
    let world = World::lived(billing, 1).await;
    world.read_twice().await;
    // The chart knows no bank account of either.
    assert_eq!(world.told(), ["chart-incomplete", "chart-incomplete"], "{}", world.reason());
    world.rules(|documents| {
        for psp in ["MANGOPAY", "OPERATOR"] {
            let bank = serde_json::json!({"currency": "GBP", "psp": psp, "nominal": "1200"});
            documents.chart.versions[0].bank.push(serde_json::from_value(bank).unwrap());
        }
    });
    world.run_on(1, 15).await;
    let cycles = world.cycles().await;
    assert_eq!(cycles.len(), 2);
    assert!(cycles.iter().all(|row| row.stage == CycleStage::Tied && row.journals.len() == 1));
    assert_eq!(world.told(), Vec::<String>::new());
    let references: Vec<_> = cycles.iter().map(|row| &row.journals[0].row.reference).collect();
    assert_ne!(references[0], references[1]);
}

#[tokio::test]
async fn a_debt_is_carried_and_the_next_cycle_ties_with_it() {
    let billing = Billing {
        subscription: Some(Decimal::new(900_000, 2)),
        at_or_below_zero: AtOrBelowZero::CycleWithoutTransfer,
        ..Billing::default()
    };
    let world = World::lived(billing, 2).await;
    world.read_twice().await;
    let cycles = world.cycles().await;
    let tie = |index: usize| cycles[index].tie.clone().unwrap();
    assert!(cycles.iter().all(|row| row.stage == CycleStage::Tied), "{cycles:?}");
    assert!(tie(0).carried_out < Amount::ZERO && tie(1).carried_in == tie(0).carried_out);
    assert!(cycles.iter().all(|row| row.journals.len() == 1), "the fees are booked all the same");
    assert_eq!(world.told(), Vec::<String>::new(), "{}", world.reason());
}

#[tokio::test]
async fn what_is_spoilt_is_one_exception_with_its_amount_and_is_mended_by_itself() {
    for (spoiling, difference) in [
        (Spoiling::Hide, None),
        (Spoiling::Repeat, None),
        (Spoiling::Change { by: penny() }, Some(penny())),
    ] {
        let world = World::lived(Billing::default(), 2).await;
        let (id, net) = world.spoil(Type::CommissionFee, &spoiling);
        let difference = difference.unwrap_or(if spoiling == Spoiling::Hide { -net } else { net });
        world.read_twice().await;
        assert_eq!(world.told(), Vec::<String>::new(), "its hours are not over: {spoiling:?}");
        world.run_on(24, 61).await;
        assert_eq!(world.told(), ["cycle-untied"], "{spoiling:?}");
        let cycles = world.cycles().await;
        assert_eq!(
            cycles.iter().map(|row| row.stage).collect::<Vec<_>>(),
            [CycleStage::Untied, CycleStage::Tied]
        );
        let finding = &cycles[0].findings[0];
        assert_eq!(
            (finding.kind, finding.amount),
            (Kind::CycleUntied, Some(Amount(difference))),
            "{spoiling:?}"
        );
        assert!(world.reason().contains("the running balance jumps by"), "{}", world.reason());
        assert!(cycles[0].journals.is_empty() && !finding.lines.is_empty());
        if spoiling != Spoiling::Hide {
            assert!(finding.lines.contains(&id) || finding.lines.len() >= 2, "{finding:?}");
        }
        world.spoil(Type::CommissionFee, &Spoiling::Mend);
        world.run_on(3, 61).await;
        let mended = &world.cycles().await[0];
        assert_eq!((mended.stage, mended.journals.len()), (CycleStage::Tied, 1), "{spoiling:?}");
        assert_eq!(world.told(), Vec::<String>::new(), "{}", world.reason());
    }
}

#[tokio::test]
async fn a_line_that_cannot_be_read_holds_its_cycle_and_no_other() {
    let world = World::lived(Billing::default(), 2).await;
    let (id, _) = world.spoil(Type::CommissionFee, &Spoiling::WithoutAmounts);
    world.run_on(27, 61).await;
    assert_eq!(world.told(), ["unreadable-line"]);
    assert!(world.reason().contains(&id), "{}", world.reason());
    let cycles = world.cycles().await;
    assert!(cycles[0].journals.is_empty() && cycles[1].journals.len() == 1);
}

#[tokio::test]
async fn an_unknown_type_goes_to_suspense_and_is_told() {
    let world = World::lived(Billing::default(), 1).await;
    let shown = Spoiling::ShowAs { code: "COSMIC_FEE".to_owned() };
    let (id, net) = world.spoil(Type::ManualInvoice, &shown);
    world.spoil(Type::ManualInvoiceVat, &shown);
    world.read_twice().await;
    assert_eq!(world.told(), ["unknown-type"]);
    let row = &world.cycles().await[0];
    let finding = &row.findings[0];
    assert_eq!(finding.amount, Some(Amount(net * Decimal::new(12, 1))));
    assert!(finding.lines.contains(&id));
    let journal = world.journal(row).await;
    let in_suspense: Vec<_> =
        journal.lines.iter().filter(|line| line.account.nominal == "9998").collect();
    assert_eq!(in_suspense[0].debit, Amount(-net * Decimal::new(12, 1)));
}

#[tokio::test]
async fn the_dropship_model_and_a_held_type_hold_the_cycle() {
    for (kind, told) in [
        (Type::PurchaseCommissionFee, "shop-model-unsupported"),
        (Type::SellerPenaltyFee, "type-held"),
    ] {
        let world = World::lived(Billing::default(), 1).await;
        world.rules(|documents| {
            let types = &mut documents.chart.versions[0].types;
            let hold = serde_json::json!({"book": "hold"});
            types.insert("SELLER_PENALTY_FEE".to_owned(), serde_json::from_value(hold).unwrap());
        });
        let at = world.began - Duration::from_secs(30);
        world.book(Type::OrderAmount, 10_000, false, at);
        world.book(kind, 300, false, at);
        world.close(at);
        world.read_twice().await;
        assert_eq!(world.told(), [told]);
        let cycles = world.cycles().await;
        assert!(cycles[1].journals.is_empty() && cycles[0].journals.len() == 1);
        assert_eq!(cycles[1].findings[0].amount, Some(Amount(Decimal::new(-300, 2))));
    }
}

#[tokio::test]
async fn a_payout_that_fails_is_told_at_once_until_it_is_paid() {
    let world = World::new(Billing::default()).await;
    let at = world.began - Duration::from_secs(3600);
    world.book(Type::OrderAmount, 10_000, false, at);
    world.book(Type::CommissionFee, 1000, true, at);
    world.close(at);
    let fail = |world: &World| {
        let mut marketplace = world.simulator.marketplace();
        assert!(marketplace.finance_mut().ledger_mut(2001).unwrap().fail(0, "INCOMPLETE_KYC"));
    };
    fail(&world);
    world.run_on(1, 0).await;
    assert_eq!(world.told(), ["payout-failed"]);
    assert!(world.reason().contains("INCOMPLETE_KYC"), "{}", world.reason());
    world.run_on(1, 61).await;
    let row = &world.cycles().await[0];
    assert_eq!((row.stage, row.journals.len()), (CycleStage::Tied, 1), "the fees are booked");
    world.pay(world.began);
    world.run_on(1, 24 * 60).await;
    assert_eq!(world.told(), Vec::<String>::new());
}

#[tokio::test]
async fn a_transfer_that_is_not_paid_is_late() {
    let world = World::new(Billing::default()).await;
    world.book(Type::OrderAmount, 10_000, false, world.began);
    world.close(world.began);
    world.read_twice().await;
    assert_eq!(world.told(), Vec::<String>::new());
    world.run_on(8, 24 * 60).await;
    assert_eq!(world.told(), ["payout-late"]);
}

#[tokio::test]
async fn fees_that_are_in_no_cycle_are_told_after_their_days() {
    let world = World::new(Billing::default()).await;
    world.book(Type::SubscriptionFee, 3900, true, world.began);
    world.close(world.began);
    world.run_on(1, 0).await;
    world.run_on(1, 41 * 24 * 60).await;
    assert_eq!(world.told(), Vec::<String>::new());
    world.run_on(1, 2 * 24 * 60).await;
    assert_eq!(world.told(), ["fees-without-cycle"]);
    assert!(world.reason().contains("-46.80 GBP"), "{}", world.reason());
}

#[tokio::test]
async fn cycles_of_before_are_read_and_never_posted_and_observe_queues_nothing() {
    let world = World::lived(Billing::default(), 2).await;
    let first_closed = world.began - Duration::from_secs(3600 - 101);
    world.rules(|documents| {
        documents.rules.ledger_from = Some(documents.rules.payouts_from);
        documents.rules.payouts_from = first_closed + Duration::from_secs(10);
        documents.rules.approval = false;
    });
    world.channels.borrow_mut()[0].payouts = Mode::Observe;
    world.read_twice().await;
    let cycles = world.cycles().await;
    let stages: Vec<_> = cycles.iter().map(|row| row.stage).collect();
    assert_eq!(stages, [CycleStage::BookedByHand, CycleStage::Tied]);
    assert!(cycles[0].journals.is_empty() && cycles[0].tie.as_ref().unwrap().is_tied());
    assert!(world.queued.borrow().is_empty());
    world.channels.borrow_mut()[0].payouts = Mode::Live;
    world.run_on(1, 15).await;
    assert_eq!(world.queued.borrow().len(), 1);
}
