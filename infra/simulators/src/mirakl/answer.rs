//! A request as operations read it, and the answer to it: status, body and headers, and the shapes
//! of an error.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::model::Refusal;

/// What most of the seller API answers in.
const JSON: &str = "application/json;charset=UTF-8";

/// A request, as far as operations read it.
pub(super) struct Asked<'a> {
    pub(super) authorization: Option<&'a str>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: &'a str,
    /// The parts of a multipart body, by name.
    pub(super) parts: Vec<(String, String)>,
    pub(super) url: &'a str,
}

impl Asked<'_> {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Answer> {
        self.value(name).map(|text| text.parse().map_err(|_| Answer::bad_field(name))).transpose()
    }

    pub(super) fn part(&self, name: &str) -> Option<&str> {
        self.parts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// The URL without its query.
    pub(super) fn address(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// Values separated by commas, at most 100.
    pub(super) fn several(&self, name: &str) -> Result<Option<Vec<String>>, Answer> {
        let values: Option<Vec<String>> =
            self.value(name).map(|text| text.split(',').map(str::to_owned).collect());
        if values.as_ref().is_some_and(|values| values.len() > 100) {
            return Err(Answer::limit_exceeded(name));
        }
        Ok(values)
    }
}

/// What an operation answers, before anything goes wrong with it on purpose.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(super) fn ok(body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(text) => Self::text(JSON, text),
            Err(problem) => {
                Self::server_error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string())
            }
        }
    }

    pub(super) fn text(content_type: &'static str, text: String) -> Self {
        Self { status: StatusCode::OK, content_type, body: Some(text), headers: Vec::new() }
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, content_type: JSON, body: None, headers: Vec::new() }
    }

    pub(super) fn with(status: StatusCode, body: &Value) -> Self {
        Self { status, ..Self::text(JSON, body.to_string()) }
    }

    pub(super) fn bad(message: &str) -> Self {
        Self::with(StatusCode::BAD_REQUEST, &json!({"status": 400, "message": message}))
    }

    pub(super) fn bad_field(field: &str) -> Self {
        Self::bad(&format!("Error with field {field}. Please check the field datatype."))
    }

    pub(super) fn limit_exceeded(parameter: &str) -> Self {
        Self::bad(&format!("The limit of 100 is exceeded for the parameter : {parameter}"))
    }

    pub(super) fn not_found() -> Self {
        Self::with(StatusCode::NOT_FOUND, &json!({"status": 404, "message": "Not Found"}))
    }

    /// Mirakl documents the header, in seconds, but no body.
    pub(super) fn too_many(retry_after: Option<u64>) -> Self {
        let headers = retry_after
            .map(|seconds| vec![("retry-after", seconds.to_string())])
            .unwrap_or_default();
        Self {
            headers,
            ..Self::with(
                StatusCode::TOO_MANY_REQUESTS,
                &json!({"status": 429, "message": "Too Many Requests"}),
            )
        }
    }

    pub(super) fn server_error(status: StatusCode, description: &str) -> Self {
        let error = status.canonical_reason().unwrap_or("Server Error");
        let body = json!({"status": status.as_u16(), "message": error, "error": error, "errorDescription": description});
        Self::with(status, &body)
    }

    pub(super) fn unauthorised() -> Self {
        let body = json!({"code": 401, "message": "Unauthorized, you are not allowed to perform this operation"});
        Self::with(StatusCode::UNAUTHORIZED, &body)
    }

    pub(super) fn forbidden(status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(StatusCode::FORBIDDEN) | Err(_) => {
                Self::with(StatusCode::FORBIDDEN, &json!({"status": 403, "message": "Forbidden"}))
            }
            Ok(_) => Self::unauthorised(),
        }
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = if refusal.code.is_empty() {
            json!({"status": refusal.status, "message": refusal.message})
        } else {
            json!({"status": refusal.status, "code": refusal.code, "message": refusal.message})
        };
        Self::with(status, &body)
    }
}

/// The `Link` header to the pages before and after.
pub(super) fn links(asked: &Asked<'_>, offset: usize, max: usize, total: usize) -> Option<String> {
    let base = asked.address();
    let link = |offset: usize, relation: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .extend_pairs(asked.query.iter().filter(|(name, _)| name != "offset" && name != "max"));
        query.append_pair("max", &max.to_string()).append_pair("offset", &offset.to_string());
        format!("<{base}?{}>; rel=\"{relation}\"", query.finish())
    };
    let previous = (offset > 0).then(|| link(offset.saturating_sub(max), "previous"));
    let next = (max > 0 && offset + max < total).then(|| link(offset + max, "next"));
    let links: Vec<String> = previous.into_iter().chain(next).collect();
    (!links.is_empty()).then(|| links.join(", "))
}
