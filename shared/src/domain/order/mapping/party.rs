//! The two parties of an order: who gets the goods, and who pays.

use super::problems::Problems;
use super::text::{clean, clean_or_empty};
use super::{address, country};
use crate::domain::order::rules::{
    AddressPart, ContactRules, EmailChoice, MissingBilling, OrderRules, PhoneChoice, UnknownTitle,
};
use crate::mirakl::Order;
use crate::mirakl::order::{Address, Customer};
use crate::prima::order::PrimaParty;

/// An address that Mirakl really sends: with something to find the place by.
pub(super) fn usable(address: Option<&Address>) -> Option<&Address> {
    const PLACE: [AddressPart; 4] = [
        AddressPart::Street1,
        AddressPart::Street2,
        AddressPart::AdditionalInfo,
        AddressPart::City,
    ];
    address.filter(|address| PLACE.iter().any(|part| !address::part_of(address, *part).is_empty()))
}

/// The delivery and the invoice party. `on_first_line` is written above the delivery address.
pub(super) fn parties(
    problems: &mut Problems,
    order: &Order,
    on_first_line: Option<String>,
    rules: &OrderRules,
) -> (PrimaParty, PrimaParty) {
    let nobody = Customer::default();
    let customer = order.customer.as_ref().unwrap_or(&nobody);
    let email = email(problems, order, &rules.contact);
    let Some(shipping) = usable(customer.shipping_address.as_ref()) else {
        problems.add(
            "Mirakl sends no shipping address",
            "Look at the order in Mirakl: once the address is there, retry the order; else ask the marketplace for it.",
        );
        return Default::default();
    };
    let billing = usable(customer.billing_address.as_ref());
    if billing.is_none() && rules.address.missing_billing == MissingBilling::Exception {
        problems.add(
            "Mirakl sends no billing address",
            "Ask the marketplace for it, or set address.missing_billing to use_shipping in the order rules; then retry the order.",
        );
    }
    let whose = Whose { customer, email: &email, rules };
    let has_phone = |address: &&Address| !numbers(address).is_empty();
    let phones_of = Some(shipping).filter(has_phone).or(billing).unwrap_or(shipping);
    let delivery = whose.party(problems, "shipping address", shipping, phones_of, on_first_line);
    let invoice = match billing {
        Some(billing) => whose.party(problems, "billing address", billing, billing, None),
        None => {
            let address_lines =
                address::lay_out(problems, "shipping address", None, shipping, &rules.address);
            PrimaParty { address_lines, ..delivery.clone() }
        }
    };
    (delivery, invoice)
}

struct Whose<'a> {
    customer: &'a Customer,
    email: &'a str,
    rules: &'a OrderRules,
}

impl Whose<'_> {
    fn party(
        &self,
        problems: &mut Problems,
        whose: &str,
        address: &Address,
        phones_of: &Address,
        first: Option<String>,
    ) -> PrimaParty {
        let Self { customer, rules, .. } = *self;
        let named = [&address.firstname, &address.lastname]
            .iter()
            .any(|name| !clean_or_empty(name.as_ref()).is_empty());
        let (civility, forename, surname) = if named {
            (&address.civility, &address.firstname, &address.lastname)
        } else {
            (&customer.civility, &customer.firstname, &customer.lastname)
        };
        let mut surname = clean_or_empty(surname.as_ref());
        let forename = clean_or_empty(forename.as_ref());
        if surname.is_empty() && forename.is_empty() {
            surname = address::part_of(address, AddressPart::Company);
        }
        if surname.is_empty() && forename.is_empty() {
            problems.add(
                format!("the {whose} names neither a person nor a company"),
                "Look at the order in Mirakl and ask the marketplace for the name; then retry the order.",
            );
        }
        let limits = &rules.address;
        let post_code = clean_or_empty(address.zip_code.as_ref());
        let country = country::for_prima(problems, whose, address, &limits.country);
        let alpha3 = country::alpha3(address, &limits.country).unwrap_or_default();
        if post_code.is_empty() && !limits.no_post_code_in.contains(&alpha3) {
            problems.add(
                format!("the {whose} has no post code"),
                "Ask the marketplace for it; for a country without post codes, add it to address.no_post_code_in in the order rules; then retry.",
            );
        }
        let phones = numbers(phones_of);
        let phone_country = country::alpha3(phones_of, &limits.country).unwrap_or_default();
        let (phone, mobile) = choose_phones(phones, &phone_country, &rules.contact);
        let phone_length = rules.contact.phone_length;
        PrimaParty {
            title: title(problems, whose, civility.as_deref(), &rules.contact),
            forename: problems.fit_text(
                &format!("forename of the {whose}"),
                forename,
                limits.forename_length,
                "address.forename_length",
            ),
            surname: problems.fit_text(
                &format!("surname of the {whose}"),
                surname,
                limits.surname_length,
                "address.surname_length",
            ),
            address_lines: address::lay_out(problems, whose, first, address, limits),
            post_code: problems.fit_text(
                &format!("post code of the {whose}"),
                post_code,
                limits.post_code_length,
                "address.post_code_length",
            ),
            country,
            email: self.email.to_owned(),
            phone: problems.fit_text(
                &format!("telephone number of the {whose}"),
                phone,
                phone_length,
                "contact.phone_length",
            ),
            mobile: problems.fit_text(
                &format!("mobile number of the {whose}"),
                mobile,
                phone_length,
                "contact.phone_length",
            ),
        }
    }
}

fn title(
    problems: &mut Problems,
    whose: &str,
    civility: Option<&str>,
    rules: &ContactRules,
) -> String {
    let civility = clean(civility.unwrap_or_default());
    if civility.is_empty() {
        return civility;
    }
    let lower = civility.to_lowercase();
    let title = match rules.titles.iter().find(|(known, _)| known.to_lowercase() == lower) {
        Some((_, title)) => title.clone(),
        None => match rules.unknown_title {
            UnknownTitle::Keep => civility,
            UnknownTitle::LeaveOut => String::new(),
            UnknownTitle::Exception => {
                problems.add(
                    format!("the title on the {whose} is not in the table"),
                    "Add the title that Mirakl shows to contact.titles in the order rules, and retry the order.",
                );
                String::new()
            }
        },
    };
    problems.fit_text(
        &format!("title on the {whose}"),
        title,
        rules.title_length,
        "contact.title_length",
    )
}

fn email(problems: &mut Problems, order: &Order, rules: &ContactRules) -> String {
    let email = match &rules.email {
        EmailChoice::Relay => clean_or_empty(order.customer_notification_email.as_ref()),
        EmailChoice::Fixed(address) => address.clone(),
        EmailChoice::Nothing => String::new(),
    };
    problems.fit_text(
        "the customer's e-mail address",
        email,
        rules.email_length,
        "contact.email_length",
    )
}

/// The different numbers of an address, the main one first.
fn numbers(address: &Address) -> Vec<String> {
    let mut numbers = vec![
        clean_or_empty(address.phone.as_ref()),
        clean_or_empty(address.phone_secondary.as_ref()),
    ];
    numbers.retain(|number| !number.is_empty());
    numbers.dedup_by(|second, first| dialled(second) == dialled(first));
    numbers
}

/// A number without what people write between its digits.
fn dialled(number: &str) -> String {
    number.replace("(0)", "").chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

/// `CustomerPhone` and `CustomerMobile`. Two numbers of one kind take both fields, so that neither
/// is lost.
fn choose_phones(numbers: Vec<String>, country: &str, rules: &ContactRules) -> (String, String) {
    let prefixes = rules.mobile_prefixes.get(country).map(Vec::as_slice).unwrap_or_default();
    let is_mobile = |number: &str| {
        let number = dialled(number);
        prefixes.iter().any(|prefix| number.starts_with(prefix.as_str()))
    };
    let mut numbers = numbers.into_iter();
    let (first, second) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let first_is_mobile = match rules.phones {
        PhoneChoice::PhoneFirst => false,
        PhoneChoice::MobileFirst => true,
        PhoneChoice::ByPrefix => is_mobile(&first),
    };
    if first_is_mobile { (second, first) } else { (first, second) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(numbers: &[&str], country: &str, rules: &ContactRules) -> (String, String) {
        choose_phones(numbers.iter().map(|number| (*number).to_owned()).collect(), country, rules)
    }

    #[test]
    fn mobile_numbers_are_known_by_their_countrys_prefixes() {
        let rules = ContactRules::default();
        let both = (String::from("0113 496 0000"), String::from("+44 (0)7700 900123"));
        assert_eq!(chosen(&["+44 (0)7700 900123", "0113 496 0000"], "GBR", &rules), both);
        assert_eq!(chosen(&["0113 496 0000", "+44 (0)7700 900123"], "GBR", &rules), both);
        assert_eq!(
            chosen(&["06 12 34 56 78"], "FRA", &rules),
            (String::new(), "06 12 34 56 78".into())
        );
        assert_eq!(
            chosen(&["06 12 34 56 78"], "GBR", &rules),
            ("06 12 34 56 78".into(), String::new())
        );
        assert_eq!(chosen(&["07700 900123"], "", &rules), ("07700 900123".into(), String::new()));
        assert_eq!(
            chosen(&["07700 900123", "07700 900456"], "GBR", &rules),
            ("07700 900456".into(), "07700 900123".into())
        );
    }

    #[test]
    fn the_choice_may_be_fixed() {
        let mut rules = ContactRules { phones: PhoneChoice::PhoneFirst, ..ContactRules::default() };
        assert_eq!(
            chosen(&["07700 900123"], "GBR", &rules),
            ("07700 900123".into(), String::new())
        );
        rules.phones = PhoneChoice::MobileFirst;
        assert_eq!(
            chosen(&["0113 496 0000"], "GBR", &rules),
            (String::new(), "0113 496 0000".into())
        );
    }

    #[test]
    fn the_same_number_written_twice_is_one() {
        let address = Address {
            phone: Some("07700 900123".into()),
            phone_secondary: Some("07700900123".into()),
            ..Address::default()
        };
        assert_eq!(numbers(&address), ["07700 900123"]);
    }
}
