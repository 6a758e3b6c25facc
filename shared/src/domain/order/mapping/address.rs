//! Address lines: nothing is cut, ever.

use super::problems::Problems;
use super::text::{abbreviate, clean_or_empty};
use crate::domain::order::rules::{AddressPart, AddressRules, TooLong};
use crate::mirakl::order::Address;

/// Prima's address lines.
const LINES: usize = 6;

/// One part of an address with its name, for messages.
type Named = (&'static str, String);

/// The text of `part`, clean; empty if there is none.
pub(super) fn part_of(address: &Address, part: AddressPart) -> String {
    clean_or_empty(
        match part {
            AddressPart::Company => &address.company,
            AddressPart::Company2 => &address.company_2,
            AddressPart::Street1 => &address.street_1,
            AddressPart::Street2 => &address.street_2,
            AddressPart::AdditionalInfo => &address.additional_info,
            AddressPart::InternalAdditionalInfo => &address.internal_additional_info,
            AddressPart::City => &address.city,
            AddressPart::State => &address.state,
        }
        .as_ref(),
    )
}

/// The six lines of `address`, `first` (such as a pick-up point) before all parts. `whose` is
/// "shipping address".
pub(super) fn lay_out(
    problems: &mut Problems,
    whose: &str,
    first: Option<String>,
    address: &Address,
    rules: &AddressRules,
) -> [String; LINES] {
    let mut written = |name: &'static str, text: String| {
        (name, problems.written(&format!("{name} of the {whose}"), text))
    };
    let mut head: Vec<Named> =
        first.map(|text| written("pick-up point", text)).into_iter().collect();
    let mut tail: Vec<Named> = Vec::new();
    for part in &rules.parts {
        let text = part_of(address, *part);
        if text.is_empty() {
            continue;
        }
        let fixed = rules.city_line.is_some() && (*part == AddressPart::City || !tail.is_empty());
        if fixed { &mut tail } else { &mut head }.push(written(part.name(), text));
    }
    let above = rules.city_line.map_or(LINES, |line| line.clamp(2, LINES) - 1);
    let mut lines: [String; LINES] = Default::default();
    let laid = block(problems, whose, head, above, rules);
    let below = block(problems, whose, tail, LINES - above, rules);
    for (line, text) in lines.iter_mut().zip(laid) {
        *line = text;
    }
    for (line, text) in lines.iter_mut().skip(above).zip(below) {
        *line = text;
    }
    lines
}

/// `parts` on at most `most` lines; a problem and no lines where that cannot be done without losing
/// anything.
fn block(
    problems: &mut Problems,
    whose: &str,
    parts: Vec<Named>,
    most: usize,
    rules: &AddressRules,
) -> Vec<String> {
    let may_abbreviate = rules.too_long == TooLong::Abbreviate;
    let plain = wrap_all(&parts, rules).map(|lines| join_until(lines, most, rules));
    if let Ok(lines) = &plain
        && lines.len() <= most
    {
        return lines.clone();
    }
    let result = if may_abbreviate {
        let short: Vec<Named> =
            parts.into_iter().map(|(name, text)| (name, shorten(text, rules))).collect();
        let shortened = wrap_all(&short, rules).map(|lines| join_until(lines, most, rules));
        match shortened {
            Ok(lines) if lines.len() > most => {
                // Parts that fit by themselves may have to be short too, so that the whole fits.
                let all: Vec<Named> = short
                    .into_iter()
                    .map(|(name, text)| (name, abbreviate(&text, &rules.abbreviations)))
                    .collect();
                wrap_all(&all, rules).map(|lines| join_until(lines, most, rules))
            }
            other => other,
        }
    } else {
        plain
    };
    match result {
        Ok(lines) if lines.len() <= most => lines,
        Ok(lines) => {
            problems.add(
                format!("the {whose} needs {} lines of at most {} characters, Prima has room for {most}", lines.len(), rules.line_length),
                "Key the order into Prima by hand, or agree on abbreviations or another order of parts in the order rules (address) and retry.",
            );
            Vec::new()
        }
        Err((name, length)) => {
            problems.too_long(
                &format!("{name} of the {whose}"),
                length,
                rules.line_length,
                "address.line_length",
            );
            Vec::new()
        }
    }
}

/// Abbreviated only if it does not fit as it is.
fn shorten(text: String, rules: &AddressRules) -> String {
    if text.chars().count() > rules.line_length {
        abbreviate(&text, &rules.abbreviations)
    } else {
        text
    }
}

/// Each part on as many lines as it needs; the name and length of what fits on none.
fn wrap_all(parts: &[Named], rules: &AddressRules) -> Result<Vec<String>, (&'static str, usize)> {
    let mut lines = Vec::new();
    for (name, text) in parts {
        let length = text.chars().count();
        if length <= rules.line_length {
            lines.push(text.clone());
        } else if rules.wrap {
            lines.extend(wrap(text, rules.line_length).ok_or((*name, length))?);
        } else {
            return Err((name, length));
        }
    }
    Ok(lines)
}

/// Broken between words; `None` if a word alone is too long.
fn wrap(text: &str, width: usize) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let length = word.chars().count();
        if length > width {
            return None;
        }
        if !line.is_empty() && line.chars().count() + 1 + length > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    Some(lines)
}

/// Neighbours joined, the first that fit, until there are no more than `most`.
fn join_until(mut lines: Vec<String>, most: usize, rules: &AddressRules) -> Vec<String> {
    let joiner = &rules.join_with;
    while lines.len() > most && !joiner.is_empty() {
        let length = |text: &str| text.chars().count();
        let fits = |pair: &[String]| {
            length(&pair[0]) + length(joiner) + length(&pair[1]) <= rules.line_length
        };
        let Some(at) = lines.windows(2).position(fits) else { break };
        let second = lines.remove(at + 1);
        lines[at] = format!("{}{joiner}{second}", lines[at]);
    }
    lines
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn address() -> Address {
        Address {
            company: Some("Acme".into()),
            street_1: Some("12 High Street".into()),
            street_2: Some("Flat\n 3".into()),
            city: Some("Leeds".into()),
            state: Some("West Yorkshire".into()),
            ..Address::default()
        }
    }

    fn laid(address: &Address, rules: &AddressRules) -> Result<Vec<String>, String> {
        let mut problems = Problems::default();
        let lines = lay_out(&mut problems, "shipping address", None, address, rules);
        problems.into_result().map_err(|failure| failure.reason)?;
        Ok(lines.to_vec())
    }

    #[test]
    fn parts_stand_one_a_line_and_empty_ones_take_none() {
        let lines = laid(&address(), &AddressRules::default()).unwrap();
        assert_eq!(lines, ["Acme", "12 High Street", "Flat 3", "Leeds", "West Yorkshire", ""]);
        let other = AddressRules {
            parts: vec![AddressPart::City, AddressPart::Street1],
            ..AddressRules::default()
        };
        assert_eq!(laid(&address(), &other).unwrap()[..2], ["Leeds", "12 High Street"]);
    }

    #[test]
    fn the_city_may_have_its_own_line() {
        let rules = AddressRules { city_line: Some(5), ..AddressRules::default() };
        assert_eq!(
            laid(&address(), &rules).unwrap(),
            ["Acme", "12 High Street", "Flat 3", "", "Leeds", "West Yorkshire"]
        );
    }

    /// A long part of an address goes on in a spare line, unless that is switched off.
    #[test]
    fn a_long_part_flows_into_a_spare_line_if_allowed() {
        let long = Address {
            street_1: Some("The Old Converted Warehouse Building Number 12".into()),
            ..address()
        };
        let lines = laid(&long, &AddressRules::default()).unwrap();
        assert_eq!(lines[1..3], ["The Old Converted Warehouse", "Building Number 12"]);
        let strict = AddressRules { wrap: false, ..AddressRules::default() };
        assert_eq!(
            laid(&long, &strict).unwrap_err(),
            "street_1 of the shipping address has 46 characters, at most 35"
        );
    }

    #[test]
    fn neighbours_share_a_line_only_where_there_are_more_than_six() {
        let full = Address {
            company_2: Some("Buying".into()),
            additional_info: Some("Code 5".into()),
            ..address()
        };
        let lines = laid(&full, &AddressRules::default()).unwrap();
        assert_eq!(
            lines,
            ["Acme, Buying", "12 High Street", "Flat 3", "Code 5", "Leeds", "West Yorkshire"]
        );
        let never = AddressRules { join_with: String::new(), ..AddressRules::default() };
        assert_eq!(
            laid(&full, &never).unwrap_err(),
            "the shipping address needs 7 lines of at most 35 characters, Prima has room for 6"
        );
    }

    #[test]
    fn agreed_abbreviations_are_used_only_where_needed_and_agreed() {
        let rules = AddressRules {
            line_length: 14,
            wrap: false,
            too_long: TooLong::Abbreviate,
            ..AddressRules::default()
        };
        let long = Address {
            street_1: Some("120 HIGH STREET, N".into()),
            street_2: Some("Low Street".into()),
            ..address()
        };
        assert_eq!(laid(&long, &rules).unwrap()[1..3], ["120 HIGH St, N", "Low Street"]);
        assert!(
            laid(&long, &AddressRules { too_long: TooLong::Exception, ..rules.clone() }).is_err()
        );
        let hopeless = Address { street_1: Some("Llanfairpwllgwyngyll".into()), ..address() };
        assert_eq!(
            laid(&hopeless, &rules).unwrap_err(),
            "street_1 of the shipping address has 20 characters, at most 14"
        );
    }

    /// Parts that fit by themselves are abbreviated only where the whole does not fit.
    #[test]
    fn fitting_parts_are_shortened_only_if_the_whole_is_too_long() {
        let rules = AddressRules {
            line_length: 14,
            wrap: false,
            too_long: TooLong::Abbreviate,
            ..AddressRules::default()
        };
        let six = Address {
            company_2: Some("Buying".into()),
            street_1: Some("120 HIGH STREET, N".into()),
            street_2: Some("Low Street".into()),
            ..address()
        };
        assert_eq!(
            laid(&six, &rules).unwrap(),
            ["Acme", "Buying", "120 HIGH St, N", "Low Street", "Leeds", "West Yorkshire"]
        );
        let seven = Address {
            company: Some("Acme Trading".into()),
            company_2: Some("Buying Team".into()),
            street_1: Some("9 Low Street".into()),
            street_2: Some("F3".into()),
            additional_info: Some("Back to back".into()),
            city: Some("Harrogate".into()),
            state: Some("N. Yorkshire".into()),
            ..Address::default()
        };
        let narrow = AddressRules { line_length: 12, ..rules };
        assert_eq!(
            laid(&seven, &narrow).unwrap(),
            [
                "Acme Trading",
                "Buying Team",
                "9 Low St, F3",
                "Back to back",
                "Harrogate",
                "N. Yorkshire"
            ]
        );
    }

    #[test]
    fn what_fits_exactly_is_left_as_it_is() {
        assert_eq!(wrap("ab cd", 5), Some(vec!["ab cd".to_owned()]));
        assert_eq!(wrap("ab cde", 5), Some(vec!["ab".to_owned(), "cde".to_owned()]));
        assert_eq!(wrap("abcde fg", 5), Some(vec!["abcde".to_owned(), "fg".to_owned()]));
        assert_eq!(wrap("abcdef", 5), None);
        let rules =
            AddressRules { line_length: 11, join_with: ", ".into(), ..AddressRules::default() };
        let lines =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            join_until(lines(&["Flat", "House", "Town"]), 2, &rules),
            ["Flat, House", "Town"]
        );
        assert_eq!(
            join_until(lines(&["Flat 1", "House", "Lea"]), 2, &rules),
            ["Flat 1", "House, Lea"]
        );
        assert_eq!(join_until(lines(&["Flat", "House"]), 2, &rules), ["Flat", "House"]);
        let exact = AddressRules { line_length: 6, ..AddressRules::default() };
        assert_eq!(shorten("Street".into(), &exact), "Street", "it fits, and is not abbreviated");
    }
}
