//! The shipping operations: what is refused, what is answered (Mirakl seller API, OR23, OR24, OR28,
//! OR30, ST01, ST11).

use axum::http::StatusCode;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Answer, Asked};
use super::model::{LineSettlement, NewShipment, ShopProfile, Tracking};
use super::simulator::Simulator;
use super::wire;

/// The most shipments in one ST01.
const MOST_SHIPMENTS: usize = 1000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct TrackingIn {
    carrier_code: Option<String>,
    carrier_name: Option<String>,
    carrier_url: Option<String>,
    tracking_url: Option<String>,
    tracking_number: Option<String>,
}

impl From<TrackingIn> for Tracking {
    fn from(sent: TrackingIn) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            carrier_code: filled(sent.carrier_code),
            carrier_name: filled(sent.carrier_name),
            tracking_number: filled(sent.tracking_number),
            url: filled(sent.carrier_url).or(filled(sent.tracking_url)),
        }
    }
}

pub(super) fn track(
    simulator: &Simulator,
    shop: &ShopProfile,
    order_id: &str,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let tracking: TrackingIn =
        serde_json::from_str(asked.body).map_err(|_| Answer::bad_field("tracking"))?;
    let done = simulator.marketplace().set_tracking(shop.shop_id, order_id, tracking.into(), now);
    done.map_err(|refusal| Answer::refused(&refusal))?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

pub(super) fn ship(
    simulator: &Simulator,
    shop: &ShopProfile,
    order_id: &str,
    now: Timestamp,
) -> Result<Answer, Answer> {
    simulator
        .marketplace()
        .ship_by_seller(shop.shop_id, order_id, now)
        .map_err(|refusal| Answer::refused(&refusal))?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
struct ShipmentsIn {
    shipments: Vec<ShipmentIn>,
}

#[derive(Deserialize)]
struct ShipmentIn {
    order_id: String,
    shipment_lines: Vec<ShipmentLineIn>,
    #[serde(default)]
    shipped: bool,
    #[serde(default)]
    tracking: Option<TrackingIn>,
    #[serde(default)]
    invoice_reference: Option<String>,
}

#[derive(Deserialize)]
struct ShipmentLineIn {
    #[serde(default)]
    order_line_id: Option<String>,
    quantity: u32,
}

pub(super) fn create(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let ShipmentsIn { shipments } =
        serde_json::from_str(asked.body).map_err(|_| Answer::bad_field("shipments"))?;
    if shipments.len() > MOST_SHIPMENTS {
        return Err(Answer::bad(&format!(
            "The limit of {MOST_SHIPMENTS} is exceeded for the parameter : shipments"
        )));
    }
    let mut marketplace = simulator.marketplace();
    let (mut success, mut errors) = (Vec::new(), Vec::new());
    for wanted in shipments {
        let lines: Vec<(String, u32)> = wanted
            .shipment_lines
            .into_iter()
            .map(|line| (line.order_line_id.unwrap_or_default(), line.quantity))
            .collect();
        let tracking = wanted.tracking.unwrap_or_default().into();
        let shipment = NewShipment {
            lines,
            tracking,
            invoice_reference: wanted.invoice_reference,
            shipped: wanted.shipped,
        };
        match marketplace.create_shipment(shop.shop_id, &wanted.order_id, shipment, now) {
            Ok(made) => success.extend(
                marketplace
                    .order(&wanted.order_id)
                    .map(|order| wire::shipping::shipment(order, &made)),
            ),
            Err(message) => errors.push(json!({"order_id": wanted.order_id, "message": message})),
        }
    }
    // A 2xx answer is not success for each of them.
    Ok(Answer::with(
        StatusCode::CREATED,
        &json!({"shipment_success": success, "shipment_errors": errors}),
    ))
}

/// The token is opaque to callers: order and offset.
pub(super) fn list(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
) -> Result<Answer, Answer> {
    let (order_id, offset, limit) = match asked.value("page_token") {
        Some(token) => {
            let mut parts = token.rsplitn(3, '/');
            let mut number = || {
                parts
                    .next()
                    .and_then(|text| text.parse::<usize>().ok())
                    .ok_or_else(|| Answer::bad_field("page_token"))
            };
            let (offset, limit) = (number()?, number()?);
            (parts.next().unwrap_or_default().to_owned(), offset, limit)
        }
        None => {
            let limit = asked.parsed("limit")?.unwrap_or(10_usize);
            if limit > 100 {
                return Err(Answer::limit_exceeded("limit"));
            }
            let order_id = asked.value("order_id").ok_or_else(|| {
                Answer::server_error(
                    StatusCode::NOT_IMPLEMENTED,
                    "ST11 without order_id is not simulated",
                )
            })?;
            (order_id.to_owned(), 0, limit)
        }
    };
    let marketplace = simulator.marketplace();
    let order = marketplace.order(&order_id).filter(|order| order.shop_id == shop.shop_id);
    let all: Vec<Value> = order
        .map(|order| {
            order
                .shipments
                .iter()
                .map(|shipment| wire::shipping::shipment(order, shipment))
                .collect()
        })
        .unwrap_or_default();
    let page: Vec<&Value> = all.iter().skip(offset).take(limit).collect();
    let mut answer = json!({"data": page});
    if offset + limit < all.len() {
        answer["next_page_token"] = json!(format!("{order_id}/{limit}/{}", offset + limit));
    }
    Ok(Answer::ok(&answer))
}

#[derive(Deserialize)]
struct SettlementsIn {
    #[serde(default)]
    order_tax_mode: Option<String>,
    #[serde(default)]
    cancelations: Option<Vec<SettlementIn>>,
    #[serde(default)]
    refunds: Option<Vec<SettlementIn>>,
}

#[derive(Deserialize)]
struct SettlementIn {
    order_line_id: String,
    amount: Box<RawValue>,
    shipping_amount: Box<RawValue>,
    reason_code: String,
    #[serde(default)]
    quantity: Option<u32>,
    #[serde(default)]
    taxes: Vec<TaxIn>,
    #[serde(default)]
    shipping_taxes: Vec<TaxIn>,
    #[serde(default)]
    currency_iso_code: Option<String>,
    #[serde(default)]
    excluded_from_shipment: bool,
}

#[derive(Deserialize)]
struct TaxIn {
    #[serde(default)]
    code: String,
    amount: Box<RawValue>,
}

/// OR28 and OR30.
pub(super) fn settle(
    simulator: &Simulator,
    shop: &ShopProfile,
    name: &str,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let is_refund = name == "OR28";
    let field = if is_refund { "refunds" } else { "cancelations" };
    let sent: SettlementsIn =
        serde_json::from_str(asked.body).map_err(|_| Answer::bad_field(field))?;
    let mode = wire::order::tax_mode(shop.tax_included);
    if sent.order_tax_mode.as_deref().is_some_and(|sent| sent != mode) {
        return Err(Answer::server_error(
            StatusCode::NOT_IMPLEMENTED,
            "another order_tax_mode is not simulated",
        ));
    }
    let wanted = if is_refund { sent.refunds } else { sent.cancelations };
    let wanted =
        wanted.filter(|wanted| !wanted.is_empty()).ok_or_else(|| Answer::bad_field(field))?;
    if wanted.iter().any(|one| {
        one.currency_iso_code.as_ref().is_some_and(|currency| *currency != shop.currency)
    }) {
        return Err(Answer::bad("The currency does not match"));
    }
    let lines: Result<Vec<LineSettlement>, Answer> =
        wanted.into_iter().map(|one| line_settlement(one, is_refund)).collect();
    let lines = lines?;
    let mut marketplace = simulator.marketplace();
    let number = |amount: Decimal| {
        RawValue::from_string(amount.to_string()).map(|raw| json!(raw)).unwrap_or_default()
    };
    let line_of = |line: &LineSettlement| {
        json!({
            "order_line_id": line.order_line_id, "quantity": line.quantity, "reason_code": line.reason_code,
            "amount": number(line.amount), "shipping_amount": number(line.shipping_amount), "currency_iso_code": shop.currency,
        })
    };
    let shown: Vec<Value> = if is_refund {
        let made = marketplace
            .refund_by_seller(shop.shop_id, &lines, now)
            .map_err(|refusal| Answer::refused(&refusal))?;
        let shown = lines.iter().zip(made).map(|(line, refund)| {
            let mut shown = line_of(line);
            shown["order_refund_id"] = json!(refund.order_refund_id);
            shown["refund_id"] = json!(refund.id);
            shown["excluded_from_shipment"] = json!(refund.excluded_from_shipment);
            shown
        });
        shown.collect()
    } else {
        let ids = marketplace
            .cancel_by_seller(shop.shop_id, &lines, now)
            .map_err(|refusal| Answer::refused(&refusal))?;
        let shown = lines.iter().zip(ids).map(|(line, id)| {
            let mut shown = line_of(line);
            shown["cancelation_id"] = json!(id);
            shown
        });
        shown.collect()
    };
    Ok(Answer::ok(&json!({"order_tax_mode": mode, field: shown})))
}

fn line_settlement(sent: SettlementIn, is_refund: bool) -> Result<LineSettlement, Answer> {
    // A number on the wire, not a text: "Error with field refunds" otherwise.
    let amount = |raw: &RawValue| {
        raw.get()
            .parse::<Decimal>()
            .map_err(|_| Answer::bad_field(if is_refund { "refunds" } else { "cancelations" }))
    };
    let taxes = |taxes: &[TaxIn]| -> Result<Vec<(String, Decimal)>, Answer> {
        taxes.iter().map(|tax| Ok((tax.code.clone(), amount(&tax.amount)?))).collect()
    };
    Ok(LineSettlement {
        amount: amount(&sent.amount)?,
        shipping_amount: amount(&sent.shipping_amount)?,
        taxes: taxes(&sent.taxes)?,
        shipping_taxes: taxes(&sent.shipping_taxes)?,
        quantity: sent.quantity.unwrap_or_default(),
        order_line_id: sent.order_line_id,
        reason_code: sent.reason_code,
        excluded_from_shipment: sent.excluded_from_shipment,
    })
}
