//! Takes what belongs to a customer out of Prima's own words, before they go into rows, events and
//! logs.

use super::order::PrimaOrder;
use super::soap::LONGEST_LINE;

/// Shorter texts are left: they would tear every word apart, and tell nobody anything.
const SHORTEST: usize = 3;

const REMOVED: &str = "[customer]";

/// `message` without any text of the customer's that `order` holds, whatever its case.
pub(crate) fn without_customer(message: &str, order: &PrimaOrder) -> String {
    let mut texts: Vec<&str> = [&order.delivery, &order.invoice]
        .into_iter()
        .flat_map(|party| {
            let own = [
                &party.forename,
                &party.surname,
                &party.post_code,
                &party.email,
                &party.phone,
                &party.mobile,
            ];
            own.into_iter().chain(&party.address_lines)
        })
        .chain([
            &order.delivery_for_attention_of,
            &order.header.special_instructions,
            &order.header.shipping_instructions,
        ])
        .map(|text| text.trim())
        .filter(|text| text.chars().count() >= SHORTEST)
        .collect();
    // The longest first, so that a name within an address does not leave the rest of the address
    // behind.
    texts.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
    let redacted = texts
        .iter()
        .fold(message.to_owned(), |message, text| replace_ignoring_case(&message, text));
    if message.chars().count() < LONGEST_LINE {
        redacted
    } else {
        without_what_was_cut(redacted, &texts)
    }
}

/// A message that was cut for its length may end with the beginning of a name, or of an address.
fn without_what_was_cut(message: String, texts: &[&str]) -> String {
    let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    let end = folded(&message);
    let beginnings = texts.iter().flat_map(|text| {
        let characters = text.chars().count();
        (SHORTEST..characters).map(|length| text.chars().take(length).collect::<String>())
    });
    let longest = beginnings
        .filter(|beginning| end.ends_with(&folded(beginning)))
        .map(|beginning| beginning.chars().count())
        .max();
    let Some(longest) = longest else { return message };
    let kept: String =
        message.chars().take(message.chars().count().saturating_sub(longest)).collect();
    kept + REMOVED
}

fn replace_ignoring_case(message: &str, text: &str) -> String {
    let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let wanted = folded(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut kept = String::new();
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        match length_of_match(rest, &wanted) {
            Some(length) => {
                kept.push_str(REMOVED);
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                kept.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    kept
}

/// How many bytes at the start of `text` are `wanted`, apart from case.
fn length_of_match(text: &str, wanted: &[char]) -> Option<usize> {
    let mut expected = wanted.iter();
    for (index, character) in text.char_indices() {
        if expected.as_slice().is_empty() {
            return Some(index);
        }
        for folded in character.to_lowercase() {
            if expected.next() != Some(&folded) {
                return None;
            }
        }
    }
    expected.as_slice().is_empty().then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prima::test_support::order;

    #[test]
    fn names_addresses_and_numbers_go_whatever_their_case() {
        let message = "ZOË O'NEILL & SONS of 7 <high> street, ab1 2cd (zoe@example.com, +44 7700 900000) already has SHIRT on hold";
        assert_eq!(
            without_customer(message, &order()),
            "[customer] [customer] of [customer], [customer] ([customer], [customer]) already has SHIRT on hold"
        );
    }

    #[test]
    fn a_name_that_was_cut_with_its_message_goes_too() {
        let blanks = "x".repeat(LONGEST_LINE - 10);
        assert_eq!(
            without_customer(&format!("{blanks} ZOË O'NEI"), &order()),
            format!("{blanks} [customer] [customer]")
        );
        assert_eq!(
            without_customer("he is ZOË O'NEI", &order()),
            "he is [customer] O'NEI",
            "what is whole has whole names"
        );
    }

    #[test]
    fn prima_s_own_words_stay() {
        assert_eq!(
            without_customer("Invalid product SHIRT on line 1", &order()),
            "Invalid product SHIRT on line 1"
        );
        assert_eq!(without_customer("", &order()), "");
    }
}
