//! What is known of an order's creation in Prima: the part of the row that `create-prima-orders`
//! owns.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::money::MoneyFacts;
use super::unset::{is_false, is_zero};

/// The right to create one order, for a time.
///
/// For `NewOrder` correctness does rest on it, since Prima can neither fence nor be relied on to
/// de-duplicate: it outlasts the function's hard timeout plus the skew of clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it: unique per invocation and message.
    pub owner: String,
    /// Until when.
    pub until: Timestamp,
}

/// Sendings of a call whose outcome was unknown while Prima answered such calls about other orders:
/// what Prima does with this order alone. After a few it is a person's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// How many.
    #[serde(default)]
    pub count: u32,
    /// Further ones, made as probes while Prima answered nobody: the order's fault or not, they
    /// have an end too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub probes: u32,
    /// What came back instead of an answer to the latest, without any of the customer's data; empty
    /// where nothing did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

/// What is known of a `NewOrder` that was sent. Written before it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When the latest one was about to be sent.
    pub at: Timestamp,
    /// How many were sent, this one included.
    pub count: u32,
    /// The questions since then, all after Prima's longest execution, that found no such order.
    #[serde(default)]
    pub absences: u32,
    /// When the latest of these questions was asked.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// Those sendings that count against the order, the latest included until its outcome is known.
    #[serde(default)]
    pub unanswered: Unanswered,
}

impl Attempt {
    /// Two questions found, when Prima could no longer be at it, that it had no effect.
    #[must_use]
    pub fn is_known_absent(&self) -> bool {
        self.absences >= 2
    }
}

/// What is known of an order's creation in Prima. Whoever holds the lease writes it;
/// [`super::OrderRow::with_creation_of`] keeps it through a conflict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creation {
    /// Prima's order number, once reserved.
    #[serde(default)]
    pub order_number: Option<String>,
    /// Who may create it now.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// What is known of the `NewOrder` that was sent.
    #[serde(default)]
    pub attempt: Option<Attempt>,
    /// When it was created in Prima, as far as we know.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Mirakl's line ids in the order of Prima's line numbers, since the order was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prima_lines: Vec<String>,
    /// Its money, since the order was sent: what settlements are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Box<MoneyFacts>>,
    /// When Mirakl took Prima's number as its reference.
    #[serde(default)]
    pub referenced_at: Option<Timestamp>,
    /// Times in a row that Mirakl refused it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub references_refused: u32,
    /// Mirakl refuses a whole OR04 for this reference: it is written by itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reference_fails_others: bool,
    /// Answers in a row that could not be understood.
    #[serde(default)]
    pub unclear_answers: u32,
    /// `CancelOrder` that was sent, and of which nobody knows the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Unanswered>,
    /// A person says that Prima holds the order under its number: it is looked for there, and never
    /// sent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub said_to_be_in_prima: bool,
}

impl Creation {
    /// It was sent to Prima, or is there: from then on the row's lines are those of the Prima
    /// order.
    #[must_use]
    pub fn was_begun(&self) -> bool {
        self.attempt.is_some() || self.created_at.is_some()
    }
}
