//! Recording traffic: one HAR 1.2 entry a line, as JSON, with the key redacted.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

/// One exchange.
#[derive(Clone, Debug)]
pub struct Exchange<'e> {
    /// When the request came.
    pub at: Timestamp,
    /// `GET`.
    pub method: &'e str,
    /// The whole URL.
    pub url: &'e str,
    /// Headers of the request, names in small letters.
    pub headers: &'e [(String, String)],
    /// The request's body.
    pub request_body: &'e str,
    /// The status answered.
    pub status: u16,
    /// The answer's content type.
    pub content_type: &'e str,
    /// The answer's body.
    pub response_body: &'e str,
    /// What went wrong on purpose: the answer is then not one to judge.
    pub fault: Option<&'e str>,
}

/// Writes exchanges to a file.
#[derive(Debug)]
pub struct Recorder(Mutex<File>);

impl Recorder {
    /// Records to a new file.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn to_file(path: &Path) -> std::io::Result<Self> {
        File::create(path).map(|file| Self(Mutex::new(file)))
    }

    /// Adds an exchange. A file that cannot be written loses it, with a word on standard error.
    pub fn record(&self, exchange: &Exchange<'_>) {
        let headers: Vec<Value> = exchange
            .headers
            .iter()
            .map(|(name, value)| json!({"name": name, "value": if name == "authorization" { "redacted" } else { value }}))
            .collect();
        let mime = exchange
            .headers
            .iter()
            .find(|(name, _)| name == "content-type")
            .map_or("", |(_, value)| value.as_str());
        let mut entry = json!({
            "startedDateTime": exchange.at.to_string(),
            "request": {"method": exchange.method, "url": exchange.url, "headers": headers},
            "response": {"status": exchange.status, "content": {"mimeType": exchange.content_type, "text": exchange.response_body}},
        });
        if !exchange.request_body.is_empty() {
            entry["request"]["postData"] = json!({"mimeType": mime, "text": exchange.request_body});
        }
        if let Some(fault) = exchange.fault {
            entry["_fault"] = json!(fault);
        }
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(problem) = writeln!(file, "{entry}") {
            eprintln!("an exchange could not be recorded: {problem}");
        }
    }
}
