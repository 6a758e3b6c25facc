//! Logs: JSON lines on standard output, where Lambda picks them up without a call. They never hold
//! anything of a customer. Metrics are beside them, in [`crate::aws::metrics`].

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::aws::functions::Function;
use crate::aws::settings::Settings;

/// Starts logging: JSON lines, from the level in `RUST_LOG` on (`error`, `warn`, `info`, `debug`,
/// `trace`; `info` where it is not set).
///
/// What the clients below log is held at `warn` whatever the level, because their debugging output
/// quotes bodies. A second call does nothing. Anything but one of those words counts as `info`.
pub fn start(settings: &Settings<'_>) {
    let level = settings.optional("RUST_LOG").unwrap_or_default();
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true);
    let subscriber =
        tracing_subscriber::registry().with(lines.with_current_span(false)).with(filter(&level));
    // Refused where a test or an earlier call set one: that one serves as well.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn filter(level: &str) -> Targets {
    let level = match level.to_ascii_lowercase().as_str() {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    };
    let functions = Function::ALL.iter().map(|function| function.crate_name());
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("shared", level)
        .with_targets(functions.map(|name| (name, level)))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn no_level_makes_the_clients_below_talk() {
        let told = filter("DEBUG");
        assert!(told.would_enable("shared::aws::store", &Level::DEBUG), "{told}");
        for function in Function::ALL {
            let told = told.would_enable(&function.crate_name(), &Level::DEBUG);
            assert!(told, "{function:?} is silent");
        }
        let client = "aws_smithy_runtime::client";
        for level in ["trace", "aws_smithy_runtime=trace", "info", "warn", ""] {
            assert!(!filter(level).would_enable(client, &Level::INFO), "{level}");
            assert!(filter(level).would_enable(client, &Level::WARN), "{level}");
        }
        assert!(!filter("error").would_enable(client, &Level::WARN));
        assert_eq!(filter("aws_smithy_runtime=trace"), filter("info"));
    }
}
