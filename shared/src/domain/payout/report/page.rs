//! The page.

use maud::{DOCTYPE, PreEscaped, html};

use super::bridge::Bridge;
use super::figures::Report;
use super::result::{Verdict, result};
use super::style::{STYLE, policy};
use super::tables::{self, Room};
use super::waterfall::waterfall;
use super::words::{moment, money, short};
use crate::kit::amount::Amount;

/// A page is no larger.
pub const MOST_BYTES: usize = 2 * 1024 * 1024;
/// Orders that a page shows at most.
pub const MOST_ORDERS: usize = 2_000;
/// Rows of every other table.
const MOST_ROWS: usize = 500;

/// The report as one HTML page of at most [`MOST_BYTES`]: where its texts are long, its tables show
/// fewer rows, and say so.
#[must_use]
pub fn page(report: &Report<'_>) -> String {
    let mut room = Room { orders: MOST_ORDERS, others: MOST_ROWS };
    loop {
        let page = written(report, room);
        if page.len() <= MOST_BYTES || (room.orders == 0 && room.others == 0) {
            return page;
        }
        room = room.halved();
    }
}

fn written(report: &Report<'_>, room: Room) -> String {
    let row = report.row;
    let currency = row.key.currency.as_str();
    let bridge = Bridge::of(report);
    let (verdict, sentence) = result(report);
    let (class, word) = match verdict {
        Verdict::Good => ("result good", "Done."),
        Verdict::Waiting => ("result waiting", "Open."),
        Verdict::Bad => ("result bad", "Act."),
    };
    let title = format!("Payout {} · {}", row.key.cycle, row.channel);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (short(&title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (short(&title)) }
                p.soft { "A marketplace pays out by billing cycles. This page shows whether one cycle is complete, how its sales became the transfer to the bank, and where each part is booked." }
                p class=(class) { b { (word) } " " (short(&sentence)) }
                (tables::facts(report))

                h2 { "From the sales to the transfer" }
                p { "Prima books sales and refunds by its own invoices and credit notes; the connector books the marketplace's deductions by a journal; the bank reconciliation books the receipt." }
                (waterfall(&bridge, currency))
                (tables::bridge(&bridge, currency))
                (booked(&bridge, report, currency))

                h2 { "Findings" }
                @if row.findings.is_empty() {
                    p { "Nothing was found that needs a person." }
                } @else {
                    (tables::findings(&row.findings, currency, room))
                }

                h2 { "Journal" }
                @if report.journals.is_empty() { p { "There is no journal of this cycle." } }
                @for journal in report.journals.iter().take(room.others) { (tables::journal(report, journal, room)) }

                h2 { "Documents of the marketplace" }
                (tables::documents(report, room))

                h2 { "Orders" }
                @match report.orders {
                    Some(orders) if !orders.is_empty() => (tables::orders(orders, currency, room)),
                    Some(_) => p { "No line of this cycle names an order." },
                    None => p { "The orders of this cycle were not matched: not checked." },
                }

                @if !report.contribution.is_empty() {
                    h2 { "Contribution after marketplace costs, by SKU" }
                    p { "What the sales of this cycle leave after refunds and the marketplace's costs. What the goods cost is not in it. What belongs to no order line stays \"not allocated\"." }
                    (tables::contribution(report, room))
                }

                p.soft { "Made on " (moment(report.made_at)) ". All amounts in " (short(currency)) "; below zero is what the seller pays. The file of lines beside this page has every line, with its place in the books." }
            }
        }
    };
    markup.into_string()
}

/// Whether the journals hold exactly what belongs into them.
fn booked(bridge: &Bridge, report: &Report<'_>, currency: &str) -> maud::Markup {
    let shown = |amount: Amount| money(amount, currency);
    html! {
        @match bridge.for_journals {
            None => p { "The chart of accounts cannot be applied to this cycle: where its lines are booked is not decided." },
            Some(_) if report.journals.is_empty() && bridge.is_booked_whole() => p { "Nothing of this belongs into a journal." },
            Some(_) if bridge.is_booked_whole() => p {
                "Of these steps, " (shown(bridge.in_journals)) " is booked by the journal below: exactly what it takes from the clearing account."
            },
            Some(due) => p.alert {
                "Of these steps, " (shown(due)) " belongs into journals, and those below come to " (shown(bridge.in_journals)) "."
            },
        }
    }
}
