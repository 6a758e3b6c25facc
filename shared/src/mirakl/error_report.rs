//! The lines that Mirakl refused of an import (STO03, OF03), and how many were refused for the same
//! reason.
//!
//! The headings of STO03's first two columns are not documented, so they are known by their place;
//! OF03's stand at the end and are known by name. Both are followed by, or follow, the columns that
//! were sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use csv::{ByteRecord, ReaderBuilder};

use super::MiraklError;

/// Characters kept of a reason.
const LONGEST_REASON: usize = 300;
/// No SKU of ours has more bytes.
const LONGEST_SKU: usize = 200;
/// What stands for a number, a SKU or anything quoted in a reason that is shared.
const PLACEHOLDER: &str = "*";

/// A line that Mirakl refused. Where both are missing, any line of the import may be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Its number in the file that was sent, the heading's being 1.
    pub line: Option<u64>,
    /// The offer's SKU, where the report repeats the columns that were sent.
    pub offer_sku: Option<String>,
    /// Mirakl's reason.
    pub reason: String,
}

/// Where the columns stand.
struct Columns {
    line: Option<usize>,
    reason: Option<usize>,
    offer_sku: Option<usize>,
}

/// Reads a report: comma or semicolon, quoted or not, with a byte order mark or without.
///
/// # Errors
/// It is no CSV but a page or a document.
pub fn read_errors(operation: &'static str, report: &[u8]) -> Result<Vec<LineError>, MiraklError> {
    let report = report.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(report).trim_ascii_start();
    if report.starts_with(b"<") || report.starts_with(b"{") || report.starts_with(b"PK\x03\x04") {
        return Err(MiraklError::unknown(operation, "the error report is no CSV"));
    }
    let mut reader = ReaderBuilder::new()
        .delimiter(separator(report))
        .has_headers(false)
        .flexible(true)
        .from_reader(report);
    let mut errors = Vec::new();
    let mut columns = None;
    for record in reader.byte_records() {
        // Bytes of any kind, from memory, in rows of any length: nothing is left to fail.
        let record = record
            .map_err(|_| MiraklError::unknown(operation, "the error report cannot be read"))?;
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let (found, is_heading) = Columns::of(&record);
                let found = columns.insert(found);
                if is_heading {
                    continue;
                }
                found
            }
        };
        if record.iter().any(|field| !field.trim_ascii().is_empty()) {
            errors.push(columns.read(&record));
        }
    }
    Ok(errors)
}

/// The separator of the first line.
pub(super) fn separator(text: &[u8]) -> u8 {
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |separator| first.iter().filter(|&&byte| byte == separator).count();
    if count(b',') > count(b';') { b',' } else { b';' }
}

impl Columns {
    /// Where the columns stand, and whether the first row is a heading.
    fn of(first: &ByteRecord) -> (Self, bool) {
        let names: Vec<String> = first
            .iter()
            .map(|name| field(name).to_ascii_lowercase().replace(['_', ' '], "-"))
            .collect();
        let named = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let offer_sku = named(&["offer-sku", "sku", "shop-sku"]);
        let line = named(&["error-line", "line-number", "line"]);
        let reason = named(&["error-message", "error-reason", "reason"]);
        // Whatever the first two columns are called, they are no others than those that were sent.
        let in_place =
            |place: usize| (!matches!(offer_sku, Some(sku) if sku <= place)).then_some(place);
        let is_heading = names.first().is_none_or(|name| name.parse::<u64>().is_err());
        let line = line.or_else(|| if reason == Some(0) { None } else { in_place(0) });
        let reason = reason.or_else(|| if line == Some(1) { None } else { in_place(1) });
        (Self { line, reason, offer_sku: offer_sku.or((!is_heading).then_some(2)) }, is_heading)
    }

    fn read(&self, record: &ByteRecord) -> LineError {
        let at = |place: Option<usize>| {
            place.and_then(|place| record.get(place)).map(field).filter(|text| !text.is_empty())
        };
        let reason =
            at(self.reason).map_or_else(|| "no reason given".to_owned(), |text| shortened(&text));
        LineError {
            line: at(self.line).and_then(|text| text.parse().ok()),
            offer_sku: at(self.offer_sku)
                .filter(|sku| sku.len() <= LONGEST_SKU)
                .map(Cow::into_owned),
            reason,
        }
    }
}

fn field(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.trim_ascii())
}

/// A reason on one line, of bearable length.
fn shortened(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_REASON)
        .collect()
}

/// Lines that were refused for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonGroup {
    /// The reason, with `*` for numbers, SKUs and whatever is quoted: the same for each of its
    /// lines.
    pub reason: String,
    /// How many lines.
    pub count: usize,
    /// The first of them.
    pub examples: Vec<LineError>,
}

/// Groups lines by their reason, the most frequent first; keeps up to `examples` of each.
#[must_use]
pub fn group_by_reason(errors: &[LineError], examples: usize) -> Vec<ReasonGroup> {
    let mut groups: BTreeMap<String, (usize, Vec<LineError>)> = BTreeMap::new();
    for error in errors {
        let (count, kept) =
            groups.entry(shared_reason(&error.reason, error.offer_sku.as_deref())).or_default();
        *count += 1;
        if kept.len() < examples {
            kept.push(error.clone());
        }
    }
    let groups = groups.into_iter().map(|(reason, (count, examples))| ReasonGroup {
        reason,
        count,
        examples,
    });
    let mut groups: Vec<_> = groups.collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// A reason without what is the line's own.
fn shared_reason(reason: &str, offer_sku: Option<&str>) -> String {
    let mut shared = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(next) = rest.chars().next() {
        let own = own_part(rest, offer_sku).filter(|_| !shared.ends_with(is_of_word));
        let length = own.unwrap_or(next.len_utf8());
        shared.push_str(if own.is_some() { PLACEHOLDER } else { &rest[..length] });
        rest = &rest[length..];
    }
    shared
}

/// How many bytes at the start of `text` are the line's own: its SKU, something quoted, or a word
/// with a digit.
fn own_part(text: &str, offer_sku: Option<&str>) -> Option<usize> {
    let ends_word = |length: usize| !text[length..].starts_with(is_of_word);
    if let Some(sku) = offer_sku.filter(|sku| text.starts_with(sku) && ends_word(sku.len())) {
        return Some(sku.len());
    }
    if let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let closing = text.match_indices(quote).skip(1).map(|(place, _)| place + 1);
        return closing.into_iter().find(|&end| ends_word(end));
    }
    let word = text.split(|character| !is_of_word(character)).next().unwrap_or_default();
    let word = word.trim_end_matches('.');
    word.contains(|character: char| character.is_ascii_digit()).then_some(word.len())
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn error(line: Option<u64>, offer_sku: Option<&str>, reason: &str) -> LineError {
        LineError { line, offer_sku: offer_sku.map(str::to_owned), reason: reason.to_owned() }
    }

    fn read(report: &str) -> Vec<LineError> {
        read_errors("STO03", report.as_bytes()).unwrap()
    }

    #[test]
    fn line_and_reason_are_known_by_their_place_or_by_name() {
        let wanted = [
            error(Some(2), Some("SHIRT-RED-M"), "Unknown offer"),
            error(Some(9), Some("B;C"), "Too \"big\"; by far"),
        ];
        let reports = [
            // By place, whatever they are called; semicolon, comma, quotes or none, byte order
            // mark, either line ending.
            "\"l\";\"why\";\"offer-sku\";\"quantity\"\n\"2\";\"Unknown offer\";\"SHIRT-RED-M\";\"1\"\n\"9\";\"Too \"\"big\"\"; by far\";\"B;C\";\"1\"\n",
            "\u{feff}l,why,offer-sku,quantity\r\n2,Unknown offer,SHIRT-RED-M,1\r\n9,\"Too \"\"big\"\"; by far\",B;C,1\r\n",
            // By name, at the end (OF03) or the other way round.
            "sku;quantity;error-line;error-message\nSHIRT-RED-M;1;2;Unknown offer\n\"B;C\";1;9;\"Too \"\"big\"\"; by far\"\n",
            "\"Error Message\";\"Error Line\";\"Shop SKU\"\n\"Unknown offer\";\"2\";\"SHIRT-RED-M\"\n\"Too \"\"big\"\"; by far\";9;\"B;C\"",
            // No heading at all: the columns that were sent begin at the third.
            "2;Unknown offer;SHIRT-RED-M;1\n9;\"Too \"\"big\"\";\n by far\";\"B;C\"",
        ];
        for report in reports {
            assert_eq!(read(report), wanted, "{report}");
        }
    }

    #[test]
    fn what_is_missing_is_missing_and_nothing_is_dropped() {
        assert_eq!(read("line;reason\n3;Unknown offer\n"), [error(Some(3), None, "Unknown offer")]);
        assert_eq!(
            read("a;b;offer-sku\n;;A\n\n;;\nx;y\n"),
            [error(None, Some("A"), "no reason given"), error(None, None, "y")]
        );
        // Only the columns that were sent.
        assert_eq!(read("offer-sku;quantity\nA;5\n"), [error(None, Some("A"), "no reason given")]);
        assert_eq!(
            read_errors("STO03", b"a;b\n2;caf\xE9").unwrap(),
            [error(Some(2), None, "caf\u{fffd}")]
        );
        assert_eq!(
            (read(""), read("\u{feff}\n"), read("line;reason;offer-sku\n")),
            (vec![], vec![], vec![])
        );
        let long = read(&format!("a;b;offer-sku\n2;{};{}\n", "x".repeat(5000), "S".repeat(5000)))
            .remove(0);
        assert_eq!((long.reason.len(), long.offer_sku), (LONGEST_REASON, None));
    }

    #[test]
    fn a_page_is_no_report() {
        for page in ["<html></html>", " {\"status\":500}", "PK\u{3}\u{4}..."] {
            let problem = read_errors("OF03", page.as_bytes()).unwrap_err();
            assert!(problem.operation == "OF03" && problem.message.contains("no CSV"), "{problem}");
        }
    }

    #[test]
    fn reasons_that_differ_by_their_line_alone_are_one() {
        let errors = [
            error(Some(2), Some("SHIRT"), "The offer SHIRT is unknown."),
            error(Some(3), Some("A 1"), "The offer A 1 is unknown."),
            error(Some(4), None, "The offer KILT-42.5 is unknown."),
            error(
                Some(5),
                Some("T"),
                "Quantity '12' isn't allowed in line 5, the product's T-shirt",
            ),
            error(
                Some(6),
                Some("T"),
                "Quantity \"many 'of'\" isn't allowed in line 16, the product's T-shirt",
            ),
            error(Some(7), None, "ends with 'an open quote"),
        ];
        let groups = group_by_reason(&errors, 2);
        let told: Vec<_> = groups
            .iter()
            .map(|group| (group.reason.as_str(), group.count, group.examples.len()))
            .collect();
        assert_eq!(
            told,
            [
                ("The offer * is unknown.", 3, 2),
                ("Quantity * isn't allowed in line *, the product's T-shirt", 2, 2),
                ("ends with 'an open quote", 1, 1)
            ]
        );
        assert_eq!(groups[0].examples, errors[..2]);
    }
}
