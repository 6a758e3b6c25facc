//! Calls, what becomes of them, and how often what goes wrong.

use std::time::Duration;

use jiff::Timestamp;

use super::dice::Dice;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Reading rows, poll state, ledgers or Prima's breakers.
    Load,
    /// Saving one of them.
    Save,
    /// Asking the index.
    Index,
    /// Reserving a number.
    Reserve,
    /// Reading a file.
    Read,
    /// Writing a file.
    Write,
    /// Reading a channel's documents.
    Rules,
    /// Reading an API key.
    Key,
    /// Sending to a queue.
    Send,
    /// Reading the dead-letter queue.
    Shown,
    /// Taking a message off the dead-letter queue.
    Withdraw,
    /// Publishing events.
    Publish,
    /// OR11, by the poller.
    List,
    /// OR21.
    Accept,
    /// OR04.
    Reference,
    /// Another question to Mirakl.
    Question(&'static str),
    /// Another change in Mirakl.
    Change(&'static str),
    /// `OrderStatus`.
    Ask,
    /// `NewOrder`.
    NewOrder,
    /// `CancelOrder`.
    CancelOrder,
    /// A question for Prima's stock.
    Figures(&'static str),
    /// `JournalStatus`.
    AskJournal,
    /// `NewJournal`.
    NewJournal,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// DynamoDB, S3 and Secrets Manager.
    Store,
    /// SQS.
    Queue,
    /// EventBridge.
    Bus,
    /// A marketplace.
    Mirakl,
    /// The ERP.
    Prima,
}

impl Kind {
    /// Where it goes.
    #[must_use]
    pub fn system(self) -> System {
        match self {
            Self::Load
            | Self::Save
            | Self::Index
            | Self::Reserve
            | Self::Read
            | Self::Write
            | Self::Rules
            | Self::Key => System::Store,
            Self::Send | Self::Shown | Self::Withdraw => System::Queue,
            Self::Publish => System::Bus,
            Self::List | Self::Accept | Self::Reference | Self::Question(_) | Self::Change(_) => {
                System::Mirakl
            }
            Self::Ask
            | Self::NewOrder
            | Self::CancelOrder
            | Self::Figures(_)
            | Self::AskJournal
            | Self::NewJournal => System::Prima,
        }
    }

    /// It changes something.
    #[must_use]
    pub fn has_effect(self) -> bool {
        !matches!(
            self,
            Self::Load
                | Self::Index
                | Self::Read
                | Self::Rules
                | Self::Key
                | Self::Shown
                | Self::List
                | Self::Question(_)
                | Self::Ask
                | Self::Figures(_)
                | Self::AskJournal
        )
    }

    /// The operation of Mirakl's or Prima's, where it is one.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::List => "OR11",
            Self::Accept => "OR21",
            Self::Reference => "OR04",
            Self::Question(operation) | Self::Change(operation) | Self::Figures(operation) => {
                operation
            }
            Self::Ask => "OrderStatus",
            Self::NewOrder => "NewOrder",
            Self::CancelOrder => "CancelOrder",
            Self::AskJournal => "JournalStatus",
            Self::NewJournal => "NewJournal",
            _ => "",
        }
    }
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
    /// There is no answer, and it has its effect a while later.
    Late,
    /// The caller dies before it has its effect.
    CrashBefore,
    /// The caller dies after it had its effect.
    CrashAfter,
}

/// A call under way: what becomes of it, and its own chance.
#[derive(Debug)]
pub struct Call {
    /// What becomes of it.
    pub fate: Fate,
    /// For whatever else is drawn of this call.
    pub dice: Dice,
}

impl Call {
    /// It has no effect.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.fate == Fate::Fails
    }

    /// Its answer arrives, where the caller lives to hear it.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(self.fate, Fate::Goes | Fate::CrashAfter)
    }
}

/// A call as a trace and the sweep name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What it is for.
    pub kind: Kind,
    /// Of what.
    pub about: String,
    /// When it began.
    pub at: Timestamp,
}

impl Described {
    /// It is of this kind, and its description begins so.
    #[must_use]
    pub fn is(&self, kind: Kind, about: &str) -> bool {
        self.kind == kind && self.about.starts_with(about)
    }

    /// The thing itself, without its version or state: the first two words.
    pub(crate) fn thing(&self) -> String {
        self.about.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }
}

/// In the exhaustive sweep: one call of the whole run meets this fate, and no other meets any but
/// the plan's own.
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

/// Something that goes wrong once in a scripted run, whatever else does.
#[derive(Clone, Debug)]
pub struct Mishap {
    /// The kind of call.
    pub kind: Kind,
    /// What the call's description begins with.
    pub about: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// How often calls to a system go wrong: probabilities.
#[derive(Clone, Copy, Debug, Default)]
pub struct Odds {
    /// Without effect.
    pub fails: f64,
    /// With its effect, and without an answer.
    pub lost: f64,
    /// Without an answer, and with its effect a while later.
    pub late: f64,
}

/// How often which fault happens, as probabilities of one call.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// DynamoDB, S3 and Secrets Manager.
    pub store: Odds,
    /// SQS.
    pub queue: Odds,
    /// EventBridge.
    pub bus: Odds,
    /// The marketplaces.
    pub mirakl: Odds,
    /// Prima; what it does late, it does later than anybody waits.
    pub prima: Odds,
    /// Seconds that the index lags behind at most.
    pub index_lag: u64,
    /// Prima answers a question with an error of its own.
    pub prima_unclear: f64,
    /// An invocation dies at a call.
    pub crash: f64,
    /// The same of an invocation that a queue began.
    pub crash_consumer: f64,
    /// A message is delivered although somebody holds it.
    pub delivered_twice: f64,
    /// Two scheduled invocations start in one minute.
    pub scheduled_twice: f64,
    /// A call takes much longer than usual.
    pub slow: f64,
    /// Clocks are off by this many milliseconds at most.
    pub skew: u64,
}

impl Profile {
    /// Every system is as bad as any other.
    #[must_use]
    pub fn even(odds: Odds) -> Self {
        Self { store: odds, queue: odds, bus: odds, mirakl: odds, prima: odds, ..Self::default() }
    }

    /// The odds of a kind of call.
    #[must_use]
    pub fn odds(&self, kind: Kind) -> Odds {
        let odds = match kind.system() {
            System::Store => self.store,
            System::Queue => self.queue,
            System::Bus => self.bus,
            System::Mirakl => self.mirakl,
            System::Prima => self.prima,
        };
        match kind {
            // It is read once an invocation, and kept.
            Kind::Key => Odds { fails: odds.fails / 4.0, ..Odds::default() },
            Kind::NewOrder | Kind::NewJournal | Kind::Change(_) => odds,
            _ if kind.has_effect() => Odds { late: 0.0, ..odds },
            _ => Odds { fails: odds.fails, ..Odds::default() },
        }
    }
}

/// How long calls to a system take, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// As a rule.
    pub usual: (u64, u64),
    /// When it is slow.
    pub slow: (u64, u64),
}

impl Pace {
    /// A time of this pace.
    #[must_use]
    pub fn drawn(self, slow: bool, dice: &Dice) -> Duration {
        let (low, high) = if slow { self.slow } else { self.usual };
        Duration::from_millis(dice.between(low, high))
    }
}
