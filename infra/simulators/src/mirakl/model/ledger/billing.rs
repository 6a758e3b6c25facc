//! How a shop is billed.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::super::settings::seconds;

/// From when on the marketplace owes the seller an order's money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayableWhen {
    /// From its shipment on.
    #[default]
    Shipped,
    /// From its receipt on.
    Received,
}

/// What becomes of lines that come to nothing, or to a debt of the seller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtOrBelowZero {
    /// They stay open until there is something to pay out.
    #[default]
    NoCycle,
    /// They are a cycle without transfer; the debt is carried into the next.
    CycleWithoutTransfer,
}

/// Which PAYMENT lines a payout leaves in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentLines {
    /// One of the whole transfer.
    #[default]
    One,
    /// None.
    None,
    /// One for each document of the cycle: together they are the transfer.
    OnePerDocument,
}

/// How a shop is billed. Times are in seconds of whatever clock moves the marketplace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Billing {
    /// Seconds of a billing cycle; absent: `close_days` decide.
    pub cycle_seconds: Option<u64>,
    /// Days of the month at whose beginning a cycle is closed; none, and no `cycle_seconds`: only a
    /// person closes one.
    pub close_days: Vec<i8>,
    /// The time zone of those days.
    pub time_zone: String,
    /// Seconds from the closing to the payout; absent: a person pays out.
    pub payout_seconds: Option<u64>,
    /// From when on an order's money is owed.
    pub payable_when: PayableWhen,
    /// The operator's fees carry value added tax of 20 percent; else the seller accounts for it
    /// (reverse charge).
    pub vat_on_fees: bool,
    /// The operator pays the orders' taxes to the state itself.
    pub operator_remits_taxes: bool,
    /// What each cycle costs, without tax.
    pub subscription: Option<Decimal>,
    /// Percent of a cycle that the operator holds back until the next.
    pub reserve_percent: Option<Decimal>,
    /// Lines of the reserve are in the state RESERVE.
    pub reserve_state: bool,
    /// What becomes of lines that come to nothing or less.
    pub at_or_below_zero: AtOrBelowZero,
    /// Which PAYMENT lines there are.
    pub payment_lines: PaymentLines,
    /// The payment services that pay out; several share the orders among them.
    pub psp_codes: Vec<String>,
    /// Seconds from the closing until the lines carry the cycle's id: before, they carry the
    /// voucher alone.
    pub ids_late_seconds: u64,
    /// Seconds from the closing until the cycle's document is issued.
    pub documents_late_seconds: u64,
    /// `amount` has no sign, as in an old connector's records.
    pub unsigned_amounts: bool,
    /// What the schema does not require is left out.
    pub sparse: bool,
    /// Numbers that name something are written as text.
    pub text_ids: bool,
}

impl Default for Billing {
    fn default() -> Self {
        Self {
            cycle_seconds: None,
            close_days: Vec::new(),
            time_zone: "Europe/London".to_owned(),
            payout_seconds: None,
            payable_when: PayableWhen::default(),
            vat_on_fees: true,
            operator_remits_taxes: false,
            subscription: None,
            reserve_percent: None,
            reserve_state: false,
            at_or_below_zero: AtOrBelowZero::default(),
            payment_lines: PaymentLines::default(),
            psp_codes: vec!["NOT_SPECIFIED".to_owned()],
            ids_late_seconds: 0,
            documents_late_seconds: 0,
            unsigned_amounts: false,
            sparse: false,
            text_ids: false,
        }
    }
}

impl Billing {
    /// When the next cycle is closed after `now`, if that is not left to a person. A day of
    /// `close_days` that a month does not have is left out, and so is a time zone that nobody knows.
    #[must_use]
    pub fn next_close(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(length) = self.cycle_seconds {
            return Some(now + seconds(length.max(1)));
        }
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let today = now.to_zoned(zone.clone()).date();
        (0..63)
            .filter_map(|days| today.checked_add(days.days()).ok())
            .filter(|day| self.close_days.contains(&day.day()))
            .filter_map(|day| {
                Some(day.to_datetime(Time::midnight()).to_zoned(zone.clone()).ok()?.timestamp())
            })
            .find(|at| *at > now)
    }

    /// The payment service of an order, by its place among the shop's orders.
    pub(super) fn psp(&self, place: usize) -> String {
        let codes = self.psp_codes.len().max(1);
        self.psp_codes.get(place % codes).cloned().unwrap_or_else(|| "NOT_SPECIFIED".to_owned())
    }
}
