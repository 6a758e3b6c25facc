#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::dispatch::carriers::CarrierEntry;
use crate::domain::dispatch::prima_answer::{Found, on_file, on_progress};
use crate::domain::dispatch::rules::ShortLines;
use crate::domain::dispatch::schedule::Source;
use crate::domain::dispatch::{SettledLine, Settlement};
use crate::kit::clock::after;
use crate::mirakl::Order;
use crate::mirakl::shipping_requirements::{RegisteredCarrier, ShippingType};
use crate::prima::order::{PrimaOrderStatus, PrimaParcel, PrimaParcelLine, PrimaProgress};

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

/// Two lines, of two pieces and of one.
fn row() -> OrderRow {
    let order: Order = serde_json::from_str(
        r#"{"order_id":"C1-A","order_state":"SHIPPING","shipping_deadline":"2026-11-26T10:00:00Z","shipping_type_code":"STD","order_lines":[
            {"order_line_id":"C1-A-1","offer_sku":"W1","quantity":2,"price":20.00},{"order_line_id":"C1-A-2","offer_sku":"W2","quantity":1,"price":9.00}]}"#,
    )
    .unwrap();
    let mut row = OrderRow::first_seen("uk", &order, now());
    row.creation.order_number = Some("UK-C1".into());
    row.creation.referenced_at = Some(now());
    row.note_sent_lines(&order);
    row.enter(Stage::Created, now(), "");
    row
}

fn requirements(multi_shipment: bool) -> ShippingRequirements {
    let carrier = |code: &str, url: Option<&str>| RegisteredCarrier {
        code: code.into(),
        label: code.into(),
        standard_code: None,
        tracking_url: url.map(Into::into),
    };
    ShippingRequirements {
        read_at: now(),
        multi_shipment,
        registered_carriers_only: false,
        carriers: vec![
            carrier("DPD_UK", Some("https://dpd.example/{trackingId}")),
            carrier("VAN", None),
        ],
        shipping_types: vec![ShippingType {
            code: "EXP".into(),
            label: "Express".into(),
            mandatory_tracking: true,
        }],
        unread_fields: Vec::new(),
    }
}

fn carriers() -> CarrierMap {
    let entry = |carrier: &str, code: &str| CarrierEntry {
        carrier: carrier.into(),
        code: Some(code.into()),
        ..CarrierEntry::default()
    };
    let named = CarrierEntry {
        carrier: "Bike".into(),
        name: Some("City Bikes".into()),
        url: Some("https://bikes.example/?n={tracking_number}".into()),
        ..CarrierEntry::default()
    };
    CarrierMap {
        entries: vec![
            entry("DPD NEXT DAY", "DPD_UK"),
            entry("Van", "VAN"),
            entry("Gone", "GONE"),
            named,
        ],
    }
}

fn parcel(dispatch: &str, carrier: &str, consignment: &str, lines: &[(u32, u32)]) -> PrimaParcel {
    let lines = lines.iter().map(|(order_line, quantity)| PrimaParcelLine {
        order_line: *order_line,
        quantity: *quantity,
    });
    PrimaParcel {
        dispatch: dispatch.into(),
        carrier: carrier.into(),
        consignment: consignment.into(),
        lines: lines.collect(),
        ..PrimaParcel::default()
    }
}

fn tell(row: &mut OrderRow, status: PrimaOrderStatus, parcels: &[PrimaParcel]) -> Found {
    on_progress(row, &PrimaProgress::new(status, parcels.to_vec()), Source::OrderStatus, now())
}

fn step(row: &OrderRow, multi: bool, rules: &DispatchRules) -> Step {
    next_step(
        row,
        &Facts { rules, requirements: &requirements(multi), carriers: &carriers(), now: now() },
    )
}

fn kind_of(step: &Step) -> Option<ExceptionKind> {
    match step {
        Step::Fail(failure) => Some(failure.kind),
        _ => None,
    }
}

fn whole() -> PrimaParcel {
    parcel("D1", "DPD NEXT DAY", "1550", &[(1, 2), (2, 1)])
}

#[test]
fn a_whole_order_is_shipped_under_primas_own_number() {
    let mut row = row();
    assert_eq!(tell(&mut row, PrimaOrderStatus::Open("Picking".into()), &[]), Found::Nothing);
    assert_eq!(
        (row.stage, step(&row, false, &DispatchRules::default())),
        (Stage::Created, Step::Rest(Stage::Created))
    );
    assert_eq!(tell(&mut row, PrimaOrderStatus::Dispatched, &[whole()]), Found::Tell);
    assert_eq!(row.stage, Stage::Dispatched);
    let expected = Tracking {
        carrier_code: Some("DPD_UK".into()),
        tracking_number: Some("1550".into()),
        ..Tracking::default()
    };
    assert_eq!(step(&row, false, &DispatchRules::default()), Step::Ship(expected));
    row.dispatch.as_mut().unwrap().parcels[0].confirmed_at = Some(now());
    assert_eq!(step(&row, false, &DispatchRules::default()), Step::Rest(Stage::Shipped));
}

#[test]
fn a_parcel_is_recorded_once_and_keeps_what_mirakl_was_told() {
    let mut row = row();
    tell(&mut row, PrimaOrderStatus::PartDispatched, &[parcel("D1", "Van", "", &[(1, 1)])]);
    // Its number comes a while later: the same parcel.
    tell(
        &mut row,
        PrimaOrderStatus::PartDispatched,
        &[parcel("D1", "DPD NEXT DAY", "1550", &[(1, 1)])],
    );
    let dispatch = row.dispatch.as_mut().unwrap();
    assert_eq!(
        (
            dispatch.parcels.len(),
            dispatch.parcels[0].consignment.as_str(),
            dispatch.parcels[0].carrier.as_str()
        ),
        (1, "1550", "DPD NEXT DAY")
    );
    dispatch.parcels[0].confirmed_at = Some(now());
    tell(&mut row, PrimaOrderStatus::PartDispatched, &[parcel("D1", "Van", "1550", &[(1, 2)])]);
    let told = &row.dispatch.as_ref().unwrap().parcels[0];
    assert_eq!((told.carrier.as_str(), told.lines[0].quantity), ("DPD NEXT DAY", 1));
}

/// A dispatch that Prima withdraws before it was told is forgotten.
#[test]
fn a_withdrawn_dispatch_is_forgotten_if_still_untold() {
    let mut row = row();
    tell(&mut row, PrimaOrderStatus::PartDispatched, &[parcel("D1", "Van", "1", &[(1, 1)])]);
    assert_eq!(tell(&mut row, PrimaOrderStatus::Open("Picking".into()), &[]), Found::Nothing);
    assert_eq!((row.stage, row.dispatch.as_ref().unwrap().parcels.len()), (Stage::Created, 0));
    assert!(row.history.last().unwrap().note.contains("withdrawn"));
}

/// Where a marketplace ships in parts, each parcel is told by itself.
#[test]
fn each_parcel_is_told_alone_if_partial_shipments_are_allowed() {
    let mut row = row();
    assert_eq!(
        tell(&mut row, PrimaOrderStatus::PartDispatched, &[parcel("D/1", "Van", "7", &[(1, 1)])]),
        Found::Tell
    );
    let Step::ShipParcel { parcel: 0, shipment } = step(&row, true, &DispatchRules::default())
    else {
        panic!("{row:?}")
    };
    assert_eq!(shipment.lines, [ParcelLine { order_line_id: "C1-A-1".into(), quantity: 1 }]);
    assert_eq!(
        (shipment.reference.as_str(), shipment.tracking.carrier_code.as_deref()),
        ("D-1", Some("VAN"))
    );
    row.dispatch.as_mut().unwrap().parcels[0].confirmed_at = Some(now());
    assert_eq!(step(&row, true, &DispatchRules::default()), Step::Rest(Stage::PartDispatched));
    let rest = parcel("D2", "DPD NEXT DAY", "8", &[(1, 1), (2, 1)]);
    assert_eq!(
        tell(&mut row, PrimaOrderStatus::Dispatched, &[parcel("D/1", "Van", "7", &[(1, 1)]), rest]),
        Found::Tell
    );
    assert!(matches!(
        step(&row, true, &DispatchRules::default()),
        Step::ShipParcel { parcel: 1, .. }
    ));
    row.dispatch.as_mut().unwrap().parcels[1].confirmed_at = Some(now());
    assert_eq!(step(&row, true, &DispatchRules::default()), Step::Rest(Stage::Shipped));
}

/// A part of an order that ships as a whole waits for the rest, until the rule says otherwise.
#[test]
fn a_partial_dispatch_waits_as_long_as_the_rule_says() {
    let mut row = row();
    tell(&mut row, PrimaOrderStatus::PartDispatched, &[parcel("D1", "Van", "7", &[(1, 2)])]);
    assert_eq!(step(&row, false, &DispatchRules::default()), Step::Wait(None));
    let rules =
        DispatchRules { ship_part_hours_before_deadline: Some(24), ..DispatchRules::default() };
    assert_eq!(
        step(&row, false, &rules),
        Step::Wait(Some("2026-11-25T10:00:00Z".parse().unwrap()))
    );
    let late = Facts {
        rules: &DispatchRules {
            short_lines: ShortLines::Cancel,
            cancel_reason_code: Some("OOS".into()),
            ..rules.clone()
        },
        requirements: &requirements(false),
        carriers: &carriers(),
        now: after(now(), Duration::from_secs(2 * 86_400)),
    };
    let short = vec![ShortLine { order_line_id: "C1-A-2".into(), quantity: 1 }];
    assert_eq!(
        next_step(&row, &late),
        Step::Settle { how: How::Cancel, reason_code: "OOS".into(), lines: short }
    );
    assert_eq!(
        kind_of(&next_step(&row, &Facts { rules: &rules, ..late })),
        Some(ExceptionKind::ShortShipment)
    );
    // While it waits, asking again changes nothing.
    row.enter(Stage::PartDispatched, now(), "");
    row.dispatch.as_mut().unwrap().rest_until = Some(Timestamp::MAX);
    assert_eq!(
        tell(&mut row, PrimaOrderStatus::PartDispatched, &[parcel("D1", "Van", "7", &[(1, 2)])]),
        Found::Nothing
    );
    assert_eq!(
        tell(
            &mut row,
            PrimaOrderStatus::Dispatched,
            &[parcel("D1", "Van", "7", &[(1, 2)]), parcel("D2", "Van", "8", &[(2, 1)])]
        ),
        Found::Tell
    );
    assert!(matches!(step(&row, false, &DispatchRules::default()), Step::Ship(_)));
}

#[test]
fn a_short_order_is_settled_before_it_is_shipped() {
    let mut row = row();
    tell(&mut row, PrimaOrderStatus::Dispatched, &[parcel("D1", "Van", "7", &[(1, 1)])]);
    assert_eq!(
        kind_of(&step(&row, false, &DispatchRules::default())),
        Some(ExceptionKind::ShortShipment)
    );
    let rules = DispatchRules {
        short_lines: ShortLines::Refund,
        refund_reason_code: Some("R".into()),
        ..DispatchRules::default()
    };
    let Step::Settle { how: How::Refund, lines, .. } = step(&row, false, &rules) else { panic!() };
    assert_eq!(lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [1, 1]);
    let settled = lines.into_iter().map(|line| SettledLine {
        order_line_id: line.order_line_id,
        quantity: line.quantity,
        ..SettledLine::default()
    });
    let settlement = Settlement {
        how: How::Refund,
        lines: settled.collect(),
        at: now(),
        until: now(),
        confirmed_at: Some(now()),
        reason_code: None,
    };
    row.dispatch.as_mut().unwrap().settlements.push(settlement);
    assert!(matches!(step(&row, false, &rules), Step::Ship(_)));
}

/// An order that Prima cancelled is for a person, or it is cancelled by rule.
#[test]
fn a_prima_cancellation_needs_a_person_or_follows_the_rule() {
    let mut row = row();
    assert_eq!(tell(&mut row, PrimaOrderStatus::Cancelled, &[]), Found::Tell);
    assert_eq!(
        kind_of(&step(&row, true, &DispatchRules::default())),
        Some(ExceptionKind::CancelledInPrima)
    );
    let rules = DispatchRules {
        short_lines: ShortLines::Cancel,
        cancel_reason_code: Some("OOS".into()),
        ..DispatchRules::default()
    };
    assert!(matches!(step(&row, false, &rules), Step::Settle { how: How::Cancel, .. }));
    row.lines.clear();
    assert_eq!(step(&row, false, &rules), Step::Rest(Stage::Cancelled));
}

#[test]
fn no_mapping_no_call_and_no_invented_number() {
    let cases = [
        ("Yodel", "1", ExceptionKind::UnmappedCarrier),
        ("Gone", "1", ExceptionKind::CarrierNotListed),
        ("DPD NEXT DAY", "", ExceptionKind::TrackingMissing),
        ("DPD NEXT DAY", "TBC", ExceptionKind::TrackingMissing),
    ];
    for multi in [false, true] {
        for (carrier, number, expected) in cases {
            let mut row = row();
            tell(
                &mut row,
                PrimaOrderStatus::Dispatched,
                &[parcel("D1", carrier, number, &[(1, 2), (2, 1)])],
            );
            let step = step(&row, multi, &DispatchRules::default());
            assert_eq!(kind_of(&step), Some(expected), "{carrier} {number}");
            let Step::Fail(failure) = step else { continue };
            assert!(failure.reason.contains(carrier) && !failure.remedy.is_empty(), "{failure:?}");
        }
    }
    let mut row = row();
    row.listing.shipping_type = Some("EXP".into());
    tell(&mut row, PrimaOrderStatus::Dispatched, &[parcel("D1", "Van", "", &[(1, 2), (2, 1)])]);
    assert_eq!(
        kind_of(&step(&row, false, &DispatchRules::default())),
        Some(ExceptionKind::TrackingMissing)
    );
    row.listing.shipping_type = Some("STD".into());
    assert_eq!(
        step(&row, false, &DispatchRules::default()),
        Step::Ship(Tracking { carrier_code: Some("VAN".into()), ..Tracking::default() })
    );
}

#[test]
fn a_carrier_by_name_goes_with_its_page_where_that_is_allowed() {
    let mut row = row();
    tell(&mut row, PrimaOrderStatus::Dispatched, &[parcel("D1", "Bike", "42", &[(1, 2), (2, 1)])]);
    let Step::Ship(tracking) = step(&row, false, &DispatchRules::default()) else { panic!() };
    assert_eq!(
        (tracking.carrier_name.as_deref(), tracking.url.as_deref()),
        (Some("City Bikes"), Some("https://bikes.example/?n=42"))
    );
    let strict = ShippingRequirements { registered_carriers_only: true, ..requirements(false) };
    let facts = Facts {
        rules: &DispatchRules::default(),
        requirements: &strict,
        carriers: &carriers(),
        now: now(),
    };
    assert_eq!(kind_of(&next_step(&row, &facts)), Some(ExceptionKind::CarrierNotListed));
}

/// An order dispatched without a parcel is a person's after a few answers, and a dispatch file
/// brings the parcel.
#[test]
fn a_dispatch_lacking_its_parcel_is_excepted_or_cured_by_file() {
    let mut row = row();
    assert_eq!(tell(&mut row, PrimaOrderStatus::Dispatched, &[]), Found::Nothing);
    assert_eq!(tell(&mut row, PrimaOrderStatus::Dispatched, &[]), Found::Nothing);
    let mut given_up = row.clone();
    assert_eq!(tell(&mut given_up, PrimaOrderStatus::Dispatched, &[]), Found::Exception);
    assert_eq!(given_up.exception.as_ref().unwrap().kind, ExceptionKind::DispatchUnclear);
    assert_eq!(on_file(&mut row, &[whole()], now()), Found::Tell);
    assert!(matches!(step(&row, false, &DispatchRules::default()), Step::Ship(_)));
}

#[test]
fn what_no_file_has_named_yet_is_not_taken_for_short() {
    let by_file = |row: &mut OrderRow| {
        on_progress(
            row,
            &PrimaProgress::new(PrimaOrderStatus::Dispatched, Vec::new()),
            Source::File,
            now(),
        )
    };
    let rules = DispatchRules {
        short_lines: ShortLines::Cancel,
        cancel_reason_code: Some("OOS".into()),
        ..DispatchRules::default()
    };
    let mut row = row();
    assert_eq!(by_file(&mut row), Found::Nothing);
    assert_eq!(on_file(&mut row, &[parcel("D1", "Van", "7", &[(1, 2)])], now()), Found::Tell);
    assert_eq!(step(&row, false, &rules), Step::Wait(None));
    assert!(matches!(step(&row, true, &rules), Step::ShipParcel { .. }));
    by_file(&mut row);
    assert_eq!(step(&row, false, &rules), Step::Wait(None));
    on_file(&mut row, &[parcel("D2", "Van", "8", &[(2, 1)])], now());
    assert!(matches!(step(&row, false, &rules), Step::Ship(_)));
    // One that never comes is a person's within a day.
    let mut late = self::row();
    let answers = (0..200).take_while(|_| by_file(&mut late) != Found::Exception).count();
    assert_eq!(answers, 95);
}

#[test]
fn a_parcel_of_lines_that_the_order_does_not_have_is_a_persons() {
    for lines in [&[(3, 1)][..], &[(1, 3)], &[(0, 1)]] {
        let mut row = row();
        assert_eq!(
            tell(&mut row, PrimaOrderStatus::Dispatched, &[parcel("D1", "Van", "7", lines)]),
            Found::Exception,
            "{lines:?}"
        );
        assert!(row.exception.as_ref().unwrap().reason.contains("D1"));
    }
}

/// What is not clear is never told nor taken for short, and it is a person's after a few answers.
#[test]
fn an_unclear_dispatch_is_never_told_and_ends_with_a_person() {
    let nothing_in_it =
        PrimaProgress::new(PrimaOrderStatus::Dispatched, vec![parcel("D1", "Van", "7", &[(1, 0)])]);
    let unreadable = PrimaProgress {
        unclear: Some("dispatch D1 has a line".into()),
        ..PrimaProgress::new(PrimaOrderStatus::Dispatched, vec![])
    };
    let rules = DispatchRules {
        short_lines: ShortLines::Cancel,
        cancel_reason_code: Some("OOS".into()),
        ..DispatchRules::default()
    };
    for progress in [nothing_in_it, unreadable] {
        let mut row = row();
        for answer in 1..=3 {
            let found = on_progress(&mut row, &progress, Source::OrderStatus, now());
            assert_eq!(
                found,
                if answer < 3 { Found::Nothing } else { Found::Exception },
                "answer {answer}"
            );
            for multi in [false, true] {
                assert_eq!(
                    step(&row, multi, &rules),
                    Step::Rest(Stage::Created),
                    "nothing is told, and nothing settled"
                );
            }
        }
        let exception = row.exception.clone().unwrap();
        assert!(
            exception.kind == ExceptionKind::DispatchUnclear && exception.reason.contains("D1"),
            "{}",
            exception.reason
        );
        assert_eq!(
            on_progress(&mut row, &progress, Source::OrderStatus, now()),
            Found::Nothing,
            "it is told once"
        );
        assert_eq!(
            tell(&mut row, PrimaOrderStatus::Dispatched, &[whole()]),
            Found::Tell,
            "it goes on once it is mended"
        );
    }
    // A line of 0 beside others says only that it is not in this parcel.
    let mut row = row();
    assert_eq!(
        tell(
            &mut row,
            PrimaOrderStatus::PartDispatched,
            &[parcel("D1", "Van", "7", &[(1, 2), (2, 0)])]
        ),
        Found::Tell
    );
    let Step::ShipParcel { shipment, .. } = step(&row, true, &rules) else { panic!() };
    assert_eq!(shipment.lines, [ParcelLine { order_line_id: "C1-A-1".into(), quantity: 2 }]);
}

/// A parcel that does not say what is in it is everything where it is the only and the last one.
#[test]
fn a_sole_last_parcel_without_contents_is_everything() {
    let mut row = row();
    tell(&mut row, PrimaOrderStatus::Dispatched, &[parcel("D1", "Van", "7", &[])]);
    assert!(matches!(step(&row, false, &DispatchRules::default()), Step::Ship(_)));
    let Step::ShipParcel { shipment, .. } = step(&row, true, &DispatchRules::default()) else {
        panic!()
    };
    assert_eq!(shipment.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [2, 1]);
    tell(
        &mut row,
        PrimaOrderStatus::Dispatched,
        &[parcel("D1", "Van", "7", &[]), parcel("D2", "Van", "8", &[])],
    );
    assert_eq!(
        kind_of(&step(&row, true, &DispatchRules::default())),
        Some(ExceptionKind::DispatchUnclear)
    );
}

#[test]
fn what_an_operator_asked_for_comes_first() {
    let mut row = row();
    tell(&mut row, PrimaOrderStatus::PartDispatched, &[parcel("D1", "Van", "7", &[(1, 2)])]);
    row.dispatch.as_mut().unwrap().requested = Some(crate::domain::dispatch::RequestedSettlement {
        how: How::Refund,
        reason_code: "R".into(),
        lines: vec![ParcelLine { order_line_id: "C1-A-2".into(), quantity: 1 }],
        by: "Ann".into(),
    });
    assert!(matches!(
        step(&row, false, &DispatchRules::default()),
        Step::Settle { how: How::Refund, .. }
    ));
}

proptest! {
    /// Whatever Prima answers, in whatever order: what is told is what Prima said, no piece twice,
    /// and nothing that was told is taken back.
    #[test]
    fn parcels_are_told_once_whatever_prima_answers(
        answers in proptest::collection::vec((proptest::collection::vec((0..4_u8, 0..3_u8, 1..3_u32, 1..3_u32), 0..4), 0..4_u8), 1..12),
        multi in any::<bool>(),
    ) {
        let mut row = row();
        let mut told: Vec<(String, String)> = Vec::new();
        for (parcels, status) in answers {
            let parcels: Vec<PrimaParcel> = parcels
                .iter()
                .map(|(dispatch, number, line, pieces)| {
                    let number = if *number == 0 { String::new() } else { format!("N{number}") };
                    parcel(&format!("D{dispatch}"), "Van", &number, &[(*line, *pieces)])
                })
                .collect();
            let status = match status {
                0 => PrimaOrderStatus::Open("Picking".into()),
                1 => PrimaOrderStatus::PartDispatched,
                2 => PrimaOrderStatus::Dispatched,
                _ => PrimaOrderStatus::Cancelled,
            };
            tell(&mut row, status, &parcels);
            if row.stage != Stage::Dispatched {
                continue;
            }
            for _ in 0..10 {
                match step(&row, multi, &DispatchRules::default()) {
                    Step::ShipParcel { parcel, .. } => {
                        let parcel = &mut row.dispatch.as_mut().unwrap().parcels[parcel];
                        prop_assert!(parcel.confirmed_at.is_none());
                        parcel.confirmed_at = Some(now());
                        told.push((parcel.dispatch.clone(), parcel.consignment.clone()));
                    }
                    Step::Ship(_) => {
                        for parcel in &mut row.dispatch.as_mut().unwrap().parcels {
                            parcel.confirmed_at = Some(now());
                        }
                    }
                    Step::Rest(stage) => {
                        row.enter(stage, now(), "");
                        break;
                    }
                    _ => break,
                }
            }
        }
        let before = told.len();
        told.sort();
        told.dedup();
        prop_assert_eq!(told.len(), before, "a parcel was told twice");
        let kept = row.dispatch.unwrap_or_default();
        for (dispatch, consignment) in &told {
            prop_assert!(kept.parcels.iter().any(|parcel| parcel.identity() == (dispatch.as_str(), consignment.as_str())));
        }
    }
}
