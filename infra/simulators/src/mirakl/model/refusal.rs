//! Why the marketplace refuses a call (Mirakl seller API, error codes).

/// Why the marketplace refuses a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status. Mirakl documents none for OR21's codes: 404 for an order that is not there and
    /// 400 for the others.
    pub status: u16,
    /// Mirakl's code: `ORDER_INVALID_STATE`.
    pub code: &'static str,
    /// The field that it is about.
    pub field: &'static str,
    /// Its message.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(code: &'static str, field: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: if code == "ORDER_NOT_FOUND" { 404 } else { 400 },
            code,
            field,
            message: message.into(),
        }
    }
}
