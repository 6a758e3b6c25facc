//! One call of the seller API, whatever its family: what is asked, and what asking again would do.
//! Nothing of orders is known here.

use jiff::Timestamp;
use reqwest::Method;

use super::error::{MiraklError, Outcome};

/// The largest answer that is read, unless the call says otherwise. A page of 100 orders has about
/// 0.8 MB.
pub(super) const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// What a repeat of a call does: part of each request, so that the client never guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Reads only.
    Safe,
    /// Writes, and writing the same again is harmless or answered by a known refusal (OR21, OR04).
    Convergent,
    /// Writes, and a repeat may write twice: once it was sent, whether it had its effect has to be
    /// asked first (ST01, OR28, OR30), or known as not known (STO01, OF01). Repeated only where it
    /// certainly had none.
    AskFirst,
    /// One try, however it ends: where even a refused try counts, as with calls that are allowed
    /// once a day (TL03, OR13).
    Never,
}

impl Repeat {
    /// Whether a try that ended in `problem`, which another try could mend, may be followed by one.
    pub(super) fn allows_after(self, problem: &MiraklError) -> bool {
        match self {
            Self::Safe | Self::Convergent => true,
            Self::AskFirst => problem.outcome != Outcome::Unknown,
            Self::Never => false,
        }
    }
}

/// A request's body.
#[derive(Clone, Debug)]
pub struct Body {
    /// `Content-Type`: with the boundary, where it is a multipart form.
    pub content_type: String,
    /// What is sent.
    pub bytes: Vec<u8>,
}

/// A request, before the channel's own part is added: host, shop and key.
#[derive(Clone, Debug)]
pub struct Call {
    /// Mirakl's name: `OR11`.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path's segments below the base URL, unescaped: `["api", "orders"]`.
    pub path: Vec<String>,
    /// Query parameters, unescaped.
    pub query: Vec<(&'static str, String)>,
    /// What is sent, if anything.
    pub body: Option<Body>,
    /// What a repeat does.
    pub repeat: Repeat,
    /// Whether the API key goes along. Only V01 does without, and files on other hosts.
    pub with_key: bool,
    /// The largest answer that is read, in bytes.
    pub largest_answer: usize,
    /// A limit (429) is waited for no longer than until this moment; else until the caller's
    /// deadline.
    pub limit_waited_until: Option<Timestamp>,
}

impl Call {
    /// A call that reads.
    #[must_use]
    pub fn get(operation: &'static str, path: &[&str]) -> Self {
        Self::new(operation, Method::GET, path, Repeat::Safe)
    }

    /// A call with an effect.
    #[must_use]
    pub fn new(operation: &'static str, method: Method, path: &[&str], repeat: Repeat) -> Self {
        let path = path.iter().map(|&segment| segment.to_owned()).collect();
        Self {
            operation,
            method,
            path,
            query: Vec::new(),
            body: None,
            repeat,
            with_key: true,
            largest_answer: LARGEST_ANSWER,
            limit_waited_until: None,
        }
    }

    /// With a query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Without the API key.
    #[must_use]
    pub fn without_key(mut self) -> Self {
        self.with_key = false;
        self
    }

    /// With a body of any type, such as a multipart form.
    #[must_use]
    pub fn body(mut self, content_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        self.body = Some(Body { content_type: content_type.into(), bytes });
        self
    }

    /// With a JSON body.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn json(self, body: &impl serde::Serialize) -> Result<Self, MiraklError> {
        let written = serde_json::to_vec(body)
            .map_err(|problem| MiraklError::not_sent(self.operation, problem.to_string()))?;
        Ok(self.body("application/json", written))
    }
}
