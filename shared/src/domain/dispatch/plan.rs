//! What has to be told to Mirakl next. The flow asks again after each step, until nothing is left.

use jiff::Timestamp;

use super::carriers::{CarrierMap, NoTarget, Target};
use super::rules::{DispatchRules, TrackingOf};
use super::settlement::ShortLine;
use super::{Dispatch, Parcel};
use crate::domain::order::remedy;
use crate::domain::order::row::{ExceptionKind, OrderRow, Stage};
use crate::kit::clock::before;
use crate::mirakl::shipping::{How, NewShipment, ParcelLine, Tracking};
use crate::mirakl::shipping_requirements::ShippingRequirements;

/// Characters of Mirakl's `invoice_reference`, which carries Prima's dispatch number (ST01).
const REFERENCE_LENGTH: usize = 255;

/// Why a dispatch cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: ExceptionKind,
    /// What stands in the way, for a person.
    pub reason: String,
    /// What the person who reads it is to do.
    pub remedy: String,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// OR23, then OR24: the order is shipped under this number.
    Ship(Tracking),
    /// ST01: one parcel.
    ShipParcel {
        /// Which, in the row's list.
        parcel: usize,
        /// What is sent.
        shipment: NewShipment,
    },
    /// OR30 or OR28 for pieces that will not leave, asked first and confirmed before anything is
    /// shipped.
    Settle {
        /// Whether the pieces are cancelled or refunded.
        how: How,
        /// The marketplace's reason code.
        reason_code: String,
        /// The pieces that will not be delivered.
        lines: Vec<ShortLine>,
    },
    /// Mirakl knows all that there is to know for now.
    Rest(Stage),
    /// The rest is waited for until then, at the latest.
    Wait(Option<Timestamp>),
    /// A person has to act.
    Fail(Failure),
}

/// What the plan rests on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// The channel's rules.
    pub rules: &'f DispatchRules,
    /// What the marketplace demands.
    pub requirements: &'f ShippingRequirements,
    /// The channel's carrier map.
    pub carriers: &'f CarrierMap,
    /// The present moment.
    pub now: Timestamp,
}

/// The next step of an order whose row says that something is to be told.
#[must_use]
pub fn next_step(row: &OrderRow, facts: &Facts<'_>) -> Step {
    let Some(dispatch) = &row.dispatch else { return Step::Rest(Stage::Created) };
    if let Some(requested) = &dispatch.requested {
        let lines = requested.lines.iter().map(|line| ShortLine {
            order_line_id: line.order_line_id.clone(),
            quantity: line.quantity,
        });
        return Step::Settle {
            how: requested.how,
            reason_code: requested.reason_code.clone(),
            lines: lines.collect(),
        };
    }
    if facts.requirements.multi_shipment {
        by_parcel(row, dispatch, facts)
    } else {
        as_a_whole(row, dispatch, facts)
    }
}

/// A marketplace that ships in parts.
fn by_parcel(row: &OrderRow, dispatch: &Dispatch, facts: &Facts<'_>) -> Step {
    let waiting =
        dispatch.parcels.iter().enumerate().find(|(_, parcel)| parcel.confirmed_at.is_none());
    if let Some((index, parcel)) = waiting {
        return match shipment(row, dispatch, parcel, facts) {
            Ok(shipment) => Step::ShipParcel { parcel: index, shipment },
            Err(failure) => Step::Fail(failure),
        };
    }
    if dispatch.ended_at.is_none() {
        return Step::Rest(if dispatch.parcels.is_empty() {
            Stage::Created
        } else {
            Stage::PartDispatched
        });
    }
    match missing(row, dispatch) {
        short if short.is_empty() => Step::Rest(ended(dispatch)),
        short => settle(row, dispatch, short, facts),
    }
}

/// A marketplace that ships whole orders alone.
fn as_a_whole(row: &OrderRow, dispatch: &Dispatch, facts: &Facts<'_>) -> Step {
    let has_ended = dispatch.ended_at.is_some();
    if dispatch.parcels.is_empty() && !has_ended {
        return Step::Rest(Stage::Created);
    }
    let short = missing(row, dispatch);
    if !short.is_empty() && !has_ended {
        let Some(hours) = facts.rules.ship_part_hours_before_deadline else {
            return Step::Wait(None);
        };
        let Some(deadline) = row.listing.shipping_deadline else { return Step::Wait(None) };
        let latest = before(deadline, super::rules::hours(hours));
        if facts.now < latest || dispatch.has_parcel_without_lines() {
            return Step::Wait(Some(latest));
        }
        return settle(row, dispatch, short, facts);
    }
    if !short.is_empty() {
        return settle(row, dispatch, short, facts);
    }
    if dispatch.unconfirmed().next().is_none() {
        return Step::Rest(ended(dispatch));
    }
    let chosen = match facts.rules.tracking_of {
        TrackingOf::FirstParcel => dispatch.parcels.first(),
        TrackingOf::LastParcel => dispatch.parcels.last(),
    };
    let Some(parcel) = chosen else { return Step::Rest(Stage::Created) };
    match tracking(row, parcel, facts) {
        Ok(tracking) => Step::Ship(tracking),
        Err(failure) => Step::Fail(failure),
    }
}

/// Where an order ends of which nothing is left to tell: shipped, or cancelled where no parcel ever
/// left.
fn ended(dispatch: &Dispatch) -> Stage {
    if dispatch.parcels.is_empty() { Stage::Cancelled } else { Stage::Shipped }
}

/// Pieces that are in no parcel and not settled. Unknown, and so none, where Prima has ended and
/// some parcel does not say what is in it.
#[must_use]
pub fn missing(row: &OrderRow, dispatch: &Dispatch) -> Vec<ShortLine> {
    if dispatch.has_parcel_without_lines() && dispatch.ended_at.is_some() {
        return Vec::new();
    }
    let short = row.lines.iter().map(|line| {
        let quantity = line.quantity.saturating_sub(dispatch.accounted_for(&line.order_line_id));
        ShortLine { order_line_id: line.order_line_id.clone(), quantity }
    });
    short.filter(|line| line.quantity > 0).collect()
}

fn settle(row: &OrderRow, dispatch: &Dispatch, short: Vec<ShortLine>, facts: &Facts<'_>) -> Step {
    if let Some((how, reason_code)) = facts.rules.settles() {
        return Step::Settle { how, reason_code: reason_code.to_owned(), lines: short };
    }
    let number = row.creation.order_number.as_deref().unwrap_or_default();
    let pieces: Vec<_> = short
        .iter()
        .map(|line| format!("{} of line {}", line.quantity, line.order_line_id))
        .collect();
    let (kind, what) = match (dispatch.parcels.is_empty(), dispatch.ended_at.is_some()) {
        (true, _) => (
            ExceptionKind::CancelledInPrima,
            format!("Prima cancelled order {number}, and Mirakl still waits for all of it"),
        ),
        (false, true) => (
            ExceptionKind::ShortShipment,
            format!(
                "Prima sent order {number} short and will send no more: missing {}",
                pieces.join(", ")
            ),
        ),
        (false, false) => (
            ExceptionKind::ShortShipment,
            format!(
                "the ship-by deadline of order {number} is near and a part of it has not left: missing {}",
                pieces.join(", ")
            ),
        ),
    };
    let remedy = format!(
        "Agree what becomes of these pieces, then cancel them: {} or refund them: {} (a dry run without --send). What has left is shipped then. A rule can do this by itself: short_lines in the dispatch rules.",
        remedy::settle_pieces(&row.key, How::Cancel),
        remedy::settle_pieces(&row.key, How::Refund)
    );
    Step::Fail(Failure { kind, reason: what, remedy })
}

fn shipment(
    row: &OrderRow,
    dispatch: &Dispatch,
    parcel: &Parcel,
    facts: &Facts<'_>,
) -> Result<NewShipment, Failure> {
    let tracking = tracking(row, parcel, facts)?;
    let lines = if parcel.lines.is_empty() {
        lines_of_unnamed(row, dispatch, parcel)?
    } else {
        parcel.lines.clone()
    };
    Ok(NewShipment {
        order_id: row.key.order_id.clone(),
        lines,
        tracking,
        reference: reference(&parcel.dispatch),
    })
}

/// A parcel that does not say what is in it holds everything, where it is the only one and the
/// last.
fn lines_of_unnamed(
    row: &OrderRow,
    dispatch: &Dispatch,
    parcel: &Parcel,
) -> Result<Vec<ParcelLine>, Failure> {
    if dispatch.ended_at.is_some() && dispatch.parcels.len() == 1 {
        let all = row.lines.iter().map(|line| ParcelLine {
            order_line_id: line.order_line_id.clone(),
            quantity: line.quantity,
        });
        return Ok(all.filter(|line| line.quantity > 0).collect());
    }
    Err(Failure {
        kind: ExceptionKind::DispatchUnclear,
        reason: format!(
            "dispatch {} of Prima order {} does not say what is in it, and the marketplace ships in parts",
            parcel.dispatch,
            row.creation.order_number.as_deref().unwrap_or_default()
        ),
        remedy: format!(
            "Ship the parcel by hand in Mirakl's back office, then settle the exception: {}",
            remedy::settle(&row.key, remedy::SettledAs::Shipped)
        ),
    })
}

/// Prima's dispatch number with nothing but what Mirakl takes: letters, digits, `_` and `-`.
#[must_use]
pub fn reference(dispatch: &str) -> String {
    let allowed =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' };
    dispatch.chars().take(REFERENCE_LENGTH).map(allowed).collect()
}

/// Carrier and number of a parcel: only what the marketplace takes, and only what Prima says.
fn tracking(row: &OrderRow, parcel: &Parcel, facts: &Facts<'_>) -> Result<Tracking, Failure> {
    let channel = &row.key.channel;
    let described = parcel.description();
    let described = if described.is_empty() { "(no carrier)".to_owned() } else { described };
    let mend = |what: &str| {
        let service = if parcel.service.is_empty() {
            String::new()
        } else {
            format!(" --service {:?}", parcel.service)
        };
        format!(
            "{what}: prima-mirakl carriers set {channel} {:?}{service} --code CODE (proposals: prima-mirakl carriers check {channel}). {}",
            parcel.carrier,
            if facts.rules.resume_when_mapped {
                "The dispatch then goes on by itself.".to_owned()
            } else {
                format!("Then: {}", remedy::retry(&row.key))
            }
        )
    };
    let number = facts.rules.tracking_number(&parcel.consignment).map(str::to_owned);
    let missing_number = |why: String| Failure {
        kind: ExceptionKind::TrackingMissing,
        reason: format!(
            "dispatch {} by {described} has no tracking number, and {why}",
            parcel.dispatch
        ),
        remedy: format!(
            "Enter the consignment number in Prima. It is read with the next question; or at once: {}",
            remedy::retry(&row.key)
        ),
    };
    let tracking = match facts.carriers.resolve(&parcel.carrier, &parcel.service) {
        Ok(Target::Registered { code }) => {
            let Some(carrier) = facts.requirements.carrier(&code) else {
                return Err(Failure {
                    kind: ExceptionKind::CarrierNotListed,
                    reason: format!(
                        "dispatch {} by {described}: the map leads to carrier code {code:?}, which the marketplace does not list",
                        parcel.dispatch
                    ),
                    remedy: mend("Map it to a code of the marketplace's list"),
                });
            };
            if carrier.needs_tracking_number() && number.is_none() {
                return Err(missing_number(format!("carrier {code} needs one")));
            }
            Tracking { carrier_code: Some(code), tracking_number: number, ..Tracking::default() }
        }
        Ok(Target::Unregistered { name, .. }) if facts.requirements.registered_carriers_only => {
            return Err(Failure {
                kind: ExceptionKind::CarrierNotListed,
                reason: format!(
                    "dispatch {} by {described}: the map leads to {name:?} by name, and the marketplace takes listed carriers alone",
                    parcel.dispatch
                ),
                remedy: mend("Map it to a code of the marketplace's list"),
            });
        }
        Ok(Target::Unregistered { name, url }) => {
            let url = url
                .map(|url| url.replace("{tracking_number}", number.as_deref().unwrap_or_default()));
            Tracking { carrier_code: None, carrier_name: Some(name), url, tracking_number: number }
        }
        Err(why) => {
            let ambiguous = match why {
                NoTarget::Unmapped => "is in no entry of the carrier map".to_owned(),
                NoTarget::Ambiguous(patterns) => {
                    format!("fits several entries of the carrier map: {patterns}")
                }
            };
            return Err(Failure {
                kind: ExceptionKind::UnmappedCarrier,
                reason: format!(
                    "dispatch {}: Prima's carrier {described} {ambiguous}",
                    parcel.dispatch
                ),
                remedy: mend("Map it"),
            });
        }
    };
    if tracking.tracking_number.is_none()
        && facts.requirements.demands_tracking(row.listing.shipping_type.as_deref())
    {
        let kind = row.listing.shipping_type.as_deref().unwrap_or_default();
        return Err(missing_number(format!(
            "the marketplace demands one for shipping type {kind}"
        )));
    }
    Ok(tracking)
}

#[cfg(test)]
mod tests;
