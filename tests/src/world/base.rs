//! What every simulation stands on: virtual time, chance, calls that go wrong, what is remembered
//! and waits on AWS, and the record of it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::events::Event;
use shared::domain::state::in_memory::MemoryStore;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::dice::{Dice, hashed};
use super::fate::{Call, Described, Fate, Kind, Mishap, Profile, Script};
use super::privacy;
use super::queue::Queue;

/// Violations that are kept of one run: one mistake shows itself again and again.
const VIOLATIONS: usize = 12;

/// The beginning of every run.
#[must_use]
pub fn beginning() -> Timestamp {
    // 2026-11-10T06:00:00Z, a Tuesday.
    Timestamp::from_second(1_794_290_400).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How a run is begun.
#[derive(Debug, Default)]
pub struct Setting {
    /// Its chance.
    pub seed: u64,
    /// Nothing goes wrong by chance.
    pub calm: bool,
    /// Nothing at all is left to chance: every fate is written down.
    pub scripted: bool,
    /// The one call to be spoilt.
    pub script: Option<Script>,
    /// What the scripted plan itself lets go wrong.
    pub mishaps: Vec<Mishap>,
    /// How often what goes wrong.
    pub profile: Profile,
    /// A trace is wanted.
    pub traced: bool,
}

/// What every simulation stands on.
#[derive(Debug)]
pub struct Base {
    dice: Dice,
    /// How often each thing was called.
    asked: RefCell<HashMap<u64, u32>>,
    started: Instant,
    /// Nothing goes wrong by chance: only what takes time anyway.
    pub calm: bool,
    /// Nothing at all is left to chance.
    pub scripted: bool,
    /// No more faults.
    pub quiet: Cell<bool>,
    /// How often what goes wrong.
    pub profile: Profile,
    /// Faults so far.
    pub faults: Cell<u64>,
    /// Calls of all handlers so far.
    pub effects: Cell<u64>,
    /// How many calls of each kind there were.
    pub tally: RefCell<BTreeMap<Kind, u64>>,
    /// The one call to be spoilt.
    pub script: Option<Script>,
    /// The call that was spoilt, until it met its fate again.
    struck: RefCell<Option<Described>>,
    /// What the scripted plan itself lets go wrong, and has not yet.
    mishaps: RefCell<Vec<Mishap>>,
    /// In a course: calls that fail until somebody mends them, by kind and the beginning of their
    /// description.
    pub failing: RefCell<Vec<(Kind, String)>>,
    /// In a scripted run that no script spoils: all calls.
    pub calls: RefCell<Vec<Described>>,
    /// Invocations of each function so far.
    invocations: RefCell<BTreeMap<&'static str, u64>>,
    /// Rows, poll states, Prima's breakers, reserved numbers.
    pub store: MemoryStore,
    /// The queue of order messages, and the dead-letter queue of all exceptions.
    pub queue: RefCell<Queue>,
    /// The queue has something new.
    pub queue_moved: Notify,
    /// The queue of messages about dispatches.
    pub dispatches: RefCell<Queue>,
    /// That queue has something new.
    pub dispatches_moved: Notify,
    /// The queue of messages about imports of stock.
    pub imports: RefCell<Queue>,
    /// That queue has something new.
    pub imports_moved: Notify,
    /// Invocations that are at work, by name.
    pub alive: RefCell<HashSet<String>>,
    /// Everything that reached the bus.
    pub events: RefCell<Vec<(Timestamp, Event)>>,
    /// Reasons of those of which the connector heard no answer: they may be told again.
    pub unanswered_events: RefCell<BTreeSet<String>>,
    /// Times that a breaker of Prima's opened in the store.
    pub openings: Cell<u32>,
    /// What may not be, and was.
    pub violations: RefCell<Vec<String>>,
    /// The trace, where one is wanted.
    pub trace: RefCell<Option<Vec<String>>>,
}

impl Base {
    /// A run at its beginning; call inside a paused runtime.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        Self {
            dice: Dice::new(setting.seed),
            asked: RefCell::default(),
            started: Instant::now(),
            calm: setting.calm,
            scripted: setting.scripted,
            quiet: Cell::new(false),
            profile: setting.profile,
            faults: Cell::new(0),
            effects: Cell::new(0),
            tally: RefCell::default(),
            script: setting.script,
            struck: RefCell::default(),
            mishaps: RefCell::new(setting.mishaps),
            failing: RefCell::default(),
            calls: RefCell::default(),
            invocations: RefCell::default(),
            store: MemoryStore::default(),
            queue: RefCell::default(),
            queue_moved: Notify::new(),
            dispatches: RefCell::default(),
            dispatches_moved: Notify::new(),
            imports: RefCell::default(),
            imports_moved: Notify::new(),
            alive: RefCell::default(),
            events: RefCell::default(),
            unanswered_events: RefCell::default(),
            openings: Cell::new(0),
            violations: RefCell::default(),
            trace: RefCell::new(setting.traced.then(Vec::new)),
        }
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.passed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(beginning().as_millisecond() + passed).unwrap_or(Timestamp::MAX)
    }

    /// The true time since the beginning.
    #[must_use]
    pub fn passed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The dice of somebody who is no function: a customer, the warehouse.
    #[must_use]
    pub fn dice_of(&self, who: impl Hash) -> Dice {
        self.dice.of(who)
    }

    /// The dice of something that happens again and again: they depend on what it is and on how
    /// often it happened.
    #[must_use]
    pub fn dice_again(&self, what: impl Hash) -> Dice {
        let what = hashed(what);
        let mut asked = self.asked.borrow_mut();
        let times = asked.entry(what).or_default();
        *times += 1;
        self.dice.of((what, *times))
    }

    /// Writes a line of the trace, where one is wanted.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = self.trace.borrow_mut().as_mut() {
            let stamp = format!("{:>10.3}", self.passed().as_secs_f64());
            trace.extend(
                privacy::lines().into_iter().map(|line| format!("{stamp}        log:{line}")),
            );
            trace.push(format!("{stamp} {}", line()));
        }
    }

    /// Notes what may not be.
    pub fn violate(&self, what: String) {
        self.tell(|| format!("VIOLATION {what}"));
        let mut violations = self.violations.borrow_mut();
        if violations.len() < VIOLATIONS && !violations.contains(&what) {
            violations.push(what);
        }
    }

    /// A fault was injected.
    pub fn note_fault(&self) {
        self.faults.set(self.faults.get() + 1);
    }

    /// Things may go wrong by chance now.
    #[must_use]
    pub fn may_go_wrong(&self) -> bool {
        !self.quiet.get() && !self.calm && !self.scripted
    }

    /// Something that goes wrong once in a while.
    pub fn mishap(&self, dice: &Dice, probability: f64) -> bool {
        let happens = self.may_go_wrong() && dice.chance(probability);
        if happens {
            self.note_fault();
        }
        happens
    }

    /// Whether calls are to be described: for a trace, or for the sweep.
    #[must_use]
    pub fn describes_calls(&self) -> bool {
        self.scripted || self.trace.borrow().is_some()
    }

    /// Lets the next call of a kind, whose description begins so, meet a fate.
    pub fn plan_mishap(&self, mishap: Mishap) {
        self.mishaps.borrow_mut().push(mishap);
    }

    /// The number of the next invocation of a function.
    #[must_use]
    pub(crate) fn next_invocation(&self, function: &'static str) -> u64 {
        let mut invocations = self.invocations.borrow_mut();
        let number = invocations.entry(function).or_default();
        *number += 1;
        *number
    }

    /// A call begins: what becomes of it, by what is called and how often it was.
    pub(crate) fn call(
        &self,
        kind: Kind,
        thing: impl Hash,
        about: &str,
        is_down: bool,
        crash: f64,
    ) -> (u64, Call) {
        let number = self.effects.get();
        self.effects.set(number + 1);
        *self.tally.borrow_mut().entry(kind).or_default() += 1;
        let dice = self.dice_again((kind, thing));
        let fate = if self.scripted {
            self.scripted_fate(number, kind, about, is_down)
        } else if self.may_go_wrong() {
            self.drawn_fate(kind, is_down, crash, &dice)
        } else {
            Fate::Goes
        };
        if fate != Fate::Goes {
            self.note_fault();
        }
        (number, Call { fate, dice })
    }

    fn drawn_fate(&self, kind: Kind, is_down: bool, crash: f64, dice: &Dice) -> Fate {
        let odds = self.profile.odds(kind);
        if dice.chance(crash) {
            if dice.chance(0.5) { Fate::CrashBefore } else { Fate::CrashAfter }
        } else if is_down {
            if odds.lost > 0.0 && dice.chance(0.1) { Fate::AnswerLost } else { Fate::Fails }
        } else if dice.chance(odds.fails) {
            Fate::Fails
        } else if dice.chance(odds.lost) {
            Fate::AnswerLost
        } else if dice.chance(odds.late) {
            Fate::Late
        } else {
            Fate::Goes
        }
    }

    /// What the script has for a call.
    fn scripted_fate(&self, number: u64, kind: Kind, about: &str, is_down: bool) -> Fate {
        let call = Described { kind, about: about.to_owned(), at: self.now() };
        let fate = self.fate_by_script(number, &call, is_down);
        if self.script.is_none() {
            self.calls.borrow_mut().push(call);
        }
        fate
    }

    fn fate_by_script(&self, number: u64, call: &Described, is_down: bool) -> Fate {
        if let Some(script) = self.script {
            let mut struck = self.struck.borrow_mut();
            if script.at == number {
                *struck = script.again.then(|| call.clone());
                return script.fate;
            }
            if struck
                .as_ref()
                .is_some_and(|first| first.kind == call.kind && first.thing() == call.thing())
            {
                *struck = None;
                return script.fate;
            }
        }
        if is_down || self.failing.borrow().iter().any(|(kind, about)| call.is(*kind, about)) {
            return Fate::Fails;
        }
        let mut mishaps = self.mishaps.borrow_mut();
        let place = mishaps.iter().position(|mishap| call.is(mishap.kind, &mishap.about));
        place.map_or(Fate::Goes, |place| mishaps.remove(place).fate)
    }

    /// Calls of an operation of Mirakl's or Prima's so far.
    #[must_use]
    pub fn calls_of(&self, operation: &str) -> u64 {
        self.tally
            .borrow()
            .iter()
            .filter(|(kind, _)| kind.operation() == operation)
            .map(|(_, calls)| calls)
            .sum()
    }
}

/// One invocation's clock and death.
#[derive(Debug)]
pub struct Caller {
    /// For the trace: `poll 12`, `create 7`.
    pub name: String,
    /// How far its clock is off, in milliseconds.
    pub skew: i64,
    /// The probability that it dies at a call.
    pub crash: f64,
    /// Its calls take longer than usual.
    pub slow: bool,
    died: Notify,
}

impl Caller {
    /// An invocation that begins, with a clock of its own.
    #[must_use]
    pub fn new(base: &Base, function: &'static str, crash: f64) -> Self {
        let name = format!("{function} {}", base.next_invocation(function));
        let (dice, skew) = (base.dice_of(&name), base.profile.skew);
        Self {
            skew: i64::try_from(dice.between(0, 2 * skew)).unwrap_or(0)
                - i64::try_from(skew).unwrap_or(0),
            slow: base.may_go_wrong() && dice.chance(base.profile.slow),
            name,
            crash,
            died: Notify::new(),
        }
    }

    /// What its clock shows at a moment.
    #[must_use]
    pub fn skewed(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millisecond(now.as_millisecond() + self.skew).unwrap_or(now)
    }

    /// It dies: whatever waits for it waits for ever.
    pub(crate) async fn die(&self) {
        self.died.notify_one();
        std::future::pending::<()>().await;
    }

    /// Told when it dies.
    pub(crate) async fn has_died(&self) {
        self.died.notified().await;
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<9}", self.name)
    }
}
