//! Which offers a channel has: by an export once a day (OF52 to OF54), or page by page (OF21) where
//! the marketplace has no export. Each new list is compared with the ledger.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::stock::files::{StockFiles, offers_of};
use shared::domain::stock::memory::{ExportUnderWay, OffersMemory};
use shared::domain::stock::offer::Shown;
use shared::kit::clock::{CLOCK_SKEW, Clock, after, before};
use shared::mirakl::MiraklError;
use shared::mirakl::stock::{MiraklStock, OffersExport};

use crate::channel_run::{ChannelRun, ListState};
use crate::listing::{Listing, differing, page_by_page};
use crate::{PortTypes, Ports, Run, Tick};

/// How long a list is used: Mirakl allows one export of everything a day.
const LIST_KEPT: Duration = Duration::from_secs(24 * 3600);
/// An export that takes longer is asked for anew.
const LONGEST_EXPORT: Duration = Duration::from_secs(2 * 3600);
/// A call to one marketplace, with its repeats; what takes longer is asked again by the next run.
const LONGEST_CALL: Duration = Duration::from_secs(25);
/// The files of an export, or all pages of a list.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(120);
/// A channel with fewer offers than this may lose any number of them.
const FEW: usize = 20;
/// Before a list that could not be had is asked for again.
const AGAIN: Duration = Duration::from_secs(900);

/// The client of one channel.
type Client<T> = <<T as PortTypes>::Directory as MiraklDirectory>::Client;

/// Why there is no new list.
#[derive(Debug, thiserror::Error)]
enum NoList {
    #[error("{0}")]
    NoClient(MiraklError),
    #[error("{}", .0.in_words())]
    Mirakl(MiraklError),
    #[error("the export {0} does not end")]
    Endless(String),
    #[error("the export failed: {0}")]
    Failed(String),
    #[error("the export is complete and names no file")]
    NoFile,
    #[error("the marketplace does not know its export any more")]
    Forgotten,
    #[error(
        "the new list names {new} offers, the one before {before}: it is used if the next one says so too"
    )]
    Shrunk { new: usize, before: usize },
}

impl<T: PortTypes> Ports<T> {
    /// Takes one step towards a new list, where the list is old or missing.
    pub(crate) async fn follow_offers_list(&self, channel: &mut ChannelRun, tick: Tick<'_>) {
        let now = tick.now;
        if channel.list == ListState::Unread {
            return;
        }
        let memory = &mut channel.memory.run.offers;
        let is_old = channel.offers.is_none()
            || memory.listed_at.is_none_or(|at| after(at, LIST_KEPT) <= now);
        if memory.export.is_none() && !is_old {
            (memory.problem, memory.again_at) = (None, None);
            return;
        }
        if memory.export.is_none() && memory.again_at.is_some_and(|at| at > now) {
            return;
        }
        match self.next_step(channel, tick).await {
            Ok(Some(listing)) => self.take_over(channel, listing, now).await,
            Ok(None) => channel.memory.run.offers.problem = None,
            Err(problem) => {
                tracing::warn!(channel = %channel.channel.id, %problem, "the list of offers cannot be read; the one before goes on");
                give_list_up(channel, &problem, now);
            }
        }
    }

    /// A client that gives up after a while, so that one slow marketplace holds no other up.
    async fn client_for(
        &self,
        channel: &ChannelRun,
        run: &Run,
        at_most: Duration,
    ) -> Result<Client<T>, NoList> {
        let deadline = after(self.clock.now(), at_most).min(before(run.hard_deadline, CLOCK_SKEW));
        self.directory.client(&channel.channel, deadline).await.map_err(NoList::NoClient)
    }

    /// Begins an export, or asks how it stands. None while Mirakl is at work.
    async fn next_step(
        &self,
        channel: &mut ChannelRun,
        tick: Tick<'_>,
    ) -> Result<Option<Listing>, NoList> {
        let client = self.client_for(channel, tick.run, LONGEST_CALL).await?;
        match channel.memory.run.offers.export.clone() {
            None => self.begin_export(channel, &client, tick).await,
            Some(export) if after(export.begun_at, LONGEST_EXPORT) <= tick.now => {
                Err(NoList::Endless(export.tracking_id))
            }
            Some(export) => self.ask_for_export(channel, &client, &export, tick.run).await,
        }
    }

    async fn begin_export(
        &self,
        channel: &mut ChannelRun,
        client: &Client<T>,
        tick: Tick<'_>,
    ) -> Result<Option<Listing>, NoList> {
        match client.begin_offers_export(None).await {
            Ok(tracking_id) => {
                channel.memory.run.offers.export =
                    Some(ExportUnderWay { tracking_id, begun_at: tick.now });
                Ok(None)
            }
            Err(problem) if has_no_export(&problem) => {
                let client = self.client_for(channel, tick.run, LONGEST_DOWNLOAD).await?;
                page_by_page(&client, tick.now).await.map(Some).map_err(NoList::Mirakl)
            }
            Err(problem) => Err(NoList::Mirakl(problem)),
        }
    }

    async fn ask_for_export(
        &self,
        channel: &ChannelRun,
        client: &Client<T>,
        export: &ExportUnderWay,
        run: &Run,
    ) -> Result<Option<Listing>, NoList> {
        match client.offers_export(&export.tracking_id).await {
            Ok(OffersExport::Pending) => Ok(None),
            Ok(OffersExport::Unknown(word)) => {
                tracing::warn!(channel = %channel.channel.id, word, "an export stands in a way that this version does not know");
                Ok(None)
            }
            Ok(OffersExport::Failed(reason)) => Err(NoList::Failed(reason)),
            Ok(OffersExport::Completed(urls)) if urls.is_empty() => Err(NoList::NoFile),
            Ok(OffersExport::Completed(urls)) => {
                let client = self.client_for(channel, run, LONGEST_DOWNLOAD).await?;
                let mut listing = Listing::begun(export.begun_at);
                for url in urls {
                    client
                        .exported_offers(&url, |entry| listing.take(entry))
                        .await
                        .map_err(NoList::Mirakl)?;
                }
                Ok(Some(listing))
            }
            Err(problem) if problem.status == Some(404) => Err(NoList::Forgotten),
            Err(problem) if problem.is_key_refused() => Err(NoList::Mirakl(problem)),
            Err(problem) => {
                tracing::warn!(channel = %channel.channel.id, %problem, "an export cannot be asked about; the next run asks again");
                Ok(None)
            }
        }
    }

    /// Uses a new list, and notes in the ledger where Mirakl shows another quantity. A list with
    /// far fewer offers than the one before is probably a mistake: it is used only if the next one
    /// says the same.
    async fn take_over(&self, channel: &mut ChannelRun, mut listing: Listing, now: Timestamp) {
        listing.finish();
        let (before, new) = (channel.memory.run.offers.offers, listing.list.len());
        if before >= FEW && new < before / 2 && channel.memory.run.offers.shrunk_to != Some(new) {
            channel.memory.run.offers.shrunk_to = Some(new);
            return give_list_up(channel, &NoList::Shrunk { new, before }, now);
        }
        let changes = differing(&listing.shown, channel.ledger());
        let drifted = changes
            .iter()
            .filter(|change| channel.ledger().shown(change.sku_hash) != Shown::Never)
            .count();
        if let Err(problem) =
            self.files.write(&offers_of(channel.id()), listing.list.encode()).await
        {
            tracing::warn!(channel = %channel.channel.id, %problem, "the list of offers could not be kept; the next run reads it again");
            return;
        }
        if let Err(problem) = self.append(&mut channel.stored, &changes).await {
            tracing::warn!(channel = %channel.channel.id, %problem, "what the list of offers says could not be noted; the next run reads it again");
            return;
        }
        tracing::info!(channel = %channel.channel.id, offers = new, drifted, odd = listing.odd.len(), "a new list of offers");
        channel.memory.run.offers = OffersMemory {
            listed_at: Some(listing.list.listed_at()),
            offers: new,
            drifted,
            unreadable: listing.odd,
            ..OffersMemory::default()
        };
        channel.report.drifted = drifted;
        channel.offers = Some(listing.list);
        channel.list = ListState::New;
    }
}

/// Notes why there is no new list, and that one is asked for again a while later.
fn give_list_up(channel: &mut ChannelRun, problem: &NoList, now: Timestamp) {
    let memory = &mut channel.memory.run.offers;
    memory.export = None;
    memory.problem = Some(problem.to_string());
    memory.again_at = Some(after(now, AGAIN));
}

/// The marketplace has no such operation, or not for this key.
fn has_no_export(problem: &MiraklError) -> bool {
    matches!(problem.status, Some(403 | 404 | 405 | 501))
}
