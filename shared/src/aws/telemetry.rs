//! Logs and measures. Logs are JSON lines, measures are JSON lines in CloudWatch's embedded metric format; both go to
//! standard output, where Lambda picks them up without a call. Neither ever holds anything of a customer.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing_subscriber::EnvFilter;

use crate::aws::functions::Function;
use crate::aws::settings::Settings;

/// The namespace of all measures.
pub const NAMESPACE: &str = "PrimaMirakl";
/// Values that one measure may have in one line: CloudWatch's limit.
const VALUES: usize = 100;

/// Starts logging: JSON lines, from the level in `RUST_LOG` on (`error`, `warn`, `info`, `debug`, `trace`; `info` where it is not set).
///
/// What the clients below log is held at `warn` whatever the level, because their debugging output quotes bodies. A second
/// call does nothing. Anything but one of those words counts as `info`.
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
    let level = if ["error", "warn", "info", "debug", "trace"].contains(&level.as_str()) { level.as_str() } else { "info" };
    let others = if level == "error" { "error" } else { "warn" };
    let functions = Function::ALL.iter().map(|function| function.crate_name());
    let ours: Vec<String> = std::iter::once("shared".to_owned()).chain(functions).map(|name| format!("{name}={level}")).collect();
    format!("{others},{}", ours.join(","))
}

/// Measures of one run, of a channel or of a whole function.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    function: String,
    channel: Option<String>,
    values: Vec<Measure>,
}

#[derive(Clone, Debug, PartialEq)]
struct Measure {
    name: &'static str,
    unit: &'static str,
    values: Vec<f64>,
}

impl Measures {
    /// Measures of `function` as a whole: their dimension is `function`.
    #[must_use]
    pub fn of_function(function: &str) -> Self {
        Self { function: function.to_owned(), channel: None, values: Vec::new() }
    }

    /// Measures of `function` for one channel: under the dimension `channel`, and under `function` beside it.
    #[must_use]
    pub fn of_channel(function: &str, channel: &str) -> Self {
        Self { channel: Some(channel.to_owned()), ..Self::of_function(function) }
    }

    /// A number of things. Counts of one name add up.
    #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
    pub fn count(&mut self, name: &'static str, count: usize) -> &mut Self {
        let values = self.values_of(name, "Count");
        match values.first_mut() {
            Some(sum) => *sum += count as f64,
            None => values.push(count as f64),
        }
        self
    }

    /// A duration in seconds; one of several of this name.
    pub fn seconds(&mut self, name: &'static str, seconds: f64) -> &mut Self {
        self.values_of(name, "Seconds").push(seconds);
        self
    }

    /// A duration in milliseconds; one of several of this name.
    pub fn milliseconds(&mut self, name: &'static str, milliseconds: f64) -> &mut Self {
        self.values_of(name, "Milliseconds").push(milliseconds);
        self
    }

    /// The values measured under a name: for judging.
    #[must_use]
    pub fn measured(&self, name: &str) -> &[f64] {
        self.values.iter().find(|measure| measure.name == name).map_or(&[], |measure| &measure.values)
    }

    /// The lines in embedded metric format: one, unless a measure has more than a hundred values.
    #[must_use]
    pub fn lines(&self, now: Timestamp) -> Vec<String> {
        let rounds = self.values.iter().map(|measure| measure.values.len().div_ceil(VALUES)).max().unwrap_or(0);
        (0..rounds).map(|round| self.line(round, now)).collect()
    }

    /// Prints the lines on standard output.
    pub fn print(&self, now: Timestamp) {
        let mut text = self.lines(now).join("\n");
        if !text.is_empty() {
            text.push('\n');
            // One write, so that no log line of another thread comes between. Where standard output is gone, so is its reader.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
        }
    }

    fn line(&self, round: usize, now: Timestamp) -> String {
        let mut line = Map::new();
        let mut definitions = Vec::new();
        for measure in &self.values {
            let Some(values) = measure.values.chunks(VALUES).nth(round) else { continue };
            definitions.push(json!({"Name": measure.name, "Unit": measure.unit}));
            let value = if let [single] = values { number(*single) } else { values.iter().copied().map(number).collect() };
            line.insert(measure.name.to_owned(), value);
        }
        // A channel's measures count for the whole function too, so that one alarm can watch all channels.
        let dimensions = if self.channel.is_some() { json!([["channel"], ["function"]]) } else { json!([["function"]]) };
        line.insert("function".to_owned(), json!(self.function));
        if let Some(channel) = &self.channel {
            line.insert("channel".to_owned(), json!(channel));
        }
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions}],
            }),
        );
        Value::Object(line).to_string()
    }

    fn values_of(&mut self, name: &'static str, unit: &'static str) -> &mut Vec<f64> {
        let index = self.values.iter().position(|measure| measure.name == name).unwrap_or_else(|| {
            self.values.push(Measure { name, unit, values: Vec::new() });
            self.values.len() - 1
        });
        &mut self.values[index].values
    }
}

/// Whole numbers without a fraction, as people write counts.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers within an i64's exact range")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn parsed(line: &str) -> Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_channels_measures_are_one_line_that_cloudwatch_reads() {
        let mut measures = Measures::of_channel("acknowledge-orders", "outfitter-uk");
        measures.count("orders_seen", 3).count("orders_seen", 2).seconds("oldest_unacknowledged_age", 1.5);
        measures.milliseconds("run", 12.0).seconds("time_to_acknowledge", 4.0).seconds("time_to_acknowledge", 5.5);
        let lines = measures.lines(Timestamp::from_millisecond(1_790_000_000_123).unwrap());
        assert_eq!(lines.len(), 1);
        let expected = json!({
            "_aws": {"Timestamp": 1_790_000_000_123_i64, "CloudWatchMetrics": [{
                "Namespace": "PrimaMirakl", "Dimensions": [["channel"], ["function"]],
                "Metrics": [{"Name": "orders_seen", "Unit": "Count"}, {"Name": "oldest_unacknowledged_age", "Unit": "Seconds"},
                    {"Name": "run", "Unit": "Milliseconds"}, {"Name": "time_to_acknowledge", "Unit": "Seconds"}],
            }]},
            "function": "acknowledge-orders", "channel": "outfitter-uk",
            "orders_seen": 5, "oldest_unacknowledged_age": 1.5, "run": 12, "time_to_acknowledge": [4, 5.5],
        });
        assert_eq!(parsed(&lines[0]), expected);
        assert!(!lines[0].contains('\n'));
        assert_eq!(measures.measured("orders_seen"), [5.0]);
    }

    #[test]
    fn no_value_is_lost_over_cloudwatchs_limit_and_nothing_is_printed_for_nothing() {
        let mut measures = Measures::of_function("create-prima-orders");
        assert_eq!(measures.lines(Timestamp::UNIX_EPOCH), Vec::<String>::new());
        measures.count("orders_created", 250);
        (0..250).for_each(|second| {
            measures.seconds("time_to_create", f64::from(second) + 0.5);
        });
        let lines: Vec<Value> = measures.lines(Timestamp::UNIX_EPOCH).iter().map(|line| parsed(line)).collect();
        let lengths: Vec<usize> = lines.iter().map(|line| line["time_to_create"].as_array().unwrap().len()).collect();
        assert_eq!(lengths, [100, 100, 50]);
        let counted: Vec<_> = lines.iter().filter_map(|line| line.get("orders_created")).collect();
        assert_eq!(counted, [&json!(250)], "a count stands in one line only");
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["function"]]));
    }

    #[test]
    fn no_level_makes_the_clients_below_talk() {
        let told = filter("DEBUG");
        assert!(told.starts_with("warn,shared=debug,acknowledge_orders=debug,"), "{told}");
        for function in Function::ALL {
            assert!(told.contains(&format!(",{}=debug", function.crate_name())), "{function:?} is silent: {told}");
        }
        assert_eq!(filter("aws_smithy_runtime=trace"), filter("info"));
        assert!(filter("error").starts_with("error,"));
    }
}
