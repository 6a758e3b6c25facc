//! What holds for the whole installation: how Prima is reached and how long it may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::channel::FieldError;

/// How patient the connector is with Prima, and what the site's Prima can do. Part of the installation document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrimaManners {
    /// Seconds after which an answer to any request is no longer waited for.
    pub answer_timeout_seconds: u32,
    /// Seconds after which a request that was sent can no longer have an effect in Prima: its longest execution. An order
    /// whose `NewOrder` was lost is asked for only after this.
    pub longest_execution_seconds: u32,
    /// Seconds between the two questions that must both find nothing before a lost `NewOrder` is sent again.
    pub second_question_seconds: u32,
    /// Failures of the transport in a row after which intake closes: firm orders wait as rows.
    pub failures_until_closed: u32,
    /// Seconds between probes while intake is closed.
    pub probe_interval_seconds: u32,
    /// `CancelOrder` is there (assumed: no site has confirmed it yet).
    pub cancel_order: bool,
}

impl Default for PrimaManners {
    fn default() -> Self {
        Self {
            answer_timeout_seconds: 60,
            longest_execution_seconds: 300,
            second_question_seconds: 30,
            failures_until_closed: 3,
            probe_interval_seconds: 60,
            cancel_order: false,
        }
    }
}

impl PrimaManners {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(format!("manners.{field}"), problem));
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
        require((1..=900).contains(&self.second_question_seconds), "second_question_seconds", "takes 1 to 900");
        require((1..=100).contains(&self.failures_until_closed), "failures_until_closed", "takes 1 to 100");
        require((1..=3600).contains(&self.probe_interval_seconds), "probe_interval_seconds", "takes 1 to 3600");
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
