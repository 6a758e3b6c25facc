//! How a fault simulation's world goes its way: chance, virtual time, calls that go wrong, invocations that die, and the record of all
//! that. Shared by the simulations of dispatches and of stock; the one of orders tells calls apart by kind, and has its own.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::simulation::dice::Dice;
use crate::simulation::world::beginning;

/// Violations that are kept of one run: one mistake shows itself again and again.
const VIOLATIONS: usize = 12;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Goes,
    /// Without effect: not sent, or refused with 429 or by throttling.
    Fails,
    /// With its effect, and without an answer.
    AnswerLost,
    /// Without an answer, and with its effect a while later.
    Late,
    CrashBefore,
    CrashAfter,
}

/// How bad a run is: probabilities.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) fails: f64,
    pub(crate) lost: f64,
    pub(crate) late: f64,
    pub(crate) crash: f64,
    pub(crate) twice: f64,
    pub(crate) slow: f64,
}

/// One invocation of a function: it may die at any call.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    /// Milliseconds by which its clock is off.
    skew: i64,
    died: Notify,
}

impl Caller {
    /// What its clock shows at a moment.
    pub(crate) fn skewed(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millisecond(now.as_millisecond() + self.skew).unwrap_or(now)
    }

    async fn die(&self) {
        self.died.notify_one();
        std::future::pending::<()>().await;
    }

    /// A call has had its effect.
    pub(crate) async fn end(&self, fate: Fate) {
        if fate == Fate::CrashAfter {
            self.die().await;
        }
    }
}

/// How a run goes.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) dice: Dice,
    started: Instant,
    /// Nothing goes wrong: only what takes time anyway.
    pub(crate) calm: bool,
    /// Nothing goes wrong any more.
    pub(crate) quiet: Cell<bool>,
    pub(crate) profile: Profile,
    pub(crate) faults: Cell<u64>,
    pub(crate) calls: Cell<u64>,
    pub(crate) violations: RefCell<Vec<String>>,
    pub(crate) trace: RefCell<Option<Vec<String>>>,
}

impl Course {
    pub(crate) fn new(dice: Dice, calm: bool, profile: Profile, traced: bool) -> Self {
        Self {
            dice,
            started: Instant::now(),
            calm,
            quiet: Cell::new(false),
            profile,
            faults: Cell::new(0),
            calls: Cell::new(0),
            violations: RefCell::default(),
            trace: RefCell::new(traced.then(Vec::new)),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(beginning().as_millisecond() + passed).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = self.trace.borrow_mut().as_mut() {
            trace.push(format!("{:>10.3} {}", self.started.elapsed().as_secs_f64(), line()));
        }
    }

    pub(crate) fn violate(&self, what: String) {
        self.tell(|| format!("VIOLATION {what}"));
        let mut violations = self.violations.borrow_mut();
        if violations.len() < VIOLATIONS && !violations.contains(&what) {
            violations.push(what);
        }
    }

    /// Something that goes wrong once in a while.
    pub(crate) fn mishap(&self, probability: f64) -> bool {
        let happens = !self.quiet.get() && !self.calm && self.dice.chance(probability);
        if happens {
            self.faults.set(self.faults.get() + 1);
        }
        happens
    }

    /// A call's fate.
    fn fate(&self, effect: bool, may_be_late: bool, what: impl FnOnce() -> String) -> Fate {
        self.calls.set(self.calls.get() + 1);
        let (dice, profile) = (&self.dice, &self.profile);
        let fate = if self.quiet.get() || self.calm {
            Fate::Goes
        } else if dice.chance(profile.crash) {
            if dice.chance(0.5) { Fate::CrashBefore } else { Fate::CrashAfter }
        } else if dice.chance(profile.fails) {
            Fate::Fails
        } else if effect && dice.chance(profile.lost) {
            Fate::AnswerLost
        } else if may_be_late && dice.chance(profile.late) {
            Fate::Late
        } else {
            Fate::Goes
        };
        if fate != Fate::Goes {
            self.faults.set(self.faults.get() + 1);
        }
        self.tell(|| if fate == Fate::Goes { what() } else { format!("{}  <<< {fate:?}", what()) });
        fate
    }

    /// A call begins: it takes its time, at most `slowest` milliseconds, and may be its caller's last.
    pub(crate) async fn begin(
        &self,
        caller: &Caller,
        effect: bool,
        may_be_late: bool,
        slowest: u64,
        what: impl FnOnce() -> String,
    ) -> Fate {
        let fate = self.fate(effect, may_be_late, || format!("{:<12} {}", caller.name, what()));
        let slow = !self.quiet.get() && self.dice.chance(self.profile.slow);
        let milliseconds = if slow { self.dice.between(500, slowest) } else { self.dice.between(1, 120) };
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        if fate == Fate::CrashBefore {
            caller.die().await;
        }
        fate
    }

    /// An invocation that begins, with a clock of its own.
    pub(crate) fn caller(&self, name: String) -> Caller {
        let skew = i64::try_from(self.dice.between(0, 20_000)).unwrap_or(0) - 10_000;
        Caller { name, skew, died: Notify::new() }
    }

    /// An invocation's work, as far as it comes.
    pub(crate) async fn supervise<T>(&self, caller: &Caller, timeout: Duration, work: impl Future<Output = T>) -> Option<T> {
        let ended = tokio::select! {
            biased;
            () = caller.died.notified() => "dies",
            () = tokio::time::sleep(timeout) => "is ended by its timeout",
            done = work => return Some(done),
        };
        self.tell(|| format!("{:<12} {ended}", caller.name));
        None
    }
}
