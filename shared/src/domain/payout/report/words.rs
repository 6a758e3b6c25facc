//! Amounts, moments and states in the words of the page.

use jiff::Timestamp;

use crate::domain::payout::posting::{Known, Stage};
use crate::kit::amount::Amount;
use crate::kit::currency::written;
use crate::mirakl::finance::{DocumentType, PayOutState};

/// Characters of a text from outside that the page shows at most.
const MOST_CHARACTERS: usize = 400;

/// An amount with its thousands told apart: `1,234.50`.
pub(super) fn money(amount: Amount, currency: &str) -> String {
    let plain = written(amount, currency);
    let (sign, digits) =
        plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// A text, cut where it is endless.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A day.
pub(super) fn day(moment: Timestamp) -> String {
    moment.strftime("%-d %B %Y").to_string()
}

/// A moment.
pub(super) fn moment(moment: Timestamp) -> String {
    moment.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// `1 line`, `2 lines`.
pub(super) fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// How far a journal has come.
pub(super) fn stage(stage: &Stage) -> String {
    match stage {
        Stage::AwaitingApproval => "waits for a person's approval".to_owned(),
        Stage::Approved => "is approved, and not sent yet".to_owned(),
        Stage::Queued => "is about to be sent to Prima".to_owned(),
        Stage::Posting => "is being sent to Prima".to_owned(),
        Stage::InDoubt => "was sent, and its answer was lost: Prima is asked again".to_owned(),
        Stage::Posted { number, known } => {
            let number = number.as_deref().map(|number| format!(" as {number}"));
            let by = match known {
                Known::Person(act) => format!(", as {} says", act.by),
                Known::Answer | Known::Question | Known::Duplicate => String::new(),
            };
            format!("is booked in Prima{}{by}", number.unwrap_or_default())
        }
        Stage::Rejected => "was refused by Prima: nothing of it is booked".to_owned(),
        Stage::NeedsPerson => "may or may not be booked: a person has to look in Prima".to_owned(),
        Stage::Held(act) => format!("is held back by {}: {}", act.by, act.note),
    }
}

/// What became of the transfer.
pub(super) fn pay_out(state: &PayOutState) -> String {
    match state {
        PayOutState::ToPay => "to be paid".to_owned(),
        PayOutState::Paid => "paid".to_owned(),
        PayOutState::Failed => "failed".to_owned(),
        PayOutState::NotTold => "not told".to_owned(),
        PayOutState::Unknown(state) => state.clone(),
    }
}

/// What a document is.
pub(super) fn document(kind: &DocumentType) -> String {
    match kind {
        DocumentType::AutoInvoice => "invoice of the cycle".to_owned(),
        DocumentType::ManualInvoice => "invoice written by hand".to_owned(),
        DocumentType::ManualCredit => "credit written by hand".to_owned(),
        DocumentType::Unknown(kind) => kind.clone(),
    }
}
