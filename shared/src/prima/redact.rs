//! Takes what belongs to a customer out of Prima's own words, before they go into rows, events and logs.

use super::order::PrimaOrder;

/// Shorter texts are left: they would tear every word apart, and tell nobody anything.
const SHORTEST: usize = 3;

const REMOVED: &str = "[customer]";

/// `message` without any text of the customer's that `order` holds, whatever its case.
pub(crate) fn without_customer(message: &str, order: &PrimaOrder) -> String {
    let mut texts: Vec<&str> = [&order.delivery, &order.invoice]
        .into_iter()
        .flat_map(|party| {
            let own = [&party.forename, &party.surname, &party.post_code, &party.email, &party.phone, &party.mobile];
            own.into_iter().chain(&party.address_lines)
        })
        .chain([&order.delivery_for_attention_of, &order.header.special_instructions, &order.header.shipping_instructions])
        .map(|text| text.trim())
        .filter(|text| text.chars().count() >= SHORTEST)
        .collect();
    // The longest first, so that a name within an address does not leave the rest of the address behind.
    texts.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
    texts.into_iter().fold(message.to_owned(), |message, text| replace_ignoring_case(&message, text))
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
    fn prima_s_own_words_stay() {
        assert_eq!(without_customer("Invalid product SHIRT on line 1", &order()), "Invalid product SHIRT on line 1");
        assert_eq!(without_customer("", &order()), "");
    }
}
