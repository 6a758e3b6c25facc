//! Imports of stock and offers: a file, its lines, and how far it has come (Mirakl seller API,
//! STO01 to STO03 and OF01 to OF03).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportKind {
    /// STO01: quantities. `delete` takes the stock away and leaves the offer (assumed: Mirakl does
    /// not say).
    Stock,
    /// OF01 in mode NORMAL, with quantities alone. `delete` deletes the offer.
    Offers,
}

/// What becomes of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportFate {
    /// It runs and completes.
    #[default]
    Completes,
    /// It ends FAILED without effect.
    Fails,
    /// Nobody knows its id (404), ever. Its lines are applied all the same, or never are.
    Lost {
        /// Whether its lines are applied.
        applied: bool,
    },
    /// It stays RUNNING so many seconds longer, and then completes. Later imports do not wait for
    /// it: it may overwrite what they brought.
    Stuck {
        /// On top of the time that an import takes.
        seconds: u64,
    },
}

/// A line of a file, its fields as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportLine {
    /// `offer-sku` (STO01), `sku` (OF01).
    pub sku: String,
    /// `quantity`.
    pub quantity: String,
    /// `warehouse-code`; the shops have no warehouses.
    pub warehouse_code: String,
    /// `update-delete`.
    pub update_delete: String,
}

impl ImportLine {
    /// A line that sets a quantity.
    #[must_use]
    pub fn set(sku: impl Into<String>, quantity: u32) -> Self {
        Self { sku: sku.into(), quantity: quantity.to_string(), ..Self::default() }
    }
}

/// A line that was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// From 1, the heading not counted.
    pub number: usize,
    /// Why, in Mirakl's manner.
    pub reason: String,
    /// What was sent.
    pub line: ImportLine,
}

/// `status` of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub enum ImportStatus {
    Waiting,
    Running,
    Complete,
    Failed,
}

/// A file on its way, or applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// `import_id`: a UUID of a stock import, a number of an offer import.
    pub import_id: String,
    /// What it changes.
    pub kind: ImportKind,
    /// Whose offers.
    pub shop_id: i64,
    /// When it was sent.
    pub created: Timestamp,
    /// When it begins to run.
    pub starts: Timestamp,
    /// When it ends; its lines are applied then, in their order.
    pub ends: Timestamp,
    /// What becomes of it.
    pub fate: ImportFate,
    /// Lines sent.
    pub lines_read: usize,
    /// Lines applied that set a quantity.
    pub updated: usize,
    /// Lines applied that deleted.
    pub deleted: usize,
    /// Lines refused.
    pub errors: Vec<LineError>,
    /// Lines that are still to be applied.
    #[serde(skip)]
    pub(super) lines: Vec<ImportLine>,
}

impl Import {
    /// How far it has come.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> ImportStatus {
        match self.fate {
            _ if now < self.starts => ImportStatus::Waiting,
            _ if now < self.ends => ImportStatus::Running,
            ImportFate::Fails => ImportStatus::Failed,
            _ => ImportStatus::Complete,
        }
    }
}
