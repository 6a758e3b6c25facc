//! What a simulation adds to the world, and one invocation of a function in it.

use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::events::Event;
use shared::domain::order::row::{OrderKey, OrderRow};
use shared::domain::queue::ExceptionMessage;
use shared::domain::state::PollState;

use super::base::{Base, Caller};
use super::dice::Dice;
use super::fate::{Call, Fate, Kind, System};

/// What a simulation adds: its marketplaces, its Prima, and its judge, who is told of whatever a
/// function does.
pub trait Scene: Deref<Target = Base> + fmt::Debug + Sized + 'static {
    /// What the judge notes of one invocation.
    type Notes: fmt::Debug;

    /// The place of a channel.
    fn index(&self, channel: &str) -> usize;

    /// How long a call takes.
    fn latency(&self, kind: Kind, slow: bool, dice: &Dice) -> Duration;

    /// What a call goes to is down.
    fn is_down(&self, _kind: Kind, _channel: usize) -> bool {
        false
    }

    /// An invocation of this scene ended before its work was done.
    fn was_cut_short(_invocation: &Invocation<Self>) {}

    /// A row was saved.
    fn saved(_invocation: &Invocation<Self>, _row: &OrderRow) {}

    /// The caller does not know that a row was saved.
    fn not_saved(_invocation: &Invocation<Self>, _row: &OrderRow) {}

    /// A channel's watermark moved.
    fn watermark_moved(
        _invocation: &Invocation<Self>,
        _channel: &str,
        _before: Option<Timestamp>,
        _poll: &PollState,
    ) {
    }

    /// A poll state as it is to be read.
    fn poll_state(&self, _channel: &str, stored: PollState) -> PollState {
        stored
    }

    /// What the index said of a state a while ago.
    fn as_of(
        &self,
        _since: Timestamp,
        _channel: &str,
        _index_state: &str,
        _keys: &mut Vec<OrderKey>,
    ) {
    }

    /// Reading and writing the record of Prima's slots may go wrong.
    fn spoils_slots(&self) -> bool {
        false
    }

    /// An exception goes to the dead-letter queue.
    fn shows(_invocation: &Invocation<Self>, _exception: &ExceptionMessage, _fate: Fate) {}

    /// An event goes to the bus.
    fn publishes(_invocation: &Invocation<Self>, _event: &Event, _fate: Fate) {}
}

/// One invocation of a function: it may die at any call.
#[derive(Debug)]
pub struct Invocation<S: Scene> {
    /// The world it lives in.
    pub world: Rc<S>,
    /// Its clock, and its death.
    pub caller: Caller,
    /// A call to the store or a queue did not go well.
    pub aws_failed: std::cell::Cell<bool>,
    /// The judge's notes of it.
    pub notes: S::Notes,
}

impl<S: Scene> Invocation<S> {
    /// One that begins.
    #[must_use]
    pub fn new(world: &Rc<S>, function: &'static str, crash: f64, notes: S::Notes) -> Rc<Self> {
        let caller = Caller::new(world, function, crash);
        Rc::new(Self { world: Rc::clone(world), caller, aws_failed: false.into(), notes })
    }

    /// It is one of a function, by the name that it was begun with.
    #[must_use]
    pub fn is_of(&self, function: &str) -> bool {
        self.caller.name.split(' ').next() == Some(function)
    }

    /// A call begins: it waits as long as calls take, and may be the caller's last.
    pub(crate) async fn begin(
        &self,
        kind: Kind,
        channel: usize,
        thing: impl Hash,
        about: impl FnOnce() -> String,
    ) -> Call {
        let (world, caller) = (&self.world, &self.caller);
        let about = if world.describes_calls() { about() } else { String::new() };
        let (number, call) =
            world.call(kind, thing, &about, world.is_down(kind, channel), caller.crash);
        world.tell(|| {
            let fate = if call.fate == Fate::Goes {
                String::new()
            } else {
                format!("  <<< {:?}", call.fate)
            };
            format!("#{number:<5} {caller} {kind:?} {about}{fate}")
        });
        if call.fate != Fate::Goes
            && matches!(kind.system(), System::Store | System::Queue)
            && !matches!(kind, Kind::Rules | Kind::Key)
        {
            self.aws_failed.set(true);
        }
        let slow = world.may_go_wrong() && (caller.slow || call.dice.chance(world.profile.slow));
        let wait = world.latency(kind, slow, &call.dice);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if call.fate == Fate::CrashBefore {
            caller.die().await;
        }
        call
    }

    /// A call had its effect.
    pub(crate) async fn end(&self, call: &Call) {
        if call.fate == Fate::CrashAfter {
            self.caller.die().await;
        }
    }

    /// A call without effect: whether its answer arrives.
    pub(crate) async fn asks(
        &self,
        kind: Kind,
        channel: usize,
        thing: impl Hash,
        about: impl FnOnce() -> String,
    ) -> bool {
        let call = self.begin(kind, channel, thing, about).await;
        self.end(&call).await;
        call.fate == Fate::Goes
    }

    /// Lets the function work until it is done, dies, or is ended by its hard timeout.
    pub(crate) async fn supervise<T>(
        &self,
        timeout: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let alive = || self.world.alive.borrow_mut();
        alive().insert(self.caller.name.clone());
        let ended = tokio::select! {
            biased;
            () = self.caller.has_died() => Err("dies"),
            () = tokio::time::sleep(timeout) => Err("is ended by its timeout"),
            done = work => Ok(done),
        };
        alive().remove(&self.caller.name);
        match ended {
            Ok(done) => Some(done),
            Err(ended) => {
                self.world.tell(|| format!("       {} {ended}", self.caller));
                S::was_cut_short(self);
                None
            }
        }
    }
}

/// All ports of one invocation, of one channel where that matters.
pub struct Port<S: Scene> {
    /// The invocation.
    pub invocation: Rc<Invocation<S>>,
    /// The channel that a client of Mirakl's is for.
    pub channel: usize,
    /// Until when that client may work.
    pub deadline: Timestamp,
}

impl<S: Scene> Port<S> {
    /// The ports of an invocation.
    #[must_use]
    pub fn new(invocation: &Rc<Invocation<S>>) -> Self {
        Self { invocation: Rc::clone(invocation), channel: 0, deadline: Timestamp::MAX }
    }

    /// The world it lives in.
    #[must_use]
    pub fn world(&self) -> &Rc<S> {
        &self.invocation.world
    }

    /// A call begins, to the port's own channel where it goes to one.
    pub(crate) async fn begin(
        &self,
        kind: Kind,
        thing: impl Hash,
        about: impl FnOnce() -> String,
    ) -> Call {
        self.invocation.begin(kind, self.channel, thing, about).await
    }

    /// A call had its effect.
    pub(crate) async fn end(&self, call: &Call) {
        self.invocation.end(call).await;
    }

    /// A call without effect: whether its answer arrives.
    pub(crate) async fn asks(
        &self,
        kind: Kind,
        thing: impl Hash,
        about: impl FnOnce() -> String,
    ) -> bool {
        self.invocation.asks(kind, self.channel, thing, about).await
    }
}

impl<S: Scene> Clone for Port<S> {
    fn clone(&self) -> Self {
        Self {
            invocation: Rc::clone(&self.invocation),
            channel: self.channel,
            deadline: self.deadline,
        }
    }
}

impl<S: Scene> fmt::Debug for Port<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the ports of {}", self.invocation.caller)
    }
}
