//! Logs: JSON lines on standard output, where Lambda picks them up without a call. They never hold
//! anything of a customer. Metrics are beside them, in [`crate::aws::metrics`].

use tracing_subscriber::EnvFilter;

use crate::aws::functions::Function;
use crate::aws::settings::Settings;

/// Starts logging: JSON lines, from the level in `RUST_LOG` on (`error`, `warn`, `info`, `debug`,
/// `trace`; `info` where it is not set).
///
/// What the clients below log is held at `warn` whatever the level, because their debugging output
/// quotes bodies. A second call does nothing. Anything but one of those words counts as `info`.
pub fn start(settings: &Settings<'_>) {
    let level = settings.optional("RUST_LOG").unwrap_or_default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(EnvFilter::new(filter(&level)))
        .finish();
    // Refused where a test or an earlier call set one: that one serves as well.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn filter(level: &str) -> String {
    let level = level.to_ascii_lowercase();
    let level = if ["error", "warn", "info", "debug", "trace"].contains(&level.as_str()) {
        level.as_str()
    } else {
        "info"
    };
    let others = if level == "error" { "error" } else { "warn" };
    let functions = Function::ALL.iter().map(|function| function.crate_name());
    let ours: Vec<String> = std::iter::once("shared".to_owned())
        .chain(functions)
        .map(|name| format!("{name}={level}"))
        .collect();
    format!("{others},{}", ours.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_makes_the_clients_below_talk() {
        let told = filter("DEBUG");
        assert!(told.starts_with("warn,shared=debug,acknowledge_orders=debug,"), "{told}");
        for function in Function::ALL {
            assert!(
                told.contains(&format!(",{}=debug", function.crate_name())),
                "{function:?} is silent: {told}"
            );
        }
        assert_eq!(filter("aws_smithy_runtime=trace"), filter("info"));
        assert!(filter("error").starts_with("error,"));
    }
}
