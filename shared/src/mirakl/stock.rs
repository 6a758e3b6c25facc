//! The stock family of the seller API: imports of quantities, by STO01 or by OF01 where an instance
//! lacks it, what became of them, and the offers as Mirakl holds them.

use jiff::Timestamp;
use serde::Deserialize;

use super::MiraklError;
use super::error_report::LineError;
use super::wire::{optional_whole, text};

/// The stock operations of one channel.
///
/// As with [`super::MiraklOrders`], every call obeys the time budget that the implementation was
/// given. Of an import's errors, [`super::Outcome`] tells whether Mirakl may be importing all the
/// same: never repeat one whose outcome is unknown before counting its lines as in doubt. STO01 and
/// OF01 are allowed once a minute, STO02 every 15 seconds, OF02 and both error reports once a
/// minute.
pub trait MiraklStock {
    /// STO01: imports quantities, a file of [`super::stock_file`]. Answers the import's id.
    async fn import_stock(&self, csv: Vec<u8>) -> Result<String, MiraklError>;

    /// STO02: how a stock import stands. [`ImportProgress::of`] says what follows.
    async fn stock_import(&self, import_id: &str) -> Result<StockImport, MiraklError>;

    /// STO03: the lines that a stock import refused; all others were imported.
    async fn stock_import_errors(&self, import_id: &str) -> Result<Vec<LineError>, MiraklError>;

    /// OF01 in mode NORMAL, where an instance has no STO01. A line of an unknown SKU is an attempt
    /// to create an offer there.
    async fn import_offers_quantities(&self, csv: Vec<u8>) -> Result<String, MiraklError>;

    /// OF02: how an import of OF01 stands.
    async fn offers_import(&self, import_id: &str) -> Result<StockImport, MiraklError>;

    /// OF03: the lines that an import of OF01 refused.
    async fn offers_import_errors(&self, import_id: &str) -> Result<Vec<LineError>, MiraklError>;

    /// OF52: begins an export of all offers, once a day; or, with `since`, of those changed since
    /// then, once a minute. Answers its tracking id; Mirakl answers a repeat with the same one.
    async fn begin_offers_export(&self, since: Option<Timestamp>) -> Result<String, MiraklError>;

    /// OF53: how an export stands. Every ten seconds at most.
    async fn offers_export(&self, tracking_id: &str) -> Result<OffersExport, MiraklError>;

    /// OF54: one file of an export, offer by offer as it arrives. After an error part of the file
    /// may have been handed over: begin the file again.
    async fn exported_offers(
        &self,
        url: &str,
        each: impl FnMut(Result<ListedOffer, UnreadableOffer>),
    ) -> Result<(), MiraklError>;

    /// OF21: one page of at most 100 offers from `offset` on. For a few offers, or where there is
    /// no export.
    async fn list_offers(&self, offset: usize) -> Result<OfferPage, MiraklError>;
}

/// How an import stands (STO02, OF02). Only the word is certain to be there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StockImport {
    /// `status`, as Mirakl says it.
    #[serde(deserialize_with = "super::wire::id")]
    pub status: String,
    /// `has_error_report`.
    #[serde(default)]
    pub has_error_report: Option<bool>,
    /// `lines_in_error`.
    #[serde(default, deserialize_with = "optional_whole")]
    pub lines_in_error: Option<u32>,
    /// `lines_in_success`.
    #[serde(default, deserialize_with = "optional_whole")]
    pub lines_in_success: Option<u32>,
    /// `reason_status`: why it failed (OF02 alone).
    #[serde(default, deserialize_with = "text")]
    pub reason_status: Option<String>,
}

/// What follows from how an import stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportProgress {
    /// Ask again later.
    Running,
    /// Every line was imported.
    Complete,
    /// The lines of the error report were not imported, all others were. Also where Mirakl leaves
    /// out whether there is a report.
    CompleteWithErrors,
    /// It ended otherwise; which lines were imported is not known. With Mirakl's reason, where it
    /// gives one.
    Failed(Option<String>),
    /// Mirakl does not know the import (404).
    Gone,
    /// A word that this version does not know: to be reported, and taken for running.
    Unknown(String),
}

impl ImportProgress {
    /// What follows from an answer of STO02 or OF02; `None` where it tells nothing of the import,
    /// such as a lost one.
    #[must_use]
    pub fn of(answer: &Result<StockImport, MiraklError>) -> Option<Self> {
        match answer {
            Ok(import) => Some(import.progress()),
            Err(problem) => (problem.status == Some(404)).then_some(Self::Gone),
        }
    }
}

impl StockImport {
    /// What follows from it.
    #[must_use]
    pub fn progress(&self) -> ImportProgress {
        match self.status.as_str() {
            "WAITING" | "QUEUED" | "SENT" | "RUNNING" | "WAITING_SYNCHRONIZATION_PRODUCT" => {
                ImportProgress::Running
            }
            "COMPLETE" => match (self.has_error_report, self.lines_in_error) {
                (Some(false), None | Some(0)) | (None, Some(0)) => ImportProgress::Complete,
                _ => ImportProgress::CompleteWithErrors,
            },
            "FAILED" | "CANCELLED" | "CANCELED" => {
                ImportProgress::Failed(self.reason_status.clone())
            }
            other => ImportProgress::Unknown(other.to_owned()),
        }
    }
}

/// How an export of offers stands (OF53).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffersExport {
    /// Ask again, in ten seconds at the soonest.
    Pending,
    /// Its files, for [`MiraklStock::exported_offers`].
    Completed(Vec<String>),
    /// It failed, with Mirakl's reason.
    Failed(String),
    /// A word that this version does not know: to be reported, and taken for pending.
    Unknown(String),
}

/// An offer as Mirakl holds it (OF54, OF21).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ListedOffer {
    /// `shop_sku`: the SKU that STO01 calls `offer-sku`.
    #[serde(rename = "shop_sku", deserialize_with = "super::wire::id")]
    pub offer_sku: String,
    /// `quantity`: units on offer.
    #[serde(default, deserialize_with = "optional_whole")]
    pub quantity: Option<u32>,
    /// `active`: it can be bought.
    #[serde(default)]
    pub active: Option<bool>,
    /// `deleted`: told by exports of what has changed.
    #[serde(default)]
    pub deleted: Option<bool>,
}

/// An offer in a listing or an export that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableOffer {
    /// The which of the file or page, from 1.
    pub row: u64,
    /// Its SKU, where that could be read.
    pub offer_sku: Option<String>,
    /// What is wrong with it.
    pub problem: String,
}

/// One page of OF21.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferPage {
    /// The offers that could be read.
    pub offers: Vec<ListedOffer>,
    /// Those that could not.
    pub unreadable: Vec<UnreadableOffer>,
    /// How many offers the page held, readable or not: what the next page's offset is counted from.
    pub length: usize,
    /// All offers, over all pages.
    pub total_count: Option<u64>,
}
