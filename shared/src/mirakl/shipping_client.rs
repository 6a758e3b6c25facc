//! The shipping operations over HTTP.

use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;

use super::account::PlatformConfiguration;
use super::call::{Call, Repeat};
use super::client::MiraklClient;
use super::keys::ApiKeys;
use super::order::Tax;
use super::paging::SeekPages;
use super::shipping::{
    Carriers, MiraklShipping, SettledEntry, SettlementAnswer, SettlementRequest, Shipment,
    ShipmentAnswer, ShipmentAnswers, ShippingTypes,
};
use super::{MiraklError, MiraklOrders, Order, OrderQuery};
use crate::kit::amount::Amount;
use crate::kit::clock::Clock;
use crate::mirakl::shipping::How;
use crate::mirakl::shipping::NewShipment;
use crate::mirakl::shipping::Tracking;
use crate::mirakl::shipping_requirements::ShippingRequirements;

/// Shipments of one order that are read at most.
const MOST_SHIPMENTS: usize = 2000;

#[derive(Serialize)]
struct TrackingBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<&'a str>,
}

impl<'a> TrackingBody<'a> {
    /// OR23 calls the carrier's page `carrier_url`, ST01 `tracking_url`.
    fn of_order(tracking: &'a Tracking) -> Self {
        Self {
            carrier_url: tracking.url.as_deref(),
            tracking_url: None,
            ..Self::of_shipment(tracking)
        }
    }

    fn of_shipment(tracking: &'a Tracking) -> Self {
        Self {
            carrier_code: tracking.carrier_code.as_deref(),
            carrier_name: tracking.carrier_name.as_deref(),
            carrier_url: None,
            tracking_url: tracking.url.as_deref(),
            tracking_number: tracking.tracking_number.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct Shipments<'a> {
    shipments: [ShipmentBody<'a>; 1],
}

#[derive(Serialize)]
struct ShipmentBody<'a> {
    order_id: &'a str,
    invoice_reference: &'a str,
    shipped: bool,
    shipment_lines: Vec<ShipmentLineBody<'a>>,
    tracking: TrackingBody<'a>,
}

#[derive(Serialize)]
struct ShipmentLineBody<'a> {
    order_line_id: &'a str,
    quantity: u32,
}

#[derive(Serialize)]
struct SettlementBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    order_tax_mode: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelations: Option<Vec<SettledLineBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refunds: Option<Vec<SettledLineBody<'a>>>,
}

#[derive(Serialize)]
struct SettledLineBody<'a> {
    order_line_id: &'a str,
    quantity: u32,
    amount: Box<RawValue>,
    shipping_amount: Box<RawValue>,
    reason_code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency_iso_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taxes: Vec<TaxBody<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shipping_taxes: Vec<TaxBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded_from_shipment: Option<bool>,
}

#[derive(Serialize)]
struct TaxBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    amount: Box<RawValue>,
}

/// An exact decimal as a JSON number: through a binary fraction it would not be exact.
fn number(amount: Amount) -> Result<Box<RawValue>, serde_json::Error> {
    RawValue::from_string(amount.0.to_string())
}

fn taxes(taxes: &[Tax]) -> Result<Vec<TaxBody<'_>>, serde_json::Error> {
    taxes
        .iter()
        .map(|tax| Ok(TaxBody { code: tax.code.as_deref(), amount: number(tax.amount)? }))
        .collect()
}

fn settlement_body(request: &SettlementRequest) -> Result<SettlementBody<'_>, serde_json::Error> {
    let lines: Result<Vec<_>, serde_json::Error> = request
        .lines
        .iter()
        .map(|line| {
            Ok(SettledLineBody {
                order_line_id: &line.order_line_id,
                quantity: line.quantity,
                amount: number(line.amount)?,
                shipping_amount: number(line.shipping_amount)?,
                reason_code: &request.reason_code,
                currency_iso_code: request.currency.as_deref(),
                taxes: taxes(&line.taxes)?,
                shipping_taxes: taxes(&line.shipping_taxes)?,
                // "I will not ship this item": only a refund knows it.
                excluded_from_shipment: (request.how == How::Refund).then_some(true),
            })
        })
        .collect();
    let (cancelations, refunds) = match request.how {
        How::Cancel => (Some(lines?), None),
        How::Refund => (None, Some(lines?)),
    };
    Ok(SettlementBody { order_tax_mode: request.tax_mode.as_deref(), cancelations, refunds })
}

impl<K: ApiKeys, C: Clock> MiraklShipping for MiraklClient<K, C> {
    async fn shipping_requirements(&self) -> Result<ShippingRequirements, MiraklError> {
        let PlatformConfiguration { features, mut unread_fields, .. } =
            self.platform_configuration().await?;
        // A carrier that cannot be read is as one that is not listed: whatever is mapped to it
        // becomes an exception.
        let carriers = Call::get("SH21", &["api", "shipping", "carriers"]);
        let (carriers, odd): (Carriers, _) =
            self.caller.read_leniently(&carriers, |field| field == "carriers").await?;
        unread_fields.extend(odd);
        let types = Call::get("SH12", &["api", "shipping", "types"]);
        let (types, odd): (ShippingTypes, _) =
            self.caller.read_leniently(&types, |field| field == "shipping_types").await?;
        unread_fields.extend(odd);
        Ok(ShippingRequirements {
            read_at: self.caller.now(),
            multi_shipment: features.shipment.multi_shipment.unwrap_or(false),
            registered_carriers_only: features.disable_seller_alternative_carrier.unwrap_or(false),
            carriers: carriers.carriers,
            shipping_types: types.shipping_types,
            unread_fields,
        })
    }

    async fn order(&self, order_id: &str) -> Result<Option<Order>, MiraklError> {
        let query = OrderQuery { order_ids: vec![order_id.to_owned()], ..OrderQuery::default() };
        let page = self.list_orders(&query, 0).await?;
        if let Some(unreadable) = page.unreadable.first() {
            // Mirakl answered: the same question gets the same answer.
            return Err(MiraklError::refused(
                "OR11",
                200,
                None,
                format!("order {order_id} cannot be read: {}", unreadable.problem),
            ));
        }
        Ok(page.orders.into_iter().find(|order| order.order_id == order_id))
    }

    async fn set_tracking(&self, order_id: &str, tracking: &Tracking) -> Result<(), MiraklError> {
        let call = Call::new(
            "OR23",
            Method::PUT,
            &["api", "orders", order_id, "tracking"],
            Repeat::Convergent,
        )
        .json(&TrackingBody::of_order(tracking))?;
        self.caller.send(&call).await.map(drop)
    }

    async fn ship_order(&self, order_id: &str) -> Result<(), MiraklError> {
        let call = Call::new(
            "OR24",
            Method::PUT,
            &["api", "orders", order_id, "ship"],
            Repeat::Convergent,
        );
        self.caller.send(&call).await.map(drop)
    }

    async fn shipments(&self, order_id: &str) -> Result<Vec<Shipment>, MiraklError> {
        let mut found = Vec::new();
        let mut pages = SeekPages::new(
            Call::get("ST11", &["api", "shipments"]).query("order_id", order_id),
            100,
        );
        while let Some(page) = pages.next::<Shipment, _, _>(&self.caller).await? {
            found.extend(page);
            if found.len() > MOST_SHIPMENTS {
                return Err(MiraklError::unknown(
                    "ST11",
                    format!("order {order_id} has more than {MOST_SHIPMENTS} shipments"),
                ));
            }
        }
        Ok(found)
    }

    async fn create_shipment(&self, shipment: &NewShipment) -> Result<ShipmentAnswer, MiraklError> {
        let lines = shipment.lines.iter().map(|line| ShipmentLineBody {
            order_line_id: &line.order_line_id,
            quantity: line.quantity,
        });
        let body = ShipmentBody {
            order_id: &shipment.order_id,
            invoice_reference: &shipment.reference,
            shipped: true,
            shipment_lines: lines.collect(),
            tracking: TrackingBody::of_shipment(&shipment.tracking),
        };
        let call = Call::new("ST01", Method::POST, &["api", "shipments"], Repeat::AskFirst)
            .json(&Shipments { shipments: [body] })?;
        let answers: ShipmentAnswers = self.caller.read(&call).await?;
        if let Some(refused) = answers.shipment_errors.into_iter().next() {
            return Ok(ShipmentAnswer::Refused(
                refused.message.unwrap_or_else(|| "refused without a message".to_owned()),
            ));
        }
        match answers.shipment_success.into_iter().next() {
            Some(created) => Ok(ShipmentAnswer::Created(created.id)),
            // A 201 that names neither: it may have had its effect.
            None => Err(MiraklError::unknown(
                "ST01",
                "the answer names neither a shipment nor an error",
            )),
        }
    }

    async fn settle(&self, request: &SettlementRequest) -> Result<Vec<SettledEntry>, MiraklError> {
        let (operation, path) = match request.how {
            How::Cancel => ("OR30", "cancel"),
            How::Refund => ("OR28", "refund"),
        };
        let body = settlement_body(request)
            .map_err(|problem| MiraklError::not_sent(operation, problem.to_string()))?;
        let call = Call::new(operation, Method::PUT, &["api", "orders", path], Repeat::AskFirst)
            .json(&body)?;
        let answer = self.caller.send(&call).await?;
        Ok(serde_json::from_slice::<SettlementAnswer>(&answer).unwrap_or_default().into_entries())
    }
}
