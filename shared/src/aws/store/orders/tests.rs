//! Rows as items of DynamoDB.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use super::*;
use crate::mirakl::Order;

const RETENTION: Duration = Duration::from_secs(86_400);

fn row() -> OrderRow {
    let order: Order =
        serde_json::from_str(r#"{"order_id":"W#1-A","order_state":"SHIPPING","order_lines":[]}"#)
            .unwrap();
    OrderRow::first_seen("outfitter-uk", &order, Timestamp::from_second(1_790_000_000).unwrap())
}

/// Only a finished row expires, and a created one not before Mirakl has its number.
#[test]
fn only_finished_rows_expire_and_created_ones_wait_for_mirakl() {
    let expiry = |row: &OrderRow| item_of(row, RETENTION).unwrap().get("expires_at").cloned();
    let mut row = row();
    assert_eq!(expiry(&row), None);
    let later = Timestamp::from_second(1_790_000_060).unwrap();
    row.enter(Stage::Created, later, "");
    assert_eq!(expiry(&row), None);
    row.creation.referenced_at = Some(later);
    assert_eq!(expiry(&row), Some(AttributeValue::N("1790086460".to_owned())));
    row.enter(Stage::Cancelling, later, "");
    assert_eq!(expiry(&row), None);
    row.enter(Stage::Cancelled, later, "");
    assert!(expiry(&row).is_some());
}

#[test]
fn an_item_reads_back_and_its_index_entry_names_the_order() {
    let row = row();
    let mut item = item_of(&row, RETENTION).unwrap();
    assert_eq!(text_of(&item, "channel_state"), Some("outfitter-uk#seen"));
    assert_eq!(text_of(&item, "since"), Some("2026-09-21T14:13:20.000000000Z"));
    assert_eq!(index_entry(&item).unwrap(), (OrderKey::new("outfitter-uk", "W#1-A"), row.since));
    assert!(
        matches!(row_of(&item), Err(StoreError::Unreadable { .. })),
        "without a version nothing could be saved"
    );
    item.insert("version".to_owned(), AttributeValue::N("4".to_owned()));
    assert_eq!(row_of(&item).unwrap(), OrderRow { version: 4, ..row });
}

#[test]
fn every_write_has_a_mark_of_its_own() {
    assert_ne!(write_mark(), write_mark());
}
