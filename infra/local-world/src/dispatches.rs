//! What became of the parcels, computed from the two simulated systems' own state and the
//! dead-letter queue: never from what the connector remembers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deployment::QueuedMessage;
use crate::seed::SeedChannel;
use crate::verdict::nearest_rank;

/// What became of one channel's parcels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ParcelSummary {
    /// Parcels that the warehouse booked.
    pub booked: usize,
    /// Of these, told to the marketplace exactly once.
    pub confirmed: usize,
    /// Of these, in an order that stands in the dead-letter queue.
    pub in_exceptions: usize,
    /// Of these, waiting for the rest of an order on a marketplace that ships whole orders.
    pub waiting_for_rest: usize,
    /// Neither told nor an exception.
    pub lost: Vec<String>,
    /// Told twice.
    pub doubled: Vec<String>,
    /// Told under a number that Prima never gave, or shipped before any number was told.
    pub invented: Vec<String>,
    /// Orders that Prima cancelled, in whole or in part.
    pub short_orders: usize,
    /// Of these, not settled with the customer and no exception.
    pub unsettled: Vec<String>,
    /// Settled for more pieces than were missing.
    pub settled_too_much: Vec<String>,
    /// Seconds from booking to SHIPPED: half of the parcels were not slower.
    pub seconds_p50: Option<f64>,
    /// 95 of 100 were not slower.
    pub seconds_p95: Option<f64>,
    #[serde(skip)]
    seconds: Vec<f64>,
}

/// What became of all parcels, by channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DispatchSummary {
    /// By channel id.
    pub channels: BTreeMap<String, ParcelSummary>,
}

impl DispatchSummary {
    /// Nothing is lost, doubled, made up, or left unsettled.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.channels.values().all(|channel| {
            [
                &channel.lost,
                &channel.doubled,
                &channel.invented,
                &channel.unsettled,
                &channel.settled_too_much,
            ]
            .iter()
            .all(|list| list.is_empty())
        })
    }

    /// Every parcel is told, and nothing waits.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_sound() && self.channels.values().all(|channel| channel.confirmed == channel.booked)
    }

    /// Nothing is on its way any more: what is not told waits for a person or for the rest.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.channels.values().all(|channel| {
            channel.lost.is_empty()
                && channel.unsettled.is_empty()
                && channel.confirmed + channel.in_exceptions + channel.waiting_for_rest
                    == channel.booked
        })
    }
}

#[derive(Deserialize)]
struct MiraklState {
    orders: Vec<MiraklOrder>,
}

#[derive(Deserialize)]
struct MiraklOrder {
    order_id: String,
    shop_id: i64,
    state: String,
    shipped_at: Option<Timestamp>,
    tracking: Option<MiraklTracking>,
    shipped_without_tracking: bool,
    shipments: Vec<MiraklShipment>,
    lines: Vec<MiraklLine>,
}

#[derive(Deserialize)]
struct MiraklTracking {
    tracking_number: Option<String>,
}

#[derive(Deserialize)]
struct MiraklShipment {
    reference: Option<String>,
    created_at: Timestamp,
    tracking: MiraklTracking,
}

#[derive(Deserialize)]
struct MiraklLine {
    order_line_id: String,
    quantity: u32,
    ordered_quantity: u32,
    refunded: u32,
}

#[derive(Deserialize)]
struct PrimaState {
    orders: Vec<PrimaOrder>,
}

#[derive(Deserialize)]
struct PrimaOrder {
    number: String,
    status: String,
    lines: Vec<PrimaLine>,
    parcels: Vec<PrimaParcel>,
}

#[derive(Deserialize)]
struct PrimaLine {
    number: u32,
    quantity: u32,
    reference: String,
}

#[derive(Deserialize)]
struct PrimaParcel {
    dispatch_number: String,
    consignment: String,
    lines: Vec<(u32, u32)>,
    at: Timestamp,
}

/// Compares the two systems. `exceptions` are the messages of the dispatches' dead-letter queue.
///
/// # Errors
/// A simulator's state has another shape.
pub fn judge(
    channels: &[SeedChannel],
    mirakl: &Value,
    prima: &Value,
    exceptions: &[QueuedMessage],
) -> Result<DispatchSummary> {
    let mirakl: MiraklState =
        serde_json::from_value(mirakl.clone()).context("the simulated Mirakl's state")?;
    let prima: PrimaState =
        serde_json::from_value(prima.clone()).context("the simulated Prima's state")?;
    let excepted: BTreeSet<(String, String)> =
        exceptions.iter().filter_map(crate::observation::named).collect();
    let mut by_line: BTreeMap<String, &MiraklOrder> = BTreeMap::new();
    for order in &mirakl.orders {
        for line in &order.lines {
            by_line.insert(line.order_line_id.clone(), order);
        }
    }
    let mut summary = DispatchSummary::default();
    for channel in channels {
        summary.channels.insert(channel.id.clone(), ParcelSummary::default());
    }
    for order in &prima.orders {
        let Some(sold) = order.lines.iter().find_map(|line| by_line.get(&line.reference)) else {
            continue;
        };
        let Some(channel) = channels.iter().find(|channel| channel.shop_id == sold.shop_id) else {
            continue;
        };
        let is_exception = excepted.contains(&(channel.id.clone(), sold.order_id.clone()));
        let Some(of_channel) = summary.channels.get_mut(&channel.id) else { continue };
        if channel.multi_shipment {
            in_parts(order, sold, is_exception, of_channel)
        } else {
            as_a_whole(order, sold, is_exception, of_channel)
        }
        short(order, sold, is_exception, of_channel);
    }
    for channel in summary.channels.values_mut() {
        channel.seconds.sort_by(f64::total_cmp);
        let rank = |percent| nearest_rank(&channel.seconds, percent);
        (channel.seconds_p50, channel.seconds_p95) = (rank(50), rank(95));
    }
    Ok(summary)
}

fn in_parts(
    order: &PrimaOrder,
    sold: &MiraklOrder,
    is_exception: bool,
    summary: &mut ParcelSummary,
) {
    for parcel in &order.parcels {
        summary.booked += 1;
        let name = format!("{} {}", order.number, parcel.dispatch_number);
        let told: Vec<&MiraklShipment> =
            sold.shipments.iter().filter(|shipment| is_of(shipment, parcel)).collect();
        match told.as_slice() {
            [] if is_exception => summary.in_exceptions += 1,
            [] => summary.lost.push(name),
            [one] => {
                summary.confirmed += 1;
                summary.seconds.push(one.created_at.duration_since(parcel.at).as_secs_f64());
            }
            _ => summary.doubled.push(name),
        }
    }
    for shipment in &sold.shipments {
        if !order.parcels.iter().any(|parcel| is_of(shipment, parcel)) {
            summary.invented.push(format!("{}: a shipment that Prima never booked", order.number));
        }
    }
}

fn is_of(shipment: &MiraklShipment, parcel: &PrimaParcel) -> bool {
    shipment.reference.as_deref() == Some(parcel.dispatch_number.as_str())
        && shipment.tracking.tracking_number.as_deref().unwrap_or_default() == parcel.consignment
}

fn as_a_whole(
    order: &PrimaOrder,
    sold: &MiraklOrder,
    is_exception: bool,
    summary: &mut ParcelSummary,
) {
    summary.booked += order.parcels.len();
    let is_shipped =
        matches!(sold.state.as_str(), "SHIPPED" | "TO_COLLECT" | "RECEIVED" | "CLOSED");
    if is_shipped {
        if sold.shipped_without_tracking {
            summary
                .invented
                .push(format!("{}: shipped before any tracking was told", order.number));
        }
        let number = sold
            .tracking
            .as_ref()
            .and_then(|tracking| tracking.tracking_number.clone())
            .unwrap_or_default();
        if !order.parcels.iter().any(|parcel| parcel.consignment == number) {
            summary
                .invented
                .push(format!("{}: number {number:?} is none of Prima's", order.number));
        }
        summary.confirmed += order.parcels.len();
        // One number for all: told when the last of them had left.
        let last = order.parcels.iter().map(|parcel| parcel.at).max();
        if let (Some(shipped_at), Some(last)) = (sold.shipped_at, last) {
            summary.seconds.push(shipped_at.duration_since(last).as_secs_f64().max(0.0));
        }
    } else if is_exception {
        summary.in_exceptions += order.parcels.len();
    } else if order.status == "Part Despatched" {
        summary.waiting_for_rest += order.parcels.len();
    } else {
        summary.lost.extend(
            order
                .parcels
                .iter()
                .map(|parcel| format!("{} {}", order.number, parcel.dispatch_number)),
        );
    }
}

/// What Prima will not send has to be cancelled or refunded, once and for exactly that.
fn short(order: &PrimaOrder, sold: &MiraklOrder, is_exception: bool, summary: &mut ParcelSummary) {
    if !matches!(order.status.as_str(), "Despatched" | "Cancelled") {
        return;
    }
    let mut is_short = false;
    let (mut owed, mut too_much) = (false, false);
    for line in &order.lines {
        let gone: u32 = order
            .parcels
            .iter()
            .flat_map(|parcel| &parcel.lines)
            .filter(|(number, _)| *number == line.number)
            .map(|(_, pieces)| pieces)
            .sum();
        let missing = line.quantity.saturating_sub(gone);
        is_short |= missing > 0;
        let Some(of_line) = sold.lines.iter().find(|other| other.order_line_id == line.reference)
        else {
            continue;
        };
        let settled = of_line.ordered_quantity - of_line.quantity + of_line.refunded;
        owed |= settled < missing;
        too_much |= settled > missing;
    }
    summary.short_orders += usize::from(is_short);
    if owed && !is_exception {
        summary.unsettled.push(order.number.clone());
    }
    if too_much {
        summary.settled_too_much.push(order.number.clone());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use serde_json::json;

    use super::*;

    fn judged(mirakl: &Value, prima: &Value, exceptions: &[QueuedMessage]) -> DispatchSummary {
        judge(
            &crate::seed::channels(),
            &json!({"orders": [mirakl]}),
            &json!({"orders": [prima]}),
            exceptions,
        )
        .unwrap()
    }

    fn sold(shop: i64, state: &str) -> Value {
        json!({"order_id": "A", "shop_id": shop, "state": state, "shipped_at": "2026-11-23T10:01:00Z", "tracking": {"tracking_number": "7"},
            "shipped_without_tracking": false, "shipments": [],
            "lines": [{"order_line_id": "A-1", "quantity": 2, "ordered_quantity": 2, "refunded": 0}]})
    }

    fn made(status: &str, parcels: &[(&str, u32)]) -> Value {
        let parcels: Vec<Value> = parcels
            .iter()
            .map(|(number, pieces)| json!({"dispatch_number": "D1", "consignment": number, "lines": [[1, pieces]], "at": "2026-11-23T10:00:00Z"}))
            .collect();
        json!({"number": "N", "status": status, "lines": [{"number": 1, "quantity": 2, "reference": "A-1"}], "parcels": parcels})
    }

    #[test]
    fn a_whole_order_is_told_lost_waiting_or_an_exception() {
        let uk = |mirakl: &Value, prima: &Value, exceptions: &[QueuedMessage]| {
            judged(mirakl, prima, exceptions).channels["outfitter-uk"].clone()
        };
        let told = uk(&sold(2001, "SHIPPED"), &made("Despatched", &[("7", 2)]), &[]);
        assert_eq!((told.booked, told.confirmed, told.seconds_p95), (1, 1, Some(60.0)));
        let lost = uk(&sold(2001, "SHIPPING"), &made("Despatched", &[("7", 2)]), &[]);
        assert_eq!(lost.lost, ["N D1"]);
        let waits = uk(&sold(2001, "SHIPPING"), &made("Part Despatched", &[("7", 1)]), &[]);
        assert_eq!((waits.waiting_for_rest, waits.lost.len()), (1, 0));
        let message = QueuedMessage {
            body: json!({"channel": "outfitter-uk", "order": "A"}).to_string(),
            attributes: BTreeMap::new(),
        };
        let excepted = uk(&sold(2001, "SHIPPING"), &made("Despatched", &[("7", 2)]), &[message]);
        assert_eq!((excepted.in_exceptions, excepted.lost.len()), (1, 0));
        let invented = uk(&sold(2001, "SHIPPED"), &made("Despatched", &[("8", 2)]), &[]);
        assert_eq!(invented.invented.len(), 1);
    }

    /// A shipment is told once, and a short order is settled for what is missing.
    #[test]
    fn a_shipment_is_told_once_and_missing_pieces_are_settled() {
        let shipment = json!({"reference": "D1", "created_at": "2026-11-23T10:00:30Z", "tracking": {"tracking_number": "7"}});
        let eu = |shipments: &[Value], refunded: u32, pieces: u32| {
            let mut order = sold(3001, "SHIPPED");
            order["shipments"] = json!(shipments);
            order["lines"][0]["refunded"] = json!(refunded);
            judged(&order, &made("Despatched", &[("7", pieces)]), &[])
        };
        assert!(eu(std::slice::from_ref(&shipment), 0, 2).is_complete());
        assert_eq!(
            eu(&[shipment.clone(), shipment.clone()], 0, 2).channels["modehaus-eu"].doubled.len(),
            1
        );
        let unsettled = eu(std::slice::from_ref(&shipment), 0, 1);
        assert_eq!(
            (unsettled.channels["modehaus-eu"].short_orders, unsettled.is_sound()),
            (1, false)
        );
        assert!(eu(std::slice::from_ref(&shipment), 1, 1).is_complete());
        assert!(!eu(&[shipment], 2, 1).is_sound());
    }
}
