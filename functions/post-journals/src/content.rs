//! A journal as Prima takes it.

use shared::domain::payout::journal::Journal;
use shared::prima::finance::{JournalLine, NewJournal};

/// The request of a journal: every account, tax and amount as it was approved, in the same digits.
pub(crate) fn new_journal(journal: &Journal) -> NewJournal {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let lines = journal.lines.iter().map(|line| JournalLine {
        nominal: line.account.nominal.clone(),
        cost_centre: text(&line.account.cost_centre),
        debit: line.debit.0,
        credit: line.credit.0,
        tax_code: text(&line.account.tax_code),
        tax_amount: line.tax_amount.unwrap_or_default().0,
        narrative: line.narrative.clone(),
        reference: line.reference.clone(),
    });
    NewJournal {
        third_party_id: journal.guid.clone(),
        reference: journal.reference.clone(),
        date: journal.date,
        period: journal.period.clone(),
        currency: journal.currency.clone(),
        narrative: journal.narrative.clone(),
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    /// A journal as its file holds it.
    const JOURNAL: &str = r#"{
        "key": {"host": "m.example", "shop": "2001", "cycle": "BC-1", "currency": "GBP", "psp": "NOT_SPECIFIED"},
        "name": {"reversed": 0, "kind": "cycle", "part": null},
        "reference": "MK123", "guid": "G-1", "date": "2026-11-05", "period": "2026-11",
        "currency": "GBP", "narrative": "marketplace deductions BC-1",
        "lines": [
            {"line": 1, "nominal": "5600", "cost_centre": "MKT", "tax_code": "T1", "debit": "29.750", "credit": "0",
             "tax_amount": "5.95", "narrative": "commission", "reference": "INV-7", "role": "type"},
            {"line": 2, "nominal": "1260", "debit": "0", "credit": "35.700", "narrative": "net", "reference": "BC-1",
             "role": "clearing"}
        ]}"#;

    #[test]
    fn nothing_of_a_journal_is_lost_or_changed() {
        let journal: Journal = serde_json::from_str(JOURNAL).unwrap();
        let request = new_journal(&journal);
        assert_eq!((request.third_party_id.as_str(), request.reference.as_str()), ("G-1", "MK123"));
        assert_eq!((request.date, request.period.as_str()), (journal.date, "2026-11"));
        assert_eq!((request.currency.as_str(), &request.narrative), ("GBP", &journal.narrative));
        let [fee, clearing] = request.lines.as_slice() else { panic!("{request:?}") };
        assert_eq!((fee.debit.to_string(), fee.credit.is_zero()), ("29.750".to_owned(), true));
        assert_eq!((fee.tax_code.as_str(), fee.tax_amount.to_string()), ("T1", "5.95".to_owned()));
        assert_eq!((fee.nominal.as_str(), fee.cost_centre.as_str()), ("5600", "MKT"));
        assert_eq!((fee.narrative.as_str(), fee.reference.as_str()), ("commission", "INV-7"));
        assert_eq!(clearing.credit.to_string(), "35.700");
        assert!(clearing.debit.is_zero() && clearing.tax_amount.is_zero());
        assert_eq!((clearing.tax_code.as_str(), clearing.cost_centre.as_str()), ("", ""));
    }
}
