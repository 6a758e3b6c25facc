//! Orders that need a person.

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use shared::aws::store::DynamoDbStore;
use shared::domain::order::remedy::{self, SettledAs};
use shared::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage, Unanswered};
use shared::domain::state::OrderStore;

use crate::answers::Refused;
use crate::arguments::{ExceptionsCommand, Settlement};
use crate::connector::Connector;
use crate::dead_letters::DeadLetters;
use crate::orders::{change, index_states, want_full_listing};
use crate::settling;
use crate::table::{age, table};

/// Exceptions listed of one channel.
const LISTED: usize = 500;

/// `exceptions`
pub(crate) async fn run(connector: &Connector, command: ExceptionsCommand) -> Result<String> {
    let store = connector.store()?;
    match command {
        ExceptionsCommand::List { channel } => {
            let channels = match channel {
                Some(channel) => vec![connector.channel(&channel).await?.id],
                None => connector
                    .documents()?
                    .channels()
                    .await?
                    .channels
                    .into_iter()
                    .map(|channel| channel.id)
                    .collect(),
            };
            let mut rows = Vec::new();
            for channel in &channels {
                rows.extend(exceptions_of(&store, channel).await?);
            }
            rows.sort_by_key(|row| row.since);
            Ok(render(&rows, connector.now))
        }
        ExceptionsCommand::Retry { channel, order } => {
            let note = format!("another try, by {}", connector.author);
            if is_of_dispatch(&store, &channel, &order).await? {
                let dead_letters = DeadLetters::of_dispatches(connector)?;
                let answer =
                    crate::dispatches::retry(connector, &store, &channel, &order, &note).await?;
                let removed = dead_letters.remove(&channel, &order, connector.now).await;
                return Ok(format!("{answer} {}", removal(removed)));
            }
            let dead_letters = DeadLetters::of(connector)?;
            change(&store, &channel, &order, |row| retry(row, &note, connector.now)).await?;
            want_full_listing(&store, &channel).await?;
            let removed = dead_letters.remove(&channel, &order, connector.now).await;
            Ok(format!(
                "Order {order} of channel {channel} is tried again with the next listing. {}",
                removal(removed)
            ))
        }
        ExceptionsCommand::Settle { channel, order, outcome, note, force } => {
            let note = format!("settled by {}: {}", connector.named_author()?, said(&note)?);
            let key = OrderKey::new(&channel, &order);
            let row = store
                .load_order(&key)
                .await?
                .ok_or_else(|| crate::orders::unknown(&channel, &order))?;
            settle(&mut row.clone(), outcome, &note, connector.now)?;
            let seen = settling::look(connector, &row, outcome).await?;
            let against = settling::contradictions(&row, outcome, &seen);
            if !against.is_empty() && !force {
                let more =
                    "To record it all the same, add --force; `exceptions reopen` takes it back."
                        .to_owned();
                return Err(Refused(against.into_iter().chain([more]).collect()).into());
            }
            let dead_letters = if is_of_dispatch(&store, &channel, &order).await? {
                DeadLetters::of_dispatches(connector)?
            } else {
                DeadLetters::of(connector)?
            };
            let row =
                change(&store, &channel, &order, |row| settle(row, outcome, &note, connector.now))
                    .await?;
            let removed = dead_letters.remove(&channel, &order, connector.now).await;
            let done = if row.creation.said_to_be_in_prima {
                want_full_listing(&store, &channel).await?;
                format!(
                    "Order {order} of channel {channel} is looked for in Prima within a minute or two: it is created once it is found there, and else an exception again."
                )
            } else {
                format!("Order {order} of channel {channel} is {}.", row.stage.name())
            };
            let against = against.iter().map(|line| format!("\nNote: {line}")).collect::<String>();
            Ok(format!("{done} {}{against}", removal(removed)))
        }
        ExceptionsCommand::Reopen { channel, order, note } => {
            let note =
                format!("settling taken back by {}: {}", connector.named_author()?, said(&note)?);
            change(&store, &channel, &order, |row| reopen(row, &note, connector.now)).await?;
            Ok(format!(
                "Order {order} of channel {channel} is an exception again, and is told of within a minute or two."
            ))
        }
    }
}

/// A note that says something.
fn said(note: &str) -> Result<&str> {
    let said = note.trim();
    if said.is_empty() {
        Err(Refused::because(
            "--note is empty: say what was done, without anything of the customer",
        ))
    } else {
        Ok(said)
    }
}

/// Whether the order is an exception of its dispatch.
async fn is_of_dispatch(store: &DynamoDbStore, channel: &str, order: &str) -> Result<bool> {
    let row = store.load_order(&OrderKey::new(channel, order)).await?;
    Ok(row.and_then(|row| row.exception).is_some_and(|exception| exception.kind.is_of_dispatch()))
}

/// The row is the truth and is changed by now: what is left in the queue is only untidy.
fn removal(removed: Result<usize>) -> String {
    match removed {
        Ok(0) => "The dead-letter queue held no message of it.".to_owned(),
        Ok(count) => format!("Removed from the dead-letter queue: {count}."),
        Err(problem) => format!(
            "Its message is still in the dead-letter queue ({problem:#}): delete it there, or leave it to expire."
        ),
    }
}

/// A channel's exceptions.
async fn exceptions_of(store: &DynamoDbStore, channel: &str) -> Result<Vec<OrderRow>> {
    let mut keys = Vec::new();
    for state in index_states(Stage::Exception) {
        keys.extend(store.orders_in(channel, state, LISTED).await?);
    }
    Ok(store
        .load_orders(&keys)
        .await?
        .into_values()
        .filter(|row| row.stage == Stage::Exception)
        .collect())
}

fn render(rows: &[OrderRow], now: Timestamp) -> String {
    if rows.is_empty() {
        return "No order needs a person.".to_owned();
    }
    let mut table = table(&["channel", "order", "kind", "for", "reason", "remedy"]);
    for row in rows {
        let exception = row.exception.as_ref();
        table.add_row([
            row.key.channel.clone(),
            row.key.order_id.clone(),
            exception.map(|exception| exception.kind.name().to_owned()).unwrap_or_default(),
            age(exception.map_or(row.since, |exception| exception.first_seen), now),
            exception.map(|exception| exception.reason.clone()).unwrap_or_default(),
            exception.map(|exception| exception.remedy.clone()).unwrap_or_default(),
        ]);
    }
    format!("{table}\nOnce a cause is removed: prima-mirakl exceptions retry CHANNEL ORDER")
}

/// Puts the order back among the firm ones. It is asked for in Prima before anything is sent, as
/// ever.
fn retry(row: &mut OrderRow, note: &str, now: Timestamp) -> Result<()> {
    let order = row.key.order_id.clone();
    let kind = match (&row.stage, &row.exception) {
        (Stage::Exception, Some(exception)) => exception.kind,
        (stage, _) => {
            return Err(anyhow!(
                "order {order} is {}, no exception: there is nothing to retry",
                stage.name()
            ));
        }
    };
    if row.creation.created_at.is_some() || is_after_creation(kind) {
        return Err(anyhow!(
            "order {order} is an exception of kind {}: creating it again cannot help. Do as its remedy says, then record how it ended \
             (--as created, cancelled, keyed-by-hand or shipped): {}",
            kind.name(),
            remedy::settle(&row.key, SettledAs::Cancelled)
        ));
    }
    row.listing.adopted = true;
    row.creation.unclear_answers = 0;
    // Sendings are counted anew.
    if let Some(attempt) = &mut row.creation.attempt {
        attempt.unanswered = Unanswered::default();
    }
    // Never sent: the number is drawn again, by rules that may have changed since. What was
    // reserved stays reserved.
    if row.creation.attempt.is_none() {
        row.creation.order_number = None;
    }
    row.enter(Stage::Firm, now, note);
    Ok(())
}

/// The order is in Prima, or has left: what is wrong is not its creation.
fn is_after_creation(kind: ExceptionKind) -> bool {
    matches!(
        kind,
        ExceptionKind::CancelledAfterCreation
            | ExceptionKind::CancelledAfterDispatch
            | ExceptionKind::LineCancelledAfterCreation
            | ExceptionKind::ShippedOutsidePrima
    )
}

fn settle(row: &mut OrderRow, outcome: Settlement, note: &str, now: Timestamp) -> Result<()> {
    let order = row.key.order_id.clone();
    if row.stage != Stage::Exception {
        return Err(anyhow!(
            "order {order} is {}, no exception: there is nothing to settle",
            row.stage.name()
        ));
    }
    let stage = match outcome {
        Settlement::Created if row.creation.order_number.is_none() => {
            return Err(anyhow!(
                "no number was reserved for order {order}, so it cannot be in Prima under it: settle it --as keyed-by-hand"
            ));
        }
        Settlement::Created if row.creation.created_at.is_some() => Stage::Created,
        // Nobody but the person says so: it is looked for in Prima, and becomes created once it is
        // found.
        Settlement::Created => {
            row.creation.said_to_be_in_prima = true;
            row.listing.adopted = true;
            Stage::Firm
        }
        Settlement::Cancelled => Stage::Cancelled,
        Settlement::Shipped => Stage::Shipped,
        Settlement::KeyedByHand => Stage::KeyedByHand,
    };
    row.settle(stage, now, note);
    Ok(())
}

fn reopen(row: &mut OrderRow, note: &str, now: Timestamp) -> Result<()> {
    if row.reopen(now, note) {
        return Ok(());
    }
    let (order, stage) = (&row.key.order_id, row.stage.name());
    Err(match &row.settled {
        Some(settled) => anyhow!(
            "order {order} was settled as {}, and is {stage} by now: it has moved on",
            settled.into.name()
        ),
        None => anyhow!(
            "order {order} is {stage}, and nobody has settled it: there is nothing to take back"
        ),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::orders::tests::{now, row};
    use shared::domain::order::row::Attempt;

    fn failed(kind: ExceptionKind) -> OrderRow {
        let mut row = row();
        row.fail(kind, "why it failed", "what to do", now());
        row.creation.unclear_answers = 3;
        row
    }

    #[test]
    fn a_retried_order_is_firm_again_and_no_longer_an_exception() {
        let mut row = failed(ExceptionKind::UnknownSku);
        retry(&mut row, "another try, by Ann", now()).unwrap();
        assert_eq!(
            (row.stage, row.listing.adopted, row.creation.unclear_answers),
            (Stage::Firm, true, 0)
        );
        assert_eq!(row.exception, None);
        assert!(
            retry(&mut row, "", now()).unwrap_err().to_string().contains("is firm, no exception")
        );
    }

    /// A number that was never sent is drawn again, and one that may be in Prima is kept.
    #[test]
    fn only_a_never_sent_number_is_drawn_again() {
        let mut found = failed(ExceptionKind::FoundInPrima);
        found.creation.order_number = Some("OUT-1".to_owned());
        retry(&mut found, "", now()).unwrap();
        assert_eq!(found.creation.order_number, None);
        let mut unclear = failed(ExceptionKind::PrimaUnclear);
        unclear.creation.order_number = Some("OUT-1".to_owned());
        let unanswered = Unanswered { count: 3, probes: 1, problem: "a fault".to_owned() };
        unclear.creation.attempt =
            Some(Attempt { at: now(), count: 3, unanswered, ..Attempt::default() });
        retry(&mut unclear, "", now()).unwrap();
        let attempt = unclear.creation.attempt.unwrap();
        assert_eq!(
            (unclear.creation.order_number.as_deref(), attempt.count, attempt.unanswered),
            (Some("OUT-1"), 3, Unanswered::default())
        );
    }

    #[test]
    fn what_is_in_prima_is_settled_and_not_created_again() {
        let mut cancelled = failed(ExceptionKind::CancelledAfterCreation);
        let refused = retry(&mut cancelled, "", now()).unwrap_err().to_string();
        assert!(refused.contains("exceptions settle outfitter-uk W-1-A"), "{refused}");
        settle(
            &mut cancelled,
            Settlement::Cancelled,
            "settled by Ann: cancelled in Prima too",
            now(),
        )
        .unwrap();
        assert_eq!(cancelled.stage, Stage::Cancelled);

        let mut created = failed(ExceptionKind::PrimaUnclear);
        created.creation.created_at = Some(now());
        assert!(retry(&mut created, "", now()).is_err());
        assert!(
            settle(&mut created, Settlement::Created, "", now())
                .unwrap_err()
                .to_string()
                .contains("no number was reserved")
        );
        created.creation.order_number = Some("OUT-1".to_owned());
        settle(&mut created, Settlement::Created, "", now()).unwrap();
        assert_eq!(
            created.index_state(),
            "created-reference-pending",
            "Mirakl still is to get the number"
        );

        let mut claimed = failed(ExceptionKind::FoundInPrima);
        claimed.creation.order_number = Some("OUT-1".to_owned());
        settle(&mut claimed, Settlement::Created, "", now()).unwrap();
        assert_eq!(
            (claimed.stage, claimed.creation.said_to_be_in_prima, claimed.creation.created_at),
            (Stage::Firm, true, None)
        );
    }

    #[test]
    fn a_settling_is_taken_back_and_needs_words() {
        let mut row = failed(ExceptionKind::UnknownSku);
        assert!(
            reopen(&mut row, "", now()).unwrap_err().to_string().contains("nobody has settled it")
        );
        settle(&mut row, Settlement::Cancelled, "settled by Ann: cancelled", now()).unwrap();
        reopen(&mut row, "settling taken back by Ann: wrong order", now()).unwrap();
        assert_eq!(
            (row.stage, row.exception.as_ref().unwrap().reason.as_str()),
            (Stage::Exception, "why it failed")
        );
        settle(&mut row, Settlement::KeyedByHand, "", now()).unwrap();
        row.enter(Stage::Cancelled, now(), "");
        assert!(reopen(&mut row, "", now()).unwrap_err().to_string().contains("it has moved on"));
        assert!(said(" ").unwrap_err().to_string().starts_with("--note is empty"));
    }

    #[test]
    fn the_list_has_reason_and_remedy() {
        assert_eq!(render(&[], now()), "No order needs a person.");
        let shown = render(&[failed(ExceptionKind::NumberTaken)], now());
        for expected in ["outfitter-uk", "W-1-A", "number-taken", "why it failed", "what to do"] {
            assert!(shown.contains(expected), "{expected} is missing in\n{shown}");
        }
    }
}
