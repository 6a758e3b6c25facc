//! What Mirakl and Prima say of an order that a person settles: a settling that they contradict is
//! most likely a mistake.

use anyhow::Result;
use shared::aws::prima_client::Installed;
use shared::domain::order::row::{ExceptionKind, OrderRow};
use shared::domain::prima_calls::PrimaCaller;
use shared::mirakl::shipping::MiraklShipping;
use shared::mirakl::{Order, OrderState};
use shared::prima::{PrimaOrderStatus, PrimaOrders};

use crate::arguments::Settlement;
use crate::connector::Connector;

/// An answer of a system; or why there is none.
type Answer<T> = Result<Option<T>>;

/// What both systems say of one order; `None` where one was not asked, since it cannot know the
/// order.
pub(crate) struct Seen {
    mirakl: Answer<Order>,
    prima: Option<Answer<PrimaOrderStatus>>,
}

/// Asks both systems. Prima is asked where the connector may have sent the order there, or somebody
/// says that it is there.
pub(crate) async fn look(
    connector: &Connector,
    row: &OrderRow,
    outcome: Settlement,
) -> Result<Seen> {
    let channel = connector.channel(&row.key.channel).await?;
    let mirakl = match connector.mirakl(connector.mirakl_keys()?, &channel) {
        Ok(client) => client.order(&row.key.order_id).await,
        Err(problem) => Err(problem),
    };
    let may_be_there = row.creation.was_begun() || outcome == Settlement::Created;
    let number = row.creation.order_number.as_ref().filter(|_| may_be_there);
    let prima = match number {
        Some(number) => Some(ask_prima(connector, number).await),
        None => None,
    };
    Ok(Seen { mirakl: mirakl.map_err(anyhow::Error::from), prima })
}

async fn ask_prima(connector: &Connector, number: &str) -> Answer<PrimaOrderStatus> {
    let (_, client) =
        Installed::new(PrimaCaller::CreatePrimaOrders).now(&connector.documents()?).await?;
    Ok(client.until(connector.patience_ends()).order_status(number).await?)
}

/// What speaks against settling the order so, one line each.
pub(crate) fn contradictions(row: &OrderRow, outcome: Settlement, seen: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    match &seen.mirakl {
        Err(problem) => lines.push(format!("Mirakl cannot be asked: {problem}")),
        // What it lists no more contradicts nothing.
        Ok(None) => {}
        Ok(Some(order)) => {
            let is_cancelled =
                matches!(order.order_state, OrderState::Canceled | OrderState::Refused);
            let is_over = is_cancelled || order.fully_refunded == Some(true);
            let state = order.order_state.code();
            match outcome {
                Settlement::Cancelled if !is_over => {
                    lines.push(format!("Mirakl has the order in {state}, neither cancelled nor refunded: cancel it there first"));
                }
                Settlement::Shipped if !order.order_state.is_shipped_or_later() => {
                    lines.push(format!(
                        "Mirakl has the order in {state}, not shipped: ship it there first"
                    ));
                }
                Settlement::Created | Settlement::KeyedByHand if is_cancelled => {
                    lines
                        .push(format!("Mirakl has the order in {state}: settle it --as cancelled"));
                }
                _ => {}
            }
        }
    }
    let number = row.creation.order_number.as_deref().unwrap_or_default();
    match (&seen.prima, outcome) {
        (None, _) => {}
        // It is looked for before it counts as created.
        (Some(Err(_)), Settlement::Created) => {}
        (Some(Err(problem)), _) => {
            lines.push(format!("Prima cannot be asked for {number} from here: {problem}"))
        }
        (Some(Ok(None)), Settlement::Created) => {
            lines.push(format!("Prima does not know {number}"))
        }
        // That the goods have left all the same is what the exception says, and nothing in Prima
        // changes it any more.
        (
            Some(Ok(Some(PrimaOrderStatus::Dispatched | PrimaOrderStatus::PartDispatched))),
            Settlement::Cancelled,
        ) if row
            .exception
            .as_ref()
            .is_some_and(|exception| exception.kind == ExceptionKind::CancelledAfterDispatch) => {}
        (Some(Ok(Some(status))), Settlement::Cancelled)
            if *status != PrimaOrderStatus::Cancelled =>
        {
            lines.push(format!("Prima holds {number}, not cancelled: cancel it there first"));
        }
        (Some(Ok(Some(status))), Settlement::KeyedByHand)
            if *status != PrimaOrderStatus::Cancelled =>
        {
            lines.push(format!(
                "Prima holds {number}, which the connector sent: settle it --as created"
            ));
        }
        (Some(Ok(_)), _) => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn order(state: &str, refunded: bool) -> Order {
        let text = format!(
            r#"{{"order_id":"W-1-A","order_state":"{state}","fully_refunded":{refunded},"order_lines":[]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn against(
        outcome: Settlement,
        mirakl: Answer<Order>,
        prima: Option<Answer<PrimaOrderStatus>>,
    ) -> Vec<String> {
        let mut row = crate::orders::tests::row();
        row.creation.order_number = Some("OUT-1".to_owned());
        contradictions(&row, outcome, &Seen { mirakl, prima })
    }

    #[test]
    fn what_both_systems_say_is_held_against_a_settling() {
        use Settlement::{Cancelled, Created, KeyedByHand, Shipped};
        let open = || Some(Ok(Some(PrimaOrderStatus::Open("Entered".to_owned()))));
        for (outcome, state, refunded, prima, expected) in [
            (Cancelled, "SHIPPING", false, None, "Mirakl has the order in SHIPPING, neither"),
            (Cancelled, "CANCELED", false, None, ""),
            (Cancelled, "CLOSED", true, None, ""),
            (Cancelled, "CANCELED", false, open(), "Prima holds OUT-1, not cancelled"),
            (Cancelled, "CANCELED", false, Some(Ok(Some(PrimaOrderStatus::Cancelled))), ""),
            (
                Cancelled,
                "CANCELED",
                false,
                Some(Err(anyhow::anyhow!("no route"))),
                "Prima cannot be asked for OUT-1 from here: no route",
            ),
            (Shipped, "SHIPPING", false, None, "Mirakl has the order in SHIPPING, not shipped"),
            (Shipped, "SHIPPED", false, open(), ""),
            (Created, "SHIPPING", false, Some(Ok(None)), "Prima does not know OUT-1"),
            (Created, "SHIPPING", false, Some(Err(anyhow::anyhow!("no route"))), ""),
            (
                Created,
                "CANCELED",
                false,
                open(),
                "Mirakl has the order in CANCELED: settle it --as cancelled",
            ),
            (KeyedByHand, "SHIPPING", false, open(), "Prima holds OUT-1, which the connector sent"),
            (KeyedByHand, "SHIPPING", false, None, ""),
        ] {
            let lines = against(outcome, Ok(Some(order(state, refunded))), prima);
            let fits = if expected.is_empty() {
                lines.is_empty()
            } else {
                lines.len() == 1 && lines[0].starts_with(expected)
            };
            assert!(fits, "{outcome:?} of {state}: {lines:?}");
        }
        let mut row = crate::orders::tests::row();
        row.fail(ExceptionKind::CancelledAfterDispatch, "why", "what", crate::orders::tests::now());
        let left = Seen {
            mirakl: Ok(Some(order("CANCELED", false))),
            prima: Some(Ok(Some(PrimaOrderStatus::Dispatched))),
        };
        assert_eq!(
            contradictions(&row, Cancelled, &left),
            Vec::<String>::new(),
            "it left, and was cancelled"
        );
        assert_eq!(
            against(Shipped, Err(anyhow::anyhow!("no answer")), None),
            ["Mirakl cannot be asked: no answer"]
        );
        assert_eq!(against(Cancelled, Ok(None), None), Vec::<String>::new());
    }
}
