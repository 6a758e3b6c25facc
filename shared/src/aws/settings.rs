//! Settings that a function reads from its environment. What is absent or malformed is named, with
//! what would be right.

use std::str::FromStr;

/// The table of order rows and number reservations.
pub const ORDERS_TABLE: &str = "ORDERS_TABLE";
/// The table of channel definitions, poll states and the installation document.
pub const CHANNELS_TABLE: &str = "CHANNELS_TABLE";
/// The table of order rules and SKU overrides.
pub const RULES_TABLE: &str = "RULES_TABLE";
/// The table of the stock ledgers and the small records beside them.
pub const STOCK_TABLE: &str = "STOCK_TABLE";
/// The `orders` queue.
pub const ORDERS_QUEUE_URL: &str = "ORDERS_QUEUE_URL";
/// The `orders` queue's dead-letter queue, where exceptions are shown.
pub const DEAD_LETTER_QUEUE_URL: &str = "DEAD_LETTER_QUEUE_URL";
/// The `dispatches` queue.
pub const DISPATCHES_QUEUE_URL: &str = "DISPATCHES_QUEUE_URL";
/// The `dispatches` queue's dead-letter queue, where dispatch exceptions are shown.
pub const DISPATCHES_DEAD_LETTER_QUEUE_URL: &str = "DISPATCHES_DEAD_LETTER_QUEUE_URL";
/// The queue of stock imports that are followed up.
pub const STOCK_IMPORTS_QUEUE_URL: &str = "STOCK_IMPORTS_QUEUE_URL";
/// Its dead-letter queue, where stock exceptions are shown.
pub const STOCK_IMPORTS_DEAD_LETTER_QUEUE_URL: &str = "STOCK_IMPORTS_DEAD_LETTER_QUEUE_URL";
/// The bucket of lists of offers, Prima's figures and imports.
pub const STOCK_FILES_BUCKET: &str = "STOCK_FILES_BUCKET";
/// The table of shops' readings, billing cycles and the references of journals.
pub const PAYOUTS_TABLE: &str = "PAYOUTS_TABLE";
/// The bucket of lines, journals, reports and the operator's documents.
pub const PAYOUT_FILES_BUCKET: &str = "PAYOUT_FILES_BUCKET";
/// The queue of journals.
pub const JOURNALS_QUEUE_URL: &str = "JOURNALS_QUEUE_URL";
/// Its dead-letter queue, where payout exceptions are shown.
pub const JOURNALS_DEAD_LETTER_QUEUE_URL: &str = "JOURNALS_DEAD_LETTER_QUEUE_URL";
/// The bucket in which dispatch files are dropped.
pub const DISPATCH_FILES_BUCKET: &str = "DISPATCH_FILES_BUCKET";
/// The bus of business events.
pub const EVENT_BUS_NAME: &str = "EVENT_BUS_NAME";
/// What stands before a channel's id in the name of its secret: `prima-mirakl/channels/`.
pub const SECRET_PREFIX: &str = "SECRET_PREFIX";
/// Days that the row of a finished order is kept; 400 where it is not set.
pub const ROW_RETENTION_DAYS: &str = "ROW_RETENTION_DAYS";

/// A setting is absent or malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} {problem}")]
pub struct SettingError {
    /// The variable's name.
    pub name: String,
    /// What is wrong, and what would be right. Never the value: it may be a credential.
    pub problem: String,
}

type Lookup<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

/// Where settings are looked up: the process's environment, or a test's.
pub struct Settings<'a> {
    lookup: Lookup<'a>,
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Settings")
    }
}

impl<'a> Settings<'a> {
    /// Those of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Those that `lookup` finds.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self { lookup: Box::new(lookup) }
    }

    /// A setting that may be left out; blank counts as left out.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A setting that must be there.
    ///
    /// # Errors
    /// It is absent or blank.
    pub fn text(&self, name: &str) -> Result<String, SettingError> {
        self.optional(name)
            .ok_or_else(|| SettingError { name: name.to_owned(), problem: "is not set".to_owned() })
    }

    /// How long the row of a finished order is kept: [`ROW_RETENTION_DAYS`].
    ///
    /// # Errors
    /// It is no whole number of days.
    pub fn row_retention(&self) -> Result<std::time::Duration, SettingError> {
        let days: u32 = self.parsed(ROW_RETENTION_DAYS, 400, "a whole number of days")?;
        Ok(std::time::Duration::from_secs(u64::from(days) * 24 * 60 * 60))
    }

    /// A setting in a type of its own, such as a number; `default` where it is left out.
    ///
    /// # Errors
    /// It cannot be read as one; `expected` says what would be right: `a whole number of days`.
    pub fn parsed<T: FromStr>(
        &self,
        name: &str,
        default: T,
        expected: &str,
    ) -> Result<T, SettingError> {
        match self.optional(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| SettingError {
                name: name.to_owned(),
                problem: format!("cannot be read: it takes {expected}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn settings() -> Settings<'static> {
        Settings::from_lookup(|name| match name {
            ORDERS_TABLE => Some(" orders ".to_owned()),
            ROW_RETENTION_DAYS => Some("a year".to_owned()),
            RULES_TABLE => Some(" ".to_owned()),
            _ => None,
        })
    }

    /// An absent or malformed setting is named, and its value is not shown.
    #[test]
    fn a_bad_setting_is_named_without_its_value() {
        assert_eq!(settings().text(ORDERS_TABLE), Ok("orders".to_owned()));
        let absent = settings().text(RULES_TABLE).unwrap_err().to_string();
        assert_eq!(absent, "the environment variable RULES_TABLE is not set");
        let malformed = settings()
            .parsed(ROW_RETENTION_DAYS, 400_u32, "a whole number of days")
            .unwrap_err()
            .to_string();
        assert_eq!(
            malformed,
            "the environment variable ROW_RETENTION_DAYS cannot be read: it takes a whole number of days"
        );
        assert_eq!(settings().parsed("LEFT_OUT", 400_u32, "a whole number of days"), Ok(400));
    }
}
