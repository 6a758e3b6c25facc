//! What of payouts needs a person, in money.

use serde::{Deserialize, Serialize};

use crate::domain::conditions::Condition;
use crate::domain::events::{EventKind, Severity};
use crate::domain::exception::{ExceptionRecord, KindOfException};
use crate::kit::amount::Amount;

/// The kinds, each with a line in the operating handbook. Their owner is finance.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum PayoutExceptionKind {
    /// The channel's payout documents are missing or cannot be used.
    DocumentsUnusable,
    /// The marketplace refuses what is asked of it, or answers nothing that can be read.
    MarketplaceRefuses,
    /// A cycle's lines do not come to what is transferred.
    CycleUntied,
    /// A cycle's lines still change after the hours that its rules give it.
    CycleIncomplete,
    /// The running balance shows that lines are missing.
    LedgerGap,
    /// A line cannot be read, and may belong to the cycle.
    UnreadableLine,
    /// A type that this version does not know: it is booked to suspense.
    UnknownType,
    /// The chart has no account for what the cycle needs.
    ChartIncomplete,
    /// The chart holds back a type that the cycle has.
    TypeHeld,
    /// The lines contradict how the operator's fees are taxed.
    VatTreatmentChanged,
    /// A fee without a document of the operator's, after the days that are waited for one.
    FeeWithoutDocument,
    /// Lines of the dropship model, which the connector does not book.
    ShopModelUnsupported,
    /// The journal's period is closed, or the calendar has none for it.
    PeriodClosed,
    /// Prima refused a journal.
    JournalRejected,
    /// Nobody but a person can say whether Prima has a journal.
    JournalInDoubt,
    /// A journal's content is missing, or is not what was approved: nothing was sent.
    JournalUnusable,
    /// A journal's file waits until a person has imported it.
    JournalToImport,
    /// What was paid is not what was to be transferred.
    PaidAmountDiffers,
    /// The operator pays to another bank account than before.
    BankAccountChanged,
    /// A transfer failed.
    PayoutFailed,
    /// A transfer is not paid after the days that its rules give it.
    PayoutLate,
    /// Fees that are in no cycle after the days that the rules give them.
    FeesWithoutCycle,
    /// A cycle changed after its journal was posted, and its transfer did not.
    CycleChangedAfterPosting,
    /// The log names an order of which no Prima order is known.
    UnmatchedOrder,
    /// An order left, and the log has no sale of it.
    NotSettled,
    /// A sale was settled with another amount than was expected when it was sent to Prima.
    SettledDiffers,
    /// A commission is not the one that was told with the order, or outside of the agreed rates.
    CommissionDiffers,
    /// A sale was refunded, and its commission was not given back.
    CommissionNotRefunded,
    /// More was refunded than was sold.
    RefundExceedsSale,
    /// Prima invoiced a tax that the marketplace remits itself.
    RemittedTaxInvoiced,
    /// A refund has no credit note in Prima.
    RefundWithoutCreditNote,
    /// A credit note in Prima has no refund.
    CreditNoteWithoutRefund,
}

impl PayoutExceptionKind {
    /// All kinds.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in attributes, metrics and the handbook.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl KindOfException for PayoutExceptionKind {
    fn event(self) -> EventKind {
        EventKind::PayoutException
    }

    fn severity(self) -> Severity {
        match self {
            Self::PayoutFailed | Self::JournalInDoubt | Self::BankAccountChanged => {
                Severity::Critical
            }
            _ => Severity::Warning,
        }
    }
}

/// Something about a cycle or a shop that is so now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind.
    pub kind: PayoutExceptionKind,
    /// Which of its kind: what stays the same for as long as it is the same, such as a cycle's id
    /// and a type.
    pub subject: String,
    /// What it comes to, in the cycle's currency, where it is about money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// The ids of the lines that it is about, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Why, with the cycle and the amount.
    pub reason: String,
    /// What the person who reads it is to do.
    pub remedy: String,
}

impl From<&Finding> for Condition<PayoutExceptionKind> {
    fn from(finding: &Finding) -> Self {
        Self {
            kind: finding.kind,
            subject: finding.subject.clone(),
            reason: finding.reason.clone(),
            remedy: finding.remedy.clone(),
        }
    }
}

/// What of payouts a person was told of, or is to be.
pub type PayoutException = ExceptionRecord<PayoutExceptionKind>;
