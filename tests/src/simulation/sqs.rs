//! A standard queue with its dead-letter queue: at least once, in no order, with a visibility timeout and a receive count.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::queue::{ExceptionMessage, OrderMessage};
use shared::kit::clock::after;

/// What a message holds.
#[derive(Clone, Debug)]
pub enum Body {
    /// An order message.
    Order(Rc<OrderMessage>),
    /// Something that is none.
    Poison(String),
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
    receives: u32,
}

/// The `orders` queue and its dead-letter queue.
#[derive(Debug, Default)]
pub struct Sqs {
    next_id: u64,
    next_place: u64,
    messages: BTreeMap<u64, Stored>,
    done: BTreeSet<u64>,
    /// Messages that came again although their consumer was done with them.
    pub needless: u64,
    /// By when they are to be seen; a place that is no longer the message's own is skipped.
    visible: BTreeMap<(Timestamp, u64), u64>,
    places: BTreeMap<u64, (Timestamp, u64)>,
    /// Messages that were received too often, whole.
    pub dead: Vec<Body>,
    /// Exceptions shown in the dead-letter queue.
    pub exceptions: Vec<ExceptionMessage>,
}

/// Receives before a message goes to the dead-letter queue (template: `maxReceiveCount`).
const RECEIVES: u32 = 5;

impl Sqs {
    /// Takes a message in, to be seen at `visible_at`; `place` shuffles those of the same moment.
    pub fn send(&mut self, body: Body, visible_at: Timestamp, shuffle: u64) {
        let id = self.next_id;
        self.next_id += 1;
        self.messages.insert(id, Stored { body, receives: 0 });
        self.show(id, visible_at, shuffle);
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

    /// Receives up to `most` messages; `twice` says of each whether it stays visible all the same.
    pub fn receive(&mut self, now: Timestamp, most: usize, visibility: Duration, mut twice: impl FnMut() -> bool) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while deliveries.len() < most {
            let Some((&place, &id)) = self.visible.first_key_value().filter(|((at, _), _)| *at <= now) else { break };
            self.visible.remove(&place);
            self.places.remove(&id);
            let Some(stored) = self.messages.get_mut(&id) else { continue };
            if stored.receives >= RECEIVES {
                if let Some(stored) = self.messages.remove(&id) {
                    self.dead.push(stored.body);
                }
                continue;
            }
            stored.receives += 1;
            self.needless += u64::from(self.done.contains(&id));
            deliveries.push(Delivery { id, body: stored.body.clone() });
            let again = if twice() { after(now, Duration::from_millis(700)) } else { after(now, visibility) };
            self.show(id, again, 0);
        }
        deliveries
    }

    /// Notes that a consumer was done with a message.
    pub fn note_done(&mut self, id: u64) {
        self.done.insert(id);
    }

    /// Deletes a message.
    pub fn delete(&mut self, id: u64) {
        self.messages.remove(&id);
        if let Some(place) = self.places.remove(&id) {
            self.visible.remove(&place);
        }
    }

    /// Messages of an order that are still there, whenever they can be seen.
    #[must_use]
    pub fn count_of(&self, channel: &str, order_id: &str) -> usize {
        let is_meant = |body: &Body| matches!(body, Body::Order(message) if message.channel == channel && message.order_id == order_id);
        self.messages.values().filter(|stored| is_meant(&stored.body)).count()
    }

    /// Messages that are still there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no message is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}
