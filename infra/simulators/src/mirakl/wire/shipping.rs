//! Carriers, ways of shipping and shipments (Mirakl seller API, SH12, SH21, ST01, ST11).

use serde_json::{Value, json};

use super::super::model::{Order, Settings, Shipment, State};
use super::moment;

/// SH21.
pub(in crate::mirakl) fn carriers(settings: &Settings) -> Value {
    let carriers: Vec<Value> = settings
        .carriers
        .iter()
        .map(|carrier| {
            let mut shown = json!({"code": carrier.code, "label": carrier.label});
            if let Some(standard) = &carrier.standard_code {
                shown["standard_code"] = json!(standard);
            }
            if let Some(url) = &carrier.tracking_url {
                shown["tracking_url"] = json!(url);
            }
            shown
        })
        .collect();
    json!({"carriers": carriers})
}

/// SH12.
pub(in crate::mirakl) fn shipping_types(settings: &Settings) -> Value {
    let kinds = [
        ("STD", "Standard delivery", false),
        ("EXP", "Express – next day", false),
        ("PICKUP", "Click & collect", true),
    ];
    let kinds = kinds.map(|(code, label, click_and_collect)| {
        let mandatory = settings.mandatory_tracking.iter().any(|mandatory| mandatory == code);
        json!({"code": code, "label": label, "description": label, "click_and_collect": click_and_collect, "delivery_by_operator": false,
            "mandatory_tracking": mandatory})
    });
    json!({"shipping_types": kinds})
}

/// A shipment as ST01 and ST11 show it.
pub(in crate::mirakl) fn shipment(order: &Order, shipment: &Shipment) -> Value {
    let lines: Vec<Value> = shipment
        .lines
        .iter()
        .map(|(id, quantity)| json!({"order_line_id": id, "quantity": quantity}))
        .collect();
    let mut tracking = serde_json::Map::new();
    let fields = [
        ("carrier_code", &shipment.tracking.carrier_code),
        ("carrier_name", &shipment.tracking.carrier_name),
        ("tracking_number", &shipment.tracking.tracking_number),
        ("tracking_url", &shipment.tracking.url),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            tracking.insert(name.to_owned(), json!(value));
        }
    }
    let received = matches!(order.state, State::Received | State::Closed);
    let status = if received {
        "RECEIVED"
    } else if shipment.shipped {
        "SHIPPED"
    } else {
        "SHIPPING"
    };
    let mut shown = json!({
        "id": shipment.id, "order_id": order.order_id, "created_date": moment(shipment.created), "last_updated_date": moment(shipment.created),
        "status": status, "status_customer_debit": "DEBIT_OK", "shipment_lines": lines, "tracking": tracking,
    });
    if let Some(reference) = &shipment.invoice_reference {
        shown["invoice_reference"] = json!(reference);
    }
    if shipment.shipped {
        shown["shipped_date"] = json!(moment(shipment.created));
    }
    shown
}
