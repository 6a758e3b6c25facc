//! A standard queue with its dead-letter queue: at least once, in no order, with a visibility
//! timeout and a receive count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::queue::{ExceptionMessage, OrderMessage};
use shared::kit::clock::after;

use super::dice::hashed;

/// What a message holds.
#[derive(Clone, Debug)]
pub enum Body {
    /// An order message.
    Order(Rc<OrderMessage>),
    /// Another, as it is written.
    Text(String),
}

impl Hash for Body {
    /// What it is about, by which its chance is drawn.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Order(message) => (&message.channel, &message.order_id).hash(state),
            Self::Text(text) => text.hash(state),
        }
    }
}

/// A message as a consumer gets it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message's id.
    pub id: u64,
    /// What it holds.
    pub body: Body,
}

#[derive(Debug)]
struct Stored {
    body: Body,
    about: u64,
    receives: u32,
}

/// A queue and its dead-letter queue.
#[derive(Debug, Default)]
pub struct Queue {
    next_id: u64,
    next_place: u64,
    messages: BTreeMap<u64, Stored>,
    done: BTreeSet<u64>,
    /// Invocations that work some of it off.
    pub at_work: u32,
    /// Messages that came again although their consumer was done with them.
    pub needless: u64,
    /// Messages that were ever sent to it.
    pub sent: u64,
    /// The most messages about one thing that were in it at once.
    pub most_of_one: usize,
    of_one: HashMap<u64, usize>,
    /// By when they are to be seen; a place that is no longer the message's own is skipped.
    visible: BTreeMap<(Timestamp, u64), u64>,
    places: BTreeMap<u64, (Timestamp, u64)>,
    /// Messages that were received too often, whole.
    pub dead: Vec<Body>,
    /// Exceptions shown in the dead-letter queue.
    pub exceptions: BTreeMap<u64, ExceptionMessage>,
}

/// Receives before a message goes to the dead-letter queue (template: `maxReceiveCount`).
const RECEIVES: u32 = 5;

impl Queue {
    /// Takes a message in, to be seen at `visible_at`; `place` shuffles those of the same moment.
    pub fn send(&mut self, body: Body, visible_at: Timestamp, shuffle: u64) {
        let (id, about) = (self.fresh_id(), hashed(&body));
        let of_one = self.of_one.entry(about).or_default();
        *of_one += 1;
        self.most_of_one = self.most_of_one.max(*of_one);
        self.sent += 1;
        self.messages.insert(id, Stored { body, about, receives: 0 });
        self.show(id, visible_at, shuffle);
    }

    /// Shows an exception in the dead-letter queue.
    pub fn show_exception(&mut self, exception: ExceptionMessage) {
        let id = self.fresh_id();
        self.exceptions.insert(id, exception);
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn show(&mut self, id: u64, at: Timestamp, shuffle: u64) {
        if let Some(place) = self.places.remove(&id) {
            self.visible.remove(&place);
        }
        self.next_place += 1;
        let place = (at, (shuffle << 32) | self.next_place);
        self.visible.insert(place, id);
        self.places.insert(id, place);
    }

    /// When the next message is to be seen.
    #[must_use]
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.visible.first_key_value().map(|((at, _), _)| *at)
    }

    /// Receives up to `most` messages; `again` says of one how soon it is seen again all the same,
    /// where its receiver has it still.
    pub fn receive(
        &mut self,
        now: Timestamp,
        most: usize,
        visibility: Duration,
        mut again: impl FnMut(&Body) -> Option<Duration>,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while deliveries.len() < most {
            let Some((&place, &id)) =
                self.visible.first_key_value().filter(|((at, _), _)| *at <= now)
            else {
                break;
            };
            self.visible.remove(&place);
            self.places.remove(&id);
            let Some(stored) = self.messages.get_mut(&id) else { continue };
            if stored.receives >= RECEIVES {
                let body = self.remove(id);
                self.dead.extend(body);
                continue;
            }
            stored.receives += 1;
            self.needless += u64::from(self.done.contains(&id));
            let body = stored.body.clone();
            let hidden = again(&body).unwrap_or(visibility);
            deliveries.push(Delivery { id, body });
            self.show(id, after(now, hidden), 0);
        }
        deliveries
    }

    /// All its messages are lost.
    pub fn lose_all(&mut self) {
        *self = Self {
            sent: self.sent,
            most_of_one: self.most_of_one,
            at_work: self.at_work,
            next_id: self.next_id,
            ..Self::default()
        };
    }

    /// Notes that a consumer was done with a message.
    pub fn note_done(&mut self, id: u64) {
        self.done.insert(id);
    }

    /// Deletes a message.
    pub fn delete(&mut self, id: u64) {
        self.remove(id);
        if let Some(place) = self.places.remove(&id) {
            self.visible.remove(&place);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Body> {
        let stored = self.messages.remove(&id)?;
        if let Some(of_one) = self.of_one.get_mut(&stored.about) {
            *of_one -= 1;
        }
        Some(stored.body)
    }

    /// Messages that are still there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no message is there, and nobody works one off.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.messages.is_empty() && self.at_work == 0
    }

    /// Whether no message is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}
