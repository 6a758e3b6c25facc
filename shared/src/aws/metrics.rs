//! Metrics: JSON lines in CloudWatch's embedded metric format, on standard output, where Lambda
//! picks them up without a call. They never hold anything of a customer.
//!
//! A function's metrics are structs that [`metrics!`](crate::metrics) makes: a field for each
//! metric, so that the compiler refuses a metric that nobody sets and warns of a struct that nobody
//! prints; and a list of all names and dimensions, against which a test
//! (`infra/local-world/tests/metrics.rs`) holds every alarm of `template.yaml`.
//!
//! Why not metrique, awslabs' own crate (0.1.33, measured 2026-11-27): its start-up and size would
//! do. A program that writes one line is 349 KB and takes 301,000 instructions with it, 324 KB and
//! 339,000 with `serde_json` alone. Its weight does not: it adds 29 crates to the 403 of the
//! workspace's lock file (among them `metrics-util`, `quanta` and `crossbeam`), for what takes one
//! macro here. Nor does a struct of its say its unit and its dimensions where no value is at hand,
//! which the test needs.

use std::io::Write;
use std::ops::AddAssign;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::aws::functions::Function;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "PrimaMirakl";
/// The dimension that names the function.
pub const FUNCTION: &str = "function";
/// The dimension that names the channel.
pub const CHANNEL: &str = "channel";
/// Values that one metric may have in one line: CloudWatch's limit.
const VALUES: usize = 100;

/// Makes a struct for each group of metrics that a function prints, and `EMITTED`, the list of all
/// of them.
///
/// A struct `per Function` is printed by `print(now)`, under the dimension `function`. One `per
/// Channel` is printed by `print(channel, now)`, under the dimension `channel` and under `function`
/// beside it, so that one alarm can watch all channels. A field is a [`Count`], [`Seconds`] or
/// [`Milliseconds`], or an `Option` or a `Vec` of one.
///
/// A function that calls Prima says `with PrimaSlots` behind its name, and has `SlotMetrics` and
/// `of_slot` besides.
#[macro_export]
macro_rules! metrics {
    ($function:ident with PrimaSlots $($groups:tt)+) => {
        $crate::metrics! {
            $function
            $($groups)+

            /// Of a request for slots of Prima's calls.
            struct SlotMetrics per Function {
                /// Zero where the run has its slots.
                waited: Option<$crate::aws::metrics::Seconds> = "PrimaSlotWaitSeconds",
                unknown: $crate::aws::metrics::Count = "PrimaSlotsUnknown",
            }
        }

        /// What came of a request for slots.
        pub(crate) fn of_slot(
            slot: $crate::domain::prima_slots::Slot,
            now: ::jiff::Timestamp,
        ) -> SlotMetrics {
            SlotMetrics {
                waited: slot.waited(now).map(Into::into),
                unknown: (slot == $crate::domain::prima_slots::Slot::Unknown).into(),
            }
        }
    };
    (
        $function:ident
        $(
            $(#[$attribute:meta])*
            struct $group:ident per $scope:ident {
                $($(#[$field_attribute:meta])* $field:ident: $type:ty = $name:literal,)+
            }
        )+
    ) => {
        $(
            $(#[$attribute])*
            #[derive(Clone, Debug, PartialEq)]
            #[must_use = "metrics that are not printed reach nobody"]
            pub(crate) struct $group { $($(#[$field_attribute])* pub(crate) $field: $type,)+ }

            impl $crate::aws::metrics::Metrics for $group {
                const FUNCTION: $crate::aws::functions::Function = $crate::aws::functions::Function::$function;
                const SCOPE: $crate::aws::metrics::Scope = $crate::aws::metrics::Scope::$scope;
                const DEFINITIONS: &'static [$crate::aws::metrics::Definition] = &[$(
                    $crate::aws::metrics::Definition {
                        name: $name,
                        unit: <$type as $crate::aws::metrics::Measured>::UNIT,
                    },
                )+];

                fn values(&self) -> ::std::vec::Vec<::std::vec::Vec<f64>> {
                    ::std::vec![$($crate::aws::metrics::Measured::values(&self.$field),)+]
                }
            }

            $crate::metrics!(@print $scope $group);
        )+

        /// All metrics that this function emits.
        pub const EMITTED: &[$crate::aws::metrics::Emitted] = &[$($crate::aws::metrics::Emitted::of::<$group>(),)+];
    };
    (@print Function $group:ident) => {
        impl $group {
            /// Prints the metrics on standard output.
            pub(crate) fn print(&self, now: ::jiff::Timestamp) {
                $crate::aws::metrics::print(self, ::std::option::Option::None, now);
            }
        }
    };
    (@print Channel $group:ident) => {
        impl $group {
            /// Prints the metrics of a channel on standard output.
            pub(crate) fn print(&self, channel: &str, now: ::jiff::Timestamp) {
                $crate::aws::metrics::print(self, ::std::option::Option::Some(channel), now);
            }
        }
    };
}

/// A group of metrics that are printed together. [`metrics!`](crate::metrics) makes it.
pub trait Metrics {
    /// The function that prints it.
    const FUNCTION: Function;
    /// Its dimensions.
    const SCOPE: Scope;
    /// The metrics, in the order of their fields.
    const DEFINITIONS: &'static [Definition];

    /// The values of each metric, in the order of [`Metrics::DEFINITIONS`].
    fn values(&self) -> Vec<Vec<f64>>;
}

/// A metric's name and unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
}

/// The units, as CloudWatch names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A duration in seconds.
    Seconds,
    /// A duration in milliseconds.
    Milliseconds,
}

impl Unit {
    /// The name in CloudWatch.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a group of metrics is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of the function as a whole.
    Function,
    /// Of one channel.
    Channel,
}

impl Scope {
    /// The sets of dimensions under which each metric is kept.
    #[must_use]
    pub const fn dimensions(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Function => &[&[FUNCTION]],
            Self::Channel => &[&[CHANNEL], &[FUNCTION]],
        }
    }
}

/// What a group of metrics is called, without its values.
#[derive(Clone, Copy, Debug)]
pub struct Emitted {
    /// The function that prints it.
    pub function: Function,
    /// Its dimensions.
    pub scope: Scope,
    /// Its metrics.
    pub metrics: &'static [Definition],
}

impl Emitted {
    /// Of a group.
    #[must_use]
    pub const fn of<M: Metrics>() -> Self {
        Self { function: M::FUNCTION, scope: M::SCOPE, metrics: M::DEFINITIONS }
    }
}

/// What a metric is measured by.
pub trait Measured {
    /// Its unit.
    const UNIT: Unit;

    /// Its values: none where nothing was measured.
    fn values(&self) -> Vec<f64>;
}

/// A number of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub usize);

/// A duration, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds(pub f64);

/// A duration, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Milliseconds(pub f64);

impl From<bool> for Count {
    fn from(is_so: bool) -> Self {
        Self(usize::from(is_so))
    }
}

impl From<u64> for Count {
    fn from(count: u64) -> Self {
        Self(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

impl AddAssign<usize> for Count {
    fn add_assign(&mut self, more: usize) {
        self.0 += more;
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs_f64())
    }
}

impl Measured for Count {
    const UNIT: Unit = Unit::Count;

    #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
    fn values(&self) -> Vec<f64> {
        vec![self.0 as f64]
    }
}

impl Measured for Seconds {
    const UNIT: Unit = Unit::Seconds;

    fn values(&self) -> Vec<f64> {
        vec![self.0]
    }
}

impl Measured for Milliseconds {
    const UNIT: Unit = Unit::Milliseconds;

    fn values(&self) -> Vec<f64> {
        vec![self.0]
    }
}

impl<T: Measured> Measured for Option<T> {
    const UNIT: Unit = T::UNIT;

    fn values(&self) -> Vec<f64> {
        self.as_ref().map(Measured::values).unwrap_or_default()
    }
}

impl<T: Measured> Measured for Vec<T> {
    const UNIT: Unit = T::UNIT;

    fn values(&self) -> Vec<f64> {
        self.iter().flat_map(Measured::values).collect()
    }
}

/// Prints the lines on standard output. `channel`: of a group that is of one.
pub fn print<M: Metrics>(metrics: &M, channel: Option<&str>, now: Timestamp) {
    let mut text = lines(metrics, channel, now).join("\n");
    if !text.is_empty() {
        text.push('\n');
        // One write, so that no log line of another thread comes between. Where standard output is
        // gone, so is its reader.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}

/// The lines: one, unless a metric has more than a hundred values.
fn lines<M: Metrics>(metrics: &M, channel: Option<&str>, now: Timestamp) -> Vec<String> {
    let values = metrics.values();
    let rounds = values.iter().map(|values| values.len().div_ceil(VALUES)).max().unwrap_or(0);
    (0..rounds).map(|round| line::<M>(&values, round, channel, now)).collect()
}

fn line<M: Metrics>(
    values: &[Vec<f64>],
    round: usize,
    channel: Option<&str>,
    now: Timestamp,
) -> String {
    let mut line = Map::new();
    let mut definitions = Vec::new();
    for (definition, values) in M::DEFINITIONS.iter().zip(values) {
        let Some(values) = values.chunks(VALUES).nth(round) else { continue };
        definitions.push(json!({"Name": definition.name, "Unit": definition.unit.name()}));
        let value = if let [single] = values {
            number(*single)
        } else {
            values.iter().copied().map(number).collect()
        };
        line.insert(definition.name.to_owned(), value);
    }
    line.insert(FUNCTION.to_owned(), json!(M::FUNCTION.name()));
    if let Some(channel) = channel {
        line.insert(CHANNEL.to_owned(), json!(channel));
    }
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": M::SCOPE.dimensions(), "Metrics": definitions}],
        }),
    );
    Value::Object(line).to_string()
}

/// Whole numbers without a fraction, as people write counts.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only whole numbers within an i64's exact range"
)]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    use of_a_function::{EMITTED, OfChannel, OfFunction};

    mod of_a_function {
        #![expect(
            dead_code,
            unreachable_pub,
            reason = "nothing is printed, and nobody outside reads the list"
        )]
        use crate::aws::metrics::{Count, Milliseconds, Seconds};

        metrics! {
            AcknowledgeOrders

            /// Of a channel.
            struct OfChannel per Channel {
                seen: Count = "OrdersSeen",
                oldest: Seconds = "OldestSeconds",
                run: Milliseconds = "RunMilliseconds",
                not_known: Option<Seconds> = "NotKnownSeconds",
                took: Vec<Seconds> = "AcknowledgementSeconds",
            }

            /// Of the function.
            #[derive(Default)]
            struct OfFunction per Function {
                created: Option<Count> = "OrdersCreated",
                took: Vec<Seconds> = "CreationSeconds",
            }
        }
    }

    fn parsed(line: &str) -> Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_channels_metrics_are_one_line_that_cloudwatch_reads() {
        let mut metrics = OfChannel {
            seen: Count(3),
            oldest: Seconds(1.5),
            run: Milliseconds(12.0),
            not_known: None,
            took: vec![Seconds(4.0), Seconds(5.5)],
        };
        metrics.seen += 2;
        let lines = lines(
            &metrics,
            Some("outfitter-uk"),
            Timestamp::from_millisecond(1_790_000_000_123).unwrap(),
        );
        assert_eq!(lines.len(), 1);
        let expected = json!({
            "_aws": {"Timestamp": 1_790_000_000_123_i64, "CloudWatchMetrics": [{
                "Namespace": "PrimaMirakl", "Dimensions": [["channel"], ["function"]],
                "Metrics": [{"Name": "OrdersSeen", "Unit": "Count"}, {"Name": "OldestSeconds", "Unit": "Seconds"},
                    {"Name": "RunMilliseconds", "Unit": "Milliseconds"}, {"Name": "AcknowledgementSeconds", "Unit": "Seconds"}],
            }]},
            "function": "acknowledge-orders", "channel": "outfitter-uk",
            "OrdersSeen": 5, "OldestSeconds": 1.5, "RunMilliseconds": 12, "AcknowledgementSeconds": [4, 5.5],
        });
        assert_eq!(parsed(&lines[0]), expected);
        assert!(!lines[0].contains('\n'));
    }

    /// No value is lost beyond CloudWatch's limit for one line, and nothing is printed where there
    /// is nothing to tell.
    #[test]
    fn metrics_split_at_cloudwatchs_limit_and_skip_empty_lines() {
        assert_eq!(
            lines(&OfFunction::default(), None, Timestamp::UNIX_EPOCH),
            Vec::<String>::new()
        );
        let took = (0..250).map(|second| Seconds(f64::from(second) + 0.5)).collect();
        let metrics = OfFunction { created: Some(Count(250)), took };
        let lines: Vec<Value> =
            lines(&metrics, None, Timestamp::UNIX_EPOCH).iter().map(|line| parsed(line)).collect();
        let lengths: Vec<usize> =
            lines.iter().map(|line| line["CreationSeconds"].as_array().unwrap().len()).collect();
        assert_eq!(lengths, [100, 100, 50]);
        let counted: Vec<_> = lines.iter().filter_map(|line| line.get("OrdersCreated")).collect();
        assert_eq!(counted, [&json!(250)], "a count stands in one line only");
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["function"]]));
    }

    #[test]
    fn what_is_emitted_is_known_without_a_value() {
        let [channel, function] = EMITTED else { panic!("{EMITTED:?}") };
        assert_eq!(
            (channel.function, channel.scope, function.scope),
            (Function::AcknowledgeOrders, Scope::Channel, Scope::Function)
        );
        assert_eq!(
            channel.metrics[4],
            Definition { name: "AcknowledgementSeconds", unit: Unit::Seconds }
        );
    }
}
