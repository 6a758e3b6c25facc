//! Expected against settled, order by order.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::order::{Found, KnownOrder, OrderMatch, OrderMoney};
use super::rules::MatchRules;
use super::settled::{Settled, SettledLine, SettledOrder};
use crate::domain::order::row::LineMoney;
use crate::domain::payout::exceptions::{Finding, PayoutExceptionKind as Kind};
use crate::kit::amount::Amount;
use crate::kit::clock::after;
use crate::kit::currency::{minor_units, rounded, written};

/// Orders that are older than the take-over: one total with a list. Nobody has facts of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BeforeTakeOver {
    /// What is settled of them.
    pub money: OrderMoney,
    /// Their ids.
    pub orders: Vec<String>,
}

/// All orders, matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// By their ids.
    pub orders: Vec<OrderMatch>,
    /// Those that are older than the take-over.
    pub before_take_over: BeforeTakeOver,
}

impl Matching {
    /// What is off, in the orders' order.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.orders.iter().flat_map(|order| &order.findings)
    }
}

/// What matching goes by, beside the orders and the log.
#[derive(Clone, Copy)]
struct Judge<'j> {
    rules: &'j MatchRules,
    currency: &'j str,
    now: Timestamp,
}

/// Matches all orders of a shop in one currency: those that the log names, and those that our side
/// knows. `take_over_from`: orders that are older were keyed in by hand.
#[must_use]
pub fn match_orders(
    settled: &Settled<'_>,
    orders: &BTreeMap<String, KnownOrder<'_>>,
    rules: &MatchRules,
    take_over_from: Timestamp,
    currency: &str,
    now: Timestamp,
) -> Matching {
    let judge = Judge { rules, currency, now };
    let mut matching = Matching::default();
    let nothing = SettledOrder::default();
    for (id, of) in &settled.0 {
        let known = orders.get(*id);
        // An order that was imported, or sent, is matched whatever its age.
        let began = known.and_then(|known| known.created).or(of.first);
        if known.is_none() && began.is_some_and(|at| at < take_over_from) {
            matching.before_take_over.money.add_all(&of.whole().money);
            matching.before_take_over.orders.push((*id).to_owned());
        } else {
            matching.orders.push(judge.order(id, of, known));
        }
    }
    for (id, known) in orders {
        if !settled.0.contains_key(id.as_str()) {
            matching.orders.push(judge.order(id, &nothing, Some(known)));
        }
    }
    matching.orders.sort_by(|one, other| one.order.cmp(&other.order));
    matching
}

impl Judge<'_> {
    fn order(&self, id: &str, of: &SettledOrder<'_>, known: Option<&KnownOrder<'_>>) -> OrderMatch {
        let whole = of.whole();
        let expected = known.and_then(|known| known.facts).map(OrderMoney::expected);
        let prima = known
            .map(|known| (known.number.to_owned(), known.found))
            .or_else(|| Some((of.reference?.to_owned(), Found::SellerReference)));
        let mut findings = Vec::new();
        let mut say = |kind, subject: String, amount: Decimal, reason: String, remedy: &str| {
            findings.push(Finding {
                kind,
                subject,
                amount: Some(Amount(amount)),
                lines: of.ids.iter().map(|&id| id.to_owned()).collect(),
                reason,
                remedy: remedy.to_owned(),
            });
        };
        if prima.is_none() {
            let amount = whole.money.gross().0 + whole.money.refunds.0;
            say(
                Kind::UnmatchedOrder,
                id.to_owned(),
                amount,
                format!(
                    "order {id} is settled with {}, and no Prima order is known of it",
                    self.show(amount)
                ),
                "Find it in Prima, and list it: prima-mirakl payouts orders import FILE.",
            );
        }
        if let (Some(known), Some(expected)) = (known, &expected) {
            self.sale(id, &whole, known, expected, &mut say);
        }
        self.lines(id, of, known, &mut say);
        if let Some(known) = known {
            self.remitted(id, &whole, known, &mut say);
            self.credit_notes(id, of, &whole, known, &mut say);
        }
        OrderMatch { order: id.to_owned(), prima, expected, settled: whole.money, findings }
    }

    /// The sale as a whole: there, and of the amount that was kept.
    fn sale(
        &self,
        id: &str,
        whole: &SettledLine<'_>,
        known: &KnownOrder<'_>,
        expected: &OrderMoney,
        say: &mut Say<'_>,
    ) {
        let due = expected.gross().0;
        if !whole.has_sale {
            let Some(left) = known.despatched else { return };
            if self.is_over(left, self.rules.not_settled_after_days) && !due.is_zero() {
                say(
                    Kind::NotSettled,
                    id.to_owned(),
                    -due,
                    format!(
                        "order {id} left on {}, and the marketplace's log has no sale of {} for it",
                        left.strftime("%F"),
                        self.show(due)
                    ),
                    "Ask the marketplace for it: prima-mirakl payouts claims writes the list.",
                );
            }
            return;
        }
        let difference = whole.money.gross().0 - due;
        if difference.abs() > self.rules.order_limit.0 {
            say(
                Kind::SettledDiffers,
                id.to_owned(),
                difference,
                format!(
                    "order {id} is settled with {}, and {} was expected when it was sent to Prima",
                    self.show(whole.money.gross().0),
                    self.show(due)
                ),
                "Compare the order in Mirakl with its invoice in Prima. Claim what is missing, or correct the invoice.",
            );
        }
    }

    /// Commission and refunds: line by line, where the log tells lines apart.
    fn lines(
        &self,
        id: &str,
        of: &SettledOrder<'_>,
        known: Option<&KnownOrder<'_>>,
        say: &mut Say<'_>,
    ) {
        let facts = known.and_then(|known| known.facts);
        let expected_of = |line: &LineMoney| {
            let money =
                OrderMoney::expected_of(line, facts.is_some_and(|facts| facts.is_without_tax()));
            (money, line.commission_fee.is_some())
        };
        // A refund or a commission that names no line is the whole order's matter.
        let names_lines = of.lines.keys().all(Option::is_some);
        if names_lines {
            for (line, settled) in &of.lines {
                let line = line.unwrap_or_default();
                let expected =
                    facts.and_then(|facts| facts.lines.iter().find(|fact| fact.line == line));
                self.line(&format!("{id}/{line}"), settled, expected.map(expected_of), say);
            }
        } else {
            let told = |facts: &&crate::domain::order::row::MoneyFacts| {
                facts.lines.iter().all(|line| line.commission_fee.is_some())
            };
            let expected = facts.map(|facts| (OrderMoney::expected(facts), told(&facts)));
            self.line(id, &of.whole(), expected, say);
        }
    }

    fn line(
        &self,
        subject: &str,
        settled: &SettledLine<'_>,
        expected: Option<(OrderMoney, bool)>,
        say: &mut Say<'_>,
    ) {
        let money = &settled.money;
        let mut commission = |amount: Decimal, reason: String| {
            say(
                Kind::CommissionDiffers,
                subject.to_owned(),
                amount,
                reason,
                "Compare it with the agreement. Claim what was taken too much: prima-mirakl payouts claims writes the list.",
            );
        };
        let differs = expected
            .filter(|(_, is_told)| *is_told && settled.has_commission)
            .map(|(expected, _)| {
                (expected.commission.0, money.commission.0 - expected.commission.0)
            })
            .filter(|(_, difference)| !difference.is_zero());
        if let Some((told, difference)) = differs {
            commission(
                difference,
                format!(
                    "the commission of {subject} is {}, and {} was told with the order",
                    self.show(-money.commission.0),
                    self.show(-told)
                ),
            );
        } else if let Some((rate, excess)) = self.outside_the_band(settled) {
            commission(
                excess,
                format!(
                    "the commission of {subject} is {rate} % of the sale: outside of the rates that were agreed"
                ),
            );
        }
        let given_back = money.commission_refunded.0;
        if given_back > -money.commission.0 && settled.has_commission {
            commission(
                given_back + money.commission.0,
                format!(
                    "the commission that was given back of {subject}, {}, is more than was taken",
                    self.show(given_back)
                ),
            );
        }
        self.refunds(subject, settled, expected.map(|(expected, _)| expected), say);
    }

    /// The rate, and what it is too much (below zero) or too little.
    fn outside_the_band(&self, settled: &SettledLine<'_>) -> Option<(Decimal, Decimal)> {
        let band = self.rules.commission_band?;
        let sale = settled.money.gross().0;
        if !settled.has_commission || sale <= Decimal::ZERO {
            return None;
        }
        let taken = -settled.fee.0;
        let at = |rate: Decimal| rounded(sale * rate / Decimal::ONE_HUNDRED, self.currency).0;
        let (least, most) = (at(band.least), at(band.most));
        let excess = if taken > most {
            most - taken
        } else if taken < least {
            least - taken
        } else {
            return None;
        };
        Some(((taken * Decimal::ONE_HUNDRED / sale).round_dp(2), excess))
    }

    fn refunds(
        &self,
        subject: &str,
        settled: &SettledLine<'_>,
        expected: Option<OrderMoney>,
        say: &mut Say<'_>,
    ) {
        let money = &settled.money;
        let refunded = -money.refunds.0;
        if refunded <= Decimal::ZERO {
            return;
        }
        // A sale of before the log's beginning is known by our facts, or not at all.
        let sale = if settled.has_sale {
            money.sales().0
        } else if let Some(expected) = expected {
            expected.sales().0
        } else {
            return;
        };
        if refunded > sale {
            say(
                Kind::RefundExceedsSale,
                subject.to_owned(),
                sale - refunded,
                format!(
                    "refunds of {subject} come to {}, and its sale to {}",
                    self.show(refunded),
                    self.show(sale)
                ),
                "Ask the marketplace for the difference: prima-mirakl payouts claims writes the list.",
            );
        }
        let taken = if settled.has_commission {
            -money.commission.0
        } else {
            expected.map(|expected| -expected.commission.0).unwrap_or_default()
        };
        if taken <= Decimal::ZERO || sale.is_zero() {
            return;
        }
        let share = (refunded / sale).min(Decimal::ONE);
        let due = rounded(taken * share, self.currency).0;
        // Each refund, and each of its taxes, is rounded by itself; of a whole sale nothing is left
        // to round.
        let roundings = if share == Decimal::ONE { 0 } else { 2 * settled.refunds.len().max(1) };
        let unit = Decimal::new(1, minor_units(self.currency));
        let tolerated = unit * Decimal::from(roundings);
        let missing = due - money.commission_refunded.0;
        if missing > tolerated {
            say(
                Kind::CommissionNotRefunded,
                subject.to_owned(),
                -missing,
                format!(
                    "{} of {subject} was refunded, and of its commission {} was given back instead of {}",
                    self.show(refunded),
                    self.show(money.commission_refunded.0),
                    self.show(due)
                ),
                "Ask the marketplace for the difference: prima-mirakl payouts claims writes the list.",
            );
        }
    }

    /// The operator pays these taxes to the tax authority itself: our invoice must not hold them.
    fn remitted(
        &self,
        id: &str,
        whole: &SettledLine<'_>,
        known: &KnownOrder<'_>,
        say: &mut Say<'_>,
    ) {
        let remitted = -whole.money.remitted.0;
        let Some(invoiced) = known.facts.and_then(|facts| facts.invoiced) else { return };
        let too_much = (invoiced.0 - whole.money.sales().0).min(remitted);
        if remitted > Decimal::ZERO && whole.has_sale && too_much > Decimal::ZERO {
            say(
                Kind::RemittedTaxInvoiced,
                id.to_owned(),
                too_much,
                format!(
                    "the marketplace remits {} of tax of order {id} itself, and Prima was told to invoice {} of it",
                    self.show(remitted),
                    self.show(too_much)
                ),
                "Correct the invoice in Prima, and give the channel an account without tax.",
            );
        }
    }

    /// Refunds, and Prima's credit notes.
    fn credit_notes(
        &self,
        id: &str,
        of: &SettledOrder<'_>,
        whole: &SettledLine<'_>,
        known: &KnownOrder<'_>,
        say: &mut Say<'_>,
    ) {
        let Some(credited) = known.credited else { return };
        // What was refunded before it was invoiced needs no credit note.
        let not_invoiced = known
            .facts
            .and_then(|facts| Some(OrderMoney::expected(facts).gross().0 - facts.invoiced?.0))
            .unwrap_or_default()
            .max(Decimal::ZERO);
        let refunded = -whole.money.refunds.0;
        let due = (refunded - not_invoiced).max(Decimal::ZERO);
        let without = due - credited.0;
        let is_late =
            of.last_refund.is_none_or(|at| self.is_over(at, self.rules.credit_note_after_days));
        if without > Decimal::ZERO && is_late {
            say(
                Kind::RefundWithoutCreditNote,
                id.to_owned(),
                without,
                format!(
                    "refunds of order {id} come to {}, and Prima's credit notes to {}",
                    self.show(due),
                    self.show(credited.0)
                ),
                "Write the credit note in Prima: until then the clearing account holds the difference.",
            );
        } else if without < Decimal::ZERO {
            say(
                Kind::CreditNoteWithoutRefund,
                id.to_owned(),
                without,
                format!(
                    "Prima's credit notes of order {id} come to {}, and its refunds to {}",
                    self.show(credited.0),
                    self.show(due)
                ),
                "Refund the customer in Mirakl, or take the credit note back in Prima.",
            );
        }
    }

    fn is_over(&self, moment: Timestamp, days: u32) -> bool {
        let hours = u64::from(days) * 24;
        after(moment, std::time::Duration::from_secs(hours * 3600)) < self.now
    }

    fn show(&self, amount: Decimal) -> String {
        format!("{} {}", written(Amount(amount), self.currency), self.currency)
    }
}

/// Takes a finding: kind, subject, amount, reason and remedy.
type Say<'s> = dyn FnMut(Kind, String, Decimal, String, &str) + 's;
