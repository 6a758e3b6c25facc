//! What a channel's poll did, for its metrics and its log line.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::state::ListingKind;
use shared::mirakl::{MiraklError, Order};

use crate::Ages;
use crate::listing::Listing;

/// Why a channel was not polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Its orders are off.
    Off,
    /// Its interval is not over.
    NotDue,
    /// Another run is at it.
    OtherRun,
}

/// One channel's minute in numbers.
#[derive(Clone, Debug, Default)]
pub struct ChannelReport {
    /// The channel's id.
    pub channel: String,
    /// Why nothing was done.
    pub skipped: Option<Skipped>,
    /// The listing was complete and everything was recorded.
    pub completed: bool,
    /// Every order that waits was listed.
    pub listed_whole: bool,
    /// Orders listed.
    pub listed: usize,
    /// Calls of OR11.
    pub pages: usize,
    /// Orders read by their ids, because they were missing from the open ones.
    pub listed_by_id: usize,
    /// Orders that waited for acceptance.
    pub waiting: usize,
    /// Seconds from creation to acceptance, of each order accepted.
    pub seconds_to_acknowledge: Vec<f64>,
    /// Orders accepted.
    pub acknowledged: usize,
    /// Age of the oldest order that still waits after the run.
    pub oldest_unacknowledged: Duration,
    /// Rows recorded.
    pub recorded: usize,
    /// Orders sent to the queue.
    pub queued: usize,
    /// References that Mirakl took.
    pub referenced: usize,
    /// Values that this version does not know, each with an order that has it.
    pub unknown_values: BTreeMap<String, String>,
    /// How long our own rows have waited, where that is known.
    pub ages: Option<Ages>,
    /// Failures and oddities, by kind.
    pub counts: BTreeMap<String, u64>,
}

impl ChannelReport {
    pub(crate) fn new(channel: &str) -> Self {
        Self { channel: channel.to_owned(), ..Self::default() }
    }

    pub(crate) fn failed(channel: &str, kind: &str) -> Self {
        let mut report = Self::new(channel);
        report.count(&format!("poll_failed_{kind}"));
        report
    }

    pub(crate) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn note_failure(&mut self, problem: &MiraklError) {
        self.count(&format!("mirakl_{}_{}", problem.operation.to_lowercase(), problem.kind()));
    }

    pub(crate) fn note_listing(&mut self, listing: &Listing) {
        self.listed = listing.orders.len() + listing.unreadable.len();
        self.pages = listing.pages;
        self.listed_whole = listing.shows_all_news() || listing.completes(ListingKind::Waiting);
    }

    pub(crate) fn note_unknown_values(&mut self, order: &Order) {
        let odd_fields =
            order.unread_fields.iter().map(|field| format!("{field}, which was done without"));
        for value in order.unknown_values().into_iter().chain(odd_fields) {
            self.unknown_values.entry(value).or_insert_with(|| order.order_id.clone());
        }
    }

    pub(crate) fn accepted_after(&mut self, created: Option<Timestamp>, at: Timestamp) {
        self.acknowledged += 1;
        if let Some(created) = created {
            self.seconds_to_acknowledge.push(at.duration_since(created).as_secs_f64().max(0.0));
        }
    }

    pub(crate) fn note_unacknowledged(&mut self, age: Duration) {
        self.oldest_unacknowledged = self.oldest_unacknowledged.max(age);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use shared::mirakl::UnreadableOrder;

    /// The numbers of a minute are those that dashboards and alarms show.
    #[test]
    fn the_report_carries_what_dashboards_and_alarms_show() {
        let at = |seconds: u64| Timestamp::UNIX_EPOCH + Duration::from_secs(seconds);
        let order = serde_json::from_str(
            r#"{"order_id":"MK-1-A","order_state":"SHIPPING","order_lines":[]}"#,
        )
        .unwrap();
        let mut report = ChannelReport::new("harbour-uk");
        report.note_listing(&Listing {
            orders: vec![order; 3],
            unreadable: vec![
                UnreadableOrder {
                    order_id: None,
                    acceptable: None,
                    problem: "no lines".to_owned()
                };
                2
            ],
            pages: 4,
            ..Listing::default()
        });
        assert_eq!(
            (report.listed, report.pages),
            (5, 4),
            "one that cannot be read is listed all the same"
        );
        report.accepted_after(Some(at(0)), at(90));
        report.accepted_after(None, at(90));
        // Mirakl's clock ahead of ours.
        report.accepted_after(Some(at(91)), at(90));
        assert_eq!(
            (report.acknowledged, report.seconds_to_acknowledge.as_slice()),
            (3, &[90.0, 0.0][..])
        );
        for seconds in [60, 600, 300] {
            report.note_unacknowledged(Duration::from_secs(seconds));
        }
        assert_eq!(report.oldest_unacknowledged, Duration::from_secs(600));
        report.note_failure(&MiraklError::unknown("OR21", "no answer"));
        report.note_failure(&MiraklError::unknown("OR21", "no answer"));
        report.note_failure(&MiraklError::refused("OR11", 401, None, "Unauthorized"));
        let counts: Vec<_> =
            report.counts.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(counts, [("mirakl_or11_key", 1), ("mirakl_or21_lost", 2)]);
    }

    #[test]
    fn a_poll_that_failed_whole_says_of_which_channel_and_how() {
        let report = ChannelReport::failed("harbour-uk", "time");
        assert_eq!(
            (report.channel.as_str(), report.counts.get("poll_failed_time"), report.completed),
            ("harbour-uk", Some(&1), false)
        );
    }
}
