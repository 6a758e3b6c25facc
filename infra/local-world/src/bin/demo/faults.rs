//! What goes wrong, by level.

use serde_json::{Value, json};

use crate::arguments::Faults;

fn rule(operation: &str, kind: &str, chance: f64, more: &Value) -> Value {
    let mut fault = json!({"kind": kind});
    if let (Some(fault), Some(more)) = (fault.as_object_mut(), more.as_object()) {
        fault.extend(more.clone());
    }
    json!({"operation": operation, "fault": fault, "chance": chance})
}

/// The plan of the simulated Mirakl.
pub(crate) fn mirakl(level: Faults, seed: u64) -> Value {
    let often = match level {
        Faults::None => return json!({"seed": seed}),
        Faults::Light => 1.0,
        Faults::Heavy => 3.0,
    };
    let rules = vec![
        rule("OR11", "too_many_requests", 0.04 * often, &json!({"retry_after": 1})),
        rule("OR11", "html_error_page", 0.03 * often, &json!({"status": 502})),
        rule("OR21", "lost_answer", 0.04 * often, &json!({})),
        rule("OR21", "server_error", 0.03 * often, &json!({"status": 503})),
        rule("OR21", "cut_answer", 0.01 * often, &json!({})),
        rule("OR04", "server_error", 0.05 * often, &json!({"status": 500})),
        rule("OR23", "server_error", 0.02 * often, &json!({"status": 503})),
        rule("OR24", "lost_answer", 0.02 * often, &json!({})),
        rule("ST01", "lost_answer", 0.02 * often, &json!({})),
        rule("ST01", "too_many_requests", 0.01 * often, &json!({"retry_after": 1})),
        rule("OR28", "lost_answer", 0.1 * often, &json!({})),
        rule("OR30", "lost_answer", 0.1 * often, &json!({})),
    ];
    json!({"seed": seed, "latency_ms": [20, 80], "rules": rules})
}

/// The plan of the simulated Prima; during an `outage` it does not answer at all.
pub(crate) fn prima(level: Faults, seed: u64, outage: bool) -> Value {
    let often = match level {
        Faults::None => return json!({"seed": seed, "outage": outage}),
        Faults::Light => 1.0,
        Faults::Heavy => 3.0,
    };
    let rules = vec![
        rule("NewOrder", "lost_answer", 0.04 * often, &json!({})),
        rule("NewOrder", "broken_connection", 0.02 * often, &json!({})),
        rule("NewOrder", "delay", 0.02 * often, &json!({"ms": 2500})),
        rule("OrderStatus", "html_error_page", 0.02 * often, &json!({"status": 503})),
    ];
    json!({"seed": seed, "latency_ms": [30, 120], "rules": rules, "outage": outage})
}
