//! The tables of a report. Each cell carries its heading: on a narrow screen a row stands as a
//! block.

use maud::{Markup, html};

use super::bridge::Bridge;
use super::figures::Report;
use super::words::{count, day, document, money, pay_out, short, stage};
use crate::domain::payout::exceptions::Finding;
use crate::domain::payout::journal::Journal;
use crate::domain::payout::matching::OrderMatch;
use crate::kit::amount::Amount;

/// How many rows each table shows at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) orders: usize,
    pub(super) others: usize,
}

impl Room {
    /// With half the rows.
    pub(super) fn halved(self) -> Self {
        Self { orders: self.orders / 2, others: self.others / 2 }
    }
}

/// An amount, and nothing where it is zero.
fn unless_zero(amount: Amount, currency: &str) -> String {
    if amount == Amount::ZERO { String::new() } else { money(amount, currency) }
}

/// Says what a table leaves out.
fn left_out(all: usize, most: usize, what: &str) -> Markup {
    let rest = all.saturating_sub(most);
    html! {
        @if rest > 0 {
            p.soft { "Shown are the first " (most) " of " (all) ": " (rest) " more " (what) "." }
        }
    }
}

pub(super) fn facts(report: &Report<'_>) -> Markup {
    let row = report.row;
    let key = &row.key;
    let pay_out_of = &row.cycle.pay_out;
    let transfer = row.cycle.transferred_to_seller.max(Amount::ZERO);
    html! {
        dl {
            dt { "Marketplace" } dd { (short(&key.host)) ", shop " (short(&key.shop)) " (channel " (short(&row.channel)) ")" }
            dt { "Billing cycle" } dd {
                (short(&key.cycle))
                @if let Some(closed) = row.cycle.created { ", closed on " (day(closed)) }
            }
            dt { "Currency" } dd { (short(&key.currency)) }
            dt { "Receipt to expect" } dd {
                (money(transfer, &key.currency)) " " (short(&key.currency))
                @if let Some(bank) = report.bank { " on bank account " (short(bank)) }
                @if let Some(psp) = &row.cycle.psp { " through " (short(psp)) }
                @if let Some(reference) = &pay_out_of.reference { ", reference " (short(reference)) }
                @if transfer != Amount::ZERO { ": " (pay_out(&pay_out_of.state)) }
                @if let Some(at) = pay_out_of.transacted { " on " (day(at)) }
                @if let Some(reason) = &pay_out_of.failure_reason { " (" (short(reason)) ")" }
                @if transfer != Amount::ZERO { ". It may arrive in two." }
            }
            dt { "Lines of the transaction log" } dd { (report.figures.lines) }
        }
    }
}

pub(super) fn bridge(bridge: &Bridge, currency: &str) -> Markup {
    html! {
        table {
            thead { tr { th { "Step" } th { "Booked by" } th.n { "Lines" } th.n { "Amount, " (short(currency)) } } }
            tbody {
                @for step in &bridge.steps {
                    tr {
                        td data-label="Step" { (step.kind.name()) }
                        td data-label="Booked by" { (step.booked.join("; ")) }
                        td.n data-label="Lines" { @if step.lines > 0 { (step.lines) } }
                        td.n data-label="Amount" { (money(step.amount, currency)) }
                    }
                }
            }
            tfoot { tr {
                td data-label="Step" { "Transfer to the bank" }
                td data-label="Booked by" { "the bank reconciliation" }
                td.n {}
                td.n data-label="Amount" { (money(bridge.transfer, currency)) }
            } }
        }
    }
}

pub(super) fn findings(findings: &[Finding], currency: &str, room: Room) -> Markup {
    html! {
        table {
            thead { tr { th { "What" } th { "About" } th { "Why" } th { "What to do" } th.n { "Amount, " (short(currency)) } } }
            tbody {
                @for finding in findings.iter().take(room.others) {
                    tr {
                        td data-label="What" { (finding.kind.name()) }
                        td data-label="About" { (short(&finding.subject)) }
                        td data-label="Why" { (short(&finding.reason)) }
                        td data-label="What to do" { (short(&finding.remedy)) }
                        td.n data-label="Amount" { @if let Some(amount) = finding.amount { (money(amount, currency)) } }
                    }
                }
            }
        }
        (left_out(findings.len(), room.others, "findings"))
    }
}

pub(super) fn journal(report: &Report<'_>, journal: &Journal, room: Room) -> Markup {
    let currency = journal.currency.as_str();
    let known = report.row.journal(&journal.name);
    let has_tax = journal.lines.iter().any(|line| line.tax_amount.is_some());
    html! {
        h3 { "Journal " (short(&journal.reference)) }
        p {
            "Dated " (journal.date) ", period " (short(&journal.period)) ". "
            @if let Some(known) = known { "It " (short(&stage(&known.row.stage))) "." }
        }
        table {
            thead { tr {
                th { "Line" } th { "Nominal" } th { "Cost centre" } th { "Tax code" } th { "Narrative" } th { "Reference" }
                @if has_tax { th.n { "VAT by code" } }
                th.n { "Debit" } th.n { "Credit" }
            } }
            tbody {
                @for line in journal.lines.iter().take(room.others) {
                    tr {
                        td data-label="Line" { (line.line) }
                        td data-label="Nominal" { (short(&line.account.nominal)) }
                        td data-label="Cost centre" { @if let Some(centre) = &line.account.cost_centre { (short(centre)) } }
                        td data-label="Tax code" { @if let Some(code) = &line.account.tax_code { (short(code)) } }
                        td data-label="Narrative" { (short(&line.narrative)) }
                        td data-label="Reference" { (short(&line.reference)) }
                        @if has_tax { td.n data-label="VAT by code" { @if let Some(tax) = line.tax_amount { (money(tax, currency)) } } }
                        td.n data-label="Debit" { (unless_zero(line.debit, currency)) }
                        td.n data-label="Credit" { (unless_zero(line.credit, currency)) }
                    }
                }
            }
            tfoot { tr {
                td { "Totals" } td {} td {} td {} td {} td {}
                @if has_tax { td.n {} }
                td.n data-label="Debit" { (money(journal.debits(), currency)) }
                td.n data-label="Credit" { (money(journal.credits(), currency)) }
            } }
        }
        (left_out(journal.lines.len(), room.others, "lines"))
    }
}

pub(super) fn documents(report: &Report<'_>, room: Room) -> Markup {
    let documents = &report.row.documents;
    let total =
        |amount: Option<Amount>, currency: &str| amount.map(|amount| money(amount, currency));
    html! {
        @if documents.is_empty() {
            p { "The marketplace lists no document of this cycle." }
        } @else {
            table {
                thead { tr {
                    th { "Number" } th { "What" } th { "State" } th { "Issued" } th.n { "Without VAT" } th.n { "With VAT" }
                } }
                tbody {
                    @for one in documents.iter().take(room.others) {
                        tr {
                            td data-label="Number" { @match one.invoice_id { Some(number) => (number), None => "not issued yet" } }
                            td data-label="What" { (short(&document(&one.kind))) }
                            td data-label="State" { @if let Some(state) = &one.state { (short(state)) } }
                            td data-label="Issued" { @if let Some(issued) = one.issued { (day(issued)) } }
                            td.n data-label="Without VAT" { @if let Some(text) = total(one.total_excl_taxes, &one.currency) { (text) } }
                            td.n data-label="With VAT" { @if let Some(text) = total(one.total_incl_taxes, &one.currency) { (text) } }
                        }
                    }
                }
            }
            (left_out(documents.len(), room.others, "documents"))
        }
    }
}

/// The orders, those with findings first, and the larger ones before.
pub(super) fn orders(orders: &[OrderMatch], currency: &str, room: Room) -> Markup {
    let worst = |order: &OrderMatch| {
        order
            .findings
            .iter()
            .filter_map(|finding| finding.amount)
            .map(|amount| amount.0.abs())
            .max()
    };
    let mut shown: Vec<&OrderMatch> = orders.iter().collect();
    shown.sort_by(|one, other| {
        let key = |order: &OrderMatch| (order.findings.is_empty(), std::cmp::Reverse(worst(order)));
        key(one).cmp(&key(other)).then_with(|| one.order.cmp(&other.order))
    });
    let off = orders.iter().filter(|order| !order.findings.is_empty()).count();
    html! {
        p {
            (count(u64::try_from(orders.len()).unwrap_or(u64::MAX), "order")) ", of which " (off) " with a finding. "
            "\"Expected\" is what was kept when the order went to Prima; \"settled\" is what the marketplace's log says of it so far, over all cycles."
        }
        table {
            thead { tr {
                th { "Order" } th { "In Prima" }
                th.n { "Sale expected" } th.n { "Sale settled" }
                th.n { "Commission expected" } th.n { "Commission settled" }
                th.n { "Refunds" } th { "Findings" }
            } }
            tbody {
                @for order in shown.iter().take(room.orders) {
                    tr {
                        td data-label="Order" { (short(&order.order)) }
                        td data-label="In Prima" { @match &order.prima { Some((number, _)) => (short(number)), None => "not found" } }
                        td.n data-label="Sale expected" { @if let Some(money_of) = &order.expected { (money(money_of.sales(), currency)) } }
                        td.n data-label="Sale settled" { (money(order.settled.sales(), currency)) }
                        td.n data-label="Commission expected" { @if let Some(money_of) = &order.expected { (money(money_of.commission, currency)) } }
                        td.n data-label="Commission settled" { (money(order.settled.commission, currency)) }
                        td.n data-label="Refunds" { (unless_zero(order.settled.refunds, currency)) }
                        td data-label="Findings" {
                            @for (index, finding) in order.findings.iter().take(5).enumerate() {
                                @if index > 0 { ", " }
                                (finding.kind.name())
                                @if let Some(amount) = finding.amount { " " (money(amount, currency)) }
                            }
                        }
                    }
                }
            }
        }
        (left_out(orders.len(), room.orders, "orders"))
    }
}

pub(super) fn contribution(report: &Report<'_>, room: Room) -> Markup {
    let currency = report.row.key.currency.as_str();
    let all = report.contribution;
    html! {
        table {
            thead { tr {
                th { "SKU" } th.n { "Sales" } th.n { "Refunds" } th.n { "Marketplace's costs" } th.n { "Left" }
            } }
            tbody {
                @for one in all.iter().take(room.others) {
                    tr {
                        td data-label="SKU" { @match &one.sku { Some(sku) => (short(sku)), None => "not allocated" } }
                        td.n data-label="Sales" { (money(one.money.sales(), currency)) }
                        td.n data-label="Refunds" { (money(one.money.refunds, currency)) }
                        td.n data-label="Marketplace's costs" { (money(one.money.costs(), currency)) }
                        td.n data-label="Left" { (money(one.money.total(), currency)) }
                    }
                }
            }
        }
        (left_out(all.len(), room.others, "SKUs"))
    }
}
