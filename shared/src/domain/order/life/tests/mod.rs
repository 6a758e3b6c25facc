#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod acceptance;
mod creating;
mod ending;
mod refunds;

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::domain::channel::Channel;
use crate::domain::order::row::{
    Attempt, ExceptionKind, ExpectedMessage, Lease, MESSAGE_IS_LOST, OrderRow, Stage,
};
use crate::kit::clock::{after, before};
use crate::mirakl::Order;

fn channel() -> Channel {
    serde_json::from_str(
        r#"{"id":"uk","base_url":"https://uk.mirakl.net","orders":"live","take_over_from":"2026-11-02T00:00:00Z","acceptance_window_minutes":1440}"#,
    )
    .unwrap()
}

fn now() -> Timestamp {
    "2026-11-10T12:00:00Z".parse().unwrap()
}

fn order(state: &str, quantity: u32) -> Order {
    let text = format!(
        r#"{{"order_id":"C1-A","order_state":"{state}","created_date":"2026-11-10T11:00:00Z","last_updated_date":"2026-11-10T11:30:00Z",
            "order_lines":[{{"order_line_id":"C1-A-1","offer_sku":"W1-NAV-12","quantity":{quantity},"price":20.00}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn at(prima_takes_orders: bool) -> Circumstances {
    Circumstances { accepted: false, prima_takes_orders, now: now() }
}

fn row_in(stage: Stage) -> OrderRow {
    let mut row = OrderRow::first_seen("uk", &order("SHIPPING", 2), now());
    row.version = 1;
    if matches!(stage, Stage::Created | Stage::Cancelling) {
        row.creation.created_at = Some(now());
        row.creation.order_number = Some("UK-C1-A".into());
    }
    row.enter(stage, now(), "");
    row
}

fn outcome(known: Option<&OrderRow>, order: &Order, at: Circumstances) -> (Stage, Next) {
    let (row, next) = on_listing(known, order, &channel(), at).unwrap();
    (row.stage, next)
}

fn overdue(row: &mut OrderRow, by: Duration) {
    row.message = Some(ExpectedMessage { due: before(now(), by), copies: 0 });
}

/// What a listing makes of a row, in a few words; `None` where it changes nothing but what was
/// listed.
fn told(row: &OrderRow, order: &Order) -> Option<String> {
    let (after, next) = on_listing(Some(row), order, &channel(), at(true))?;
    let unmoved = after.stage == row.stage
        && after.since == row.since
        && after.listing.cancel_requested == row.listing.cancel_requested;
    if unmoved && next == Next::Nothing {
        return None;
    }
    let kind = after
        .exception
        .as_ref()
        .map(|exception| format!(" ({})", exception.kind.name()))
        .unwrap_or_default();
    let marked =
        if after.listing.cancel_requested.is_some() { ", cancellation marked" } else { "" };
    let next = if next == Next::Nothing { String::new() } else { format!(", then {next:?}") };
    Some(format!("{}{kind}{marked}{next}", after.stage.name()))
}

/// The whole of an order's life at a glance: each stage of a row, each state that Mirakl may list
/// next, and what follows. In brackets for which rows: plain ones, those listed in a newer version,
/// stuck ones, those whose order carries our number, those that were sent to Prima, those that were
/// refunded as a whole.
#[test]
fn each_stage_meets_each_state() {
    let states = [
        "STAGING",
        "WAITING_ACCEPTANCE",
        "WAITING_DEBIT",
        "WAITING_DEBIT_PAYMENT",
        "SHIPPING",
        "SHIPPED",
        "RECEIVED",
        "CLOSED",
        "REFUSED",
        "CANCELED",
        "REFUNDED",
        "SOMETHING_NEW",
    ];
    let mut table = String::new();
    for &stage in Stage::ALL {
        for state in states {
            let mut results: Vec<(String, Vec<&str>)> = Vec::new();
            for variant in ["plain", "newer", "stuck", "ours", "sent", "refunded"] {
                let mut row = row_in(stage);
                row.creation.referenced_at = Some(now());
                row.since = before(now(), Duration::from_secs(30));
                let mut listed = order(state, 2);
                match variant {
                    "newer" => listed.last_updated_date = Some(now()),
                    "stuck" => {
                        overdue(&mut row, MESSAGE_IS_LOST + Duration::from_secs(1));
                        row.creation.lease = Some(Lease {
                            owner: "a".into(),
                            until: before(now(), LEASE_IS_DEAD + Duration::from_secs(1)),
                        });
                    }
                    "ours" => {
                        listed.references =
                            serde_json::from_str(r#"{"order_reference_for_seller":"UK-C1-A"}"#)
                                .unwrap();
                    }
                    "refunded" => listed.fully_refunded = Some(true),
                    "sent" => {
                        row.creation.attempt =
                            Some(Attempt { at: now(), count: 1, ..Attempt::default() })
                    }
                    _ => {}
                }
                let Some(result) = told(&row, &listed) else { continue };
                match results.iter_mut().find(|(known, _)| *known == result) {
                    Some((_, variants)) => variants.push(variant),
                    None => results.push((result, vec![variant])),
                }
            }
            for (result, variants) in results {
                let of = if variants.len() == 6 { "all".to_owned() } else { variants.join(", ") };
                table.push_str(&format!("{} + {state}: {result} [{of}]\n", stage.name()));
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn each_exception_meets_what_ends_it() {
    let mut table = String::new();
    for &kind in ExceptionKind::ALL {
        for created in [false, true] {
            for state in ["SHIPPING", "SHIPPED", "CANCELED"] {
                let mut row = row_in(Stage::Seen);
                row.creation.created_at = created.then(now);
                row.fail(kind, "why", "what", before(now(), Duration::from_secs(30)));
                if let Some(result) = told(&row, &order(state, 2)) {
                    let place = if created { "in Prima" } else { "not in Prima" };
                    table.push_str(&format!("{} {place} + {state}: {result}\n", kind.name()));
                }
            }
        }
    }
    insta::assert_snapshot!(table);
}
