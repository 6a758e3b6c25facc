//! One run over all channels.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::domain::channel::{Channel, MiraklDirectory, Mode};
use shared::domain::channel_documents::ChannelDocuments;
use shared::domain::documents::UnusableDocument;
use shared::domain::order::row::Lease;
use shared::domain::payout::documents::PayoutDocuments;
use shared::domain::payout::exceptions::Finding;
use shared::domain::payout::row::{ShopKey, ShopRow};
use shared::domain::payout::store::PayoutStore;
use shared::domain::state::StoreError;
use shared::kit::clock::Clock;

use crate::conclude::{Lasting, of_shop};
use crate::findings;
use crate::lines::Lines;
use crate::pages::has_news;
use crate::shop::{ShopRun, is_final};
use crate::{ChannelReport, PortTypes, Ports, ReconcileError, Report, Run};

/// What becomes of a shop in a run.
enum Outcome {
    Done(ChannelReport),
    /// Another run is at work on it.
    Overlapped,
}

impl<T: PortTypes> Ports<T> {
    /// One run over all channels. A shop that fails leaves its neighbours alone.
    ///
    /// # Errors
    /// The channels cannot be read.
    pub async fn tick(&self, run: &Run) -> Result<Report, ReconcileError> {
        let channels = self.documents.channels().await?.channels;
        let (mut report, mut lasting) = (Report::default(), Lasting::default());
        for (key, sharing) in by_shop(&channels) {
            let Some(channel) = sharing.first() else { continue };
            match self.run_shop(&key, channel, &sharing, run, &mut lasting, &mut report).await {
                Ok(Outcome::Done(done)) => report.channels.push(done),
                Ok(Outcome::Overlapped) => report.overlapped += 1,
                Err(problem) => {
                    tracing::error!(channel = %channel.id, %problem, "the run over a shop failed; the next run goes on");
                    report.failed += 1;
                }
            }
        }
        if report.failed == 0 {
            self.tidy_up(&channels, &lasting).await;
        }
        Ok(report)
    }

    async fn run_shop(
        &self,
        key: &ShopKey,
        channel: &Channel,
        sharing: &[&Channel],
        run: &Run,
        lasting: &mut Lasting,
        report: &mut Report,
    ) -> Result<Outcome, ReconcileError> {
        let now = self.clock.now();
        let documents = self.usable_documents(channel, sharing).await?;
        let mut row = self.store.load_shop(key).await?;
        if row.lease.as_ref().is_some_and(|lease| lease.owner != run.id && lease.until > now) {
            return Ok(Outcome::Overlapped);
        }
        row.lease = Some(Lease { owner: run.id.clone(), until: run.hard_deadline });
        match self.store.save_shop(key, &mut row).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Ok(Outcome::Overlapped),
            Err(problem) => return Err(problem.into()),
        }
        let documents = match documents {
            Ok(documents) => documents,
            Err(finding) => {
                let done =
                    self.refuse(key, channel, row, (finding, now), (lasting, report)).await?;
                return Ok(Outcome::Done(done));
            }
        };
        let mut shop = self.load(key, channel, documents, row, now).await?;
        let done = self.work(&mut shop, run, lasting).await;
        // The lease is given back whatever became of the run.
        shop.row.lease = None;
        let saved = self.store.save_shop(&shop.key, &mut shop.row).await;
        report.announced += done?;
        saved?;
        Ok(Outcome::Done(shop.report))
    }

    /// Reads, ties out, books and queues; answers how many exceptions were told.
    async fn work(
        &self,
        shop: &mut ShopRun<'_>,
        run: &Run,
        lasting: &mut Lasting,
    ) -> Result<usize, ReconcileError> {
        let client = self.directory.client(shop.channel, run.hard_deadline).await;
        if let Ok(client) = &client {
            self.list(shop, client).await?;
            if shop.is_listed_now {
                self.fetch_documents(shop, client).await?;
            }
            self.store.save_shop(&shop.key, &mut shop.row).await?;
        }
        let from = shop.ledger_from();
        let open: Vec<_> = shop
            .cycles
            .iter()
            .filter(|row| !is_final(row, from) || has_news(row, shop.read_before))
            .map(|row| row.key.clone())
            .collect();
        let mut lines = Lines::load(&self.files, &shop.key, &open).await?;
        match &client {
            Ok(client) => self.read_log(shop, client, &mut lines, run).await?,
            Err(problem) => {
                tracing::warn!(channel = %shop.channel.id, %problem, "the marketplace cannot be called; the next run tries again");
                shop.row.refused.fails(&shop.channel.id, problem, String::new(), shop.now);
            }
        }
        self.tie_and_book(shop, &mut lines).await?;
        self.queue_approved(shop).await?;
        shop.row.findings = of_shop(shop, &lines);
        Ok(self.conclude_shop(shop, lasting).await)
    }

    async fn load<'c>(
        &self,
        key: &ShopKey,
        channel: &'c Channel,
        documents: PayoutDocuments,
        row: ShopRow,
        now: Timestamp,
    ) -> Result<ShopRun<'c>, ReconcileError> {
        let mut shop = ShopRun {
            channel,
            key: key.clone(),
            documents,
            is_listed_now: false,
            read_before: row.read_at,
            row,
            cycles: self.store.cycles(key).await?,
            unsaved: BTreeSet::new(),
            report: ChannelReport { channel: channel.id.clone(), ..ChannelReport::default() },
            now,
        };
        shop.sort_cycles();
        Ok(shop)
    }

    /// The channel's documents; or what a person has to correct first.
    ///
    /// # Errors
    /// They cannot be read now.
    async fn usable_documents(
        &self,
        channel: &Channel,
        sharing: &[&Channel],
    ) -> Result<Result<PayoutDocuments, Finding>, UnusableDocument> {
        let live: Vec<&str> = sharing
            .iter()
            .filter(|one| one.payouts == Mode::Live)
            .map(|one| one.id.as_str())
            .collect();
        if live.len() > 1 {
            return Ok(Err(findings::documents_unusable(
                "two live channels",
                format!(
                    "channels {} have live payouts on one shop: each cycle would be booked twice",
                    live.join(" and ")
                ),
            )));
        }
        match PayoutDocuments::read(&self.documents, &channel.id).await {
            Ok(documents) => Ok(Ok(documents)),
            Err(UnusableDocument::Wrong(problem)) => {
                Ok(Err(findings::documents_unusable("", problem)))
            }
            Err(problem) => Err(problem),
        }
    }

    /// Nothing of the shop is read: a person is told why.
    async fn refuse(
        &self,
        key: &ShopKey,
        channel: &Channel,
        mut row: ShopRow,
        (finding, now): (Finding, Timestamp),
        (lasting, report): (&mut Lasting, &mut Report),
    ) -> Result<ChannelReport, ReconcileError> {
        row.findings.retain(|one| one.kind != finding.kind);
        row.findings.push(finding);
        report.announced += self.conclude_refused(channel, &mut row, now, lasting, key).await?;
        row.lease = None;
        self.store.save_shop(key, &mut row).await?;
        Ok(ChannelReport { channel: channel.id.clone(), ..ChannelReport::default() })
    }
}

/// The channels with payouts by their shop, those that are live first.
fn by_shop(channels: &[Channel]) -> BTreeMap<ShopKey, Vec<&Channel>> {
    let mut shops: BTreeMap<ShopKey, Vec<&Channel>> = BTreeMap::new();
    for channel in channels.iter().filter(|channel| channel.payouts != Mode::Off) {
        match ShopKey::of(channel) {
            Some(key) => shops.entry(key).or_default().push(channel),
            None => {
                tracing::error!(channel = %channel.id, "a channel with payouts names no shop");
            }
        }
    }
    for sharing in shops.values_mut() {
        sharing.sort_by_key(|channel| channel.payouts != Mode::Live);
    }
    shops
}
