//! The handlers' ports, each a call into the world that may fail, lose its answer, come late, or kill its caller.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use acknowledge_orders::OVERLAP;
use create_prima_orders::{Rulebook, Rules};
use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::channel::MiraklDirectory;
use shared::domain::documents::UnusableDocument;
use shared::domain::events::{Event, EventBus, EventError, EventKind};
use shared::domain::intake::NEW_ORDER;
use shared::domain::order::row::{OrderKey, OrderRow};
use shared::domain::queue::{ExceptionMessage, OrderMessage, OrderQueue, QueueError};
use shared::domain::state::{CollectionState, PollState, PrimaIntake, Reservation, Store, StoreError};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::{MiraklError, MiraklOrders, OrderPage, OrderQuery, OrderState, ReferenceAnswer, SellerReference};
use shared::prima::{PrimaError, PrimaOrder, PrimaOrderStatus, PrimaOrders};
use tokio::sync::Notify;

use super::judge::SENDINGS;
use super::marketplace::{Marketplace, Sale};
use super::plan::Moment;
use super::privacy::is_personal;
use super::sqs::Body;
use super::world::{Fate, Kind, World};

/// Orders that Prima does not take, one after the other, before people must know: more than close the breaker, since a note of it
/// may be lost.
const NOT_TAKEN: usize = 8;

/// One invocation of a function: its clock, and its death.
#[derive(Debug)]
pub struct Invocation {
    /// The world it lives in.
    pub world: Rc<World>,
    /// For the trace: `poll 12`, `work 7`.
    pub name: String,
    /// How far its clock is off, in milliseconds.
    pub skew: i64,
    /// The probability that it dies at a call.
    pub crash: f64,
    /// Told when it dies.
    pub died: Notify,
    /// Orders whose exception it told of, for the judge.
    pub told: RefCell<Vec<OrderKey>>,
    /// Its calls take longer than usual.
    pub slow: Cell<bool>,
    /// What it was shown of each marketplace, and did about it.
    pub polled: RefCell<Vec<Polled>>,
    /// A call to the store or the queue did not go well.
    pub store_or_queue_failed: Cell<bool>,
}

/// What one poll was shown of a marketplace, and did about it.
#[derive(Clone, Debug, Default)]
pub struct Polled {
    /// Each order of the minute's listing, and whether it waits for acceptance; as last shown.
    pub waiting: HashMap<String, bool>,
    /// Orders that it tried to accept.
    pub tried: HashSet<String>,
    /// A page of a listing by window did not come.
    pub window_incomplete: bool,
    /// A page of a listing by state alone did not come.
    pub full_incomplete: bool,
}

impl Invocation {
    /// A call begins: it waits as long as calls take, and may be the caller's last.
    async fn begin(&self, kind: Kind, channel: Option<usize>, about: impl FnOnce() -> String) -> Fate {
        let world = &self.world;
        let about = if world.describes_calls() { about() } else { String::new() };
        let (number, fate) = world.fate(kind, channel, self.crash, &about);
        world.tell(|| {
            let fate = if fate == Fate::Goes { String::new() } else { format!("  <<< {fate:?}") };
            format!("#{number:<5} {:<9} {kind:?} {about}{fate}", self.name)
        });
        let is_of_aws = matches!(kind, Kind::Load | Kind::Save | Kind::Index | Kind::Reserve | Kind::Send);
        if is_of_aws && fate != Fate::Goes {
            self.store_or_queue_failed.set(true);
        }
        let wait = self.latency(kind);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if fate == Fate::CrashBefore {
            self.die().await;
        }
        fate
    }

    /// A call had its effect.
    async fn end(&self, fate: Fate) {
        if fate == Fate::CrashAfter {
            self.die().await;
        }
    }

    async fn die(&self) {
        self.died.notify_one();
        std::future::pending::<()>().await;
    }

    fn latency(&self, kind: Kind) -> Duration {
        let world = &self.world;
        if world.plan.scripted {
            if let Some(lasts) = world.lasting.borrow().get(&kind) {
                return *lasts;
            }
            return match kind {
                Kind::Ask | Kind::NewOrder | Kind::CancelOrder => Duration::from_millis(400),
                Kind::List | Kind::Accept | Kind::Reference => Duration::from_millis(80),
                _ => Duration::from_millis(4),
            };
        }
        let dice = &world.dice;
        let slow = !world.quiet.get() && (self.slow.get() || dice.chance(world.plan.profile.slow));
        let milliseconds = match kind {
            Kind::Ask | Kind::NewOrder | Kind::CancelOrder if slow => dice.between(2_000, 58_000),
            Kind::Ask | Kind::NewOrder | Kind::CancelOrder => dice.between(100, 3_000),
            Kind::List | Kind::Accept | Kind::Reference if slow => dice.between(500, 12_000),
            Kind::List | Kind::Accept | Kind::Reference => dice.between(30, 400),
            _ if slow => dice.between(20, 4_000),
            _ => dice.between(0, 12).saturating_sub(6),
        };
        Duration::from_millis(milliseconds)
    }

    fn excuse(&self, key: &OrderKey) {
        self.world.told.borrow_mut().entry(key.clone()).or_default().excused = true;
    }

    /// It died: what it told of may be told again.
    pub fn excuse_all_told(&self) {
        for key in self.told.borrow().iter() {
            self.excuse(key);
        }
    }
}

/// All ports of one invocation.
#[derive(Clone, Debug)]
pub struct Port(pub Rc<Invocation>);

impl Clock for Port {
    fn now(&self) -> Timestamp {
        let now = self.0.world.now();
        Timestamp::from_millisecond(now.as_millisecond() + self.0.skew).unwrap_or(now)
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("throttled".to_owned())
}

impl Port {
    async fn load(&self, about: impl FnOnce() -> String) -> Result<(), StoreError> {
        let fate = self.0.begin(Kind::Load, None, about).await;
        self.0.end(fate).await;
        if fate == Fate::Goes { Ok(()) } else { Err(unavailable()) }
    }
}

impl Store for Port {
    async fn load_order(&self, key: &OrderKey) -> Result<Option<OrderRow>, StoreError> {
        self.load(|| format!("row {key}")).await?;
        self.0.world.store.load_order(key).await
    }

    async fn load_orders(&self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, OrderRow>, StoreError> {
        self.load(|| format!("{} rows", keys.len())).await?;
        self.0.world.store.load_orders(keys).await
    }

    async fn save_order(&self, row: &mut OrderRow) -> Result<(), StoreError> {
        let world = &self.0.world;
        let fate = self.0.begin(Kind::Save, None, || describe(row)).await;
        if fate == Fate::Fails {
            self.excuse_announcement(row);
            return Err(unavailable());
        }
        let version = row.version;
        let saved = world.store.save_order(row).await;
        match &saved {
            Ok(()) => world.note_row(row),
            Err(problem) => {
                self.excuse_announcement(row);
                world.tell(|| format!("       {:<9} {problem}", self.0.name));
            }
        }
        self.0.end(fate).await;
        if fate == Fate::AnswerLost {
            row.version = version;
            self.excuse_announcement(row);
            return Err(unavailable());
        }
        saved
    }

    async fn orders_in(&self, channel: &str, index_state: &str, limit: usize) -> Result<Vec<OrderKey>, StoreError> {
        let world = &self.0.world;
        let fate = self.0.begin(Kind::Index, None, || format!("{channel} {index_state}")).await;
        self.0.end(fate).await;
        if fate != Fate::Goes {
            return Err(unavailable());
        }
        let mut keys = world.store.orders_in(channel, index_state, limit).await?;
        let lag = if world.quiet.get() || world.plan.scripted { 0 } else { world.dice.between(0, world.plan.profile.index_lag) };
        if lag > 0 {
            let since = before(world.now(), Duration::from_secs(lag));
            for (_, key, from, to) in world.index_changes.borrow().iter().rev().take_while(|(at, ..)| *at > since) {
                if key.channel != channel {
                    continue;
                }
                if *to == index_state {
                    keys.retain(|other| other != key);
                } else if *from == index_state && !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
        }
        Ok(keys)
    }

    // Dispatches have a simulation of their own: nothing of theirs is called here.
    async fn orders_due(&self, channel: &str, index_state: &str, until: Timestamp, limit: usize) -> Result<Vec<OrderKey>, StoreError> {
        self.0.world.store.orders_due(channel, index_state, until, limit).await
    }

    async fn holder_of(&self, number: &str) -> Result<Option<OrderKey>, StoreError> {
        self.0.world.store.holder_of(number).await
    }

    async fn load_collection(&self) -> Result<CollectionState, StoreError> {
        self.0.world.store.load_collection().await
    }

    async fn save_collection(&self, collection: &mut CollectionState) -> Result<(), StoreError> {
        self.0.world.store.save_collection(collection).await
    }

    async fn reserve_number(&self, number: &str, key: &OrderKey) -> Result<Reservation, StoreError> {
        let fate = self.0.begin(Kind::Reserve, None, || format!("{number} for {key}")).await;
        if fate == Fate::Fails {
            return Err(unavailable());
        }
        let reserved = self.0.world.store.reserve_number(number, key).await;
        self.0.end(fate).await;
        if fate == Fate::AnswerLost { Err(unavailable()) } else { reserved }
    }

    async fn load_poll(&self, channel: &str) -> Result<PollState, StoreError> {
        self.load(|| format!("poll state {channel}")).await?;
        self.0.world.store.load_poll(channel).await
    }

    async fn save_poll(&self, channel: &str, poll: &mut PollState) -> Result<(), StoreError> {
        let fate = self.0.begin(Kind::Save, None, || format!("poll state {channel} watermark {:?}", poll.watermark)).await;
        if fate == Fate::Fails {
            return Err(unavailable());
        }
        let version = poll.version;
        let before = self.0.world.store.load_poll(channel).await?.watermark;
        let saved = self.0.world.store.save_poll(channel, poll).await;
        if saved.is_ok() && poll.watermark > before {
            self.judge_watermark(channel, before.is_none(), poll.watermark);
        }
        self.0.end(fate).await;
        if fate == Fate::AnswerLost {
            poll.version = version;
            return Err(unavailable());
        }
        saved
    }

    async fn load_intake(&self) -> Result<PrimaIntake, StoreError> {
        self.load(|| "intake".to_owned()).await?;
        self.0.world.store.load_intake().await
    }

    async fn save_intake(&self, intake: &mut PrimaIntake) -> Result<(), StoreError> {
        let world = &self.0.world;
        let fate = self.0.begin(Kind::Save, None, || format!("intake {:?}", intake.operations)).await;
        if fate == Fate::Fails {
            return Err(unavailable());
        }
        let (version, before) = (intake.version, world.store.load_intake().await?);
        let saved = world.store.save_intake(intake).await;
        let closes = |name: &&String| intake.has_closed(name) && !before.has_closed(name);
        if saved.is_ok() && intake.operations.keys().any(|name| closes(&name)) {
            world.closures.set(world.closures.get() + 1);
        }
        self.0.end(fate).await;
        if fate == Fate::AnswerLost {
            intake.version = version;
            return Err(unavailable());
        }
        saved
    }
}

impl Port {
    /// An announcement that could not be recorded is made again.
    fn excuse_announcement(&self, row: &OrderRow) {
        if row.exception.as_ref().is_some_and(|exception| exception.told.is_told()) {
            self.0.excuse(&row.key);
        }
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
        row.creation.lease.as_ref().map(|lease| format!(" lease {}", lease.owner)).unwrap_or_default(),
    )
}

impl OrderQueue for Port {
    async fn send(&self, messages: &[OrderMessage], delay: Duration) -> Result<(), QueueError> {
        let world = &self.0.world;
        let fate = self
            .0
            .begin(Kind::Send, None, || {
                let ids: Vec<_> = messages.iter().map(|message| message.order_id.as_str()).collect();
                format!("{} in {delay:?}", ids.join(" "))
            })
            .await;
        // A call may fail for some of its messages only.
        let cut = match fate {
            Fate::Fails if !world.plan.scripted && messages.len() > 1 => world.dice.index(messages.len() + 1),
            Fate::Fails => 0,
            _ => messages.len(),
        };
        // Drawn orders are short.
        let fits = |message: &OrderMessage| !world.plan.scripted || !message.is_too_large();
        let visible_at = after(world.now(), delay);
        {
            let mut queue = world.queue.borrow_mut();
            for message in messages[..cut].iter().filter(|message| fits(message)) {
                let shuffle = world.dice.between(0, 1 << 20);
                queue.send(Body::Order(Rc::new(message.clone())), visible_at, shuffle);
            }
        }
        world.queue_moved.notify_one();
        self.0.end(fate).await;
        let mut failed: Vec<usize> = match fate {
            Fate::Fails => (cut..messages.len()).collect(),
            Fate::AnswerLost => (0..messages.len()).collect(),
            _ => Vec::new(),
        };
        failed.extend((0..cut).filter(|&index| fate == Fate::Goes && !fits(&messages[index])));
        if failed.is_empty() { Ok(()) } else { Err(QueueError { message: "the queue did not answer".to_owned(), failed }) }
    }

    async fn send_exceptions(&self, exceptions: &[ExceptionMessage]) -> Result<(), QueueError> {
        let world = &self.0.world;
        let fate = self.0.begin(Kind::Send, None, || format!("{} exceptions", exceptions.len())).await;
        for exception in exceptions {
            let key = OrderKey::new(&exception.channel, &exception.order);
            for text in [&exception.kind, &exception.reason, &exception.remedy] {
                if is_personal(text) {
                    world.violate(format!("the exception message of {key} holds a customer's data: {text}"));
                }
            }
            if fate == Fate::Fails {
                continue;
            }
            if fate != Fate::Goes {
                self.0.excuse(&key);
            }
            let mut told = world.told.borrow_mut();
            let told = told.entry(key.clone()).or_default();
            told.messages += 1;
            if told.exceptions == 0 {
                world.violate(format!("people were told of an exception of {key} before its row said so"));
            }
            self.0.told.borrow_mut().push(key);
        }
        if fate != Fate::Fails {
            world.queue.borrow_mut().exceptions.extend_from_slice(exceptions);
        }
        self.0.end(fate).await;
        if matches!(fate, Fate::Fails | Fate::AnswerLost) {
            return Err(QueueError { message: "the queue did not answer".to_owned(), failed: (0..exceptions.len()).collect() });
        }
        Ok(())
    }
}

impl EventBus for Port {
    async fn publish(&self, events: &[Event]) -> Result<(), EventError> {
        let world = &self.0.world;
        let fate = self
            .0
            .begin(Kind::Publish, None, || {
                events
                    .iter()
                    .map(|event| format!("{:?} {}: {}", event.kind, event.order.as_deref().unwrap_or("-"), event.reason))
                    .collect::<Vec<_>>()
                    .join("; ")
            })
            .await;
        for event in events {
            if is_personal(&event.reason) || is_personal(&event.remedy) {
                world.violate(format!("an event holds a customer's data: {event:?}"));
            }
            let key = event.channel.as_ref().zip(event.order.as_ref()).map(|(channel, order)| OrderKey::new(channel, order));
            if let (EventKind::OrderException, Some(key)) = (event.kind, key) {
                if fate != Fate::Goes {
                    self.0.excuse(&key);
                }
                if fate != Fate::Fails {
                    world.told.borrow_mut().entry(key.clone()).or_default().events += 1;
                    self.0.told.borrow_mut().push(key);
                }
            } else if fate != Fate::Fails {
                world.events.borrow_mut().push(event.clone());
                // Nobody knows that it was taken: it may be said again.
                if event.kind == EventKind::PrimaIntakeClosed && fate == Fate::AnswerLost {
                    world.closures.set(world.closures.get() + 1);
                }
            }
        }
        self.0.end(fate).await;
        if matches!(fate, Fate::Fails | Fate::AnswerLost) { Err(EventError("no answer".to_owned())) } else { Ok(()) }
    }
}

/// One channel's Mirakl.
#[derive(Clone, Debug)]
pub struct Client {
    port: Port,
    channel: String,
    index: usize,
    deadline: Timestamp,
}

impl MiraklDirectory for Port {
    type Client = Client;

    async fn client(&self, channel: &Channel, deadline: Timestamp) -> Result<Client, MiraklError> {
        let index = self.0.world.plan.channel_index(&channel.id).unwrap_or_default();
        let fate = self.0.begin(Kind::Key, Some(index), || channel.id.clone()).await;
        self.0.end(fate).await;
        if fate != Fate::Goes {
            return Err(MiraklError::not_sent("OR11", "the API key cannot be read"));
        }
        Ok(Client { port: self.clone(), channel: channel.id.clone(), index, deadline })
    }
}

impl Client {
    async fn begin(&self, kind: Kind, operation: &'static str, about: impl FnOnce() -> String) -> Result<Fate, MiraklError> {
        let world = &self.port.0.world;
        let fate = self.port.0.begin(kind, Some(self.index), about).await;
        // The client keeps to its deadline, by its own clock.
        if self.port.now() > self.deadline {
            return Err(MiraklError::not_sent(operation, "no time left"));
        }
        if world.plan.key_refused.get(self.index).is_some_and(|windows| windows.holds(Moment::from(world.passed()))) && !world.quiet.get() {
            return Err(MiraklError::refused(operation, 401, None, "unauthorised"));
        }
        if let Some(status) = world.refused.borrow().get(operation) {
            return Err(MiraklError::refused(operation, *status, None, "Forbidden"));
        }
        match fate {
            Fate::Fails if world.plan.scripted => {
                Err(MiraklError { status: Some(503), ..MiraklError::unknown(operation, "service unavailable") })
            }
            Fate::Fails => Err(match world.dice.index(4) {
                0 => MiraklError::refused(operation, 429, None, "too many requests"),
                1 => MiraklError::not_sent(operation, "connection refused"),
                2 => MiraklError::unknown(operation, "timed out"),
                _ => MiraklError { status: Some(503), ..MiraklError::unknown(operation, "service unavailable") },
            }),
            other => Ok(other),
        }
    }

    /// The marketplace's limit is waited for as the real client does.
    async fn limited(&self, query: &OrderQuery) -> Result<(), MiraklError> {
        let world = &self.port.0.world;
        loop {
            let Err(wait) = world.begin_listing(self.index) else { return Ok(()) };
            world.tell(|| format!("       {:<9} too many listings: again in {wait:?}", self.port.0.name));
            let ends_at = after(self.port.now(), wait);
            if ends_at > self.deadline || query.limit_waited_until.is_some_and(|until| ends_at > until) {
                let problem = MiraklError::refused("OR11", 429, None, "too many requests");
                return Err(MiraklError { retry_after: Some(wait), ..problem });
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn end<T>(&self, fate: Fate, operation: &'static str, answer: Result<T, MiraklError>) -> Result<T, MiraklError> {
        self.port.0.end(fate).await;
        if fate == Fate::AnswerLost { Err(MiraklError::unknown(operation, "the connection broke")) } else { answer }
    }
}

impl MiraklOrders for Client {
    async fn list_orders(&self, query: &OrderQuery, offset: usize) -> Result<OrderPage, MiraklError> {
        let world = &self.port.0.world;
        // Neither what is looked up by ids nor the daily look is the minute's listing.
        let is_minutely = query.order_ids.is_empty() && !query.states.contains(&OrderState::Shipped);
        let fate = self
            .begin(Kind::List, "OR11", || {
                format!(
                    "{} {} states, {} ids, from {:?}, offset {offset}",
                    self.channel,
                    query.states.len(),
                    query.order_ids.len(),
                    query.updated_from
                )
            })
            .await;
        let fate = match fate {
            Ok(fate) => self.limited(query).await.map(|()| fate),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = &fate
            && is_minutely
        {
            self.port.note_page(self.index, &self.channel, query, Err(problem));
        }
        let fate = fate?;
        if offset == 0 && is_minutely {
            let now = world.now();
            if let Some(listings) = world.listings.borrow_mut().get_mut(self.index) {
                listings.push(now);
            }
        }
        let page = world.shop(&self.channel, |shop| shop.list(query, offset)).unwrap_or_default();
        let answer = self.end(fate, "OR11", Ok(page)).await;
        if is_minutely {
            self.port.note_page(self.index, &self.channel, query, answer.as_ref());
        }
        answer
    }

    async fn accept_order(&self, order_id: &str, order_line_ids: &[String]) -> Result<(), MiraklError> {
        if let Some(polled) = self.port.0.polled.borrow_mut().get_mut(self.index) {
            polled.tried.insert(order_id.to_owned());
        }
        let fate = self.begin(Kind::Accept, "OR21", || format!("{} {order_id}", self.channel)).await?;
        let now = self.port.0.world.now();
        let answer = self.port.0.world.shop(&self.channel, |shop| shop.accept(order_id, order_line_ids, now)).unwrap_or(Ok(()));
        self.end(fate, "OR21", answer).await
    }

    async fn write_references(&self, references: &[SellerReference]) -> Result<Vec<ReferenceAnswer>, MiraklError> {
        let fate = self
            .begin(Kind::Reference, "OR04", || {
                let ids: Vec<_> = references.iter().map(|reference| reference.order_id.as_str()).collect();
                format!("{} {}", self.channel, ids.join(" "))
            })
            .await?;
        let now = self.port.0.world.now();
        let write = |shop: &mut Marketplace| {
            if shop.refuses_all_of(references) {
                return Err(MiraklError::refused("OR04", 400, None, "a reference is not valid"));
            }
            Ok(shop.write_references(references, now))
        };
        let answers = self.port.0.world.shop(&self.channel, write).unwrap_or(Ok(Vec::new()));
        self.end(fate, "OR04", answers).await
    }
}

impl PrimaOrders for Port {
    async fn order_status(&self, order_number: &str) -> Result<Option<PrimaOrderStatus>, PrimaError> {
        let world = &self.0.world;
        let fate = self.0.begin(Kind::Ask, None, || order_number.to_owned()).await;
        self.0.end(fate).await;
        if world.always_fails(Kind::Ask, order_number) {
            return Err(self.fault(Kind::Ask, "OrderStatus", order_number));
        }
        if fate != Fate::Goes {
            return Err(self.no_answer(Kind::Ask, "OrderStatus", order_number).await);
        }
        let faults = !world.quiet.get() && !world.plan.scripted;
        if world.prima_unclear.get() || faults && world.dice.chance(world.plan.profile.prima_unclear) {
            world.faults.set(world.faults.get() + 1);
            return Err(PrimaError::refused("OrderStatus", "The database is being saved"));
        }
        let status = world.office.borrow_mut().status(order_number, world.now());
        world.tell(|| format!("       {:<9} Prima says {status:?}", self.0.name));
        Ok(status)
    }

    async fn new_order(&self, order: &PrimaOrder) -> Result<(), PrimaError> {
        let world = &self.0.world;
        self.judge_sending(order);
        self.judge_repetition(&order.order_number).await;
        let fate = self.0.begin(Kind::NewOrder, None, || order.order_number.clone()).await;
        if world.always_fails(Kind::NewOrder, &order.order_number) {
            self.0.end(fate).await;
            world.not_taken.borrow_mut().insert(order.order_number.clone());
            return Err(self.fault(Kind::NewOrder, "NewOrder", &order.order_number));
        }
        let faults = !world.quiet.get() && !world.plan.scripted;
        // What is lost, or outlives its caller, may have its effect much later: up to Prima's longest execution.
        let late = match fate {
            Fate::AnswerLost | Fate::CrashAfter if world.plan.scripted => world.script.is_none_or(|script| script.late),
            Fate::AnswerLost | Fate::CrashAfter => world.dice.chance(0.6),
            Fate::Goes => faults && world.dice.chance(world.plan.profile.prima_late),
            Fate::Fails | Fate::CrashBefore => false,
        };
        if late {
            let longest = world.plan.manners.longest_execution_seconds;
            let wait = if world.plan.scripted { u64::from(longest) - 1 } else { world.dice.between(0, u64::from(longest) - 1) };
            world.office.borrow_mut().submit(order, after(world.now(), Duration::from_secs(wait)));
            world.faults.set(world.faults.get() + 1);
            world.tell(|| format!("       {:<9} NewOrder {} has its effect in {wait} s", self.0.name, order.order_number));
            self.0.end(fate).await;
            return Err(self.lost_answer(Kind::NewOrder, "NewOrder", &order.order_number).await);
        }
        if fate == Fate::Fails {
            return Err(self.no_answer(Kind::NewOrder, "NewOrder", &order.order_number).await);
        }
        let answer = world.office.borrow_mut().new_order(order, world.now());
        self.0.end(fate).await;
        if fate == Fate::AnswerLost {
            return Err(self.lost_answer(Kind::NewOrder, "NewOrder", &order.order_number).await);
        }
        world.not_taken.borrow_mut().clear();
        answer.map_err(|words| PrimaError::refused("NewOrder", words))
    }

    async fn cancel_order(&self, order_number: &str, _narrative: &str) -> Result<(), PrimaError> {
        let world = &self.0.world;
        if !world.plan.manners.cancel_order {
            world.violate(format!("CancelOrder of {order_number} was sent to a Prima that has no such document"));
        }
        let fate = self.0.begin(Kind::CancelOrder, None, || order_number.to_owned()).await;
        if fate == Fate::Fails {
            return Err(self.no_answer(Kind::CancelOrder, "CancelOrder", order_number).await);
        }
        if fate == Fate::AnswerLost && !world.plan.scripted && world.dice.chance(0.4) {
            let wait = world.dice.seconds(0, 240);
            world.office.borrow_mut().submit_cancellation(order_number, after(world.now(), wait));
            return Err(self.lost_answer(Kind::CancelOrder, "CancelOrder", order_number).await);
        }
        let answer = world.office.borrow_mut().cancel_order(order_number, world.now());
        self.0.end(fate).await;
        if fate == Fate::AnswerLost {
            return Err(self.lost_answer(Kind::CancelOrder, "CancelOrder", order_number).await);
        }
        answer.map_err(|words| PrimaError::refused("CancelOrder", words))
    }
}

impl Port {
    /// Nothing came of it: either nothing was sent, or nobody knows.
    async fn no_answer(&self, kind: Kind, document: &'static str, number: &str) -> PrimaError {
        let world = &self.0.world;
        // A Prima that is down takes no connection.
        let is_down = world.plan.scripted && world.plan.prima_down.holds(Moment::from(world.passed()));
        if is_down || !world.plan.scripted && world.dice.chance(0.5) {
            if kind == Kind::CancelOrder {
                world.note_unanswered(kind, number);
            }
            return PrimaError::not_sent(document, "connection refused");
        }
        self.lost_answer(kind, document, number).await
    }

    /// What the web service answers where the procedure behind it ends in an error.
    fn fault(&self, kind: Kind, document: &'static str, number: &str) -> PrimaError {
        let world = &self.0.world;
        world.faults.set(world.faults.get() + 1);
        world.note_unanswered(kind, number);
        world.tell(|| format!("       {:<9} Prima answers {document} {number} with a fault", self.0.name));
        let problem = PrimaError::unknown(document, "Procedure x/y.p has mismatched parameters (3230)");
        PrimaError { request_id: Some(format!("simulated-{number}")), ..problem }
    }

    /// `NewOrder` may not be sent for ever, and people are told where Prima takes no order at all.
    async fn judge_repetition(&self, number: &str) {
        let world = &self.0.world;
        let Ok(intake) = world.store.load_intake().await else { return };
        let is_open = !intake.has_closed(NEW_ORDER) && world.wiped_at.get().is_none();
        let sent = {
            let mut sent = world.sent_in_vain.borrow_mut();
            let entry = sent.entry(number.to_owned()).or_default();
            entry.0 = is_open;
            entry.1
        };
        if !is_open {
            return;
        }
        let not_taken = world.not_taken.borrow().len();
        if not_taken >= NOT_TAKEN {
            world.violate(format!("Prima did not take {not_taken} orders in a row, and {number} is sent as if it did"));
        }
        // Those that were under way when the breaker closed are excused.
        let most = SENDINGS + 4 * world.closures.get();
        if sent >= most {
            world.violate(format!("NewOrder of {number} is sent once more, after {sent} times in vain"));
        }
    }

    async fn lost_answer(&self, kind: Kind, document: &'static str, number: &str) -> PrimaError {
        self.0.world.note_unanswered(kind, number);
        if self.0.world.plan.scripted || self.0.world.dice.chance(0.5) {
            tokio::time::sleep(self.0.world.plan.manners.answer_timeout()).await;
        }
        PrimaError::unknown(document, "no answer")
    }

    /// What a page of the minute's listing showed. All pages come before the first acceptance: accepting while paging by
    /// offset skips orders.
    fn note_page(&self, index: usize, channel: &str, query: &OrderQuery, page: Result<&OrderPage, &MiraklError>) {
        let mut polled = self.0.polled.borrow_mut();
        let Some(polled) = polled.get_mut(index) else { return };
        let Ok(page) = page else {
            polled.window_incomplete |= query.updated_from.is_some();
            polled.full_incomplete |= query.updated_from.is_none() && query.states.len() > 1;
            return;
        };
        if !polled.tried.is_empty() {
            self.0.world.violate(format!("{channel} was paged on after orders of that listing had been accepted"));
        }
        let shown = page.orders.iter().map(|order| (Some(&order.order_id), order.order_state == OrderState::WaitingAcceptance));
        let unreadable = page.unreadable.iter().map(|order| {
            (order.order_id.as_ref(), order.acceptable.as_ref().is_some_and(|order| order.state == OrderState::WaitingAcceptance))
        });
        for (order_id, waits) in shown.chain(unreadable) {
            polled.waiting.extend(order_id.map(|order_id| (order_id.clone(), waits)));
        }
    }

    /// The watermark moved: no order that waits may lie behind it, or the next listing does not show it.
    fn judge_watermark(&self, channel: &str, first: bool, watermark: Option<Timestamp>) {
        let world = &self.0.world;
        let index = world.plan.channel_index(channel).unwrap_or_default();
        let incomplete = |polled: &Polled| if first { polled.full_incomplete } else { polled.window_incomplete };
        if self.0.polled.borrow().get(index).is_some_and(incomplete) {
            world.violate(format!("the watermark of {channel} moved although the listing was incomplete"));
        }
        let next = watermark.map(|mark| before(mark, OVERLAP));
        let passed = world.shop(channel, |shop| {
            let behind = |sale: &&Sale| sale.order.order_state == OrderState::WaitingAcceptance && sale.order.last_updated_date < next;
            shop.sales().iter().find(behind).map(|sale| sale.order.order_id.clone())
        });
        if let Some(order_id) = passed.flatten() {
            world.violate(format!("the watermark of {channel} passed {order_id}, which still waits for acceptance"));
        }
    }

    /// Right before `NewOrder`: the row must allow it.
    fn judge_sending(&self, order: &PrimaOrder) {
        let world = &self.0.world;
        let key = OrderKey::new(&order.order_channel, &order.customer_reference);
        let notes = world.notes.borrow();
        let problem = match notes.get(&key) {
            None => world.wiped_at.get().is_none().then_some("its row was never saved"),
            Some(note) => match (note.attempt, note.cancel_known) {
                (None, _) => Some("no attempt stands in its row"),
                (Some((attempt, _)), Some(cancel)) if cancel < attempt => Some("its row said that it is cancelled"),
                _ => None,
            },
        };
        drop(notes);
        if let Some(problem) = problem {
            world.violate(format!("NewOrder of {key} was sent although {problem}"));
        }
    }
}

/// The channels' rules, prepared once.
#[derive(Clone)]
pub struct Book {
    /// Whose invocation reads it.
    pub port: Port,
    /// The rules of each channel.
    pub rules: Rc<HashMap<String, Rules>>,
}

impl fmt::Debug for Book {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Book")
    }
}

impl Rulebook for Book {
    async fn rules(&self, channel: &str, _skus: &[&str]) -> Result<Rules, UnusableDocument> {
        let fate = self.port.0.begin(Kind::Rules, None, || channel.to_owned()).await;
        self.port.0.end(fate).await;
        if fate != Fate::Goes {
            return Err(UnusableDocument::Unavailable("throttled".to_owned()));
        }
        self.rules.get(channel).cloned().ok_or_else(|| UnusableDocument::Wrong("there are none".to_owned()))
    }
}
