//! The end of a run: people are told what they have to know, what is remembered is saved, and what
//! is over is taken away.

use std::collections::HashMap;

use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::conditions::{announce, follow, tidy};
use shared::domain::state::ledger::{LedgerStore, StockRecord};
use shared::domain::stock::exceptions::{Condition, StockException, StockExceptionKind};
use shared::domain::stock::memory::{ImportOwner, PushMemory, StockMemory};

use crate::channel_run::{ChannelRun, ExcludedChannel, age};
use crate::report::ChannelReport;
use crate::{PortTypes, Ports, Report, conditions};

/// The kinds of exceptions of the installation that every run looks for.
const OF_INSTALLATION: [StockExceptionKind; 4] = [
    StockExceptionKind::BasisMissing,
    StockExceptionKind::PrimaUnread,
    StockExceptionKind::FiguresUnusable,
    StockExceptionKind::DocumentsUnusable,
];

/// What a run has come to.
#[derive(Debug)]
pub(crate) struct Finished<'c> {
    /// All channels, with and without a stock flow.
    pub(crate) channels: &'c [Channel],
    pub(crate) runs: Vec<ChannelRun>,
    pub(crate) excluded: Vec<ExcludedChannel>,
    /// Channels whose definition cannot be used, and why.
    pub(crate) unusable: Vec<(String, String)>,
    /// The offers were evaluated.
    pub(crate) is_evaluated: bool,
}

impl<T: PortTypes> Ports<T> {
    /// Tells people, saves what is remembered, and takes away messages of what is over.
    pub(crate) async fn conclude(
        &self,
        finished: Finished<'_>,
        memory: &mut StockMemory,
        report: &mut Report,
        now: Timestamp,
    ) {
        let Finished { channels, runs, excluded, unusable, is_evaluated } = finished;
        let mut lasting = Lasting::default();
        for mut channel in runs {
            let (found, looked_at) = conditions::of_channel(&channel, is_evaluated, now);
            report.announced += self
                .tell(
                    channel.channel.id.as_str(),
                    &mut channel.memory.run.exceptions,
                    found,
                    &looked_at,
                    now,
                )
                .await;
            lasting.add(channel.id(), &channel.memory.run.exceptions);
            report.channels.push(self.conclude_channel(channel, now).await);
        }
        for ExcludedChannel { channel, problem } in excluded {
            let record = StockRecord::Push(&channel.id);
            let Ok((mut push, version)) = self.ledger.load_record::<PushMemory>(record).await
            else {
                continue;
            };
            let (found, looked_at) = (
                vec![conditions::documents_unusable(&problem)],
                [StockExceptionKind::DocumentsUnusable],
            );
            report.announced +=
                self.tell(&channel.id, &mut push.run.exceptions, found, &looked_at, now).await;
            lasting.add(&channel.id, &push.run.exceptions);
            let _ = self.ledger.save_record(record, &push, &version).await;
        }
        let mut found = conditions::of_installation(memory, &self.settings, now);
        found.extend(
            unusable.iter().map(|(id, problem)| conditions::definition_unusable(id, problem)),
        );
        report.announced += self.tell_installation(memory, found, &OF_INSTALLATION, now).await;
        lasting.add("", &memory.exceptions);
        tidy(&self.queue, |channel, kind, first_seen| {
            lasting.has(channels, channel, kind, first_seen)
        })
        .await;
    }

    async fn conclude_channel(&self, mut channel: ChannelRun, now: Timestamp) -> ChannelReport {
        let import = channel.memory.imports.under_way.as_ref();
        channel.report.oldest_import = age(import.map(|import| import.begun_at), now);
        let untold =
            channel.memory.run.exceptions.iter().filter(|exception| !exception.told.is_told());
        channel.report.oldest_unannounced =
            age(untold.map(|exception| exception.first_seen).min(), now);
        self.save(&mut channel, ImportOwner::Others).await;
        channel.report
    }

    /// Tells people of what is so for the whole installation, and answers how many exceptions were
    /// told.
    pub(crate) async fn tell_installation(
        &self,
        memory: &mut StockMemory,
        found: Vec<Condition>,
        looked_at: &[StockExceptionKind],
        now: Timestamp,
    ) -> usize {
        self.tell("", &mut memory.exceptions, found, looked_at, now).await
    }

    /// Tells people of what is so for a channel, or with an empty id for the installation.
    async fn tell(
        &self,
        channel: &str,
        exceptions: &mut Vec<StockException>,
        found: Vec<Condition>,
        looked_at: &[StockExceptionKind],
        now: Timestamp,
    ) -> usize {
        follow(exceptions, found, looked_at, now);
        announce(&self.queue, &self.events, channel, exceptions, now).await
    }
}

/// The exceptions that last, of each channel that was looked at, and of the installation under an
/// empty id.
#[derive(Debug, Default)]
struct Lasting(HashMap<String, Vec<(&'static str, String)>>);

impl Lasting {
    fn add(&mut self, channel: &str, exceptions: &[StockException]) {
        let named = exceptions.iter().map(|one| (one.kind.name(), one.first_seen.to_string()));
        self.0.insert(channel.to_owned(), named.collect());
    }

    /// Whether an exception of `channel` lasts; none where this run cannot tell. A channel that is
    /// no more, or is off now, needs nobody.
    fn has(
        &self,
        channels: &[Channel],
        channel: &str,
        kind: &str,
        first_seen: &str,
    ) -> Option<bool> {
        if let Some(named) = self.0.get(channel) {
            return Some(named.iter().any(|(one, at)| *one == kind && at == first_seen));
        }
        let is_at_work = channels.iter().any(|one| one.id == channel && one.stock != Mode::Off);
        if is_at_work { None } else { Some(false) }
    }
}
