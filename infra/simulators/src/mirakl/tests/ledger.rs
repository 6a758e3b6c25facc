//! What the marketplace owes its shops: every line, cycle and payout adds up.

use rust_decimal::Decimal;

use super::super::model::ledger::{
    AtOrBelowZero, Billing, Entry, Ledger, ManualItem, PayOut, PayableWhen, PaymentLines,
    PaymentState, Spoiling, TransactionType as T,
};
use super::super::model::{Marketplace, OperatorRefund, Order, Settings};
use super::*;

/// A marketplace that accepts and debits at once, with a shop that is billed so.
fn billed(billing: Billing) -> Marketplace {
    let settings = Settings { debit_seconds: 0, automatic_acceptance: true, ..Settings::default() };
    let mut marketplace = Marketplace::new(settings);
    marketplace.bill(SHOP, billing, start());
    marketplace
}

fn paid_order(marketplace: &mut Marketplace, number: u64, at: Timestamp) -> Order {
    let order = Order { payment_workflow: "PAY_ON_ACCEPTANCE", ..an_order(number, 2) };
    assert!(marketplace.place(order.clone(), at));
    marketplace.advance(at);
    marketplace.order(&order.order_id).unwrap().clone()
}

fn ledger(marketplace: &Marketplace) -> &Ledger {
    marketplace.finance().ledger(SHOP).unwrap()
}

fn of(ledger: &Ledger, kind: T) -> Decimal {
    ledger.entries().iter().filter(|entry| entry.kind == kind).map(Entry::net).sum()
}

fn item(kind: T, amount: i64) -> ManualItem {
    ManualItem {
        kind,
        amount: Decimal::new(amount, 2),
        taxed: false,
        currency: "GBP".to_owned(),
        reference: None,
        description: None,
    }
}

/// `lines + carried in = transfer + carried out`, and the running balance, for all that there is.
fn assert_adds_up(ledger: &Ledger) {
    let mut balance = Decimal::ZERO;
    for entry in ledger.entries() {
        assert!(entry.credited >= Decimal::ZERO && entry.debited >= Decimal::ZERO);
        assert!(entry.credited.is_zero() != entry.debited.is_zero(), "on one side: {entry:?}");
        balance += entry.net();
        assert_eq!(entry.balance, balance, "the balance runs");
    }
    for cycle in ledger.cycles() {
        let lines: Decimal = ledger.lines_of(cycle.place).map(Entry::net).sum();
        assert_eq!(lines + cycle.carried_in, cycle.transfer + cycle.carried_out, "{cycle:?}");
        let payments: Vec<_> = ledger
            .entries()
            .iter()
            .filter(|entry| entry.kind == T::Payment && entry.cycle == Some(cycle.place))
            .collect();
        if cycle.pay_out == PayOut::Paid && ledger.billing().payment_lines != PaymentLines::None {
            assert_eq!(payments.iter().map(|entry| -entry.net()).sum::<Decimal>(), cycle.transfer);
        }
    }
}

#[test]
fn a_sale_is_booked_at_the_debit_and_owed_once_shipped() {
    let mut marketplace = billed(Billing::default());
    let order = paid_order(&mut marketplace, 1, start());
    let books = ledger(&marketplace);
    assert_eq!(of(books, T::OrderAmount), order.price());
    let taxes: Decimal =
        order.lines.iter().flat_map(|line| &line.taxes).map(|tax| tax.amount).sum();
    assert_eq!(of(books, T::OrderAmountTax), taxes, "a shop without taxes in its prices");
    let commission: Decimal = order.lines.iter().map(|line| line.total_commission()).sum();
    assert_eq!(of(books, T::CommissionFee) + of(books, T::CommissionVat), -commission);
    assert!(books.entries().iter().all(|entry| entry.state == PaymentState::Pending));
    assert!(marketplace.ship(&order.order_id, after(60)));
    assert!(
        ledger(&marketplace).entries().iter().all(|entry| entry.state == PaymentState::Payable)
    );
    assert_adds_up(ledger(&marketplace));
}

#[test]
fn what_is_given_back_takes_its_commission_with_it_once() {
    let mut marketplace =
        billed(Billing { payable_when: PayableWhen::Received, ..Billing::default() });
    let order = paid_order(&mut marketplace, 1, start());
    let line = &order.lines[0];
    let refund = OperatorRefund {
        order_line_id: line.order_line_id.clone(),
        quantity: line.quantity,
        amount: line.price(),
        shipping_amount: line.shipping_price,
    };
    assert!(marketplace.refund(&order.order_id, &[refund], after(5)));
    assert!(marketplace.cancel(&order.order_id, after(9)), "the other line");
    let books = ledger(&marketplace);
    assert_eq!(of(books, T::RefundOrderAmount), -order.price());
    assert_eq!(of(books, T::RefundCommissionFee), -of(books, T::CommissionFee));
    assert_eq!(books.balance("GBP"), Decimal::ZERO, "nothing is left of the order");
    assert_adds_up(books);
}

#[test]
fn a_cycle_ties_with_every_kind_of_line_and_payment() {
    for payment_lines in [PaymentLines::One, PaymentLines::None, PaymentLines::OnePerDocument] {
        let mut marketplace = billed(Billing {
            subscription: Some(Decimal::new(3900, 2)),
            reserve_percent: Some(Decimal::TEN),
            payment_lines,
            ..Billing::default()
        });
        for cycle in 0..3 {
            for number in 0..4 {
                let at = after(1000 * cycle + number);
                let order = paid_order(&mut marketplace, (cycle * 10 + number) as u64, at);
                assert!(marketplace.ship(&order.order_id, at));
            }
            let at = after(1000 * cycle + 500);
            let finance = marketplace.finance_mut();
            for (kind, amount) in
                [(T::ManualCredit, 1000), (T::ManualInvoice, 2500), (T::SellerPenaltyFee, 300)]
            {
                assert!(finance.book(SHOP, &item(kind, amount), at));
            }
            assert_eq!(finance.close(SHOP, at), 1);
            let ledger = finance.ledger_mut(SHOP).unwrap();
            let last = ledger.cycles().len() - 1;
            if cycle == 1 {
                assert!(ledger.fail(last, "INCOMPLETE_KYC"));
            }
            assert!(ledger.pay(last, after(1000 * cycle + 700)), "after a failure too");
            assert!(!ledger.pay(last, after(1000 * cycle + 701)), "once");
        }
        let books = ledger(&marketplace);
        assert_adds_up(books);
        assert_eq!(books.documents().len(), 9, "one of each cycle, and the manual ones");
        if payment_lines != PaymentLines::None {
            let held = of(books, T::ReserveFunding) + of(books, T::ReserveSettlement);
            assert_eq!(books.balance("GBP"), Decimal::ZERO, "all but the reserve was paid");
            assert!(held < Decimal::ZERO);
        }
    }
}

#[test]
fn a_debt_waits_or_is_carried() {
    let debt = |at_or_below_zero| {
        let mut marketplace = billed(Billing { at_or_below_zero, ..Billing::default() });
        let finance = marketplace.finance_mut();
        finance.book(SHOP, &item(T::SellerPenaltyFee, 500), start());
        let first = finance.close(SHOP, after(1));
        finance.book(SHOP, &item(T::ManualCredit, 800), after(2));
        finance.close(SHOP, after(3));
        assert_adds_up(ledger(&marketplace));
        (first, ledger(&marketplace).cycles().last().unwrap().transfer)
    };
    let left = Decimal::new(300, 2);
    assert_eq!(debt(AtOrBelowZero::NoCycle), (0, left));
    assert_eq!(debt(AtOrBelowZero::CycleWithoutTransfer), (1, left));
}

#[test]
fn cycles_close_and_pay_out_by_themselves() {
    let mut marketplace = billed(Billing {
        cycle_seconds: Some(100),
        payout_seconds: Some(50),
        ids_late_seconds: 10,
        documents_late_seconds: 20,
        ..Billing::default()
    });
    marketplace.finance_mut().book(SHOP, &item(T::ManualCredit, 500), start());
    marketplace.advance(after(105));
    let books = ledger(&marketplace);
    assert_eq!(books.cycles().len(), 1);
    assert!(!books.cycles()[0].ids_assigned && books.documents()[1].issued.is_none());
    marketplace.advance(after(120));
    let books = ledger(&marketplace);
    assert!(books.cycles()[0].ids_assigned && books.documents()[1].issued.is_some());
    assert_eq!(books.entries()[0].last_updated, after(110), "the line changed with its cycle");
    marketplace.advance(after(150));
    assert_eq!(ledger(&marketplace).cycles()[0].pay_out, PayOut::Paid);
    assert_adds_up(ledger(&marketplace));
}

#[test]
fn days_of_the_month_close_at_their_beginning_in_the_shops_zone() {
    let billing = Billing {
        close_days: vec![1, 11, 21],
        time_zone: "Europe/Paris".to_owned(),
        ..Billing::default()
    };
    let next = |text: &str| billing.next_close(text.parse().unwrap()).unwrap().to_string();
    assert_eq!(next("2026-11-12T00:00:00Z"), "2026-11-20T23:00:00Z");
    assert_eq!(next("2026-11-20T23:00:00Z"), "2026-11-30T23:00:00Z");
    assert_eq!(next("2026-07-01T00:00:00Z"), "2026-07-10T22:00:00Z", "summer time");
    assert_eq!(Billing::default().next_close(start()), None);
}

#[test]
fn taxes_that_the_operator_remits_leave_the_seller_with_the_net() {
    let mut marketplace =
        billed(Billing { operator_remits_taxes: true, vat_on_fees: false, ..Billing::default() });
    let order = paid_order(&mut marketplace, 1, start());
    let books = ledger(&marketplace);
    assert_eq!(of(books, T::OperatorRemittedOrderAmountTax), -of(books, T::OrderAmountTax));
    assert_eq!(of(books, T::CommissionVat), Decimal::ZERO, "reverse charge");
    let commission: Decimal = order.lines.iter().map(|line| line.commission_fee).sum();
    let fees: Decimal = order.lines.iter().flat_map(|line| &line.fees).map(|fee| fee.amount).sum();
    assert_eq!(books.balance("GBP"), order.price() + order.shipping_price() + fees - commission);
}

#[test]
fn two_payment_services_have_cycles_of_their_own() {
    let mut marketplace = billed(Billing {
        psp_codes: vec!["MANGOPAY".to_owned(), "OPERATOR".to_owned()],
        ..Billing::default()
    });
    for number in 0..4 {
        let order = paid_order(&mut marketplace, number, start());
        assert!(marketplace.ship(&order.order_id, start()));
    }
    assert_eq!(marketplace.finance_mut().close(SHOP, after(1)), 2);
    assert_adds_up(ledger(&marketplace));
}

#[test]
fn a_spoilt_line_leaves_the_books_alone() {
    let mut marketplace = billed(Billing::default());
    marketplace.finance_mut().book(SHOP, &item(T::ManualCredit, 500), start());
    let ledger = marketplace.finance_mut().ledger_mut(SHOP).unwrap();
    let id = ledger.entries()[0].id.clone();
    assert!(ledger.spoil(&id, &Spoiling::Change { by: Decimal::new(-1, 2) }, after(1)));
    assert!(!ledger.spoil("none", &Spoiling::Hide, after(1)));
    assert_eq!(ledger.balance("GBP"), Decimal::new(500, 2));
    assert_eq!(ledger.entries()[0].last_updated, after(1));
    assert_adds_up(ledger);
}
