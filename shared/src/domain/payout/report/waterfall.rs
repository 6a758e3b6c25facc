//! The bridge as a picture: an inline SVG of bars. It scales with the page's width, and its texts
//! do not: bars are placed in per cent.

use maud::{Markup, html};
use rust_decimal::Decimal;

use super::bridge::Bridge;
use super::words::money;
use crate::kit::amount::Amount;

/// The height of a step, and where its text and its bar are in it, in pixels.
const STEP: usize = 44;
const TEXT: usize = 16;
const BAR: usize = 23;
const THICK: usize = 14;

/// One bar, from a sum to the next.
struct Bar {
    name: &'static str,
    class: &'static str,
    from: Decimal,
    to: Decimal,
    shown: Amount,
}

fn bars(bridge: &Bridge) -> Vec<Bar> {
    let mut bars = Vec::with_capacity(bridge.steps.len() + 1);
    let mut sum = Decimal::ZERO;
    for step in &bridge.steps {
        let to = sum + step.amount.0;
        let class = if step.amount < Amount::ZERO { "down" } else { "up" };
        bars.push(Bar { name: step.kind.name(), class, from: sum, to, shown: step.amount });
        sum = to;
    }
    bars.push(Bar {
        name: "Transfer to the bank",
        class: "total",
        from: Decimal::ZERO,
        to: sum,
        shown: Amount(sum),
    });
    bars
}

/// The picture.
pub(super) fn waterfall(bridge: &Bridge, currency: &str) -> Markup {
    let bars = bars(bridge);
    let ends = || bars.iter().flat_map(|bar| [bar.from, bar.to]).chain([Decimal::ZERO]);
    let least = ends().min().unwrap_or_default();
    let most = ends().max().unwrap_or_default();
    let range = (most - least).max(Decimal::ONE);
    // Of a hundred, to a thousandth: finer than a pixel.
    let at = |value: Decimal| ((value - least) / range * Decimal::ONE_HUNDRED).round_dp(3);
    let percent = |value: Decimal| format!("{}%", value.normalize());
    let height = bars.len() * STEP;
    html! {
        svg.waterfall role="img" aria-labelledby="waterfall-title" width="100%" height=(height) {
            title id="waterfall-title" { "From the sales to the transfer, step by step" }
            line.axis x1=(percent(at(Decimal::ZERO))) x2=(percent(at(Decimal::ZERO))) y1="0" y2=(height) {}
            @for (index, bar) in bars.iter().enumerate() {
                @let top = index * STEP;
                @let (left, right) = (at(bar.from.min(bar.to)), at(bar.from.max(bar.to)));
                text x="0" y=(top + TEXT) { (bar.name) }
                text.amount x="100%" y=(top + TEXT) { (money(bar.shown, currency)) }
                rect class=(bar.class) x=(percent(left)) y=(top + BAR) width=(percent(right - left)) height=(THICK)
                    data-from=(bar.from.normalize()) data-to=(bar.to.normalize()) {}
            }
        }
    }
}
