//! Imports that were sent; one at a time is waited for. A lost message is sent again, an import
//! that does not end is given up, and lines that may have been applied late go out again.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::stock::files::{StockFiles, import_of};
use shared::domain::stock::import_memory::ImportUnderWay;
use shared::domain::stock::imports::{decode_lines, published_again};
use shared::domain::stock::ledger::Change;
use shared::domain::stock::offer::Shown;
use shared::kit::clock::after;

use crate::channel_run::{ChannelRun, Republication, age};
use crate::{PortTypes, Ports};

/// A message that should have come so long ago is lost, and sent again.
const MESSAGE_LOST_AFTER: Duration = Duration::from_secs(180);
/// An import without an id that was begun so long ago is no longer being sent by anybody.
const SENDING_ENDS_AFTER: Duration = Duration::from_secs(120);
/// The lines of an import whose id nobody knows go out again for the first time after this.
const FIRST_REPEATED_AFTER: Duration = Duration::from_secs(180);
/// An import that is no longer waited for is asked about for a day.
const STRAY_FOR: Duration = Duration::from_secs(24 * 3600);

impl<T: PortTypes> Ports<T> {
    /// Looks after a channel's imports, and begins a republication that was asked for.
    pub(crate) async fn follow_imports(&self, channel: &mut ChannelRun, now: Timestamp) {
        self.follow_import_under_way(channel, now).await;
        self.repeat_strays(channel, now).await;
        self.ask_about_strays(channel, now).await;
        if channel.memory.joint.republish {
            self.begin_republication(channel).await;
        }
    }

    /// Looks after the import that is waited for.
    async fn follow_import_under_way(&self, channel: &mut ChannelRun, now: Timestamp) {
        let Some(import) = channel.memory.imports.under_way.clone() else { return };
        let stuck_minutes = channel.documents.rules.import_stuck_minutes;
        let imports = &mut channel.memory.imports;
        if import.import_id.is_none() && after(import.begun_at, SENDING_ENDS_AFTER) <= now {
            imports
                .give_up("a run ended before it knew whether its import was taken".to_owned(), now);
        } else if after(import.begun_at, Duration::from_secs(60 * u64::from(stuck_minutes))) <= now
        {
            imports.give_up(format!("an import has not ended after {stuck_minutes} minutes"), now);
        } else if import.import_id.is_some() && after(import.ask_at, MESSAGE_LOST_AFTER) <= now {
            imports.under_way = Some(ImportUnderWay { ask_at: now, ..import.clone() });
            self.ask_later(channel, &import.mark, Duration::ZERO).await;
        }
    }

    /// Has lines of imports go out again that are no longer waited for. An import with an id is
    /// asked about for a day, and its lines go out again after that. If nobody knows its id, nobody
    /// can tell whether and when it is applied: its lines go out again after twice as long each
    /// time. So what it overwrites is right again within twice the time that it took.
    async fn repeat_strays(&self, channel: &mut ChannelRun, now: Timestamp) {
        let is_due = |stray: &ImportUnderWay| match stray.import_id {
            Some(_) => after(stray.begun_at, STRAY_FOR) <= now,
            None => after(stray.begun_at, FIRST_REPEATED_AFTER) <= now && stray.ask_at <= now,
        };
        for mark in marks_of(&channel.memory.imports.stray, is_due) {
            if !self.publish_again(channel, &mark).await {
                continue;
            }
            channel.memory.joint.pending = true;
            channel.memory.imports.stray.retain_mut(|stray| {
                let age = age(Some(stray.begun_at), now);
                if stray.mark == mark {
                    stray.ask_at = after(now, age);
                }
                stray.mark != mark || age < STRAY_FOR
            });
        }
    }

    /// Sends lost messages of imports again that are no longer waited for.
    async fn ask_about_strays(&self, channel: &mut ChannelRun, now: Timestamp) {
        let is_lost = |stray: &ImportUnderWay| {
            stray.import_id.is_some() && after(stray.ask_at, 5 * MESSAGE_LOST_AFTER) <= now
        };
        for mark in marks_of(&channel.memory.imports.stray, is_lost) {
            self.ask_later(channel, &mark, Duration::ZERO).await;
            for stray in channel.memory.imports.stray.iter_mut().filter(|stray| stray.mark == mark)
            {
                stray.ask_at = now;
            }
        }
    }

    /// Notes an import's lines as unknown, so that they go out again. False where that has to be
    /// tried again.
    async fn publish_again(&self, channel: &mut ChannelRun, mark: &str) -> bool {
        let Ok(bytes) = self.files.read(&import_of(channel.id(), mark)).await else { return false };
        let Some(lines) = bytes.and_then(|bytes| decode_lines(&bytes).ok()) else {
            tracing::warn!(channel = %channel.channel.id, mark, "the lines of an import that may still be applied are lost; everything is published again");
            channel.memory.joint.republish = true;
            return true;
        };
        let changes = published_again(&lines, channel.ledger());
        self.append(&mut channel.stored, &changes).await.is_ok()
    }

    /// Notes every known quantity as unknown, so that it goes out again.
    async fn begin_republication(&self, channel: &mut ChannelRun) {
        let unknown = channel.ledger().entries().filter_map(|entry| match entry.value {
            Shown::Known(quantity) => Some(Change { value: Shown::Unknown(quantity), ..entry }),
            Shown::Unknown(_) | Shown::InDoubt(_) | Shown::Never => None,
        });
        let unknown: Vec<Change> = unknown.collect();
        match self.append(&mut channel.stored, &unknown).await {
            Ok(()) => channel.republication = Republication::Marked,
            Err(problem) => {
                tracing::warn!(channel = %channel.channel.id, %problem, "the republication begins with the next run")
            }
        }
    }
}

fn marks_of(imports: &[ImportUnderWay], which: impl Fn(&ImportUnderWay) -> bool) -> Vec<String> {
    imports.iter().filter(|import| which(import)).map(|import| import.mark.clone()).collect()
}
