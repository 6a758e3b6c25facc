//! What Prima says in words or forms that are not known: told once each.

use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::order::row::{OrderKey, OrderRow};
use shared::domain::unknown_values::tell_once;
use shared::kit::odd_form::OddForm;
use shared::prima::PrimaOrderStatus;

use crate::report::{Oddity, Report};
use crate::{PortTypes, Ports};

impl<T: PortTypes> Ports<T> {
    pub(crate) async fn report_unknown_word(
        &self,
        status: &PrimaOrderStatus,
        row: &OrderRow,
        report: &mut Report,
    ) {
        let PrimaOrderStatus::Open(word) = status else { return };
        if self.settings.knows_word(word) {
            return;
        }
        report.count(Oddity::UnknownStatusWord);
        let event = || {
            Event {
            kind: EventKind::UnknownValue,
            channel: Some(row.key.channel.clone()),
            order: Some(row.key.order_id.clone()),
            needs_person: true,
            severity: Severity::Info,
            reason: format!("Prima's order status {word:?} is not known; orders in it are taken for open"),
            remedy: "If it means that the order is still open, add it to dispatch.open_words in the installation document. If it means that goods have left or that the order is cancelled, say so to the connector's engineer: such orders are not told to Mirakl."
                .to_owned(),
        }
        };
        tell_once(&self.store, &self.events, |state| {
            if state.reported_words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                return Vec::new();
            }
            state.reported_words.push(word.clone());
            vec![event()]
        })
        .await;
    }

    /// Fields that were done without: each form is told once, whatever the order. `key`: an order
    /// that shows it.
    pub(crate) async fn report_odd_forms(
        &self,
        odd: &[OddForm],
        key: Option<&OrderKey>,
        report: &mut Report,
    ) {
        if odd.is_empty() {
            return;
        }
        report.count(Oddity::FieldsInOddForm);
        let event = |form: &OddForm| {
            Event {
            kind: EventKind::UnknownValue,
            channel: key.map(|key| key.channel.clone()),
            order: key.map(|key| key.order_id.clone()),
            needs_person: true,
            severity: Severity::Info,
            reason: format!("a dispatch has the field {form} (9: a digit, a: a letter), which is not understood"),
            remedy: "The dispatch is told to Mirakl without it: nothing is lost. Say the form to the connector's engineer. It is not told again."
                .to_owned(),
        }
        };
        tell_once(&self.store, &self.events, |state| {
            odd.iter().filter(|form| form.note(&mut state.reported_forms)).map(event).collect()
        })
        .await;
    }
}
