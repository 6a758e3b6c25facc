//! The page's style, and the policy that allows it and nothing else.

use crate::kit::digest::sha256_base64;

/// All of the page's style. No colour is the only sign of anything.
pub(super) const STYLE: &str = "
:root { color-scheme: light; --ink: #1c2430; --soft: #5b6675; --line: #d5dae1; --good: #1d6b3f; --wait: #8a5a00; --bad: #a11d1d; --up: #2f7d5b; --down: #b4543a; --total: #2c5aa0; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 24px 20px 48px; font: 15px/1.5 system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; color: var(--ink); background: #fff; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 36px 0 4px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 20px 0 4px; }
p { margin: 4px 0 10px; max-width: 75ch; }
.soft { color: var(--soft); }
.result { border-left: 5px solid; padding: 10px 14px; font-size: 1.1rem; background: #f6f7f9; max-width: none; }
.good { border-color: var(--good); } .waiting { border-color: var(--wait); } .bad { border-color: var(--bad); }
.good b { color: var(--good); } .waiting b { color: var(--wait); } .bad b { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 12px 0; }
dt { color: var(--soft); } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; margin: 8px 0 4px; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
th.n, td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; padding: 5px 0 5px 10px; }
th.n + th:not(.n), td.n + td:not(.n) { padding-left: 24px; }
tfoot td { font-weight: 600; border-top: 2px solid var(--ink); }
.waterfall { display: block; margin: 14px 0; max-width: 760px; font-size: 14px; }
.waterfall text { fill: var(--ink); } .waterfall .amount { text-anchor: end; font-variant-numeric: tabular-nums; }
.waterfall .axis { stroke: var(--line); } .up { fill: var(--up); } .down { fill: var(--down); } .total { fill: var(--total); }
.alert { color: var(--bad); font-weight: 600; }
@media screen and (max-width: 720px) {
  body { padding: 16px 14px 32px; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; }
  .waterfall { font-size: 12.5px; }
  thead { display: none; }
  table, tbody, tfoot, tr, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: 6px 0; }
  tfoot tr { border-top: 2px solid var(--ink); }
  td, td.n, tfoot td, td.n + td:not(.n) { display: flex; justify-content: space-between; gap: 16px; border: 0; padding: 1px 0; text-align: right; }
  td[data-label]::before { content: attr(data-label); color: var(--soft); font-weight: 400; text-align: left; flex: none; }
  td:empty { display: none; }
}
@media print {
  @page { size: A4; margin: 14mm 12mm; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  h2 { break-after: avoid; } tr, .waterfall, .result { break-inside: avoid; }
  thead { display: table-header-group; } tfoot { display: table-row-group; }
}
";

/// Allows the style above, by its hash, and nothing else: no script, no picture, no address, no
/// frame, no form.
pub(super) fn policy() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        sha256_base64(STYLE.as_bytes())
    )
}
