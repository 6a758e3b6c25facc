//! The operator's commands as remedies name them: whole, so that a person can paste them. Only the
//! note is theirs to write.
//!
//! The operator command's own tests read each of them with its own parser.

use super::row::{OrderKey, Stage};
use crate::mirakl::shipping::How;

/// How an exception ended that a person resolved outside the connector: `--as` of `exceptions
/// settle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum SettledAs {
    /// The order is in Prima under the connector's number.
    Created,
    /// Nothing of it is to be delivered any more.
    Cancelled,
    /// A person keyed it into Prima, under a number of their own.
    KeyedByHand,
    /// It is shipped in Mirakl, and nothing more is to be told.
    Shipped,
}

impl SettledAs {
    /// All of them.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The word of the command.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The outcome by which a person put an order into a stage before.
    #[must_use]
    pub fn that_led_to(stage: Stage) -> Self {
        match stage {
            Stage::Shipped => Self::Shipped,
            Stage::KeyedByHand => Self::KeyedByHand,
            Stage::Created => Self::Created,
            _ => Self::Cancelled,
        }
    }
}

/// Records that a person resolved the exception.
#[must_use]
pub fn settle(order: &OrderKey, outcome: SettledAs) -> String {
    format!(
        "prima-mirakl exceptions settle {} {} --as {} --note TEXT",
        order.channel,
        order.order_id,
        outcome.name()
    )
}

/// What is to be done where Mirakl has shipped or closed an order that the connector did not send
/// to Prima.
#[must_use]
pub fn key_in_and_settle(order: &OrderKey) -> String {
    format!(
        "If goods have left and it is not in Prima, key it in for the books. Then settle the exception: {}. If nothing left: {}",
        settle(order, SettledAs::KeyedByHand),
        settle(order, SettledAs::Shipped)
    )
}

/// Tries the order again.
#[must_use]
pub fn retry(order: &OrderKey) -> String {
    format!("prima-mirakl exceptions retry {} {}", order.channel, order.order_id)
}

/// Shows what would be cancelled or refunded of what will not leave; with `--send` it is done.
#[must_use]
pub fn settle_pieces(order: &OrderKey, how: How) -> String {
    let how = match how {
        How::Cancel => "cancel",
        How::Refund => "refund",
    };
    format!("prima-mirakl dispatches settle {} {} --how {how}", order.channel, order.order_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_order_is_settled_as_before() {
        let stages = [Stage::Created, Stage::Cancelled, Stage::KeyedByHand, Stage::Shipped];
        assert_eq!(stages.map(SettledAs::that_led_to), SettledAs::ALL);
        assert_eq!(SettledAs::that_led_to(Stage::Refused), SettledAs::Cancelled);
    }
}
