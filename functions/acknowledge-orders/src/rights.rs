//! Rights that Mirakl refuses the channel's key: noted in what the poller remembers, and told once
//! the sales are safe.

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::notify::tell;
use shared::domain::rights::RefusedRights;
use shared::mirakl::MiraklError;

use crate::{PortTypes, Ports};

impl<T: PortTypes> Ports<T> {
    /// Tells people of what is refused, or keeps failing: once, until it works again, and once a
    /// day meanwhile.
    pub(crate) async fn tell_of_refused(
        &self,
        channel: &Channel,
        refused: &mut RefusedRights,
        now: Timestamp,
    ) {
        for right in refused.untold(now) {
            if tell(&self.events, &[right.event(now)]).await {
                refused.tell(&channel.id, &right.operation, now);
            }
        }
    }
}

/// What the answers of one run, to calls of one operation, say of its right. One that worked shows
/// that the key has it.
pub(crate) fn note(
    refused: &mut RefusedRights,
    channel: &Channel,
    operation: &str,
    worked: bool,
    refusal: Option<&MiraklError>,
    now: Timestamp,
) {
    if worked {
        if refused.works(&channel.id, operation) {
            tracing::info!(channel = %channel.id, operation, "what was refused, or failed, works again");
        }
    } else if let Some(problem) = refusal.filter(|problem| problem.is_key_refused()) {
        refused.refuse(&channel.id, problem, now);
    }
}
