//! When a channel is pushed, and why: as often as its sales demand, between a floor and a ceiling;
//! sooner where something waits to be lowered.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rules::StockRules;
use crate::kit::clock::{after, before};

/// Sales that are remembered, in hours.
const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// One entry of the memory.
const SLOT: Duration = Duration::from_secs(600);
/// The short window.
const SHORT: Duration = Duration::from_secs(3600);

/// What a channel has sold lately, in slots of ten minutes; a day of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sales {
    /// The latest slot is the last.
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    from: Timestamp,
    orders: u32,
    units: u32,
}

/// How fast a channel sells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Velocity {
    /// Orders an hour over the last hour.
    pub orders_short: f64,
    /// Units an hour over the last hour.
    pub units_short: f64,
    /// Orders an hour over the last day.
    pub orders_long: f64,
    /// Units an hour over the last day.
    pub units_long: f64,
}

impl Sales {
    /// Notes an order that was seen at `at`.
    pub fn note(&mut self, at: Timestamp, units: u32) {
        match self
            .slots
            .iter_mut()
            .rev()
            .find(|slot| slot.from <= at && at < after(slot.from, SLOT))
        {
            Some(slot) => {
                slot.orders = slot.orders.saturating_add(1);
                slot.units = slot.units.saturating_add(units);
            }
            None => {
                self.slots.push(Slot { from: at, orders: 1, units });
                self.slots.sort_by_key(|slot| slot.from);
            }
        }
    }

    /// Forgets what is older than a day.
    pub fn forget(&mut self, now: Timestamp) {
        let oldest = before(now, WINDOW);
        self.slots.retain(|slot| slot.from >= oldest);
    }

    /// How fast the channel sells, as seen at `now`.
    #[must_use]
    pub fn velocity(&self, now: Timestamp) -> Velocity {
        let an_hour = |window: Duration| {
            let since = before(now, window);
            let slots = self.slots.iter().filter(|slot| slot.from >= since && slot.from <= now);
            let (orders, units) = slots.fold((0_u64, 0_u64), |(orders, units), slot| {
                (orders + u64::from(slot.orders), units + u64::from(slot.units))
            });
            let hours = window.as_secs_f64() / 3600.0;
            #[expect(clippy::cast_precision_loss, reason = "a pace, not a count")]
            (orders as f64 / hours, units as f64 / hours)
        };
        let ((orders_short, units_short), (orders_long, units_long)) =
            (an_hour(SHORT), an_hour(WINDOW));
        Velocity { orders_short, units_short, orders_long, units_long }
    }
}

/// The most units that were sold within any stretch of `window`, of sales with their moments: what
/// a buffer must hold back so that no unit is sold twice before the other channels are lowered.
#[must_use]
pub fn most_within(mut sales: Vec<(Timestamp, u32)>, window: Duration) -> u32 {
    sales.sort_unstable();
    let (mut first, mut units, mut most) = (0, 0_u32, 0);
    for (at, sold) in &sales {
        units = units.saturating_add(*sold);
        while sales[first].0 < before(*at, window) {
            units -= sales[first].1;
            first += 1;
        }
        most = most.max(units);
    }
    most
}

/// Why a push is due, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The channel has never been pushed.
    First,
    /// More is offered of something of which little or nothing is left beyond its buffer: as soon
    /// as the marketplace allows.
    Urgent,
    /// More is offered than there is: at the floor.
    Lowering,
    /// Pieces wait for an offer that shows nothing: at the floor.
    Filling,
    /// A promotion is on: at the floor.
    Promotion,
    /// The pace of the sales.
    Sales,
}

impl Reason {
    /// The name in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Lowering => "lowering",
            Self::Urgent => "urgent",
            Self::Filling => "filling",
            Self::Promotion => "promotion",
            Self::Sales => "sales",
        }
    }
}

/// What the decision rests on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    /// Offers that show more than they should, beyond what their own sales have lowered.
    pub to_lower: usize,
    /// Of these, offers of which at most [`StockRules::urgent_units`] are left to show: the free
    /// units have sunk to the buffer, or nearly.
    pub at_buffer: usize,
    /// Offers that show nothing, and to which pieces fall of those that are divided.
    pub to_fill: usize,
    /// How fast the channel sells.
    pub velocity: Velocity,
}

/// When the next push of a channel is due, and why. `pushed_at`: when the last one began.
#[must_use]
pub fn next_push(
    pushed_at: Option<Timestamp>,
    pressure: &Pressure,
    rules: &StockRules,
    now: Timestamp,
) -> (Timestamp, Reason) {
    let Some(pushed_at) = pushed_at else { return (now, Reason::First) };
    let minutes = |minutes: u32| Duration::from_secs(60 * u64::from(minutes));
    let (floor, ceiling) = (minutes(rules.floor_minutes), minutes(rules.ceiling_minutes));
    if pressure.at_buffer > 0 {
        // STO01 takes one import a minute and shop.
        return (after(pushed_at, Duration::from_secs(60)), Reason::Urgent);
    }
    if pressure.to_lower > 0 {
        return (after(pushed_at, floor), Reason::Lowering);
    }
    if pressure.to_fill > 0 {
        return (after(pushed_at, floor), Reason::Filling);
    }
    if rules.promotions.iter().any(|promotion| promotion.from <= now && now < promotion.until) {
        return (after(pushed_at, floor), Reason::Promotion);
    }
    let units_an_hour = pressure.velocity.units_short.max(pressure.velocity.units_long);
    let wait = if units_an_hour > 0.0 {
        Duration::try_from_secs_f64(3600.0 * f64::from(rules.units_between_pushes) / units_an_hour)
            .unwrap_or(ceiling)
    } else {
        ceiling
    };
    (after(pushed_at, wait.clamp(floor, ceiling)), Reason::Sales)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-20T{text}Z").parse().unwrap()
    }

    #[test]
    fn the_pace_follows_the_sales_between_floor_and_ceiling() {
        let rules = StockRules::default();
        let due = |units_an_hour: u32| {
            let mut sales = Sales::default();
            for minute in 0..60_u64 {
                let units = units_an_hour / 60 + u32::from(minute < u64::from(units_an_hour % 60));
                if units > 0 {
                    sales.note(after(at("11:00:01"), Duration::from_secs(60 * minute)), units);
                }
            }
            let pressure =
                Pressure { velocity: sales.velocity(at("12:00:00")), ..Pressure::default() };
            next_push(Some(at("12:00:00")), &pressure, &rules, at("12:00:00"))
        };
        assert_eq!(due(0), (at("12:15:00"), Reason::Sales), "the ceiling");
        assert_eq!(due(60), (at("12:10:00"), Reason::Sales), "ten units in ten minutes");
        assert_eq!(due(120), (at("12:05:00"), Reason::Sales));
        assert_eq!(due(6000), (at("12:02:00"), Reason::Sales), "the floor");
    }

    #[test]
    fn what_has_to_be_lowered_goes_before_everything() {
        let promotion = super::super::rules::Promotion {
            from: at("11:00:00"),
            until: at("13:00:00"),
            by: "Anna".into(),
            why: "sale".into(),
        };
        let rules = StockRules { promotions: vec![promotion], ..StockRules::default() };
        let due = |to_lower, at_buffer, now| {
            next_push(
                Some(at("12:00:00")),
                &Pressure { to_lower, at_buffer, ..Pressure::default() },
                &rules,
                now,
            )
        };
        assert_eq!(due(1, 1, at("12:00:00")), (at("12:01:00"), Reason::Urgent));
        assert_eq!(due(1, 0, at("12:00:00")), (at("12:02:00"), Reason::Lowering));
        assert_eq!(due(0, 0, at("12:59:59")), (at("12:02:00"), Reason::Promotion));
        assert_eq!(due(0, 0, at("13:00:00")), (at("12:15:00"), Reason::Sales));
        assert_eq!(
            next_push(None, &Pressure::default(), &rules, at("12:00:00")),
            (at("12:00:00"), Reason::First)
        );
    }

    #[test]
    fn the_most_within_a_window_is_found_wherever_it_begins() {
        let sales = vec![
            (at("10:00:00"), 1),
            (at("10:04:59"), 2),
            (at("10:05:01"), 4),
            (at("10:30:00"), 3),
            (at("10:05:00"), 1),
        ];
        assert_eq!(
            most_within(sales.clone(), Duration::from_secs(300)),
            7,
            "those of 10:04:59, 10:05:00 and 10:05:01"
        );
        assert_eq!(most_within(sales.clone(), Duration::from_secs(301)), 8);
        assert_eq!(most_within(sales, Duration::ZERO), 4);
        assert_eq!(most_within(Vec::new(), Duration::from_secs(300)), 0);
    }

    #[test]
    fn sales_are_remembered_for_a_day() {
        let mut sales = Sales::default();
        sales.note(at("00:00:00"), 5);
        sales.note(at("23:55:00"), 3);
        sales.note(at("23:59:00"), 1);
        let now = at("23:59:59");
        let velocity = sales.velocity(now);
        assert_eq!((velocity.orders_short, velocity.units_short), (2.0, 4.0));
        assert_eq!((velocity.orders_long * 24.0).round() as u32, 3);
        sales.forget(after(now, Duration::from_secs(60)));
        assert_eq!(
            (sales.velocity(now).units_long * 24.0).round() as u32,
            4,
            "what is older than a day is forgotten"
        );
    }
}
