//! The exports that shops asked for (Mirakl seller API: of offers OF52 to OF54, of the transaction
//! log TL03 to TL05).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::answer::Answer;
use super::wire;

/// Entries of a file where nothing else is asked for.
const USUAL_CHUNK: usize = 100_000;

/// The exports that shops asked for, by `tracking_id`.
#[derive(Debug, Default)]
pub(super) struct Exports(Mutex<BTreeMap<String, Export>>);

#[derive(Debug)]
pub(super) struct Export {
    pub(super) shop_id: i64,
    /// When it is complete.
    pub(super) ready: Timestamp,
    pub(super) content_type: &'static str,
    /// Its files, of what there was when it was asked for.
    pub(super) files: Vec<String>,
}

impl Exports {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Export>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an export, and answers its `tracking_id`, of which `mark` tells the operation.
    pub(super) fn begin(&self, mark: &str, export: Export) -> Answer {
        let mut exports = self.all();
        let tracking_id =
            format!("{:08x}-{mark}-4000-8000-{:012x}", exports.len() + 1, export.shop_id);
        exports.insert(tracking_id.clone(), export);
        Answer::ok(&json!({"tracking_id": tracking_id}))
    }

    /// Where an export stands; once it is complete, where its files are. `url_of` makes a file's
    /// address from its number and the export's content type.
    pub(super) fn status(
        &self,
        shop_id: i64,
        id: &str,
        now: Timestamp,
        url_of: impl Fn(usize, &str) -> String,
    ) -> Result<Answer, Answer> {
        let exports = self.all();
        let export = exports
            .get(id)
            .filter(|export| export.shop_id == shop_id)
            .ok_or_else(Answer::not_found)?;
        if now < export.ready {
            return Ok(Answer::ok(
                &json!({"status": "PENDING", "last_updated": wire::moment(now)}),
            ));
        }
        let urls: Vec<String> =
            (0..export.files.len()).map(|number| url_of(number, export.content_type)).collect();
        Ok(Answer::ok(
            &json!({"status": "COMPLETED", "last_updated": wire::moment(export.ready), "urls": urls}),
        ))
    }

    /// A file of an export that is complete, by its name without what stands before its number.
    pub(super) fn file(
        &self,
        shop_id: i64,
        id: &str,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Answer, Answer> {
        let exports = self.all();
        let export = exports
            .get(id)
            .filter(|export| export.shop_id == shop_id && export.ready <= now)
            .ok_or_else(Answer::not_found)?;
        let number = name.and_then(|name| name.split('.').next()?.parse::<usize>().ok());
        let file =
            number.and_then(|number| export.files.get(number)).ok_or_else(Answer::not_found)?;
        Ok(Answer::text(export.content_type, file.clone()))
    }
}

/// What each file of an export holds. An export of nothing has one file with nothing in it.
pub(super) fn chunks<T>(entries: &[T], items_per_chunk: Option<usize>) -> Vec<&[T]> {
    if entries.is_empty() {
        return vec![&[]];
    }
    entries.chunks(items_per_chunk.unwrap_or(USUAL_CHUNK).max(1)).collect()
}

/// When an export that is asked for now is complete.
pub(super) fn ready(now: Timestamp, export_seconds: u64) -> Timestamp {
    now + Duration::from_secs(export_seconds)
}
