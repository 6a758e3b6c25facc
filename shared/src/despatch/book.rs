//! Where a channel's despatch documents are read: its rules, its carrier map, and what its marketplace demands.

use super::carriers::CarrierMap;
use super::platform::Platform;
use super::rules::DespatchRules;
use crate::channel::{Channel, FieldError};
use crate::channels::{DocumentKey, Documents};
use crate::state::StoreError;

/// A channel's documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Its rules; the defaults where there are none.
    pub rules: DespatchRules,
    /// Its carrier map; empty where there is none.
    pub carriers: CarrierMap,
    /// What its marketplace demands, as last read; `None` where it was never read.
    pub platform: Option<Platform>,
}

/// Why there are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookProblem {
    /// A document is wrong: a person has to act.
    #[error("{0}")]
    Wrong(String),
    /// They cannot be read now.
    #[error("the despatch documents cannot be read now: {0}")]
    Unavailable(String),
}

/// The documents of all channels.
pub trait Book {
    /// All channels that can work.
    ///
    /// # Errors
    /// They cannot be read.
    async fn channels(&self) -> Result<Vec<Channel>, BookProblem>;

    /// A channel's documents; `anew` reads them past any cache.
    ///
    /// # Errors
    /// One cannot be read, or is wrong.
    async fn pages(&self, channel: &str, anew: bool) -> Result<Pages, BookProblem>;

    /// Keeps what a marketplace demands.
    ///
    /// # Errors
    /// It cannot be kept now; it is read again the next time then.
    async fn keep_platform(&self, channel: &str, platform: &Platform) -> Result<(), BookProblem>;
}

fn unusable(problem: StoreError) -> BookProblem {
    match problem {
        StoreError::Unreadable { record, problem } => BookProblem::Wrong(format!("{record} cannot be used: {problem}")),
        other => BookProblem::Unavailable(other.to_string()),
    }
}

fn sound(key: &DocumentKey, problems: &[FieldError]) -> Result<(), BookProblem> {
    if problems.is_empty() {
        return Ok(());
    }
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    Err(BookProblem::Wrong(format!("{key} cannot be used: {}", problems.join("; "))))
}

impl Book for &Documents {
    async fn channels(&self) -> Result<Vec<Channel>, BookProblem> {
        Ok(Documents::channels(self).await.map_err(unusable)?.channels)
    }

    async fn pages(&self, channel: &str, anew: bool) -> Result<Pages, BookProblem> {
        let (rules, carriers, platform) = (
            DocumentKey::DespatchRules(channel.to_owned()),
            DocumentKey::CarrierMap(channel.to_owned()),
            DocumentKey::Platform(channel.to_owned()),
        );
        let pages = if anew {
            Pages {
                rules: self.read_anew(&rules).await.map_err(unusable)?.unwrap_or_default(),
                carriers: self.read_anew(&carriers).await.map_err(unusable)?.unwrap_or_default(),
                platform: self.read_anew(&platform).await.map_err(unusable)?,
            }
        } else {
            Pages {
                rules: self.read(&rules).await.map_err(unusable)?.unwrap_or_default(),
                carriers: self.read(&carriers).await.map_err(unusable)?.unwrap_or_default(),
                platform: self.read(&platform).await.map_err(unusable)?,
            }
        };
        sound(&rules, &pages.rules.problems())?;
        sound(&carriers, &pages.carriers.problems())?;
        Ok(pages)
    }

    async fn keep_platform(&self, channel: &str, platform: &Platform) -> Result<(), BookProblem> {
        let key = DocumentKey::Platform(channel.to_owned());
        self.keep(&key, platform, "update-dispatches", platform.read_at).await.map_err(unusable)
    }
}
