//! The store of payouts, the bucket, the queue and Prima's ledger, as `post-journals` sees them.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use shared::domain::channel_documents::{
    ChannelDocument, ChannelDocuments, ChannelList, Freshness,
};
use shared::domain::documents::{DocumentKey, UnusableDocument};
use shared::domain::events::Event;
use shared::domain::payout::journal::Journal;
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::posting::Stage;
use shared::domain::payout::row::{CycleRow, ShopKey, ShopRow};
use shared::domain::payout::rules::PayoutRules;
use shared::domain::payout::store::{
    JournalMessage, JournalQueue, PayoutFiles, PayoutStore, journal_file,
};
use shared::domain::queue::{ExceptionMessage, QueueError};
use shared::domain::state::StoreError;
use shared::kit::clock::after;
use shared::prima::PrimaError;
use shared::prima::finance::{
    CreditNote, NewJournal, NominalTransaction, PostedJournal, Posting, PrimaFinance,
};
use shared::prima::sku::SkuOverride;
use simulators::prima::books;

use super::world::World;
use crate::world::base::beginning;
use crate::world::dice::Dice;
use crate::world::documents::as_asked;
use crate::world::fate::{Call, Fate, Kind, Pace};
use crate::world::ports::{not_sent, unavailable};
use crate::world::queue::Body;
use crate::world::scene::{self, Scene};

/// One invocation.
pub(super) type Invocation = scene::Invocation<World>;
/// All ports of one invocation.
pub(super) type Port = scene::Port<World>;

impl Scene for World {
    type Notes = ();

    fn index(&self, _channel: &str) -> usize {
        0
    }

    fn latency(&self, _kind: Kind, slow: bool, dice: &Dice) -> Duration {
        Pace { usual: (1, 120), slow: (500, 15_000) }.drawn(slow, dice)
    }

    fn shows(invocation: &Invocation, exception: &ExceptionMessage, fate: Fate) {
        if fate != Fate::Fails {
            invocation.world.note_told(&exception.reason);
        }
    }

    fn publishes(invocation: &Invocation, event: &Event, fate: Fate) {
        if fate != Fate::Fails {
            invocation.world.note_told(&event.reason);
        }
    }
}

impl PayoutStore for Port {
    async fn load_shop(&self, shop: &ShopKey) -> Result<ShopRow, StoreError> {
        self.world().payouts.load_shop(shop).await
    }

    async fn save_shop(&self, shop: &ShopKey, row: &mut ShopRow) -> Result<(), StoreError> {
        self.world().payouts.save_shop(shop, row).await
    }

    async fn cycles(&self, shop: &ShopKey) -> Result<Vec<CycleRow>, StoreError> {
        self.world().payouts.cycles(shop).await
    }

    async fn load_cycle(&self, key: &CycleKey) -> Result<Option<CycleRow>, StoreError> {
        if !self.asks(Kind::Load, key, || format!("cycle {key}")).await {
            return Err(unavailable());
        }
        self.world().payouts.load_cycle(key).await
    }

    async fn save_cycle(&self, row: &mut CycleRow) -> Result<(), StoreError> {
        let world = self.world();
        let stages: Vec<_> = row
            .journals
            .iter()
            .map(|journal| format!("{} {}", journal.row.reference, journal.row.stage.words()))
            .collect();
        let about = format!("cycle {} v{} {}", row.key, row.version, stages.join(", "));
        let save = async |row: &mut CycleRow| {
            world.payouts.save_cycle(row).await?;
            world.saved(row);
            Ok(())
        };
        let thing = format!("cycle {}", row.key);
        self.save(&thing, || about, row, |row| &mut row.version, save).await
    }

    async fn reserve_reference(
        &self,
        reference: &str,
        of: &JournalMessage,
    ) -> Result<Result<(), JournalMessage>, StoreError> {
        let call = self.begin(Kind::Reserve, reference, || reference.to_owned()).await;
        if call.fails() {
            return Err(unavailable());
        }
        let reserved = self.world().payouts.reserve_reference(reference, of).await;
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(unavailable()) } else { reserved }
    }
}

impl PayoutFiles for Port {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.asks(Kind::Read, name, || name.to_owned()).await {
            return Err(unavailable());
        }
        self.world().payouts.read(name).await
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let world = self.world();
        let call = self.begin(Kind::Write, name, || name.to_owned()).await;
        if call.fails() {
            return Err(unavailable());
        }
        let before = world.payouts.read(name).await?;
        if name.starts_with("import/") && before.is_some_and(|before| before != bytes) {
            world.violate(format!("{name} is overwritten with something else"));
        }
        world.payouts.write(name, bytes).await?;
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(unavailable()) } else { Ok(()) }
    }
}

impl JournalQueue for Port {
    async fn send_journal(
        &self,
        message: &JournalMessage,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let world = self.world();
        let about = || format!("{} {} in {delay:?}", message.cycle, message.name);
        let call = self.begin(Kind::Send, (&message.cycle, message.name), about).await;
        if call.fails() {
            return Err(not_sent([0]));
        }
        if let Ok(body) = serde_json::to_string(message) {
            let visible_at = after(world.now(), delay);
            world.journals.borrow_mut().send(Body::Text(body), visible_at, 0);
            world.journals_moved.notify_one();
        }
        self.end(&call).await;
        if call.fate == Fate::AnswerLost { Err(not_sent([0])) } else { Ok(()) }
    }
}

impl ChannelDocuments for Port {
    async fn channels(&self) -> Result<ChannelList, UnusableDocument> {
        if !self.asks(Kind::Rules, "channels", || "channels".to_owned()).await {
            return Err(UnusableDocument::Unavailable("throttled".to_owned()));
        }
        Ok(ChannelList { channels: vec![self.world().channel.clone()], unusable: Vec::new() })
    }

    async fn stored_document<D: ChannelDocument>(
        &self,
        channel: &str,
        _freshness: Freshness,
    ) -> Result<Option<D>, UnusableDocument> {
        if !self.asks(Kind::Rules, channel, || channel.to_owned()).await {
            return Err(UnusableDocument::Unavailable("throttled".to_owned()));
        }
        Ok(match D::key(channel) {
            DocumentKey::PayoutRules(_) => {
                let rules = format!(r#"{{"payouts_from":"{}"}}"#, beginning());
                let rules: PayoutRules = serde_json::from_str(&rules)
                    .map_err(|problem| UnusableDocument::Wrong(problem.to_string()))?;
                as_asked(&PayoutRules { journal: self.world().way.get(), ..rules })
            }
            _ => None,
        })
    }

    async fn sku_overrides(
        &self,
        _channel: &str,
        _skus: &[&str],
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument> {
        Ok(HashMap::new())
    }

    async fn all_sku_overrides(
        &self,
        _channel: &str,
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument> {
        Ok(HashMap::new())
    }

    async fn keep_document<D: ChannelDocument>(
        &self,
        _channel: &str,
        _document: &D,
        _author: &str,
        _at: Timestamp,
    ) -> Result<(), UnusableDocument> {
        Ok(())
    }
}

/// The same journal, as Prima's simulator takes it.
fn on_arrival(journal: &NewJournal) -> books::NewJournal {
    books::NewJournal {
        third_party_id: journal.third_party_id.clone(),
        reference: journal.reference.clone(),
        date: journal.date,
        period: journal.period.clone(),
        currency: journal.currency.clone(),
        narrative: journal.narrative.clone(),
        lines: journal
            .lines
            .iter()
            .map(|line| books::JournalLine {
                nominal: line.nominal.clone(),
                cost_centre: line.cost_centre.clone(),
                debit: line.debit,
                credit: line.credit,
                tax_code: line.tax_code.clone(),
                tax_amount: line.tax_amount,
                narrative: line.narrative.clone(),
                reference: line.reference.clone(),
            })
            .collect(),
    }
}

impl Port {
    /// What is sent is what the row says was approved; a row that was lost meanwhile says nothing.
    async fn judge_sent(&self, journal: &NewJournal) {
        let world = self.world();
        let key = world
            .wanted
            .borrow()
            .iter()
            .find(|(_, wanted)| wanted.journal.guid == journal.third_party_id)
            .map(|(key, _)| key.clone());
        let Some((cycle, name)) = key else {
            return world.violate(format!("{} is nobody's journal", journal.reference));
        };
        let Ok(Some(row)) = world.payouts.load_cycle(&cycle).await else { return };
        let Some(row) = row.journal(&name).map(|journal| journal.row.clone()) else { return };
        let content = world.payouts.read(&journal_file(&row.hash)).await.ok().flatten();
        let approved = content
            .and_then(|bytes| serde_json::from_slice::<Journal>(&bytes).ok())
            .filter(|approved| approved.hash().is_ok_and(|hash| hash == row.hash));
        let amounts = |journal: &NewJournal| -> Vec<_> {
            let lines = journal.lines.iter();
            lines.map(|line| (line.nominal.clone(), line.debit, line.credit)).collect()
        };
        let is_approved = approved.is_some_and(|approved| {
            let lines = approved.lines.iter();
            let lines: Vec<_> = lines
                .map(|line| (line.account.nominal.clone(), line.debit.0, line.credit.0))
                .collect();
            lines == amounts(journal)
        });
        if !is_approved {
            world.violate(format!(
                "{} is sent with another content than was approved",
                journal.reference
            ));
        }
        if matches!(row.stage, Stage::AwaitingApproval | Stage::Held(_)) {
            world.violate(format!("{} is sent and nobody approved it", journal.reference));
        }
    }

    /// How Prima's answer fails to come.
    async fn no_answer(&self, call: &Call, document: &'static str) -> PrimaError {
        if call.fails() && call.dice.chance(0.5) {
            return PrimaError::not_sent(document, "no connection");
        }
        tokio::time::sleep(self.world().behaviour.answer_timeout()).await;
        PrimaError::unknown(document, "no answer came")
    }
}

impl PrimaFinance for Port {
    async fn new_journal(&self, journal: &NewJournal) -> Result<Posting, PrimaError> {
        const DOCUMENT: &str = "NewJournal";
        let world = self.world();
        self.judge_sent(journal).await;
        let about = || journal.reference.clone();
        let call = self.begin(Kind::NewJournal, &journal.reference, about).await;
        // What is lost, or outlives its caller, may have its effect much later: up to Prima's
        // longest execution.
        let is_late = match call.fate {
            Fate::AnswerLost | Fate::CrashAfter => call.dice.chance(0.6),
            Fate::Late => true,
            Fate::Goes | Fate::Fails | Fate::CrashBefore => false,
        };
        if is_late {
            let longest = u64::from(world.behaviour.longest_execution_seconds);
            let wait = Duration::from_secs(call.dice.between(0, longest - 1));
            let (arrives, later) = (on_arrival(journal), Rc::clone(world));
            world.tell(|| format!("       {} has its effect in {wait:?}", journal.reference));
            tokio::task::spawn_local(async move {
                tokio::time::sleep(wait).await;
                let _ = later.post(arrives);
            });
            self.end(&call).await;
            return Err(self.no_answer(&call, DOCUMENT).await);
        }
        if call.fails() {
            return Err(self.no_answer(&call, DOCUMENT).await);
        }
        let answer = world.post(on_arrival(journal));
        self.end(&call).await;
        if call.fate == Fate::AnswerLost {
            return Err(self.no_answer(&call, DOCUMENT).await);
        }
        match answer {
            Ok(_) => Ok(Posting::Posted),
            Err(text) if world.site.refuses_duplicates && text.contains("is already posted") => {
                Ok(Posting::WasPosted(text))
            }
            Err(text) => Err(PrimaError::refused(DOCUMENT, text)),
        }
    }

    async fn journal_status(
        &self,
        third_party_id: &str,
    ) -> Result<Option<PostedJournal>, PrimaError> {
        const DOCUMENT: &str = "JournalStatus";
        let world = self.world();
        if !world.site.tells_status {
            world.violate("a Prima without JournalStatus was asked".to_owned());
        }
        let about = || third_party_id.to_owned();
        let call = self.begin(Kind::AskJournal, third_party_id, about).await;
        self.end(&call).await;
        if call.fate != Fate::Goes {
            return Err(self.no_answer(&call, DOCUMENT).await);
        }
        if world.mishap(&call.dice, world.profile.prima_unclear) {
            return Err(PrimaError::refused(DOCUMENT, "The ledger is being saved"));
        }
        let books = world.books.borrow();
        Ok(books.journal_status(third_party_id).ok().map(|posted| PostedJournal {
            reference: posted.journal.reference.clone(),
            number: posted.number.clone(),
        }))
    }

    async fn nominal_transactions(
        &self,
        _nominal: &str,
        _days: [Date; 2],
    ) -> Result<Vec<NominalTransaction>, PrimaError> {
        Err(PrimaError::not_sent("NominalTransactions", "nobody asks"))
    }

    async fn credit_notes(&self, _days: [Date; 2]) -> Result<Vec<CreditNote>, PrimaError> {
        Err(PrimaError::not_sent("CreditNotes", "nobody asks"))
    }
}
