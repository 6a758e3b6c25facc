//! What is remembered of a shop and of each of its billing cycles. The large parts (lines,
//! journals, reports) are files ([`super::store::PayoutFiles`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::exceptions::{Finding, PayoutException};
use super::key::{CycleKey, JournalName};
use super::posting::{Act, JournalRow};
use super::tie::Tie;
use crate::domain::channel::Channel;
use crate::domain::order::row::Lease;
use crate::domain::rights::RefusedRights;
use crate::kit::amount::Amount;
use crate::mirakl::finance::{AccountingDocument, BankAccount, BillingCycle, SeenTokens};

/// A shop on a marketplace. The channel's name is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShopKey {
    /// The marketplace's host, in small letters.
    pub host: String,
    /// The shop on it.
    pub shop: String,
}

impl ShopKey {
    /// The shop of a channel; none where its definition names none, or no host.
    #[must_use]
    pub fn of(channel: &Channel) -> Option<Self> {
        let host = reqwest::Url::parse(&channel.base_url).ok()?.host_str()?.to_ascii_lowercase();
        Some(Self { host, shop: channel.shop_id?.to_string() })
    }
}

impl fmt::Display for ShopKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.shop)
    }
}

impl CycleKey {
    /// The shop that the cycle is of.
    #[must_use]
    pub fn shop_key(&self) -> ShopKey {
        ShopKey { host: self.host.clone(), shop: self.shop.clone() }
    }
}

/// What the reader of a shop's books remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopRow {
    /// As it was read; 0 when new.
    #[serde(skip)]
    pub version: u64,
    /// Keeps two runs from reading the same shop. Saves calls; correctness never rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The day, in the channel's zone, for which cycles and documents were last listed completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_on: Option<Date>,
    /// The day for which cycles alone were last listed completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_listed_on: Option<Date>,
    /// Nothing is listed before, after a listing that failed: Mirakl lets it be begun once a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_after: Option<Timestamp>,
    /// What the latest listings showed that needs a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listing_findings: Vec<Finding>,
    /// The day for which the running balance was last proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved_on: Option<Date>,
    /// Currencies whose running balance has a gap, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gaps: BTreeMap<String, LedgerGap>,
    /// `last_updated` up to which the whole transaction log was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Timestamp>,
    /// When a reading of the transaction log was last complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// A reading of the transaction log that did not fit into one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<UnfinishedReading>,
    /// It is not read before: Mirakl said how long to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_after: Option<Timestamp>,
    /// When pages of the transaction log were lately asked for: Mirakl's limits hold over runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages_at: Vec<Timestamp>,
    /// Operations that Mirakl refuses the channel's key, or that keep failing.
    #[serde(default)]
    pub refused: RefusedRights,
    /// The bank account that was last paid to, by currency and payment service provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bank_accounts: BTreeMap<String, PaidTo>,
    /// What is so of the shop as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What people were told of it, or are to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<PayoutException>,
}

/// The bank account that an operator pays to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidTo {
    /// A hash of it.
    pub account: BankAccount,
    /// When another one was seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
}

/// A gap in the running balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerGap {
    /// When it was first found.
    pub since: Timestamp,
    /// What is missing, over all gaps of the currency.
    pub missing: Amount,
    /// The lines beside them, the first few.
    pub lines: Vec<String>,
}

/// A reading of the transaction log that goes on in the next run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedReading {
    /// `last_updated_from`, of a reading by time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_from: Option<Timestamp>,
    /// `seller_billing_cycle_id`, of a reading by cycles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycles: Vec<String>,
    /// When it was begun.
    pub began: Timestamp,
    /// The token of its next page.
    pub token: String,
    /// The tokens that it has had: one that comes again would make it endless.
    #[serde(default)]
    pub seen: SeenTokens,
    /// The newest `last_updated` that it has had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
    /// Runs in which its next page could not be read.
    #[serde(default)]
    pub failures: u32,
}

/// How far a cycle has come. After `tied`, its journals say the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CycleStage {
    /// The marketplace lists it; its lines were not read yet.
    #[default]
    Listed,
    /// Its lines were read, and may still change.
    Reading,
    /// Its lines come to exactly what is transferred, twice.
    Tied,
    /// They do not, and its hours are over.
    Untied,
    /// It closed before `payouts_from`: it is read, and never posted.
    BookedByHand,
    /// It ties, and there is nothing to be posted of it.
    NothingToPost,
}

/// A reading of a cycle's lines: two that are the same and tie, an hour apart, end it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesRead {
    /// When.
    pub at: Timestamp,
    /// How many lines.
    pub lines: u64,
    /// A hash of their ids and amounts.
    pub hash: String,
}

/// A billing cycle, in one currency, through one payment service provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleRow {
    /// As it was read; 0 when new.
    #[serde(skip)]
    pub version: u64,
    /// Its key.
    pub key: CycleKey,
    /// The channel by which it was last read: a name for people.
    pub channel: String,
    /// As the marketplace last listed it.
    pub cycle: BillingCycle,
    /// The documents that name it, as last listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<AccountingDocument>,
    /// Those of them whose files were fetched and kept, by `invoice_id`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub document_files: BTreeSet<i64>,
    /// How far it has come.
    pub stage: CycleStage,
    /// Since when.
    pub since: Timestamp,
    /// When it was first listed.
    pub first_seen: Timestamp,
    /// The first reading of its lines as they are now, and the latest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<LinesRead>,
    /// Its tie-out, as of the latest reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tie: Option<Tie>,
    /// The chart's version that it keeps: that of its first journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_from: Option<Date>,
    /// Its journals, in the order in which they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub journals: Vec<CycleJournal>,
    /// What is so of it now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What people were told of it, or are to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<PayoutException>,
    /// People were told that its report is there.
    #[serde(default)]
    pub report_told: bool,
    /// What people did with its journals, the earliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<JournalAct>,
}

/// What a person did with a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalAct {
    /// The journal's reference.
    pub journal: String,
    /// What, in a word: `approved`, `held`.
    pub what: String,
    /// Who, when and why.
    #[serde(flatten)]
    pub act: Act,
}

/// A journal of a cycle: how far it has come, and what it comes to. Its lines are a file
/// ([`super::store::journal_file`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleJournal {
    /// How far it has come.
    #[serde(flatten)]
    pub row: JournalRow,
    /// What is debited, and credited.
    pub total: Amount,
    /// What the clearing account is debited; below zero where it is credited.
    pub clearing: Amount,
    /// The day on which it is booked.
    pub date: Date,
    /// The transfer that it was made with: another one makes a supplementary journal.
    pub transfer: Amount,
}

impl CycleRow {
    /// A cycle that the marketplace lists for the first time.
    #[must_use]
    pub fn new(key: CycleKey, channel: &str, cycle: BillingCycle, now: Timestamp) -> Self {
        Self {
            version: 0,
            key,
            channel: channel.to_owned(),
            cycle,
            documents: Vec::new(),
            document_files: BTreeSet::new(),
            stage: CycleStage::Listed,
            since: now,
            first_seen: now,
            readings: Vec::new(),
            tie: None,
            chart_from: None,
            journals: Vec::new(),
            findings: Vec::new(),
            exceptions: Vec::new(),
            report_told: false,
            acts: Vec::new(),
        }
    }

    /// One of its journals.
    #[must_use]
    pub fn journal(&self, name: &JournalName) -> Option<&CycleJournal> {
        self.journals.iter().find(|journal| journal.row.name == *name)
    }

    /// One of its journals, to be changed.
    pub fn journal_mut(&mut self, name: &JournalName) -> Option<&mut CycleJournal> {
        self.journals.iter_mut().find(|journal| journal.row.name == *name)
    }
}
