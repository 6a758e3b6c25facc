//! Everything that the handlers of one run share: time, chance, the two systems, what is
//! remembered, and the judge's notes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};

use shared::prima::PrimaOrder;
use simulators::prima::{Catalogue, Installation, NewOrder, NewOrderLine, OrderRules, StoredOrder};

use super::goods::UNKNOWN_PRODUCT;
use super::marketplace::Marketplace;
use super::plan::{Limit, Moment, Plan};
use crate::world::base::{Base, Setting};
use crate::world::fate::{Kind, Script};

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

/// How Prima takes orders; `cancel_order`: it cancels them too.
fn order_rules(cancel_order: bool) -> OrderRules {
    OrderRules {
        cancel_order,
        catalogue: Catalogue::AllBut(vec![UNKNOWN_PRODUCT.to_owned()]),
        ..OrderRules::default()
    }
}

/// The channel that an order in Prima came from; empty where a person keyed it.
pub(super) fn channel_of(order: &StoredOrder) -> &str {
    order.order.attributes.get("OrderChannel").map_or("", String::as_str)
}

/// Mirakl's id of an order in Prima; empty where a person keyed it.
pub(super) fn order_id_of(order: &StoredOrder) -> &str {
    order.order.attributes.get("CustomerRef").map_or("", String::as_str)
}

/// The whole world of one run.
#[derive(Debug)]
pub struct World {
    base: Base,
    /// What is to happen.
    pub plan: Plan,
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
    /// `NewOrder` that went out while the connector took Prima for well: whether the latest did,
    /// and those without an answer.
    pub sent_in_vain: RefCell<HashMap<String, (bool, u32)>>,
    /// Orders that Prima would not take, since the latest that it took or refused.
    pub not_taken: RefCell<HashSet<String>>,
    saves: Cell<u64>,
    /// The judge's notes of rows.
    pub notes: RefCell<HashMap<OrderKey, RowNote>>,
    /// Latest changes of the index, for its lag.
    pub index_changes: RefCell<VecDeque<(Timestamp, OrderKey, &'static str, &'static str)>>,
    /// The judge's notes of exceptions told.
    pub told: RefCell<HashMap<OrderKey, Told>>,
    /// The marketplaces, in the channels' order.
    pub shops: RefCell<Vec<Marketplace>>,
    /// When each channel was listed: first pages only.
    pub listings: RefCell<Vec<Vec<Timestamp>>>,
    /// Prima.
    pub office: RefCell<Installation>,
    /// Each order as it was sent to Prima last, by its number.
    pub sent: RefCell<HashMap<String, PrimaOrder>>,
    /// The channels' documents, as loaded now.
    pub channels: RefCell<Rc<Vec<Channel>>>,
    /// The message that is none.
    pub poison: RefCell<Option<String>>,
    /// When the table was wiped.
    pub wiped_at: Cell<Option<Timestamp>>,
}

impl std::ops::Deref for World {
    type Target = Base;

    fn deref(&self) -> &Base {
        &self.base
    }
}

impl World {
    /// A world at its beginning; call inside a paused runtime.
    #[must_use]
    pub fn new(mut plan: Plan, script: Option<Script>, traced: bool) -> Self {
        let shops = std::mem::take(&mut plan.marketplaces);
        let mishaps = std::mem::take(&mut plan.mishaps);
        let channels = plan.channels.clone();
        let limits = std::mem::take(&mut plan.limits);
        let office = Installation::new(order_rules(plan.behaviour.cancel_order));
        let setting = Setting {
            seed: plan.seed ^ 0x005e_ed0f_face,
            calm: plan.calm,
            scripted: plan.scripted,
            script,
            mishaps,
            profile: plan.profile.clone(),
            traced,
        };
        Self {
            base: Base::new(setting),
            refused: RefCell::default(),
            lasting: RefCell::default(),
            limits: RefCell::new(limits),
            prima_unclear: Cell::new(false),
            unanswered: RefCell::default(),
            sent_in_vain: RefCell::default(),
            not_taken: RefCell::default(),
            saves: Cell::new(0),
            notes: RefCell::default(),
            index_changes: RefCell::default(),
            told: RefCell::default(),
            listings: RefCell::new(vec![Vec::new(); shops.len()]),
            shops: RefCell::new(shops),
            office: RefCell::new(office),
            sent: RefCell::default(),
            channels: RefCell::new(Rc::new(channels)),
            poison: RefCell::default(),
            wiped_at: Cell::new(None),
            plan,
        }
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

    /// A person keys an order in Prima.
    pub fn key_by_hand(&self, number: &str) {
        let line = NewOrderLine {
            number: 1,
            product: "HAND".to_owned(),
            quantity: 1,
            ..NewOrderLine::default()
        };
        let order =
            NewOrder { order_number: number.to_owned(), lines: vec![line], ..NewOrder::default() };
        if let Err(refusal) = self.office.borrow_mut().new_order(order, self.now()) {
            self.violate(format!("{number} cannot be keyed by hand: {refusal}"));
        }
    }

    /// From now on Prima has `CancelOrder`, or has it no more.
    pub fn prima_cancels(&self, cancel_order: bool) {
        self.office.borrow_mut().set_rules(order_rules(cancel_order));
    }

    /// Lets a listing begin, or says how long to wait.
    ///
    /// # Errors
    /// How long.
    pub fn wait_for_limit(&self, channel: usize) -> Result<(), Duration> {
        let (now, quiet) = (self.now(), self.quiet.get());
        let mut limits = self.limits.borrow_mut();
        limits
            .get_mut(channel)
            .and_then(Option::as_mut)
            .map_or(Ok(()), |limit| limit.begin(now, quiet))
    }

    /// What Prima does wrong with an order again and again, or with all for a while.
    #[must_use]
    pub fn always_fails(&self, kind: Kind, number: &str) -> bool {
        let for_all = kind == Kind::NewOrder
            && !self.quiet.get()
            && self.plan.new_order_dead.holds(Moment::from(self.passed()));
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

    /// What is noted right before the first `NewOrder` may not be more than the row knew to be
    /// left. Where Mirakl's times have whole seconds, two versions of one second cannot be told
    /// apart.
    fn judge_pieces(&self, row: &OrderRow, note: &mut RowNote) {
        let pieces = row.lines.iter().map(|line| line.quantity).sum();
        let to_the_millisecond = || {
            let shop = self.plan.channel_index(&row.key.channel);
            shop.is_some_and(|shop| {
                self.shops
                    .borrow()
                    .get(shop)
                    .is_some_and(|shop| !shop.model.settings().whole_seconds)
            })
        };
        if row.creation.attempt.is_some()
            && note.attempt.is_none()
            && note.pieces > 0
            && pieces > note.pieces
            && to_the_millisecond()
        {
            self.violate(format!(
                "{} is about to be sent with {pieces} pieces, and its row knew that {} are left",
                row.key, note.pieces
            ));
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
            && before
                .split_once('/')
                .is_some_and(|(invocation, _)| self.alive.borrow().contains(invocation))
        {
            self.violate(format!(
                "the lease of {} was taken by {after} while its holder {before} was at work",
                row.key
            ));
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
        if row.listing.cancel_requested.is_some()
            || matches!(row.stage, Stage::Cancelled | Stage::Cancelling)
        {
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
        let exception =
            row.exception.as_ref().map(|exception| (exception.first_seen, exception.kind));
        if exception.is_some() && exception != note.exception {
            self.told.borrow_mut().entry(row.key.clone()).or_default().exceptions += 1;
        }
        note.exception = exception;
    }
}
