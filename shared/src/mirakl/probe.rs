//! Whether a channel's key has the right to an operation, found out without an effect.
//!
//! What reads is read. What writes is asked of an order, a line or an import that cannot exist:
//! Mirakl answers 404 or 400 where the key has the right, and 401 or 403 where it has not. That it
//! looks at the right before it looks for the order is assumed.

use reqwest::Method;
use serde_json::json;

use super::MiraklError;
use super::call::{Call, Repeat};
use super::client::MiraklClient;
use super::keys::ApiKeys;
use super::rights::shows_right;
use crate::kit::clock::Clock;

/// The id of an order that no marketplace has.
const NO_ORDER: &str = "prima-mirakl-check";

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The key has the right.
    There,
    /// It has not; what Mirakl said.
    Missing(String),
    /// Nobody can tell: a limit, no answer, or an operation that has no harmless call.
    Unclear(String),
}

impl<K: ApiKeys, C: Clock> MiraklClient<K, C> {
    /// Probes an operation.
    pub async fn probe(&self, operation: &str) -> Probed {
        let answer = match harmless(operation) {
            Some(Ok(call)) => self.caller.send(&call).await,
            Some(Err(problem)) => Err(problem),
            None => return Probed::Unclear("there is no call of it without an effect".to_owned()),
        };
        match &answer {
            answer if shows_right(answer) => Probed::There,
            Err(problem) if problem.is_key_refused() => Probed::Missing(problem.said()),
            Err(problem) => Probed::Unclear(problem.said()),
            Ok(_) => Probed::There,
        }
    }
}

/// A call without an effect. One try: a limit is no reason to wait here.
fn harmless(operation: &str) -> Option<Result<Call, MiraklError>> {
    let read = |name, path: &[&str]| Call { repeat: Repeat::Never, ..Call::get(name, path) };
    let write = |name, method, path: &[&str], body: serde_json::Value| {
        Some(Call::new(name, method, path, Repeat::Never).json(&body))
    };
    let line = json!({"order_line_id": NO_ORDER, "quantity": 1, "amount": 0, "shipping_amount": 0, "reason_code": NO_ORDER});
    match operation {
        "OR11" => Some(Ok(read("OR11", &["api", "orders"])
            .query("order_ids", NO_ORDER)
            .query("max", "1"))),
        "OR21" => write(
            "OR21",
            Method::PUT,
            &["api", "orders", NO_ORDER, "accept"],
            json!({"order_lines": [{"id": NO_ORDER, "accepted": true}]}),
        ),
        "OR04" => write(
            "OR04",
            Method::PUT,
            &["api", "orders"],
            json!({"orders": [{"order_id": NO_ORDER, "references": {"order_reference_for_seller": NO_ORDER}}]}),
        ),
        "OR23" => write(
            "OR23",
            Method::PUT,
            &["api", "orders", NO_ORDER, "tracking"],
            json!({"tracking_number": NO_ORDER}),
        ),
        "OR24" => Some(Ok(Call::new(
            "OR24",
            Method::PUT,
            &["api", "orders", NO_ORDER, "ship"],
            Repeat::Never,
        ))),
        "ST01" => write(
            "ST01",
            Method::POST,
            &["api", "shipments"],
            json!({"shipments": [{"order_id": NO_ORDER, "shipment_lines": [{"order_line_id": NO_ORDER, "quantity": 1}], "shipped": false}]}),
        ),
        "ST11" => Some(Ok(read("ST11", &["api", "shipments"]).query("order_id", NO_ORDER))),
        "OR28" => {
            write("OR28", Method::PUT, &["api", "orders", "refund"], json!({"refunds": [line]}))
        }
        "OR30" => write(
            "OR30",
            Method::PUT,
            &["api", "orders", "cancel"],
            json!({"cancelations": [line]}),
        ),
        "PC01" => Some(Ok(read("PC01", &["api", "platform", "configuration"]))),
        "SH21" => Some(Ok(read("SH21", &["api", "shipping", "carriers"]))),
        "SH12" => Some(Ok(read("SH12", &["api", "shipping", "types"]))),
        // The same right as STO01 and STO03; no import has this id.
        "STO01" | "STO02" | "STO03" => {
            Some(Ok(read("STO02", &["api", "offers", "stock", "imports", "0", "status"])))
        }
        // An import without its file: there is nothing to import.
        "OF01" => {
            Some(Ok(Call::new("OF01", Method::POST, &["api", "offers", "imports"], Repeat::Never)))
        }
        // The same right as OF03; no import has this id.
        "OF02" | "OF03" => Some(Ok(read("OF02", &["api", "offers", "imports", "0"]))),
        "OF21" => Some(Ok(read("OF21", &["api", "offers"]).query("max", "1"))),
        "TL02" => Some(Ok(
            read("TL02", &["api", "sellerpayment", "transactions_logs"]).query("limit", "1")
        )),
        "SBC11" => Some(Ok(read("SBC11", &["api", "seller-billing-cycles"]).query("limit", "1"))),
        "IV01" => Some(Ok(read("IV01", &["api", "invoices"]).query("max", "1"))),
        _ => None,
    }
}
