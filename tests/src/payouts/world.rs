//! The world of one run, and what may not be in it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;
use rust_decimal::Decimal;
use shared::domain::channel::{Channel, Mode};
use shared::domain::payout::chart::Account;
use shared::domain::payout::draft::Role;
use shared::domain::payout::in_memory::MemoryPayouts;
use shared::domain::payout::journal::{Journal, JournalLine};
use shared::domain::payout::key::{CycleKey, JournalKind, JournalName, NO_PSP};
use shared::domain::payout::posting::Stage;
use shared::domain::payout::row::CycleRow;
use shared::domain::payout::rules::JournalWay;
use shared::domain::payout::store::JournalMessage;
use shared::kit::amount::Amount;
use shared::prima::connection::PrimaBehaviour;
use simulators::prima::RepeatedNumber;
use simulators::prima::books::{BookRules, Books};
use tokio::sync::Notify;

use crate::world::base::{Base, Setting, beginning};
use crate::world::dice::Dice;
use crate::world::fate::{Odds, Profile};
use crate::world::queue::Queue;

/// The channel.
pub(super) const CHANNEL: &str = "harbour-uk";
/// A nominal that Prima lacks until somebody adds it.
pub(super) const MISSING: &str = "9999";

/// What Prima has for journals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) tells_status: bool,
    pub(super) refuses_duplicates: bool,
}

/// A journal as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// When it is made.
    pub(super) at: Timestamp,
    /// When its content changes.
    pub(super) changes_at: Option<Timestamp>,
    pub(super) needs_approval: bool,
    /// Its content is spoilt in the bucket once it may be sent.
    pub(super) spoilt: Option<Spoilt>,
    pub(super) journal: Journal,
}

/// What becomes of a journal's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoilt {
    Emptied,
    Changed,
}

/// Everything of one run.
#[derive(Debug)]
pub(super) struct World {
    base: Base,
    pub(super) payouts: MemoryPayouts,
    pub(super) books: RefCell<Books>,
    /// The queue `journals`.
    pub(super) journals: RefCell<Queue>,
    pub(super) journals_moved: Notify,
    pub(super) site: Site,
    pub(super) way: Cell<JournalWay>,
    pub(super) wanted: RefCell<BTreeMap<JournalMessageKey, Wanted>>,
    /// References that a person was told of, and when last.
    pub(super) told: RefCell<BTreeMap<String, Timestamp>>,
    /// Journals that a person gave up: an earlier file of theirs was imported.
    pub(super) given_up: RefCell<BTreeSet<String>>,
    pub(super) was_wiped: Cell<bool>,
    /// Journals that two messages may work on at once.
    pub(super) at_once: usize,
    pub(super) behaviour: PrimaBehaviour,
    pub(super) channel: Channel,
}

/// A journal, in an order.
pub(super) type JournalMessageKey = (CycleKey, JournalName);

impl Deref for World {
    type Target = Base;

    fn deref(&self) -> &Base {
        &self.base
    }
}

impl World {
    /// A world at its beginning.
    pub(super) fn new(seed: u64, traced: bool) -> Self {
        let dice = Dice::new(seed);
        let bad = dice.between(0, 100) as f64 / 100.0;
        let odds = Odds { fails: 0.12 * bad, lost: 0.10 * bad, late: 0.06 * bad };
        let of_prima = Odds { fails: 0.15 * bad, lost: 0.20 * bad, late: 0.15 * bad };
        let profile = Profile {
            crash_consumer: 0.05 * bad,
            delivered_twice: 0.3 * bad,
            slow: 0.1 * bad,
            skew: 10_000,
            prima_unclear: 0.05 * bad,
            prima: of_prima,
            ..Profile::even(odds)
        };
        let site = Site { tells_status: dice.chance(0.5), refuses_duplicates: dice.chance(0.5) };
        let books = BookRules {
            nominals: ["5600", "5610", "1260"].map(str::to_owned).into(),
            repeated_journal: if site.refuses_duplicates {
                RepeatedNumber::Refused
            } else {
                RepeatedNumber::Twice
            },
            ..BookRules::default()
        };
        let world = Self {
            base: Base::new(Setting { seed, profile, traced, ..Setting::default() }),
            payouts: MemoryPayouts::default(),
            books: RefCell::new(Books::new(books)),
            journals: RefCell::default(),
            journals_moved: Notify::new(),
            site,
            way: Cell::new(if dice.chance(0.2) { JournalWay::File } else { JournalWay::Service }),
            wanted: RefCell::default(),
            told: RefCell::default(),
            given_up: RefCell::default(),
            was_wiped: Cell::new(false),
            at_once: if dice.chance(0.7) { 2 } else { 1 },
            behaviour: PrimaBehaviour {
                answer_timeout_seconds: 20,
                longest_execution_seconds: 300,
                ..PrimaBehaviour::default()
            },
            channel: Channel {
                payouts: Mode::Live,
                ..crate::simulation::plan::channel(CHANNEL, 1, beginning())
            },
        };
        world.furnish(&dice);
        world
    }

    fn furnish(&self, dice: &Dice) {
        for number in 0..dice.between(3, 6) {
            let key = CycleKey {
                host: format!("{CHANNEL}.mirakl.net"),
                shop: "2001".to_owned(),
                cycle: format!("BC-{number}"),
                currency: "GBP".to_owned(),
                psp: NO_PSP.to_owned(),
            };
            let dice = self.dice_of(("cycle", number));
            let at = shared::kit::clock::after(beginning(), dice.seconds(60, 2 * 3600));
            let parts = dice.between(1, 2);
            for part in 1..=parts {
                let name = JournalName {
                    reversed: 0,
                    kind: JournalKind::Cycle,
                    part: (parts > 1).then(|| u32::try_from(part).unwrap_or(1)),
                };
                let nominal = if dice.chance(0.15) { MISSING } else { "5600" };
                let wanted = Wanted {
                    at,
                    changes_at: dice
                        .chance(0.25)
                        .then(|| shared::kit::clock::after(at, dice.seconds(0, 3 * 3600))),
                    needs_approval: dice.chance(0.7),
                    spoilt: dice
                        .chance(0.15)
                        .then(|| if dice.chance(0.5) { Spoilt::Emptied } else { Spoilt::Changed }),
                    journal: journal(&key, name, nominal, dice.between(1, 99_999)),
                };
                self.wanted.borrow_mut().insert((key.clone(), name), wanted);
            }
        }
    }

    /// A journal of ours comes into Prima's books.
    pub(super) fn post(
        &self,
        journal: simulators::prima::books::NewJournal,
    ) -> Result<String, String> {
        let guid = journal.third_party_id.clone();
        let reference = journal.reference.clone();
        let posted = self.books.borrow_mut().post(journal, self.now());
        self.tell(|| format!("       Prima: {reference} {posted:?}"));
        if self.copies(&guid) > 1 {
            self.violate(format!("{reference} was posted twice"));
        }
        posted.map_err(|refusal| refusal.text)
    }

    /// How often Prima's books have a journal.
    pub(super) fn copies(&self, guid: &str) -> usize {
        let books = self.books.borrow();
        books.journals().iter().filter(|posted| posted.journal.third_party_id == guid).count()
    }

    /// A cycle's row was saved.
    pub(super) fn saved(&self, row: &CycleRow) {
        for journal in &row.journals {
            let row = &journal.row;
            if matches!(row.stage, Stage::Posted { .. }) && self.copies(&row.guid) == 0 {
                self.violate(format!(
                    "{} is called posted, and Prima does not have it",
                    row.reference
                ));
            }
        }
    }

    /// A person was told something.
    pub(super) fn note_told(&self, text: &str) {
        let now = self.now();
        let wanted = self.wanted.borrow();
        let mut told = self.told.borrow_mut();
        for wanted in wanted.values() {
            let reference = &wanted.journal.reference;
            // The whole word: a part's reference begins with the journal's.
            if text.split([' ', ':', '(']).any(|word| word == reference) {
                told.insert(reference.clone(), now);
            }
        }
    }

    /// Whether a person knows what has been so of a journal since `since`.
    pub(super) fn knows(&self, reference: &str, since: Timestamp) -> bool {
        // Clocks differ by a little.
        let since = shared::kit::clock::before(since, Duration::from_secs(20));
        self.told.borrow().get(reference).is_some_and(|told| *told >= since)
    }
}

/// The journal of a cycle: a fee of so many pence against the clearing account.
pub(super) fn journal(key: &CycleKey, name: JournalName, nominal: &str, pence: u64) -> Journal {
    let amount = Amount(Decimal::new(i64::try_from(pence).unwrap_or(1), 2));
    let line = |line, nominal: &str, debit, credit, role| JournalLine {
        line,
        account: Account { nominal: nominal.to_owned(), ..Account::default() },
        debit,
        credit,
        tax_amount: None,
        narrative: "=fees, café".to_owned(),
        reference: key.cycle.clone(),
        kind: None,
        role,
    };
    Journal {
        key: key.clone(),
        name,
        reference: key.reference(&name, 20),
        guid: key.guid(&name),
        date: date(2026, 11, 9),
        period: "2026-11".to_owned(),
        currency: key.currency.clone(),
        narrative: format!("marketplace deductions {}", key.cycle),
        lines: vec![
            line(1, nominal, amount, Amount::ZERO, Role::Type),
            line(2, "1260", Amount::ZERO, amount, Role::Clearing),
        ],
    }
}

/// The message of a journal.
pub(super) fn message((cycle, name): &JournalMessageKey) -> JournalMessage {
    JournalMessage { cycle: cycle.clone(), name: *name }
}
