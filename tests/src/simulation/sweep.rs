//! The exhaustive sweep: a small world in which a few orders go through everything an order can go through, without chance.
//! It is lived through once for each call that the handlers make, and each time that call is spoilt in another way: the
//! caller dies just before its effect, or just after it; it fails; or it has its effect and the answer is lost.

use std::collections::HashMap;
use std::time::Duration;

use shared::clock::{after, before};
use shared::installation::PrimaManners;
use shared::mirakl::OrderState;
use shared::order::row::OrderKey;

use super::dice::Dice;
use super::goods::{Goods, order};
use super::marketplace::{Happening, Marketplace, Sale};
use super::plan::{Arrival, CHANNELS, Moment, Plan, Profile, Truth, WINDOW, Windows, channel};
use super::world::{Fate, Habit, Kind, Script, beginning};

/// Rough weather that a whole sweep lives through, beside the one call that it spoils.
#[derive(Clone, Debug)]
pub struct Weather {
    /// For the report.
    pub name: &'static str,
    /// What goes wrong in it.
    pub habits: Vec<Habit>,
}

/// The weathers of the sweep: fair; and those without which some paths are never walked.
#[must_use]
pub fn weathers() -> Vec<Weather> {
    let habit = |kind, first, count, fate| Habit { kind, first, count, fate };
    vec![
        Weather { name: "fair", habits: Vec::new() },
        Weather {
            name: "the first NewOrder has its effect late, and its answer is lost",
            habits: vec![habit(Kind::NewOrder, 0, 1, Fate::AnswerLost)],
        },
        Weather { name: "Prima does not answer for a while", habits: vec![habit(Kind::Ask, 0, 5, Fate::Fails)] },
        Weather { name: "the answer of CancelOrder is lost", habits: vec![habit(Kind::CancelOrder, 0, 1, Fate::AnswerLost)] },
        Weather { name: "the first answer of OR21 is lost", habits: vec![habit(Kind::Accept, 0, 1, Fate::AnswerLost)] },
    ]
}

/// How a call of this kind can be spoilt. A reading has no effect, so that dying before and after it are the same.
#[must_use]
pub fn fates(kind: Kind) -> &'static [Fate] {
    match kind {
        Kind::Load | Kind::Index | Kind::Key | Kind::List | Kind::Rules | Kind::Ask => &[Fate::CrashBefore, Fate::Fails],
        Kind::Save | Kind::Reserve | Kind::Send | Kind::Publish | Kind::Accept | Kind::Reference | Kind::NewOrder | Kind::CancelOrder => {
            &[Fate::CrashBefore, Fate::CrashAfter, Fate::Fails, Fate::AnswerLost]
        }
    }
}

/// The script in which, in this weather, these calls are spoilt.
#[must_use]
pub fn script(weather: &Weather, spoilt: &[(u64, Fate)]) -> Script {
    Script { spoilt: spoilt.to_vec(), habits: weather.habits.clone() }
}

/// The plan of the sweep: fifteen orders on two channels, one of each kind.
#[must_use]
pub fn plan() -> Plan {
    let start = beginning();
    let take_over_from = before(start, Duration::from_secs(86_400));
    let mut sweep = Sweep { dice: Dice::new(1), arrivals: Vec::new(), truths: HashMap::new(), hand_keyed: Vec::new() };
    let seconds = Duration::from_secs;
    let truth = Truth::default;

    sweep.waiting(0, "PLAIN", truth(), Some(Duration::ZERO), &[], &[]);
    sweep.waiting(0, "UNPAID", truth(), Some(seconds(90)), &[], &[]);
    sweep.waiting(0, "NOSKU", Truth { unknown_sku: true, ..truth() }, Some(Duration::ZERO), &[], &[]);
    sweep.waiting(0, "REFUSED", Truth { refused_by_prima: true, ..truth() }, Some(Duration::ZERO), &[], &[]);
    sweep.waiting(0, "EARLY", truth(), Some(seconds(900)), &[(seconds(170), Happening::Cancel)], &[]);
    sweep.waiting(0, "LATE", truth(), Some(Duration::ZERO), &[], &[(seconds(200), Happening::Cancel)]);
    sweep.waiting(0, "PIECE", truth(), Some(Duration::ZERO), &[], &[(seconds(200), Happening::CancelPiece)]);
    sweep.waiting(0, "BYHAND", Truth { shipped_by_person: true, ..truth() }, Some(Duration::ZERO), &[], &[(seconds(1), Happening::Ship)]);
    sweep.waiting(0, "MARKET", Truth { operator_ships: true, ..truth() }, Some(Duration::ZERO), &[], &[]);
    sweep.waiting(0, "ODD", Truth { unreadable: true, ..truth() }, Some(Duration::ZERO), &[], &[]);
    sweep.waiting(0, "TAKEN", Truth { number_in_use: true, ..truth() }, Some(Duration::ZERO), &[], &[]);
    sweep.waiting(0, "GONE", truth(), Some(Duration::ZERO), &[], &[(seconds(420), Happening::Cancel)]);
    sweep.waiting(0, "TWICE", Truth { shares_number: true, ..truth() }, Some(Duration::ZERO), &[], &[]);
    sweep.waiting(1, "TWICE", Truth { shares_number: true, ..truth() }, Some(Duration::ZERO), &[], &[]);
    sweep.place(1, "AUTO", OrderState::Shipping, truth(), Some(Duration::ZERO), &[], &[]);
    sweep.place(1, "STAGED", OrderState::Staging, truth(), Some(Duration::ZERO), &[(seconds(70), Happening::Unstage)], &[]);

    Plan {
        seed: 0,
        scripted: true,
        calm: true,
        channels: vec![channel(CHANNELS[0], 1, take_over_from), channel(CHANNELS[1], 1, take_over_from)],
        marketplaces: vec![Marketplace::new(true, true, true), Marketplace::new(false, false, false)],
        arrivals: sweep.arrivals,
        truths: sweep.truths,
        despatches: vec![(Moment(360_000), OrderKey::new(CHANNELS[0], "GONE-A"))],
        hand_keyed: sweep.hand_keyed,
        manners: PrimaManners { cancel_order: true, ..PrimaManners::default() },
        profile: Profile::default(),
        store_down: Windows::default(),
        queue_down: Windows::default(),
        bus_down: Windows::default(),
        mirakl_down: vec![Windows::default(), Windows::default()],
        key_refused: vec![Windows::default(), Windows::default()],
        prima_down: Windows::default(),
        wipe: None,
        quiet_from: Moment(900_000),
        first_poll: 5_000,
    }
}

struct Sweep {
    dice: Dice,
    arrivals: Vec<Arrival>,
    truths: HashMap<OrderKey, Truth>,
    hand_keyed: Vec<String>,
}

type Later = [(Duration, Happening)];

impl Sweep {
    fn waiting(&mut self, channel: usize, name: &str, truth: Truth, debit_after: Option<Duration>, later: &Later, once_firm: &Later) {
        self.place(channel, name, OrderState::WaitingAcceptance, truth, debit_after, later, once_firm);
    }

    #[expect(clippy::too_many_arguments, reason = "one order in one line")]
    fn place(
        &mut self,
        channel: usize,
        name: &str,
        state: OrderState,
        truth: Truth,
        debit_after: Option<Duration>,
        later: &Later,
        once_firm: &Later,
    ) {
        let id = format!("{name}-A");
        // One a second, so that each has a time of its own.
        let at = Moment(1_000 * u64::try_from(self.arrivals.len()).unwrap_or_default());
        let created = after(beginning(), Duration::from_millis(at.0));
        let goods = match &truth {
            Truth { unknown_sku: true, .. } => Goods::UnknownSku,
            Truth { refused_by_prima: true, .. } => Goods::UnknownToPrima,
            _ => Goods::Ordinary,
        };
        let mut order = order(&id, state, created, goods, &self.dice);
        if truth.operator_ships {
            order.can_shop_ship = Some(false);
        }
        if truth.number_in_use {
            self.hand_keyed.push(id.clone());
        }
        let deadline = after(created, Duration::from_secs(u64::from(WINDOW) * 60));
        let sale = Sale::new(order, deadline, debit_after, once_firm.to_vec(), truth.unreadable);
        self.truths.insert(OrderKey::new(CHANNELS[channel], &id), truth);
        self.arrivals.push(Arrival { at, channel, sale, happenings: later.to_vec() });
    }
}
