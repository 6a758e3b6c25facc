//! Offers and imports as the seller API writes them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::model::{Import, ImportKind, ImportLine, ImportStatus, LineError, Offer};
use super::instant;

/// The content type of a CSV file.
pub(in crate::mirakl) const CSV: &str = "text/csv";

/// STO02 or OF02. The lines are counted once the import has ended.
pub(in crate::mirakl) fn import(import: &Import, now: Timestamp) -> Value {
    let status = import.status(now);
    let ended = matches!(status, ImportStatus::Complete | ImportStatus::Failed);
    let success = import.updated + import.deleted;
    let reported = ended && !import.errors.is_empty();
    if import.kind == ImportKind::Stock {
        let mut body = json!({
            "import_id": import.import_id, "shop_id": import.shop_id, "date_created": instant(import.created), "status": status,
            "has_error_report": reported,
        });
        if status == ImportStatus::Complete {
            body["lines_in_success"] = json!(success);
            body["lines_in_error"] = json!(import.errors.len());
        }
        return body;
    }
    json!({
        "import_id": import.import_id.parse::<i64>().ok(), "date_created": instant(import.created), "status": status, "mode": "NORMAL",
        "type": "MANUAL", "has_error_report": reported, "lines_read": if ended { import.lines_read } else { 0 },
        "lines_in_success": success, "lines_in_error": import.errors.len(), "lines_in_pending": if ended { 0 } else { import.lines_read },
        "offer_inserted": 0, "offer_updated": import.updated, "offer_deleted": import.deleted,
        "reason_status": if status == ImportStatus::Failed { "The import failed" } else { "" },
    })
}

/// STO03: number and reason first (their headings are assumed), then the columns as they were sent.
/// OF03: they come last.
pub(in crate::mirakl) fn error_report(import: &Import) -> Answer {
    let stock = import.kind == ImportKind::Stock;
    let heading: &[&str] = if stock {
        &["line-number", "error-reason", "offer-sku", "quantity", "warehouse-code", "update-delete"]
    } else {
        &["sku", "quantity", "update-delete", "error-line", "error-message"]
    };
    let rows = import.errors.iter().map(|LineError { number, reason, line }| {
        let ImportLine { sku, quantity, warehouse_code, update_delete } = line;
        let (number, reason) = (number.to_string(), reason.clone());
        let [sku, quantity, warehouse, update] =
            [sku, quantity, warehouse_code, update_delete].map(String::clone);
        if stock {
            vec![number, reason, sku, quantity, warehouse, update]
        } else {
            vec![sku, quantity, update, number, reason]
        }
    });
    let content_type = if stock { CSV } else { "application/octet-stream" };
    Answer::text(
        content_type,
        table(heading.iter().map(|column| (*column).to_owned()).collect(), rows),
    )
}

/// A CSV file as Mirakl writes one.
fn table(heading: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    for row in std::iter::once(heading).chain(rows) {
        // Rows of one length in memory: there is nothing that could fail.
        let _written = writer.write_record(row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// An offer of OF21.
pub(in crate::mirakl) fn offer(offer: &Offer, currency: &str) -> Value {
    let price = json!({"price": 49.0, "unit_origin_price": 49.0, "volume_prices": [{"price": 49.0, "quantity_threshold": 1, "unit_origin_price": 49.0, "unit_discount_price": 49.0}],
        "channel_code": null});
    let mut body = json!({
        "active": offer.is_for_sale(), "all_prices": [price], "allow_quote_requests": false, "applicable_pricing": price,
        "category_code": "3016100", "category_label": "Fashion", "channels": [], "currency_iso_code": currency, "description": null,
        "fulfillment": {"center": {"code": "DEFAULT"}}, "leadtime_to_ship": 2, "logistic_class": {"code": "S", "label": "Small"},
        "min_order_quantity": 1, "min_shipping_price": 3.95,
        "min_shipping_price_additional": 0, "min_shipping_type": "STD", "min_shipping_zone": "UK", "offer_id": offer.offer_id,
        "package_quantity": 1, "price": 49.0, "price_additional_info": null, "product_references": [],
        "product_sku": format!("MKP{}", offer.offer_id), "product_title": format!("Fashion piece – {}", offer.shop_sku),
        "quantity": offer.quantity, "shipping_deadline": instant(offer.updated), "shop_sku": offer.shop_sku, "state_code": "11",
        "total_price": 52.95,
    });
    if !offer.is_for_sale() {
        body["inactivity_reasons"] =
            json!([if offer.quantity == 0 { "ZERO_QUANTITY" } else { "INACTIVE" }]);
    }
    body
}

/// The form of an export's files.
#[derive(Clone, Copy, Debug)]
pub(in crate::mirakl) enum ExportFormat {
    Csv,
    Json,
}

impl ExportFormat {
    pub(in crate::mirakl) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => CSV,
            Self::Json => "application/json",
        }
    }

    /// OF54. Mirakl's document describes neither columns nor fields: their names are assumed, those
    /// of OF21 for JSON and the same with hyphens for CSV.
    pub(in crate::mirakl) fn file(
        self,
        offers: &[&Offer],
        fields: Option<&[String]>,
        currency: &str,
    ) -> String {
        let row = |offer: &Offer| {
            [
                ("offer-id", json!(offer.offer_id)),
                ("shop-sku", json!(offer.shop_sku)),
                ("quantity", json!(offer.quantity)),
                ("active", json!(offer.is_for_sale())),
                ("deleted", json!(offer.deleted)),
                ("currency-iso-code", json!(currency)),
                ("last-updated", json!(instant(offer.updated))),
            ]
        };
        let name = |column: &str| {
            if matches!(self, Self::Csv) { column.to_owned() } else { column.replace('-', "_") }
        };
        let shown = |column: &str| fields.is_none_or(|fields| fields.contains(&name(column)));
        match self {
            Self::Json => {
                let shown = |offer: &&Offer| {
                    let fields = row(offer).into_iter().filter(|(column, _)| shown(column));
                    Value::Object(
                        fields.map(|(column, value)| (name(column), value)).collect::<Map<_, _>>(),
                    )
                };
                Value::Array(offers.iter().map(shown).collect()).to_string()
            }
            Self::Csv => {
                let columns = [
                    "offer-id",
                    "shop-sku",
                    "quantity",
                    "active",
                    "deleted",
                    "currency-iso-code",
                    "last-updated",
                ];
                let text =
                    |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let cells = |offer: &&Offer| {
                    row(offer)
                        .into_iter()
                        .filter(|(column, _)| shown(column))
                        .map(|(_, value)| text(value))
                        .collect()
                };
                table(
                    columns.into_iter().filter(|column| shown(column)).map(str::to_owned).collect(),
                    offers.iter().map(cells),
                )
            }
        }
    }
}
