//! What needs a person, as its owner remembers it: an order's row, or the memory of a flow.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::events::{EventKind, Severity};
use crate::domain::notify::{Exception, Told};

/// The kinds of a flow's exceptions, each with an owner in the operating handbook.
pub trait KindOfException: Copy + PartialEq + Into<&'static str> {
    /// The event that tells of it.
    fn event(self) -> EventKind;

    /// How urgent it is.
    fn severity(self) -> Severity;
}

/// Why a person is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRecord<K> {
    /// What kind.
    pub kind: K,
    /// Which of its kind, where there may be several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Why, without any of a customer's data.
    pub reason: String,
    /// What the person who reads it is to do.
    pub remedy: String,
    /// Since when.
    pub first_seen: Timestamp,
    /// What people know of it; until they do the next run tells them.
    #[serde(default)]
    pub told: Told,
}

impl<K> ExceptionRecord<K> {
    /// One that nobody was told of.
    pub fn new(
        kind: K,
        reason: impl Into<String>,
        remedy: impl Into<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            kind,
            subject: String::new(),
            reason: reason.into(),
            remedy: remedy.into(),
            first_seen: now,
            told: Told::default(),
        }
    }
}

impl<K: KindOfException> ExceptionRecord<K> {
    /// What people are told of it. `channel` is empty for the installation, `order` where it is
    /// about none.
    #[must_use]
    pub fn view<'e>(&'e self, channel: &'e str, order: &'e str) -> Exception<'e> {
        Exception {
            channel,
            order,
            kind: self.kind.into(),
            severity: self.kind.severity(),
            reason: &self.reason,
            remedy: &self.remedy,
            first_seen: self.first_seen,
        }
    }
}
