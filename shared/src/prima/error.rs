//! The one error type of all Prima documents.

/// What is known of a request's effect once it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing was sent, or the service said that it is disabled: it had no effect.
    NotSent,
    /// Prima read the document and answered `RequestStatus="ERROR"`: it had no effect.
    Refused,
    /// It was sent and no usable answer came back: it may have had its effect, or may have it yet.
    Unknown,
}

/// Why a request to Prima failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{document}: {message}{}", .request_id.as_ref().map(|id| format!(" (WSA request {id})")).unwrap_or_default())]
pub struct PrimaError {
    /// The request type: `NewOrder`, `OrderStatus`.
    pub document: &'static str,
    /// Whether the request may have had its effect.
    pub outcome: Outcome,
    /// Prima's `RequestError`, a SOAP fault's `errorMessage`, or what went wrong on the way.
    pub message: String,
    /// `requestID` of a SOAP fault: what Prima's operator needs to find the request in the WSA log.
    pub request_id: Option<String>,
    /// Prima answered, in a form that cannot be understood: it is there, and only this answer is no
    /// use.
    pub answered: bool,
}

impl PrimaError {
    /// An error before anything was sent.
    #[must_use]
    pub fn not_sent(document: &'static str, message: impl Into<String>) -> Self {
        Self {
            document,
            outcome: Outcome::NotSent,
            message: message.into(),
            request_id: None,
            answered: false,
        }
    }

    /// Prima's own refusal.
    #[must_use]
    pub fn refused(document: &'static str, message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused, ..Self::not_sent(document, message) }
    }

    /// An error after which nobody knows whether the request had its effect.
    #[must_use]
    pub fn unknown(document: &'static str, message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, ..Self::not_sent(document, message) }
    }

    /// As [`Self::unknown`], where Prima's answer came and cannot be understood.
    #[must_use]
    pub fn unclear(document: &'static str, message: impl Into<String>) -> Self {
        Self { answered: true, ..Self::unknown(document, message) }
    }
}
