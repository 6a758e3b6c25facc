#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use jiff::Timestamp;

use super::order_row::HISTORY;
use super::*;
use crate::domain::dispatch::Dispatch;
use crate::domain::events::Severity;
use crate::domain::exception::KindOfException as _;
use crate::domain::notify::Told;
use crate::kit::amount::Amount;
use crate::mirakl::Order;
use crate::prima::order::{PrimaOrder, PrimaOrderLine, PrimaPayment};

fn row() -> OrderRow {
    let text = r#"{"order_id":"C1-A","order_state":"SHIPPING","currency_iso_code":"GBP","total_price":23.95,"total_commission":3.60,
        "order_lines":[{"order_line_id":"C1-A-1","quantity":2,"price":20.00},{"order_line_id":"C1-A-2","quantity":1,"price":3.95}]}"#;
    let order: Order = serde_json::from_str(text).unwrap();
    let mut row = OrderRow::first_seen("uk", &order, Timestamp::UNIX_EPOCH);
    row.note_sent_lines(&order);
    row
}

/// Stages and exception kinds have names of their own and know what they are.
#[test]
fn each_stage_and_kind_has_its_own_name_and_traits() {
    let mut names: Vec<&str> = Stage::ALL.iter().copied().map(Stage::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Stage::ALL.len());
    let mut names: Vec<&str> =
        ExceptionKind::ALL.iter().copied().map(ExceptionKind::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ExceptionKind::ALL.len());
    let unsettled: Vec<Stage> =
        Stage::ALL.iter().copied().filter(|stage| !stage.is_settled()).collect();
    let open = [
        Stage::Seen,
        Stage::Acknowledged,
        Stage::AwaitingPayment,
        Stage::Firm,
        Stage::Queued,
        Stage::Creating,
        Stage::InDoubt,
        Stage::Cancelling,
    ];
    assert_eq!(unsettled, open);
    let poller: Vec<ExceptionKind> =
        ExceptionKind::ALL.iter().copied().filter(|kind| kind.is_found_by_poller()).collect();
    assert_eq!(
        poller,
        [
            ExceptionKind::TooLarge,
            ExceptionKind::LineCancelledAfterCreation,
            ExceptionKind::ShippedOutsidePrima,
            ExceptionKind::ShippedByOperator,
            ExceptionKind::Unreadable,
            ExceptionKind::NotInMirakl,
        ]
    );
    let critical: Vec<ExceptionKind> = ExceptionKind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.severity() == Severity::Critical)
        .collect();
    assert_eq!(critical, [ExceptionKind::CancelledAfterDispatch, ExceptionKind::SettledMeanwhile]);
    assert_eq!(ExceptionKind::ALL.iter().copied().filter(|kind| kind.is_of_dispatch()).count(), 9);
}

#[test]
fn each_stage_that_is_not_over_is_among_the_open_states() {
    let is_open =
        |name: &str| OpenState::ALL.iter().filter(|state| state.name == name).count() == 1;
    for &stage in Stage::ALL {
        let waits_for_mirakl =
            !stage.is_over() && !matches!(stage, Stage::Exception | Stage::Cancelling);
        assert_eq!(is_open(stage.name()), waits_for_mirakl, "{stage:?}");
    }
    assert!([REFERENCE_PENDING, DISPATCH_EXCEPTION, DISPATCH_UNANNOUNCED].into_iter().all(is_open));
    assert!(![EXCEPTION_UNANNOUNCED, SHIPPED_REFERENCE_PENDING].into_iter().any(is_open));
    let named = |is_meant: fn(&&OpenState) -> bool| {
        OpenState::ALL.iter().filter(is_meant).map(|state| state.name).collect::<Vec<_>>()
    };
    assert_eq!(
        named(|state| !state.is_asked_for_daily),
        ["creating", "in-doubt", DISPATCH_UNANNOUNCED]
    );
    assert_eq!(
        named(|state| !state.is_looked_up_when_absent),
        [DISPATCH_UNANNOUNCED, "operator-fulfilled"]
    );
}

/// A move gives the lease back and ends the exception, and the history keeps its beginning.
#[test]
fn moving_a_row_frees_its_lease_and_keeps_its_first_history() {
    let mut row = row();
    row.creation.lease = Some(Lease { owner: "a".into(), until: Timestamp::UNIX_EPOCH });
    row.enter(Stage::Creating, Timestamp::UNIX_EPOCH, "");
    assert!(row.creation.lease.is_some());
    row.fail(ExceptionKind::UnknownSku, "why", "what", Timestamp::UNIX_EPOCH);
    assert_eq!((row.creation.lease.is_some(), row.index_state()), (false, EXCEPTION_UNANNOUNCED));
    row.exception.as_mut().unwrap().told = Told::at(Timestamp::UNIX_EPOCH);
    assert_eq!(row.index_state(), "exception");
    for number in 0..100 {
        row.enter(Stage::Queued, Timestamp::UNIX_EPOCH, number.to_string());
    }
    assert_eq!((row.exception.is_some(), row.history.len()), (false, HISTORY));
    assert_eq!((row.history[0].stage, row.history[HISTORY - 1].note.as_str()), (Stage::Seen, "99"));
    let first_kept = &row.history[..HISTORY / 4];
    assert!(
        first_kept
            .iter()
            .skip(3)
            .map(|step| step.note.as_str())
            .eq(["0", "1", "2", "3", "4", "5", "6"]),
        "{first_kept:?}"
    );
}

#[test]
fn what_a_person_settled_can_be_taken_back_until_it_moves_on() {
    let mut row = row();
    assert!(!row.reopen(Timestamp::UNIX_EPOCH, "nothing was settled"));
    row.fail(ExceptionKind::UnknownSku, "why", "what", Timestamp::UNIX_EPOCH);
    row.exception.as_mut().unwrap().told = Told::at(Timestamp::UNIX_EPOCH);
    row.settle(Stage::Cancelled, Timestamp::UNIX_EPOCH, "settled by Ann: cancelled");
    assert_eq!((row.stage, &row.exception), (Stage::Cancelled, &None));
    let mut moved = row.clone();
    moved.enter(Stage::Shipped, Timestamp::UNIX_EPOCH, "");
    assert!(!moved.reopen(Timestamp::UNIX_EPOCH, "too late"));
    assert!(row.reopen(Timestamp::UNIX_EPOCH, "taken back by Ann"));
    let exception = row.exception.clone().unwrap();
    assert_eq!(
        (exception.kind, exception.told, row.index_state()),
        (ExceptionKind::UnknownSku, Told::default(), EXCEPTION_UNANNOUNCED)
    );
    assert!(!row.reopen(Timestamp::UNIX_EPOCH, "only once"));
}

#[test]
fn primas_lines_keep_their_numbers_when_one_is_cancelled() {
    let mut row = row();
    row.lines.remove(0);
    assert_eq!((row.mirakl_line(1), row.mirakl_line(2)), (Some("C1-A-1"), Some("C1-A-2")));
    assert_eq!((row.mirakl_line(0), row.mirakl_line(3)), (None, None));
    // A row that was found again after a wiped table knows only what is left.
    row.creation.prima_lines.clear();
    assert_eq!(row.mirakl_line(1), Some("C1-A-2"));
    assert_eq!(
        row.listing.payout_value.as_ref().map(|value| value.amount.to_string()),
        Some("20.35".to_owned())
    );
}

#[test]
fn an_order_in_prima_stands_in_the_index_by_when_it_is_due() {
    let mut row = row();
    let due_at: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
    row.enter(Stage::Created, Timestamp::UNIX_EPOCH, "");
    row.dispatch = Some(Box::new(Dispatch { due_at, ..Dispatch::default() }));
    assert_eq!((row.index_state(), row.index_moment()), (REFERENCE_PENDING, Timestamp::UNIX_EPOCH));
    row.creation.referenced_at = Some(Timestamp::UNIX_EPOCH);
    assert_eq!((row.index_state(), row.index_moment()), ("created", due_at));
    row.enter(Stage::Shipped, Timestamp::UNIX_EPOCH, "");
    assert_eq!(
        (row.index_state(), row.index_moment(), row.owes_reference()),
        ("shipped", Timestamp::UNIX_EPOCH, false)
    );
    // Shipped before its number was written: the number is owed all the same, where we shipped it.
    row.creation.referenced_at = None;
    assert!(!row.owes_reference());
    row.dispatch.as_mut().unwrap().parcels.push(crate::domain::dispatch::Parcel::default());
    assert_eq!((row.index_state(), row.owes_reference()), (SHIPPED_REFERENCE_PENDING, true));
    row.fail(ExceptionKind::UnmappedCarrier, "why", "what", due_at);
    assert_eq!(row.index_state(), DISPATCH_UNANNOUNCED);
    row.exception.as_mut().unwrap().told = Told::at(due_at);
    assert_eq!(row.index_state(), DISPATCH_EXCEPTION);
}

/// An age is that of the whole wait, however often something was tried.
#[test]
fn an_age_spans_the_whole_wait_through_every_retry() {
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    let mut row = row();
    assert_eq!((row.waits_for_prima_since(), row.untold_since()), (None, None));
    for (second, stage) in [
        (100, Stage::Firm),
        (200, Stage::Queued),
        (300, Stage::Creating),
        (400, Stage::InDoubt),
        (500, Stage::Queued),
    ] {
        row.enter(stage, at(second), "");
    }
    assert_eq!(row.waits_for_prima_since(), Some(at(100)));
    for round in 0..100 {
        row.enter([Stage::Queued, Stage::Firm][round % 2], at(600 + 60 * round as i64), "");
    }
    assert!(
        at(600 + 99 * 60).duration_since(row.waits_for_prima_since().unwrap()).as_mins() >= 25,
        "as far as the history tells"
    );
    row.enter(Stage::Dispatched, at(9000), "one parcel");
    row.enter(Stage::Dispatched, at(9100), "another");
    assert_eq!((row.waits_for_prima_since(), row.untold_since()), (None, Some(at(9000))));
}

#[test]
fn a_document_may_resolve_what_waits_for_it_and_nothing_else() {
    let waiting: Vec<_> =
        ExceptionKind::ALL.iter().copied().filter(|kind| kind.waits_for_documents()).collect();
    assert_eq!(
        waiting,
        [
            ExceptionKind::UnmappedCarrier,
            ExceptionKind::CarrierNotListed,
            ExceptionKind::DocumentsUnusable
        ]
    );
}

#[test]
fn a_conflict_keeps_what_each_owner_knows() {
    let read = row();
    let mut theirs = read.clone();
    theirs.version = 7;
    theirs.listing.cancel_requested = Some(Timestamp::UNIX_EPOCH);
    theirs.take_lines(Vec::new());
    let mut ours = read.clone();
    ours.creation.order_number = Some("UK-C1-A".into());
    ours.creation.unclear_answers = 2;
    let merged = theirs.clone().with_creation_of(&ours);
    assert_eq!(merged.creation, ours.creation, "the creation is ours");
    assert_eq!((&merged.listing, merged.version), (&theirs.listing, 7), "the listing is theirs");
    assert_eq!(merged.lines, [], "nothing was sent: the lines are as listed");
    ours.creation.attempt = Some(Attempt { count: 1, ..Attempt::default() });
    assert_eq!(
        theirs.with_creation_of(&ours).lines,
        read.lines,
        "once sent, the lines are those that were sent"
    );
}

/// An order's money, as it was sent: what a settlement is compared with long after.
#[test]
fn the_money_of_an_order_is_kept_as_it_was_sent_and_takes_little_room() {
    let line = |id: &str, more: &str| {
        format!(
            r#"{{"order_line_id":"{id}","offer_sku":"SKU-{id}","quantity":2,"price":20.00,"shipping_price":4.99,
            "taxes":[{{"code":"VAT","amount":3.33}}],"shipping_taxes":[{{"code":"VAT","amount":0.83}}],
            "commission_fee":3.75,"commission_taxes":[{{"code":"TAX","rate":20,"amount":0.75}}]{more}}}"#
        )
    };
    let order = |lines: &[String]| -> Order {
        let lines = lines.join(",");
        serde_json::from_str(&format!(
            r#"{{"order_id":"C1-A","order_state":"SHIPPING","currency_iso_code":"GBP","order_tax_mode":"TAX_INCLUDED",
            "customer":{{"lastname":"Zzyx"}},"order_lines":[{lines}]}}"#
        ))
        .unwrap()
    };
    let prima_line = |product: &str| PrimaOrderLine {
        product: product.to_owned(),
        matrix_codes: ["RED".to_owned(), "M".to_owned(), String::new(), String::new()],
        quantity: 2,
        ..PrimaOrderLine::default()
    };
    // The first line is refunded before it is sent: Prima gets the second alone.
    let refunded = r#","refunds":[{"id":"R1","quantity":2,"amount":20.00,"shipping_amount":4.99}]"#;
    let order_of_two = order(&[line("1", refunded), line("2", "")]);
    let document = PrimaOrder {
        lines: vec![prima_line("STYLE")],
        payments: vec![PrimaPayment {
            amount: "24.99".parse().unwrap(),
            ..PrimaPayment::default()
        }],
        ..PrimaOrder::default()
    };
    let facts = MoneyFacts::of(&order_of_two, &document, Timestamp::UNIX_EPOCH);
    let amount = |text: &str| Amount(text.parse().unwrap());
    assert_eq!((facts.invoiced, facts.is_without_tax()), (Some(amount("24.99")), false));
    let [first, second] = &*facts.lines else { panic!("{facts:?}") };
    assert_eq!((first.product.as_str(), first.pieces, first.price), ("", 0, amount("20.00")));
    assert_eq!((second.product.as_str(), second.pieces), ("STYLE-RED-M", 2));
    assert_eq!(
        (second.offer_sku.as_str(), second.shipping, second.taxes),
        ("SKU-2", amount("4.99"), amount("4.16"))
    );
    assert_eq!(
        (second.commission_fee, second.commission_taxes),
        (Some(amount("3.75")), amount("0.75"))
    );
    // It reads back, holds nothing of the customer, and a large order's row is far from DynamoDB's
    // 400 KB.
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<MoneyFacts>(&text).unwrap(), facts);
    assert!(!text.contains("Zzyx"));
    let lines: Vec<String> = (0..500).map(|number| line(&format!("C1-A-{number}"), "")).collect();
    let document = PrimaOrder { lines: vec![prima_line("STYLE"); 500], ..PrimaOrder::default() };
    let facts = MoneyFacts::of(&order(&lines), &document, Timestamp::UNIX_EPOCH);
    let size = serde_json::to_vec(&facts).unwrap().len();
    assert!(size < 120_000, "{size}");
}
