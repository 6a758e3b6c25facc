//! The AWS that the functions see: each call may fail, lose its answer, or kill its caller.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::{Channel, MiraklDirectory};
use shared::domain::events::{Event, EventBus, EventError, EventKind};
use shared::domain::order::row::{OrderKey, OrderRow};
use shared::domain::prima_slots::{PrimaSlots, SlotStore};
use shared::domain::queue::{
    ExceptionMessage, ExceptionQueue, OrderMessage, OrderQueue, OrderTask, QueueError,
    ShownException, ShownExceptions,
};
use shared::domain::state::{
    BreakerStore, CollectionState, CollectionStore, NumberStore, OrderStore, PollState, PollStore,
    PrimaBreakers, Reservation, StoreError,
};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::MiraklError;

use super::dice::hashed;
use super::fate::{Fate, Kind};
use super::privacy::is_personal;
use super::queue::Body;
use super::scene::{Port, Scene};

impl<S: Scene> Clock for Port<S> {
    fn now(&self) -> Timestamp {
        self.invocation.caller.skewed(self.world().now())
    }
}

/// What a store says that does not answer.
pub(crate) fn unavailable() -> StoreError {
    StoreError::Unavailable("throttled".to_owned())
}

/// What a queue says that does not answer: these messages were not taken, as far as anybody knows.
pub(crate) fn not_sent(failed: impl IntoIterator<Item = usize>) -> QueueError {
    QueueError {
        message: "the queue did not answer".to_owned(),
        failed: failed.into_iter().collect(),
    }
}

/// Things in whatever order: a function may go through them by a map of its own.
fn unordered<T: Hash>(things: impl IntoIterator<Item = T>) -> u64 {
    things.into_iter().map(hashed).fold(0, |all, one| all ^ one)
}

impl<S: Scene> Port<S> {
    /// Something is read from the store.
    pub(crate) async fn load(&self, what: &str) -> Result<(), StoreError> {
        if self.asks(Kind::Load, what, || what.to_owned()).await {
            Ok(())
        } else {
            Err(unavailable())
        }
    }

    /// Something with a version is saved: whoever does not know that it was has the version from
    /// before.
    pub(crate) async fn save<T>(
        &self,
        what: &str,
        about: impl FnOnce() -> String,
        document: &mut T,
        version: impl Fn(&mut T) -> &mut u64,
        save: impl AsyncFnOnce(&mut T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let call = self.begin(Kind::Save, what, about).await;
        if call.fails() {
            return Err(unavailable());
        }
        let before = *version(document);
        let saved = save(document).await;
        if let Err(problem) = &saved {
            self.world().tell(|| format!("       {} {problem}", self.invocation.caller));
        }
        self.end(&call).await;
        if call.fate == Fate::AnswerLost {
            *version(document) = before;
            return Err(unavailable());
        }
        saved
    }
}

impl<S: Scene> SlotStore for Port<S> {
    async fn load_slots(&self) -> Result<PrimaSlots, StoreError> {
        if self.world().spoils_slots() {
            self.load("slots").await?;
        }
        self.world().store.load_slots().await
    }

    async fn save_slots(&self, slots: &mut PrimaSlots) -> Result<(), StoreError> {
        let store = &self.world().store;
        if !self.world().spoils_slots() {
            return store.save_slots(slots).await;
        }
        let leases = slots.leases.len();
        let about = || format!("slots, {leases} leases");
        let save = async |slots: &mut PrimaSlots| store.save_slots(slots).await;
        self.save("slots", about, slots, |slots| &mut slots.version, save).await
    }
}

impl<S: Scene> OrderStore for Port<S> {
    async fn load_order(&self, key: &OrderKey) -> Result<Option<OrderRow>, StoreError> {
        if !self.asks(Kind::Load, key, || format!("row {key}")).await {
            return Err(unavailable());
        }
        self.world().store.load_order(key).await
    }

    async fn load_orders(
        &self,
        keys: &[OrderKey],
    ) -> Result<HashMap<OrderKey, OrderRow>, StoreError> {
        if !self.asks(Kind::Load, unordered(keys), || format!("{} rows", keys.len())).await {
            return Err(unavailable());
        }
        self.world().store.load_orders(keys).await
    }

    async fn save_order(&self, row: &mut OrderRow) -> Result<(), StoreError> {
        let call = self.begin(Kind::Save, &row.key, || describe(row)).await;
        if call.fails() {
            S::not_saved(&self.invocation, row);
            return Err(unavailable());
        }
        let version = row.version;
        let saved = self.world().store.save_order(row).await;
        match &saved {
            Ok(()) => S::saved(&self.invocation, row),
            Err(problem) => {
                S::not_saved(&self.invocation, row);
                self.world().tell(|| format!("       {} {problem}", self.invocation.caller));
            }
        }
        self.end(&call).await;
        if call.fate == Fate::AnswerLost {
            row.version = version;
            S::not_saved(&self.invocation, row);
            return Err(unavailable());
        }
        saved
    }

    async fn orders_in(
        &self,
        channel: &str,
        index_state: &str,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError> {
        let world = self.world();
        let call = self
            .begin(Kind::Index, (channel, index_state), || format!("{channel} {index_state}"))
            .await;
        self.end(&call).await;
        if call.fate != Fate::Goes {
            return Err(unavailable());
        }
        let mut keys = world.store.orders_in(channel, index_state, limit).await?;
        let lag =
            if world.may_go_wrong() { call.dice.between(0, world.profile.index_lag) } else { 0 };
        if lag > 0 {
            world.as_of(
                before(world.now(), Duration::from_secs(lag)),
                channel,
                index_state,
                &mut keys,
            );
        }
        Ok(keys)
    }

    async fn orders_due(
        &self,
        channel: &str,
        index_state: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError> {
        if !self
            .asks(Kind::Index, (channel, index_state), || format!("{channel} {index_state} due"))
            .await
        {
            return Err(unavailable());
        }
        self.world().store.orders_due(channel, index_state, until, limit).await
    }
}

impl<S: Scene> NumberStore for Port<S> {
    async fn holder_of(&self, number: &str) -> Result<Option<OrderKey>, StoreError> {
        if !self.asks(Kind::Load, number, || format!("holder of {number}")).await {
            return Err(unavailable());
        }
        self.world().store.holder_of(number).await
    }

    async fn reserve_number(
        &self,
        number: &str,
        key: &OrderKey,
    ) -> Result<Reservation, StoreError> {
        let call = self.begin(Kind::Reserve, number, || format!("{number} for {key}")).await;
        if call.fails() {
            return Err(unavailable());
        }
        let reserved = self.world().store.reserve_number(number, key).await;
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(unavailable()) } else { reserved }
    }
}

impl<S: Scene> PollStore for Port<S> {
    async fn load_poll(&self, channel: &str) -> Result<PollState, StoreError> {
        if !self.asks(Kind::Load, ("poll", channel), || format!("poll state {channel}")).await {
            return Err(unavailable());
        }
        let stored = self.world().store.load_poll(channel).await?;
        Ok(self.world().poll_state(channel, stored))
    }

    async fn save_poll(&self, channel: &str, poll: &mut PollState) -> Result<(), StoreError> {
        let (store, watermark) = (&self.world().store, poll.watermark);
        let about = || format!("poll state {channel} watermark {watermark:?}");
        let save = async |poll: &mut PollState| {
            let before = store.load_poll(channel).await?.watermark;
            store.save_poll(channel, poll).await?;
            if poll.watermark > before {
                S::watermark_moved(&self.invocation, channel, before, poll);
            }
            Ok(())
        };
        self.save(&format!("poll {channel}"), about, poll, |poll| &mut poll.version, save).await
    }
}

impl<S: Scene> CollectionStore for Port<S> {
    async fn load_collection(&self) -> Result<CollectionState, StoreError> {
        self.load("collection").await?;
        self.world().store.load_collection().await
    }

    async fn save_collection(&self, collection: &mut CollectionState) -> Result<(), StoreError> {
        let store = &self.world().store;
        let save = async |collection: &mut CollectionState| store.save_collection(collection).await;
        self.save(
            "collection",
            || "collection".to_owned(),
            collection,
            |collection| &mut collection.version,
            save,
        )
        .await
    }
}

impl<S: Scene> BreakerStore for Port<S> {
    async fn load_breakers(&self) -> Result<PrimaBreakers, StoreError> {
        self.load("intake").await?;
        self.world().store.load_breakers().await
    }

    async fn save_breakers(&self, breakers: &mut PrimaBreakers) -> Result<(), StoreError> {
        let world = self.world();
        let operations = format!("{:?}", breakers.operations);
        let save = async |breakers: &mut PrimaBreakers| {
            let before = world.store.load_breakers().await?;
            world.store.save_breakers(breakers).await?;
            if breakers
                .operations
                .keys()
                .any(|name| breakers.is_open(name) && !before.is_open(name))
            {
                world.openings.set(world.openings.get() + 1);
            }
            Ok(())
        };
        self.save(
            "intake",
            || format!("breakers {operations}"),
            breakers,
            |breakers| &mut breakers.version,
            save,
        )
        .await
    }
}

fn describe(row: &OrderRow) -> String {
    let note = row.history.last().map(|step| step.note.as_str()).unwrap_or_default();
    format!(
        "row {} v{} {} ({note}){}{}{}",
        row.key,
        row.version,
        row.index_state(),
        if row.listing.cancel_requested.is_some() { " cancel requested" } else { "" },
        row.creation
            .attempt
            .as_ref()
            .map(|attempt| format!(" attempt {} absences {}", attempt.count, attempt.absences))
            .unwrap_or_default(),
        row.creation
            .lease
            .as_ref()
            .map(|lease| format!(" lease {}", lease.owner))
            .unwrap_or_default(),
    )
}

impl<S: Scene> OrderQueue for Port<S> {
    async fn send(&self, messages: &[OrderMessage], delay: Duration) -> Result<(), QueueError> {
        let world = self.world();
        let ids = || messages.iter().map(|message| message.order_id.as_str());
        let call = self
            .begin(Kind::Send, unordered(ids()), || {
                format!("{} in {delay:?}", ids().collect::<Vec<_>>().join(" "))
            })
            .await;
        // A call may fail for some of its messages only.
        let cut = match call.fate {
            Fate::Fails if !world.scripted && messages.len() > 1 => {
                call.dice.index(messages.len() + 1)
            }
            Fate::Fails => 0,
            _ => messages.len(),
        };
        // Drawn orders are short.
        let fits = |message: &OrderMessage| !world.scripted || !message.is_too_large();
        let visible_at = after(world.now(), delay);
        for message in messages[..cut].iter().filter(|message| fits(message)) {
            let (queue, moved) = match message.task {
                OrderTask::Dispatch => (&world.dispatches, &world.dispatches_moved),
                _ => (&world.queue, &world.queue_moved),
            };
            queue.borrow_mut().send(
                Body::Order(Rc::new(message.clone())),
                visible_at,
                call.dice.between(0, 1 << 20),
            );
            moved.notify_one();
        }
        self.end(&call).await;
        let mut failed: Vec<usize> = match call.fate {
            Fate::Fails => (cut..messages.len()).collect(),
            Fate::AnswerLost => (0..messages.len()).collect(),
            _ => Vec::new(),
        };
        failed.extend((0..cut).filter(|&index| call.fate == Fate::Goes && !fits(&messages[index])));
        if failed.is_empty() { Ok(()) } else { Err(not_sent(failed)) }
    }
}

impl<S: Scene> ExceptionQueue for Port<S> {
    async fn send_exceptions(&self, exceptions: &[ExceptionMessage]) -> Result<(), QueueError> {
        let world = self.world();
        let thing = unordered(exceptions.iter().map(|one| (&one.channel, &one.order)));
        let about = || {
            format!(
                "exceptions {:?}",
                exceptions.iter().map(|one| (&one.kind, &one.order)).collect::<Vec<_>>()
            )
        };
        let call = self.begin(Kind::Send, ("exception", thing), about).await;
        for exception in exceptions {
            for text in [&exception.kind, &exception.reason, &exception.remedy] {
                if is_personal(text) {
                    world.violate(format!(
                        "the exception message of {} holds a customer's data: {text}",
                        exception.order
                    ));
                }
            }
            S::shows(&self.invocation, exception, call.fate);
            if !call.fails() {
                world.queue.borrow_mut().show_exception(exception.clone());
            }
        }
        self.end(&call).await;
        if matches!(call.fate, Fate::Fails | Fate::AnswerLost) {
            Err(not_sent(0..exceptions.len()))
        } else {
            Ok(())
        }
    }
}

impl<S: Scene> ShownExceptions for Port<S> {
    async fn shown(&self) -> Result<Vec<ShownException>, QueueError> {
        if !self.asks(Kind::Shown, (), || "what is shown".to_owned()).await {
            return Err(not_sent([]));
        }
        let queue = self.world().queue.borrow();
        let shown = |(id, exception): (&u64, &ExceptionMessage)| ShownException {
            exception: exception.clone(),
            handle: id.to_string(),
        };
        Ok(queue.exceptions.iter().map(shown).collect())
    }

    async fn withdraw(&self, shown: &ShownException) -> Result<(), QueueError> {
        let call = self
            .begin(Kind::Withdraw, &shown.exception.order, || shown.exception.kind.clone())
            .await;
        if call.fails() {
            return Err(not_sent([0]));
        }
        if let Ok(id) = shown.handle.parse::<u64>() {
            self.world().queue.borrow_mut().exceptions.remove(&id);
        }
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(not_sent([0])) } else { Ok(()) }
    }

    async fn put_back(&self, _shown: &ShownException) {}
}

impl<S: Scene> EventBus for Port<S> {
    async fn publish(&self, events: &[Event]) -> Result<(), EventError> {
        let world = self.world();
        let thing = unordered(
            events.iter().map(|event| (event.kind.detail_type(), &event.channel, &event.order)),
        );
        let about = |event: &Event| {
            format!("{:?} {}: {}", event.kind, event.order.as_deref().unwrap_or("-"), event.reason)
        };
        let call = self
            .begin(Kind::Publish, thing, || events.iter().map(about).collect::<Vec<_>>().join("; "))
            .await;
        let now = world.now();
        for event in events {
            if is_personal(&event.reason) || is_personal(&event.remedy) {
                world.violate(format!("an event holds a customer's data: {event:?}"));
            }
            S::publishes(&self.invocation, event, call.fate);
            if !call.fails() {
                world.events.borrow_mut().push((now, event.clone()));
            }
            if call.fate == Fate::AnswerLost {
                world.unanswered_events.borrow_mut().insert(event.reason.clone());
            }
            // Nobody knows that it was taken: it may be said again.
            if event.kind == EventKind::PrimaUnavailable && call.fate == Fate::AnswerLost {
                world.openings.set(world.openings.get() + 1);
            }
        }
        self.end(&call).await;
        if matches!(call.fate, Fate::Fails | Fate::AnswerLost) {
            Err(EventError("no answer".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl<S: Scene> MiraklDirectory for Port<S> {
    type Client = Self;

    async fn client(&self, channel: &Channel, deadline: Timestamp) -> Result<Self, MiraklError> {
        let index = self.world().index(&channel.id);
        if !self.invocation.asks(Kind::Key, index, &channel.id, || channel.id.clone()).await {
            return Err(MiraklError::not_sent("OR11", "the API key cannot be read"));
        }
        Ok(Self { invocation: Rc::clone(&self.invocation), channel: index, deadline })
    }
}
