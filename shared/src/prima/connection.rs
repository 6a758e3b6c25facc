//! How Prima's web service is reached and spoken to, how long it may take, and what the site's
//! Prima can do: parts of the installation document.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::address::is_public;
use super::code_page::CharacterRules;
use crate::kit::field_error::FieldError;

/// Which of the three ways of writing a SOAP body the site's web service expects. The WSDL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageFormat {
    /// Style `rpc`, use `encoded`: parts carry their type.
    RpcEncoded,
    /// Style `rpc`, use `literal`.
    RpcLiteral,
    /// Style `document`, use `literal`, with one wrapping element.
    DocumentLiteral,
}

/// The encoding that requests declare. Answers are read by what they declare themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WireEncoding {
    /// `ISO-8859-1`; any other character goes out as a numeric reference. Whether Prima can keep it
    /// is another question: [`PrimaBehaviour::characters`].
    #[default]
    #[serde(rename = "iso-8859-1")]
    Latin1,
    /// `UTF-8`.
    #[serde(rename = "utf-8")]
    Utf8,
}

/// The request type that creates an order. Prima knows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewOrderRequest {
    /// `RequestType="NewOrder"`.
    NewOrder,
    /// `RequestType="MultiNewOrder"`, the form that public integrations send.
    #[default]
    MultiNewOrder,
}

/// Where Prima's web service stands and how its messages are written. `operator check` reads most
/// of it from the WSDL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrimaConnection {
    /// `http://HOST:8080/wsa<env>/wsa<env>`, without a query.
    pub endpoint: String,
    /// Plain HTTP to a public address is refused unless this is true: the service has no
    /// credentials and customers' addresses travel in the open.
    #[serde(default)]
    pub allow_plain_http_to_public: bool,
    /// The web service's target, as the WSDL is asked for: `<endpoint>/wsdl?targetURI=urn:omlink`.
    #[serde(default = "wsdl_target")]
    pub wsdl_target: String,
    /// The company, where several share an installation: then [`Self::company_operation`] is
    /// called.
    #[serde(default)]
    pub company: Option<String>,
    /// How the WSDL says that messages are written.
    pub message_format: MessageFormat,
    /// The namespace of the operations.
    pub namespace: String,
    /// The `SOAPAction` header, without quotes. Often empty.
    #[serde(default)]
    pub soap_action: String,
    /// The operation that takes the request document alone.
    #[serde(default = "plain_operation")]
    pub operation: String,
    /// The operation that takes company and request document.
    #[serde(default = "company_operation")]
    pub company_operation: String,
    /// What the messages' parts are called on this site.
    pub parts: PartNames,
    /// Document/literal only: the parts stand in the namespace too
    /// (`elementFormDefault="qualified"`).
    #[serde(default)]
    pub qualified_parts: bool,
    /// The encoding that requests declare.
    #[serde(default)]
    pub encoding: WireEncoding,
    /// The request type that creates an order.
    #[serde(default)]
    pub new_order_request: NewOrderRequest,
    /// How the site words "unknown order" in `RequestError`: only these count as "Prima does not
    /// have it". Compared without regard to case and repeated blanks. `{order_number}` stands for
    /// the number asked for; a `*` at the end for any rest.
    pub unknown_order_texts: Vec<String>,
    /// Seconds to wait for a connection. 1 to 30; never more than half of the time for the answer.
    #[serde(default = "five")]
    pub connect_timeout_seconds: u32,
}

/// The names of the messages' parts. They are the installation's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartNames {
    /// The part that carries the request document.
    pub request: String,
    /// The part that carries the company; needed where [`PrimaConnection::company`] is set.
    #[serde(default)]
    pub company: Option<String>,
    /// The part of the answer that carries the response document.
    pub result: String,
}

fn wsdl_target() -> String {
    "urn:omlink".to_owned()
}

fn plain_operation() -> String {
    "wsomhandler".to_owned()
}

fn company_operation() -> String {
    "comwsomhandler".to_owned()
}

fn five() -> u32 {
    5
}

impl PrimaConnection {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(format!("prima.{field}"), problem));
            }
        };
        let endpoint = Url::parse(&self.endpoint).ok();
        require(
            endpoint.as_ref().is_some_and(usable_endpoint),
            "endpoint",
            "takes the service's http or https address without query or user, such as \"http://prima.example.local:8080/wsalive/wsalive\"",
        );
        require(
            self.allow_plain_http_to_public
                || !endpoint.as_ref().is_some_and(is_plain_http_to_public_address),
            "endpoint",
            "is plain HTTP to a public address, which anyone on the way can read: use https or a private address, or set allow_plain_http_to_public",
        );
        require(
            is_plain_text(&self.wsdl_target),
            "wsdl_target",
            "takes the target URI of the WSDL, such as \"urn:omlink\"",
        );
        require(
            self.company.as_ref().is_none_or(|company| is_filled(company)),
            "company",
            "is blank: leave it out",
        );
        require(
            is_plain_text(&self.namespace),
            "namespace",
            "takes the namespace of the operations, from the WSDL",
        );
        require(
            self.soap_action.is_empty()
                || (is_plain_text(&self.soap_action) && !self.soap_action.contains('"')),
            "soap_action",
            "takes ASCII without quotes or blanks, from the WSDL",
        );
        for (field, name) in [
            ("operation", Some(&self.operation)),
            ("company_operation", Some(&self.company_operation)),
            ("parts.request", Some(&self.parts.request)),
            ("parts.company", self.parts.company.as_ref()),
            ("parts.result", Some(&self.parts.result)),
        ] {
            require(
                name.is_none_or(|name| is_element_name(name)),
                field,
                "takes a name of letters, digits, '_', '-' and '.', from the WSDL",
            );
        }
        require(
            self.company.is_none() || self.parts.company.is_some(),
            "parts.company",
            "is needed with prima.company: the WSDL names it",
        );
        require(
            !self.unknown_order_texts.is_empty(),
            "unknown_order_texts",
            "is empty: ask for an order number that does not exist and enter Prima's words; without them no lost order can be settled",
        );
        for (index, text) in self.unknown_order_texts.iter().enumerate() {
            let own_words = text.trim_end_matches('*').replace("{order_number}", "");
            require(
                own_words.chars().filter(|c| c.is_alphabetic()).count() >= 5
                    && !text.trim_end_matches('*').contains('*'),
                &format!("unknown_order_texts[{index}]"),
                "takes at least five letters of Prima's own words, and a '*' only once, at the end: anything looser would take any error for \"unknown\"",
            );
        }
        require(
            (1..=30).contains(&self.connect_timeout_seconds),
            "connect_timeout_seconds",
            "takes 1 to 30",
        );
        problems
    }

    /// The operation to call: with the company or without.
    #[must_use]
    pub fn called_operation(&self) -> &str {
        if self.company.is_some() { &self.company_operation } else { &self.operation }
    }

    /// Whether `request_error`, answered for `order_number`, is one of the site's ways of saying
    /// "unknown order".
    #[must_use]
    pub fn says_unknown_order(&self, request_error: &str, order_number: &str) -> bool {
        self.unknown_order_texts
            .iter()
            .any(|pattern| says(request_error, &pattern.replace("{order_number}", order_number)))
    }
}

/// Whether a refusal is worded as a pattern: small letters and single blanks count, and a `*` at
/// the end stands for anything.
pub(super) fn says(text: &str, pattern: &str) -> bool {
    let (said, pattern) = (comparable(text), comparable(pattern));
    match pattern.strip_suffix('*') {
        Some(start) => said.starts_with(start.trim_end()),
        None => said == pattern,
    }
}

/// Small letters, single blanks.
fn comparable(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn is_filled(text: &str) -> bool {
    !text.trim().is_empty()
}

/// ASCII that can be seen, and not empty: fit for a header and a namespace.
fn is_plain_text(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
}

fn is_element_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn usable_endpoint(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

/// Only what can be told without a name service; names are checked on every connect.
pub(crate) fn is_plain_http_to_public_address(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return false,
    };
    url.scheme() == "http" && is_public(address)
}

/// How patient the connector is with Prima, and what the site's Prima can do. Part of the
/// installation document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrimaBehaviour {
    /// Seconds after which an answer to any request is no longer waited for.
    pub answer_timeout_seconds: u32,
    /// Seconds after which a request that was sent can no longer have an effect in Prima: its
    /// longest execution. An order whose `NewOrder` was lost is asked for only after this.
    pub longest_execution_seconds: u32,
    /// Seconds between the two questions that must both find nothing before a lost `NewOrder` is
    /// sent again.
    pub second_question_seconds: u32,
    /// Failures of the transport in a row after which an operation's breaker opens: its calls stop,
    /// and firm orders wait as rows.
    pub failures_until_open: u32,
    /// Seconds between probes while a breaker is open.
    pub probe_interval_seconds: u32,
    /// `CancelOrder` is there (assumed: no site has confirmed it yet).
    pub cancel_order: bool,
    /// Which characters Prima can store, and what becomes of others.
    pub characters: CharacterRules,
}

impl Default for PrimaBehaviour {
    fn default() -> Self {
        Self {
            answer_timeout_seconds: 60,
            longest_execution_seconds: 300,
            second_question_seconds: 30,
            failures_until_open: 3,
            probe_interval_seconds: 60,
            cancel_order: false,
            characters: CharacterRules::default(),
        }
    }
}

impl PrimaBehaviour {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(format!("behaviour.{field}"), problem));
            }
        };
        require(
            (1..=240).contains(&self.answer_timeout_seconds),
            "answer_timeout_seconds",
            "takes 1 to 240: the function itself ends after 300",
        );
        require(
            self.longest_execution_seconds > self.answer_timeout_seconds,
            "longest_execution_seconds",
            "must be greater than answer_timeout_seconds: ask Prima's operator how long a request may run",
        );
        require(
            (1..=900).contains(&self.second_question_seconds),
            "second_question_seconds",
            "takes 1 to 900",
        );
        require(
            (1..=100).contains(&self.failures_until_open),
            "failures_until_open",
            "takes 1 to 100",
        );
        require(
            (1..=3600).contains(&self.probe_interval_seconds),
            "probe_interval_seconds",
            "takes 1 to 3600",
        );
        problems.extend(self.characters.problems());
        problems
    }

    /// [`Self::longest_execution_seconds`].
    #[must_use]
    pub fn longest_execution(&self) -> Duration {
        Duration::from_secs(self.longest_execution_seconds.into())
    }

    /// [`Self::second_question_seconds`].
    #[must_use]
    pub fn second_question(&self) -> Duration {
        Duration::from_secs(self.second_question_seconds.into())
    }

    /// [`Self::answer_timeout_seconds`].
    #[must_use]
    pub fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_seconds.into())
    }

    /// [`Self::probe_interval_seconds`].
    #[must_use]
    pub fn probe_interval(&self) -> Duration {
        Duration::from_secs(self.probe_interval_seconds.into())
    }
}

/// How an answer is read that may be large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long Prima may be silent: before the answer begins, and within it.
    pub silence: Duration,
    /// Bytes of an answer that are still read.
    pub largest_answer: u64,
}
