//! Everything that the handlers of one run share: time, chance, the two systems, what is remembered, and the judge's notes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::events::Event;
use shared::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use shared::domain::state::memory::MemoryStore;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::dice::Dice;
use super::marketplace::Marketplace;
use super::office::Office;
use super::plan::{Limit, Mishap, Moment, Plan};
use super::sqs::Sqs;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Reading rows, poll state or Prima's intake.
    Load,
    /// Saving a row, a poll state or Prima's intake.
    Save,
    /// Asking the index.
    Index,
    /// Reserving a number.
    Reserve,
    /// Sending to a queue.
    Send,
    /// Publishing events.
    Publish,
    /// Reading an API key.
    Key,
    /// OR11.
    List,
    /// OR21.
    Accept,
    /// OR04.
    Reference,
    /// Reading a channel's rules.
    Rules,
    /// `OrderStatus`.
    Ask,
    /// `NewOrder`.
    NewOrder,
    /// `CancelOrder`.
    CancelOrder,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes well.
    Goes,
    /// It fails and has no effect.
    Fails,
    /// It has its effect, and the answer is lost.
    AnswerLost,
    /// The caller dies before it has its effect.
    CrashBefore,
    /// The caller dies after it had its effect.
    CrashAfter,
}

/// In the exhaustive sweep: one call of the whole run meets this fate, and no other meets any but the plan's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// The call's number, from 0.
    pub at: u64,
    /// What becomes of it.
    pub fate: Fate,
    /// A `NewOrder` whose answer nobody hears has its effect as late as Prima can be, else at once.
    pub late: bool,
    /// The next call of the same kind for the same thing meets the same fate.
    pub again: bool,
}

/// A call as the sweep names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it is for.
    pub kind: Kind,
    /// Of what.
    pub about: String,
    /// When it began.
    pub at: Timestamp,
}

impl Call {
    /// It is of this kind, and its description begins so.
    #[must_use]
    pub fn is(&self, kind: Kind, about: &str) -> bool {
        self.kind == kind && self.about.starts_with(about)
    }

    /// The thing itself, without its version or state: the first two words.
    fn thing(&self) -> String {
        self.about.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }
}

/// What the judge notes of a row at each save.
#[derive(Clone, Debug)]
pub struct RowNote {
    /// Its index state.
    pub index_state: &'static str,
    /// Its stage.
    pub stage: Stage,
    /// The save that first held the cancellation.
    pub cancel_known: Option<u64>,
    /// The save that held the latest attempt, and that attempt.
    pub attempt: Option<(u64, Timestamp)>,
    /// Attempts so far.
    pub attempts: u32,
    /// Since when its exception stands, and its kind.
    pub exception: Option<(Timestamp, ExceptionKind)>,
    /// An operator adopted it.
    pub adopted: bool,
    /// Who holds the right to create it.
    pub holder: Option<String>,
    /// Mirakl's version of what it knows.
    pub updated: Option<Timestamp>,
    /// Pieces that were left to deliver, until the first attempt.
    pub pieces: u32,
}

/// What the judge notes of telling people of an order.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Times that it became an exception.
    pub exceptions: u32,
    /// `OrderException` events on the bus.
    pub events: u32,
    /// Messages in the dead-letter queue.
    pub messages: u32,
    /// Something went wrong around telling: it may be told twice.
    pub excused: bool,
}

/// The whole world of one run.
#[derive(Debug)]
pub struct World {
    /// What is to happen.
    pub plan: Plan,
    /// Chance.
    pub dice: Dice,
    started: Instant,
    /// No more faults.
    pub quiet: Cell<bool>,
    /// Calls of all handlers so far.
    pub effects: Cell<u64>,
    /// Faults so far.
    pub faults: Cell<u64>,
    /// The one call to be spoilt.
    pub script: Option<Script>,
    /// The call that was spoilt, until it met its fate again.
    struck: RefCell<Option<Call>>,
    /// What the scripted plan itself lets go wrong, and has not yet.
    mishaps: RefCell<Vec<Mishap>>,
    /// In a course: calls that fail until somebody mends them, by kind and the beginning of their description.
    pub failing: RefCell<Vec<(Kind, String)>>,
    /// Operations that the keys may not use, and the status that says so.
    pub refused: RefCell<BTreeMap<&'static str, u16>>,
    /// In a course: how long a call of a kind takes, where it is not as long as usual.
    pub lasting: RefCell<BTreeMap<Kind, Duration>>,
    /// Each marketplace's limit of listings.
    pub limits: RefCell<Vec<Option<Limit>>>,
    /// Prima answers questions with an error of its own.
    pub prima_unclear: Cell<bool>,
    /// Calls of Prima's without an answer, by order number.
    pub unanswered: RefCell<HashMap<(Kind, String), u32>>,
    /// `NewOrder` that went out while the connector took Prima for well: whether the latest did, and those without an answer.
    pub sent_in_vain: RefCell<HashMap<String, (bool, u32)>>,
    /// Orders that Prima would not take, since the latest that it took or refused.
    pub not_taken: RefCell<HashSet<String>>,
    /// In a scripted run: all calls.
    pub calls: RefCell<Vec<Call>>,
    /// How many calls of each kind there were.
    pub tally: RefCell<BTreeMap<Kind, u64>>,
    /// Rows, poll states, intake, reserved numbers.
    pub store: MemoryStore,
    saves: Cell<u64>,
    /// The judge's notes of rows.
    pub notes: RefCell<HashMap<OrderKey, RowNote>>,
    /// Latest changes of the index, for its lag.
    pub index_changes: RefCell<VecDeque<(Timestamp, OrderKey, &'static str, &'static str)>>,
    /// The queue.
    pub queue: RefCell<Sqs>,
    /// The queue has something new.
    pub queue_moved: Notify,
    /// The judge's notes of exceptions told.
    pub told: RefCell<HashMap<OrderKey, Told>>,
    /// Events other than exceptions, counted by kind and order.
    pub events: RefCell<Vec<Event>>,
    /// Times that intake was closed in the store.
    pub closures: Cell<u32>,
    /// The marketplaces, in the channels' order.
    pub shops: RefCell<Vec<Marketplace>>,
    /// When each channel was listed: first pages only.
    pub listings: RefCell<Vec<Vec<Timestamp>>>,
    /// Prima.
    pub office: RefCell<Office>,
    /// The channels' documents, as loaded now.
    pub channels: RefCell<Rc<Vec<Channel>>>,
    /// Consumers at work.
    pub consumers: Cell<u32>,
    /// Invocations so far.
    pub invocations: Cell<u64>,
    /// Those that are still at work.
    pub alive: RefCell<HashSet<String>>,
    /// The message that is none.
    pub poison: RefCell<Option<String>>,
    /// When the table was wiped.
    pub wiped_at: Cell<Option<Timestamp>>,
    /// What may not be, and was.
    pub violations: RefCell<Vec<String>>,
    /// The trace, where one is wanted.
    pub trace: RefCell<Option<Vec<String>>>,
}

/// The beginning of every run.
#[must_use]
pub fn beginning() -> Timestamp {
    // 2026-11-10T06:00:00Z, a Tuesday.
    Timestamp::from_second(1_794_290_400).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl World {
    /// A world at its beginning; call inside a paused runtime.
    #[must_use]
    pub fn new(mut plan: Plan, script: Option<Script>, traced: bool) -> Self {
        let shops = std::mem::take(&mut plan.marketplaces);
        let mishaps = std::mem::take(&mut plan.mishaps);
        let channels = plan.channels.clone();
        let limits = std::mem::take(&mut plan.limits);
        let mut office = Office::default();
        office.cancels = plan.manners.cancel_order;
        Self {
            dice: Dice::new(plan.seed ^ 0x005e_ed0f_face),
            started: Instant::now(),
            quiet: Cell::new(false),
            effects: Cell::new(0),
            faults: Cell::new(0),
            script,
            struck: RefCell::default(),
            mishaps: RefCell::new(mishaps),
            failing: RefCell::default(),
            refused: RefCell::default(),
            lasting: RefCell::default(),
            limits: RefCell::new(limits),
            prima_unclear: Cell::new(false),
            unanswered: RefCell::default(),
            sent_in_vain: RefCell::default(),
            not_taken: RefCell::default(),
            calls: RefCell::default(),
            tally: RefCell::default(),
            store: MemoryStore::default(),
            saves: Cell::new(0),
            notes: RefCell::default(),
            index_changes: RefCell::default(),
            queue: RefCell::default(),
            queue_moved: Notify::new(),
            told: RefCell::default(),
            events: RefCell::default(),
            closures: Cell::new(0),
            listings: RefCell::new(vec![Vec::new(); shops.len()]),
            shops: RefCell::new(shops),
            office: RefCell::new(office),
            channels: RefCell::new(Rc::new(channels)),
            consumers: Cell::new(0),
            invocations: Cell::new(0),
            alive: RefCell::default(),
            poison: RefCell::default(),
            wiped_at: Cell::new(None),
            violations: RefCell::default(),
            trace: RefCell::new(traced.then(Vec::new)),
            plan,
        }
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(beginning().as_millisecond() + passed).unwrap_or(Timestamp::MAX)
    }

    /// The true time since the beginning.
    #[must_use]
    pub fn passed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Writes a line of the trace, where one is wanted.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = self.trace.borrow_mut().as_mut() {
            let lines = super::privacy::lines();
            let passed = self.started.elapsed();
            let stamp = format!("{:>9.3}", passed.as_secs_f64());
            trace.extend(lines.into_iter().map(|line| format!("{stamp}        log:{line}")));
            trace.push(format!("{stamp} {}", line()));
        }
    }

    /// Notes what may not be.
    pub fn violate(&self, what: String) {
        self.tell(|| format!("VIOLATION {what}"));
        self.violations.borrow_mut().push(what);
    }

    /// The marketplace of a channel, everything that is due having happened.
    pub fn shop<T>(&self, channel: &str, work: impl FnOnce(&mut Marketplace) -> T) -> Option<T> {
        let index = self.plan.channel_index(channel)?;
        let now = self.now();
        let mut shops = self.shops.borrow_mut();
        let shop = shops.get_mut(index)?;
        shop.advance(now);
        Some(work(shop))
    }

    /// Lets a listing begin, or says how long to wait.
    ///
    /// # Errors
    /// How long.
    pub fn begin_listing(&self, channel: usize) -> Result<(), Duration> {
        let (now, quiet) = (self.now(), self.quiet.get());
        let mut limits = self.limits.borrow_mut();
        limits.get_mut(channel).and_then(Option::as_mut).map_or(Ok(()), |limit| limit.begin(now, quiet))
    }

    /// Whether calls are to be described: for a trace, or for the sweep.
    #[must_use]
    pub fn describes_calls(&self) -> bool {
        self.plan.scripted || self.trace.borrow().is_some()
    }

    /// What Prima does wrong with an order again and again, or with all for a while.
    #[must_use]
    pub fn always_fails(&self, kind: Kind, number: &str) -> bool {
        let for_all = kind == Kind::NewOrder && !self.quiet.get() && self.plan.new_order_dead.holds(Moment::from(self.passed()));
        for_all || self.plan.prima_faults.get(number) == Some(&kind)
    }

    /// How often a call about an order had no answer.
    #[must_use]
    pub fn unanswered(&self, kind: Kind, number: &str) -> u32 {
        self.unanswered.borrow().get(&(kind, number.to_owned())).copied().unwrap_or_default()
    }

    /// A call about an order had no answer.
    pub fn note_unanswered(&self, kind: Kind, number: &str) {
        *self.unanswered.borrow_mut().entry((kind, number.to_owned())).or_default() += 1;
        if kind == Kind::NewOrder
            && let Some((is_open, sent)) = self.sent_in_vain.borrow_mut().get_mut(number)
        {
            *sent += u32::from(std::mem::take(is_open));
        }
    }

    /// Lets the next call of a kind, whose description begins so, meet a fate.
    pub fn plan_mishap(&self, mishap: Mishap) {
        self.mishaps.borrow_mut().push(mishap);
    }

    /// What the script has for a call.
    fn scripted_fate(&self, number: u64, kind: Kind, about: &str) -> Fate {
        let call = Call { kind, about: about.to_owned(), at: self.now() };
        let fate = self.fate_by_script(number, &call);
        if fate != Fate::Goes {
            self.faults.set(self.faults.get() + 1);
        }
        if self.script.is_none() {
            self.calls.borrow_mut().push(call);
        }
        fate
    }

    fn fate_by_script(&self, number: u64, call: &Call) -> Fate {
        if let Some(script) = self.script {
            let mut struck = self.struck.borrow_mut();
            if script.at == number {
                *struck = script.again.then(|| call.clone());
                return script.fate;
            }
            if struck.as_ref().is_some_and(|first| first.kind == call.kind && first.thing() == call.thing()) {
                *struck = None;
                return script.fate;
            }
        }
        let is_of_prima = matches!(call.kind, Kind::Ask | Kind::NewOrder | Kind::CancelOrder);
        if is_of_prima && self.plan.prima_down.holds(Moment::from(self.passed())) {
            return Fate::Fails;
        }
        if self.failing.borrow().iter().any(|(kind, about)| call.is(*kind, about)) {
            return Fate::Fails;
        }
        let mut mishaps = self.mishaps.borrow_mut();
        let place = mishaps.iter().position(|mishap| call.is(mishap.kind, &mishap.about));
        place.map_or(Fate::Goes, |place| mishaps.remove(place).fate)
    }

    /// Draws what becomes of a call.
    #[must_use]
    pub fn fate(&self, kind: Kind, channel: Option<usize>, crash: f64, about: &str) -> (u64, Fate) {
        let number = self.effects.get();
        self.effects.set(number + 1);
        *self.tally.borrow_mut().entry(kind).or_default() += 1;
        if self.plan.scripted {
            return (number, self.scripted_fate(number, kind, about));
        }
        if self.quiet.get() {
            return (number, Fate::Goes);
        }
        let profile = &self.plan.profile;
        let moment = Moment::from(self.passed());
        let (fails, lost) = match kind {
            Kind::Load | Kind::Index | Kind::Rules => (profile.store_fails, 0.0),
            Kind::Save | Kind::Reserve => (profile.store_fails, profile.store_lost),
            Kind::Send => (profile.queue_fails, profile.queue_lost),
            Kind::Publish => (profile.bus_fails, profile.bus_lost),
            Kind::Key => (profile.store_fails / 4.0, 0.0),
            Kind::List => (profile.mirakl_fails, 0.0),
            Kind::Accept | Kind::Reference => (profile.mirakl_fails, profile.mirakl_lost),
            Kind::Ask => (profile.prima_fails, 0.0),
            Kind::NewOrder | Kind::CancelOrder => (profile.prima_fails, profile.prima_lost),
        };
        let down = match kind {
            Kind::Load | Kind::Save | Kind::Index | Kind::Reserve | Kind::Rules => self.plan.store_down.holds(moment),
            Kind::Send => self.plan.queue_down.holds(moment),
            Kind::Publish => self.plan.bus_down.holds(moment),
            Kind::Key | Kind::List | Kind::Accept | Kind::Reference => {
                channel.and_then(|channel| self.plan.mirakl_down.get(channel)).is_some_and(|windows| windows.holds(moment))
            }
            Kind::Ask | Kind::NewOrder | Kind::CancelOrder => self.plan.prima_down.holds(moment),
        };
        let dice = &self.dice;
        let fate = if dice.chance(crash) {
            if dice.chance(0.5) { Fate::CrashBefore } else { Fate::CrashAfter }
        } else if down {
            if lost > 0.0 && dice.chance(0.1) { Fate::AnswerLost } else { Fate::Fails }
        } else if dice.chance(fails) {
            Fate::Fails
        } else if dice.chance(lost) {
            Fate::AnswerLost
        } else {
            Fate::Goes
        };
        if fate != Fate::Goes {
            self.faults.set(self.faults.get() + 1);
        }
        (number, fate)
    }

    /// What is noted right before the first `NewOrder` may not be more than the row knew to be left. Where Mirakl's times
    /// have whole seconds, two versions of one second cannot be told apart.
    fn judge_pieces(&self, row: &OrderRow, note: &mut RowNote) {
        let pieces = row.lines.iter().map(|line| line.quantity).sum();
        let to_the_millisecond = || {
            let shop = self.plan.channel_index(&row.key.channel);
            shop.is_some_and(|shop| self.shops.borrow().get(shop).is_some_and(|shop| !shop.whole_seconds))
        };
        if row.creation.attempt.is_some() && note.attempt.is_none() && note.pieces > 0 && pieces > note.pieces && to_the_millisecond() {
            self.violate(format!("{} is about to be sent with {pieces} pieces, and its row knew that {} are left", row.key, note.pieces));
        }
        note.pieces = pieces;
    }

    /// Notes a row that was saved.
    pub fn note_row(&self, row: &OrderRow) {
        let save = self.saves.get() + 1;
        self.saves.set(save);
        let mut notes = self.notes.borrow_mut();
        let index_state = row.index_state();
        let now = self.now();
        let note = notes.entry(row.key.clone()).or_insert_with(|| RowNote {
            index_state: "",
            stage: row.stage,
            cancel_known: None,
            attempt: None,
            attempts: 0,
            exception: None,
            adopted: false,
            holder: None,
            updated: None,
            pieces: 0,
        });
        if row.listing.updated < note.updated {
            self.violate(format!("the row of {} was turned back to an older listing", row.key));
        }
        note.updated = row.listing.updated;
        self.judge_pieces(row, note);
        note.adopted = row.listing.adopted;
        let holder = row.creation.lease.as_ref().map(|lease| lease.owner.clone());
        if let (Some(before), Some(after)) = (&note.holder, &holder)
            && before != after
            && before.split_once('/').is_some_and(|(invocation, _)| self.alive.borrow().contains(invocation))
        {
            self.violate(format!("the lease of {} was taken by {after} while its holder {before} was at work", row.key));
        }
        note.holder = holder;
        if note.index_state != index_state {
            let mut changes = self.index_changes.borrow_mut();
            changes.push_back((now, row.key.clone(), note.index_state, index_state));
            if changes.len() > 64 {
                changes.pop_front();
            }
        }
        note.index_state = index_state;
        note.stage = row.stage;
        // Once cancelled, always cancelled: what a later save forgets, the judge does not.
        if row.listing.cancel_requested.is_some() || matches!(row.stage, Stage::Cancelled | Stage::Cancelling) {
            note.cancel_known.get_or_insert(save);
        }
        match &row.creation.attempt {
            Some(attempt) if note.attempt.is_none_or(|(_, at)| at != attempt.at) => {
                note.attempt = Some((save, attempt.at));
                note.attempts += 1;
            }
            Some(_) => {}
            None => note.attempt = None,
        }
        let exception = row.exception.as_ref().map(|exception| (exception.first_seen, exception.kind));
        if exception.is_some() && exception != note.exception {
            self.told.borrow_mut().entry(row.key.clone()).or_default().exceptions += 1;
        }
        note.exception = exception;
    }
}
