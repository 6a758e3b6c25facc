//! Which right of a key each operation needs (Mirakl seller API, `security` of each operation).
//! `ROLE_SHOP_ADMIN` opens them all but the transaction log, which is the accountants' alone.

use super::error::MiraklError;

/// The right that opens everything but the transaction log.
pub const SHOP_ADMIN: &str = "ROLE_SHOP_ADMIN";

/// The right that opens the transaction log.
const ACCOUNTANCY: &str = "ROLE_SHOP_ACCOUNTANCY";

/// The narrow right that an operation needs, for a person; `ROLE_SHOP_ADMIN` where there is no
/// narrower one.
#[must_use]
pub fn right_of(operation: &str) -> &'static str {
    match operation {
        "OR11" | "ST11" => "ROLE_PARTNER_ORDER_READ",
        "OR21" => "ROLE_PARTNER_ORDER_ACCEPT",
        "OR04" => "ROLE_PARTNER_ORDER_EDIT",
        "OR23" => "ROLE_PARTNER_ORDER_TRACKING_WRITE",
        "OR24" | "ST01" => "ROLE_PARTNER_ORDER_SHIP",
        "OR28" => "ROLE_PARTNER_ORDER_REFUND",
        "OR30" => "ROLE_PARTNER_ORDER_CANCEL",
        "SH12" | "SH21" => "ROLE_PARTNER_SHIPPING_SETTINGS_READ",
        "STO01" | "STO02" | "STO03" => "ROLE_PARTNER_OFFER_STOCK_WRITE",
        "OF01" => "ROLE_PARTNER_OFFER_WRITE",
        "OF02" | "OF03" => "ROLE_PARTNER_OFFER_TRACKING_READ",
        "OF21" | "OF52" | "OF53" | "OF54" => "ROLE_PARTNER_OFFER_READ",
        "A01" => "ROLE_PARTNER_SHOP_READ",
        "RE01" => "ROLE_PARTNER_ORDER_SETTINGS_READ",
        "TL02" | "TL03" | "TL04" | "TL05" => ACCOUNTANCY,
        "SBC11" => "ROLE_PARTNER_SELLER_BILLING_CYCLE_READ",
        "IV01" | "IV02" => "ROLE_PARTNER_ACCOUNTING_DOCUMENT_READ",
        _ => SHOP_ADMIN,
    }
}

/// What cannot be done without an operation, for a person.
#[must_use]
pub fn purpose_of(operation: &str) -> &'static str {
    match operation {
        "OR11" => "orders cannot be listed, and so not be accepted",
        "OR21" => "orders cannot be accepted",
        "OR04" => "Prima's order numbers cannot be written to the orders",
        "OR23" => "tracking numbers cannot be told, and so no order be shipped",
        "OR24" | "ST01" => "orders cannot be shipped",
        "ST11" => "shipments cannot be looked up, and so no parcel be told after a lost answer",
        "OR28" => "what will not be sent cannot be refunded",
        "OR30" => "what will not be sent cannot be cancelled",
        "PC01" | "SH12" | "SH21" => "the carriers and rules of the marketplace cannot be read",
        "STO01" | "OF01" => "quantities cannot be published",
        "STO02" | "STO03" | "OF02" | "OF03" => "imports of quantities cannot be followed up",
        "OF21" | "OF52" | "OF53" | "OF54" => "the list of offers cannot be read",
        "TL02" | "TL03" | "TL04" | "TL05" => {
            "the transaction log cannot be read, and so no payout be booked"
        }
        "SBC11" => "billing cycles cannot be listed, and so no payout be booked",
        "IV01" | "IV02" => "the operator's documents cannot be listed",
        _ => "the operation cannot be used",
    }
}

/// What is refused and which right is missing, in a sentence without its end.
#[must_use]
pub fn refusal(operation: &str, told: &str) -> String {
    let right = right_of(operation);
    let needs = if right == SHOP_ADMIN {
        SHOP_ADMIN.to_owned()
    } else if right == ACCOUNTANCY {
        // Mirakl's document names no administrator for the transaction log.
        format!("{right} or ROLE_PARTNER_TRANSACTION_LOG_READ; {SHOP_ADMIN} does not open it")
    } else {
        format!("{right} or {SHOP_ADMIN}")
    };
    format!(
        "Mirakl refuses {operation} ({told}): {}; {operation} needs the right {needs}",
        purpose_of(operation)
    )
}

/// Whether an answer shows that the key has the right: it was carried out, or refused for what it
/// says.
#[must_use]
pub fn shows_right<T>(answer: &Result<T, MiraklError>) -> bool {
    answer.as_ref().err().is_none_or(is_answered_with_right)
}

/// Mirakl answered a call that it let the key make, and the answer is of no use: it refuses the
/// call for what it says, or cannot be read. The next answer is likely the same.
#[must_use]
pub fn is_answered_with_right(problem: &MiraklError) -> bool {
    matches!(problem.status, Some(200..=299 | 400..=499))
        && !problem.is_key_refused()
        && !matches!(problem.status, Some(408 | 429))
}

/// Mirakl answered, in a form that cannot be read.
#[must_use]
pub fn is_unreadable(problem: &MiraklError) -> bool {
    matches!(problem.status, Some(200..=299))
}

impl MiraklError {
    /// What Mirakl said, without the operation.
    #[must_use]
    pub fn said(&self) -> String {
        let status = self.status.map(|status| format!("HTTP {status} ")).unwrap_or_default();
        format!("{status}{}", self.message)
    }

    /// The error for a person: where a right is missing, which one.
    #[must_use]
    pub fn in_words(&self) -> String {
        if self.is_key_refused() { refusal(self.operation, &self.said()) } else { self.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_do_not_open_the_transaction_log() {
        let told = refusal("TL02", "HTTP 403");
        assert!(told.ends_with("TL02 needs the right ROLE_SHOP_ACCOUNTANCY or ROLE_PARTNER_TRANSACTION_LOG_READ; ROLE_SHOP_ADMIN does not open it"), "{told}");
        assert!(refusal("SBC11", "HTTP 403").ends_with(" or ROLE_SHOP_ADMIN"));
    }

    #[test]
    fn only_an_answer_to_what_was_asked_shows_the_right() {
        let refused = |status| Err::<(), _>(MiraklError::refused("OR23", status, None, ""));
        assert!(shows_right(&Ok(())) && shows_right(&refused(404)) && shows_right(&refused(400)));
        assert!(
            !shows_right(&refused(401))
                && !shows_right(&refused(403))
                && !shows_right(&refused(429))
                && !shows_right(&refused(503))
        );
        assert!(!shows_right(&Err::<(), _>(MiraklError::unknown("OR23", "no answer"))));
    }
}
