//! Everything at a glance.

use anyhow::{Result, anyhow};
use aws_sdk_sqs::types::QueueAttributeName;
use jiff::Timestamp;
use shared::aws::config::code_of;
use shared::aws::store::DynamoDbStore;
use shared::domain::channel::Channel;
use shared::domain::order::row::Stage;
use shared::domain::prima_slots::{PrimaSlots, SlotStore as _};
use shared::domain::rights::{RefusedRights, Trouble};
use shared::domain::state::{BreakerStore, CollectionStore, PollState, PollStore, PrimaBreakers};
use shared::mirakl::rights::right_of;

use crate::connector::Connector;
use crate::documents::mode;
use crate::orders::index_states;
use crate::payouts;
use crate::table::{age, table};

/// `status`
pub(crate) async fn show(connector: &Connector) -> Result<String> {
    let store = connector.store()?;
    let list = connector.documents()?.channels().await?;
    let of_dispatch = store.load_collection().await?.refused;
    let mut channels = table(&["channel", "orders", "latest listing", "listed up to", "remarks"]);
    let mut orders = table(&["channel", "stage", "orders", "oldest for"]);
    for channel in &list.channels {
        let poll = store.load_poll(&channel.id).await?;
        channels.add_row(channel_row(channel, &poll, &of_dispatch, connector.now));
        for &stage in Stage::ALL {
            if let Some((count, oldest)) = counted(&store, &channel.id, stage).await? {
                let oldest =
                    oldest.map_or_else(|| "-".to_owned(), |since| age(since, connector.now));
                orders.add_row([
                    channel.id.clone(),
                    stage.name().to_owned(),
                    count.to_string(),
                    oldest,
                ]);
            }
        }
    }
    for (id, problem) in &list.unusable {
        channels.add_row([id.as_str(), "unusable", "-", "-", problem]);
    }
    let mut queues = table(&["queue", "waiting", "in work", "delayed"]);
    for (name, url) in [
        ("orders", connector.orders_queue_url()?),
        ("dead letters of orders", connector.dead_letter_queue_url()?),
        ("dispatches", connector.dispatches_queue_url()?),
        ("dead letters of dispatches", connector.dispatches_dead_letter_queue_url()?),
        ("stock imports", connector.stock_imports_queue_url()?),
        ("dead letters of stock", connector.stock_imports_dead_letter_queue_url()?),
        ("journals", connector.journals_queue_url()?),
        ("dead letters of payouts", connector.journals_dead_letter_queue_url()?),
    ] {
        let depths = depths(connector, name, &url).await?;
        queues.add_row(std::iter::once(name.to_owned()).chain(depths));
    }
    let payouts = payouts::at_a_glance(connector, &list.channels).await?;
    let breakers = store.load_breakers().await?;
    let slots = store.load_slots().await?;
    let orders = if orders.is_empty() { "No orders yet.".to_owned() } else { orders.to_string() };
    Ok(format!(
        "{channels}\n{orders}\n{payouts}\n{queues}\n{}\n{}",
        breaker_line(&breakers, connector.now),
        slots_line(&slots, connector.now)
    ))
}

/// How many orders are in a stage, and since when the oldest is; `None` for no orders.
async fn counted(
    store: &DynamoDbStore,
    channel: &str,
    stage: Stage,
) -> Result<Option<(usize, Option<Timestamp>)>> {
    let mut count = 0;
    let mut oldest: Option<Timestamp> = None;
    for state in index_states(stage) {
        count += store.count_in(channel, state).await?;
        // Orders that are looked at when they are due stand in the index by that moment, not by
        // their age.
        if stage.is_in_prima() {
            continue;
        }
        let first =
            store.index_entries(channel, state, None, 1).await?.first().map(|(_, since)| *since);
        oldest = oldest.into_iter().chain(first).min();
    }
    Ok((count > 0).then_some((count, oldest)))
}

fn channel_row(
    channel: &Channel,
    poll: &PollState,
    of_dispatch: &RefusedRights,
    now: Timestamp,
) -> [String; 5] {
    let ago = |at: Option<Timestamp>| {
        at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(at, now)))
    };
    let mut remarks = Vec::new();
    for right in
        poll.refused.iter().chain(of_dispatch.iter().filter(|right| right.channel == channel.id))
    {
        let (operation, since) = (&right.operation, age(right.since, now));
        remarks.push(match right.trouble {
            Trouble::Right => {
                let right = right_of(operation);
                format!("Mirakl refuses {operation} since {since}, which needs {right} (prima-mirakl check {})", channel.id)
            }
            Trouble::Failure | Trouble::NoAnswer => format!("{operation} fails since {since}: {}", right.told),
        });
    }
    if poll.full_wanted {
        remarks.push("the next listing looks at all open orders".to_owned());
    }
    [
        channel.id.clone(),
        mode(channel.orders).to_owned(),
        ago(poll.listed_at),
        ago(poll.watermark),
        remarks.join("; "),
    ]
}

fn breaker_line(breakers: &PrimaBreakers, now: Timestamp) -> String {
    let lines: Vec<String> = breakers
        .operations
        .iter()
        .map(|(name, operation)| match operation.open_since {
            None => format!("{name}: no answer lately ({} failures that count); Prima is asked all the same.", operation.failures),
            Some(since) => {
                let probe = operation.next_probe.map_or_else(|| "now".to_owned(), |at| age(at, now));
                format!("{name}: no answer since {}; next probe: {probe}. What waits flows by itself once Prima answers.", age(since, now))
            }
        })
        .collect();
    match (breakers.stops_creation(), lines.is_empty()) {
        (_, true) => "Prima takes orders.".to_owned(),
        (false, false) => format!("Prima takes orders.\n{}", lines.join("\n")),
        (true, false) => {
            format!("Prima takes no orders now: firm orders wait.\n{}", lines.join("\n"))
        }
    }
}

/// Who may call Prima now, and who waits for that.
fn slots_line(slots: &PrimaSlots, now: Timestamp) -> String {
    let leases: Vec<String> = slots
        .leases
        .iter()
        .filter(|lease| lease.until > now)
        .map(|lease| format!("{} ({})", lease.caller.function(), lease.calls))
        .collect();
    let leased = if leases.is_empty() { "nobody calls it".to_owned() } else { leases.join(", ") };
    let waiting = slots.waiting.iter().map(|(caller, waiting)| {
        format!("; {} waits for {}", caller.function(), age(waiting.since, now))
    });
    format!("Calls of Prima: {leased}{}", waiting.collect::<String>())
}

/// Messages waiting, in work, delayed.
async fn depths(connector: &Connector, name: &str, url: &str) -> Result<[String; 3]> {
    let wanted = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let client = aws_sdk_sqs::Client::new(&connector.config);
    let request =
        client.get_queue_attributes().queue_url(url).set_attribute_names(Some(wanted.to_vec()));
    let answer = request.send().await.map_err(|error| {
        anyhow!("the queue of {name} cannot be asked ({}): check its URL", code_of(&error))
    })?;
    Ok(wanted.map(|name| {
        answer
            .attributes()
            .and_then(|found| found.get(&name))
            .cloned()
            .unwrap_or_else(|| "-".to_owned())
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use std::time::Duration;

    use shared::kit::clock::before;
    use shared::mirakl::MiraklError;

    use super::*;
    use shared::domain::state::OperationBreaker;

    #[test]
    fn breakers_and_poll_read_as_sentences() {
        let now: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        assert_eq!(breaker_line(&PrimaBreakers::default(), now), "Prima takes orders.");
        assert_eq!(slots_line(&PrimaSlots::default(), now), "Calls of Prima: nobody calls it");
        let earlier = "2026-11-20T08:50:00Z".parse().ok();
        let mut open = PrimaBreakers::default();
        let failed = OperationBreaker {
            failures: 4,
            open_since: earlier,
            next_probe: "2026-11-20T09:00:30Z".parse().ok(),
            ..OperationBreaker::default()
        };
        open.operations.insert("NewOrder".to_owned(), failed);
        open.operations.insert(
            "OrderStatus".to_owned(),
            OperationBreaker { failures: 1, ..OperationBreaker::default() },
        );
        let line = breaker_line(&open, now);
        assert!(
            line.starts_with("Prima takes no orders now")
                && line.contains("OrderStatus: no answer lately (1"),
            "{line}"
        );
        assert!(
            line.contains("NewOrder: no answer since 10 min 0 s") && line.contains("in 30 s"),
            "{line}"
        );

        let channel: Channel = serde_json::from_str(
            r#"{"id":"c","base_url":"https://c.mirakl.net","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":60}"#,
        )
        .unwrap();
        let mut poll = PollState { listed_at: earlier, ..PollState::default() };
        poll.refused.refuse(
            "c",
            &MiraklError::refused("OR21", 403, None, "Forbidden"),
            before(now, Duration::from_secs(600)),
        );
        let row = channel_row(&channel, &poll, &RefusedRights::default(), now);
        assert_eq!(row[..4], ["c", "off", "10 min 0 s ago", "never"]);
        for words in ["OR21", "10 min 0 s", "ROLE_PARTNER_ORDER_ACCEPT", "prima-mirakl check c"] {
            assert!(row[4].contains(words), "{words}: {}", row[4]);
        }
    }
}
