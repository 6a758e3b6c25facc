//! The compact plan of the exhaustive sweep: two marketplaces, two dozen orders, every path once,
//! no chance.

use std::collections::HashMap;
use std::time::Duration;

use shared::domain::order::row::OrderKey;
use shared::kit::clock::{after, before};
use shared::mirakl::OrderState;

use super::course::nothing_yet;
use super::goods::{Goods, order_to_divide};
use super::marketplace::{Happening, Marketplace, Sale};
use super::plan::{Arrival, CHANNELS, Moment, Plan, Truth, WINDOW, Windows, channel};
use crate::world::base::beginning;
use crate::world::dice::Dice;
use crate::world::fate::{Fate, Kind, Mishap};

const MINUTE: u64 = 60;

/// One order of the plan, before what is peculiar to it.
struct Draft<'d> {
    dice: &'d Dice,
    channel: usize,
    id: String,
    at: u64,
    state: OrderState,
    goods: Goods,
    staging: Option<u64>,
    debit: Option<u64>,
    once_firm: Vec<(u64, Happening)>,
    happenings: Vec<(u64, Happening)>,
    truth: Truth,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl<'d> Draft<'d> {
    fn new(dice: &'d Dice, channel: usize, name: &str, at: u64) -> Self {
        Self {
            dice,
            channel,
            id: format!("MKP{channel}{name}-A"),
            at,
            state: OrderState::WaitingAcceptance,
            goods: Goods::Ordinary,
            staging: None,
            debit: Some(0),
            once_firm: Vec::new(),
            happenings: Vec::new(),
            truth: Truth::default(),
        }
    }

    fn state(mut self, state: OrderState) -> Self {
        self.state = state;
        self
    }

    fn staged(mut self, seconds: u64) -> Self {
        self.staging = Some(seconds);
        self.state(OrderState::Staging)
    }

    fn debited_after(mut self, seconds: u64) -> Self {
        self.debit = Some(seconds);
        self
    }

    fn goods(mut self, goods: Goods) -> Self {
        self.truth.unknown_sku = goods == Goods::UnknownSku;
        self.truth.refused_by_prima = goods == Goods::UnknownToPrima;
        self.goods = goods;
        self
    }

    fn then(mut self, after_arrival: u64, happening: Happening) -> Self {
        self.happenings.push((after_arrival, happening));
        self
    }

    fn once_firm(mut self, wait: u64, happening: Happening) -> Self {
        self.once_firm.push((wait, happening));
        self
    }

    fn truly(mut self, set: impl FnOnce(&mut Truth)) -> Self {
        set(&mut self.truth);
        self
    }

    /// The order itself.
    fn sale(&self, created: jiff::Timestamp) -> Sale {
        let mut order = order_to_divide(&self.id, &self.state, created, self.goods, self.dice);
        order.times.staging = self.staging.map(seconds);
        let once_firm =
            self.once_firm.iter().map(|(wait, happening)| (seconds(*wait), *happening)).collect();
        let mut sale = Sale::new(
            order,
            after(created, seconds(u64::from(WINDOW) * MINUTE)),
            self.debit.map(seconds),
            once_firm,
            self.truth.unreadable,
        );
        if self.truth.operator_ships {
            sale.shows = Some(|order| order.can_shop_ship = Some(false));
        }
        sale
    }
}

fn arrivals(dice: &Dice) -> Vec<Draft<'_>> {
    use Happening::{
        AcceptByPerson, Cancel, CancelPiece, Close, RefundAll, RefundPiece, Ship, Touch,
    };
    let order = |channel, name, at| Draft::new(dice, channel, name, at);
    let shared = |channel, at| {
        let mut draft = order(channel, "", at).truly(|truth| truth.shares_number = true);
        "MKPXBOTH-A".clone_into(&mut draft.id);
        draft
    };
    vec![
        order(0, "USUAL", 10),
        order(0, "DEBITLATER", 12).debited_after(100),
        order(1, "AUTO", 15).state(OrderState::Shipping),
        order(1, "AUTODEBIT", 18).state(OrderState::WaitingDebitPayment).debited_after(70),
        order(0, "NOSKU", 20).goods(Goods::UnknownSku),
        order(1, "REFUSED", 25).goods(Goods::UnknownToPrima),
        order(0, "STAGED", 30).staged(45),
        order(1, "ACCEPTED", 35).then(20, AcceptByPerson),
        order(0, "OR21LOST", 40),
        order(1, "INUSE", 45).truly(|truth| truth.number_in_use = true),
        order(0, "OPERATOR", 50).truly(|truth| truth.operator_ships = true),
        order(1, "UNREADABLE", 55).truly(|truth| truth.unreadable = true),
        shared(0, 60),
        shared(1, 60),
        order(0, "GONEBEFORE", 65).debited_after(400).then(100, Cancel),
        order(1, "PARTBEFORE", 70).debited_after(130).then(80, CancelPiece),
        order(0, "REFUSEDBYALL", 72).staged(90).then(91, Cancel),
        order(1, "TOUCHED", 75).once_firm(10, Touch),
        order(0, "GONEAFTER", 80).once_firm(200, Cancel),
        order(1, "PARTAFTER", 90).once_firm(200, CancelPiece),
        order(1, "PARTTHENALL", 92).once_firm(200, CancelPiece).once_firm(300, Cancel),
        order(0, "BACKBEFORE", 93).once_firm(0, RefundPiece),
        order(1, "BACKAFTER", 94).once_firm(200, RefundAll).once_firm(260, Close),
        order(0, "SHIPPED", 95).truly(|truth| truth.shipped_by_person = true).once_firm(300, Ship),
        order(0, "LOSTLATE", 100),
        order(1, "LOSTGONE", 105).once_firm(60, Cancel),
        order(1, "OUTSIDE", 110).truly(|truth| truth.shipped_by_person = true).once_firm(8, Ship),
        // While Prima is down: the first three failures open its breaker.
        order(0, "DOWN1", 6 * MINUTE),
        order(1, "DOWN2", 6 * MINUTE + 5),
        order(0, "DOWN3", 6 * MINUTE + 10),
        order(1, "DOWN4", 7 * MINUTE + 5),
        order(0, "AFTER", 12 * MINUTE),
    ]
}

/// The plan.
#[must_use]
pub fn compact() -> Plan {
    let dice = Dice::new(2);
    let start = beginning();
    let take_over_from = before(start, seconds(60 * MINUTE));
    let mut marketplaces =
        vec![Marketplace::new(true, true, true), Marketplace::new(false, false, false)];
    let mut truths = HashMap::new();
    let mut arrivals: Vec<Arrival> = arrivals(&dice)
        .into_iter()
        .map(|draft| {
            let sale = draft.sale(after(start, seconds(draft.at)));
            truths.insert(OrderKey::new(CHANNELS[draft.channel], &draft.id), draft.truth);
            let happenings = draft
                .happenings
                .into_iter()
                .map(|(wait, happening)| (seconds(wait), happening))
                .collect();
            Arrival { at: Moment(draft.at * 1000), channel: draft.channel, sale, happenings }
        })
        .collect();
    arrivals.sort_by_key(|arrival| arrival.at);
    // Before the take-over: one that waits still, and one that a person accepted and keyed by hand.
    let hours_ago = before(start, seconds(120 * MINUTE));
    let waits = Draft::new(&dice, 0, "OLDWAITS", 0);
    let keyed = Draft::new(&dice, 1, "OLDKEYED", 0)
        .state(OrderState::Shipping)
        .truly(|truth| truth.keyed_by_hand = true);
    for draft in [waits, keyed] {
        let mut sale = draft.sale(hours_ago);
        if draft.truth.keyed_by_hand {
            sale.order.acceptance_decision_date = Some(after(hours_ago, seconds(MINUTE)));
        }
        truths.insert(OrderKey::new(CHANNELS[draft.channel], &draft.id), draft.truth);
        marketplaces[draft.channel].place(sale);
    }
    let mishap = |kind, about: &str, fate| Mishap { kind, about: about.to_owned(), fate };
    Plan {
        channels: CHANNELS.iter().map(|id| channel(id, 1, take_over_from)).collect(),
        marketplaces,
        arrivals,
        truths,
        hand_keyed: vec!["MKP1INUSE-A".to_owned(), "HAND-1".to_owned()],
        mirakl_down: vec![Windows::default(); CHANNELS.len()],
        key_refused: vec![Windows::default(); CHANNELS.len()],
        prima_down: Windows(vec![(Moment(6 * MINUTE * 1000), Moment(10 * MINUTE * 1000))]),
        mishaps: vec![
            mishap(Kind::Accept, "harbour-uk MKP0OR21LOST", Fate::AnswerLost),
            mishap(Kind::NewOrder, "MKP0LOSTLATE", Fate::AnswerLost),
            mishap(Kind::NewOrder, "MKP1LOSTGONE", Fate::AnswerLost),
        ],
        quiet_from: Moment(15 * MINUTE * 1000),
        first_poll: 5_000,
        ..nothing_yet()
    }
}
