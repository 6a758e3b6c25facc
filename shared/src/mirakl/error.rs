//! The one error type of all Mirakl operations.

use std::time::Duration;

/// What is known of a call's effect once it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing was sent: it had no effect.
    NotSent,
    /// Mirakl answered and refused: it had no effect.
    Refused,
    /// It was sent and no usable answer came back: it may have had its effect.
    Unknown,
}

/// Why an operation of the seller API failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {}{}{message}{}", .status.map(|s| format!("HTTP {s} ")).unwrap_or_default(), .code.as_ref().map(|c| format!("{c}: ")).unwrap_or_default(), .field.as_ref().map(|f| format!(" (field {f})")).unwrap_or_default())]
pub struct MiraklError {
    /// Mirakl's name of the operation: `OR11`, `OR21`.
    pub operation: &'static str,
    /// Whether the call may have had its effect.
    pub outcome: Outcome,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Mirakl's error code: `ORDER_INVALID_STATE`.
    pub code: Option<String>,
    /// Mirakl's message, or the first bytes of a body that is no JSON; never a request's content.
    pub message: String,
    /// The field that Mirakl complains about.
    pub field: Option<String>,
    /// How long Mirakl asked to wait (429 or 503 `Retry-After`).
    pub retry_after: Option<Duration>,
}

impl MiraklError {
    /// An error before anything was sent.
    #[must_use]
    pub fn not_sent(operation: &'static str, message: impl Into<String>) -> Self {
        Self {
            operation,
            outcome: Outcome::NotSent,
            status: None,
            code: None,
            message: message.into(),
            field: None,
            retry_after: None,
        }
    }

    /// An error after which nobody knows whether the call had its effect.
    #[must_use]
    pub fn unknown(operation: &'static str, message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, ..Self::not_sent(operation, message) }
    }

    /// A refusal with a status and, where Mirakl gives one, a code.
    #[must_use]
    pub fn refused(
        operation: &'static str,
        status: u16,
        code: Option<&str>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            outcome: Outcome::Refused,
            status: Some(status),
            code: code.map(str::to_owned),
            ..Self::not_sent(operation, message)
        }
    }

    /// The API key or its rights are refused (401, 403): a person has to act.
    #[must_use]
    pub fn is_key_refused(&self) -> bool {
        matches!(self.status, Some(401 | 403))
    }

    /// The order is not in the state that the operation needs; for OR21: see the next listing.
    #[must_use]
    pub fn is_invalid_state(&self) -> bool {
        // Where the code sits in the body is not documented, so Mirakl's sentence for it counts as
        // well.
        self.code.as_deref() == Some("ORDER_INVALID_STATE")
            || ["ORDER_INVALID_STATE", "not in the expected state"]
                .iter()
                .any(|words| self.message.contains(words))
    }

    /// The kind of failure, for metrics: one of `key`, `rate`, `server`, `refused`, `lost`,
    /// `unsent`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (self.status, self.outcome) {
            (Some(401 | 403), _) => "key",
            (Some(429), _) => "rate",
            (Some(500..), _) => "server",
            (_, Outcome::Refused) => "refused",
            (_, Outcome::Unknown) => "lost",
            (_, Outcome::NotSent) => "unsent",
        }
    }
}
