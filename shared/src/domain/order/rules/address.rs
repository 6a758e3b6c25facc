//! How a person's address, country, telephone, e-mail and title come into Prima's fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::template::Template;

/// A part of a Mirakl address that goes onto Prima's six address lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressPart {
    /// `company`.
    Company,
    /// `company_2`.
    #[serde(rename = "company_2")]
    Company2,
    /// `street_1`.
    #[serde(rename = "street_1")]
    Street1,
    /// `street_2`.
    #[serde(rename = "street_2")]
    Street2,
    /// `additional_info`: door codes and the like, of a shipping address.
    AdditionalInfo,
    /// `internal_additional_info`.
    InternalAdditionalInfo,
    /// `city`.
    City,
    /// `state`: county or region.
    State,
}

impl AddressPart {
    /// Mirakl's name of it, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Company => "company",
            Self::Company2 => "company_2",
            Self::Street1 => "street_1",
            Self::Street2 => "street_2",
            Self::AdditionalInfo => "additional_info",
            Self::InternalAdditionalInfo => "internal_additional_info",
            Self::City => "city",
            Self::State => "state",
        }
    }
}

/// What happens to a text that is longer than its field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// The order becomes an exception.
    #[default]
    Exception,
    /// The agreed abbreviations are applied first; only what is too long even then becomes an
    /// exception.
    Abbreviate,
}

/// What is sent to Prima where Mirakl names no billing address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingBilling {
    /// The shipping address.
    #[default]
    UseShipping,
    /// Nothing: the order becomes an exception.
    Exception,
}

/// Addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddressRules {
    /// The parts, from the first line to the last. Parts that Mirakl leaves empty take no line.
    pub parts: Vec<AddressPart>,
    /// Characters of `AddrLine1` to `AddrLine6` (to be confirmed on site).
    pub line_length: usize,
    /// Characters of `PostCode`.
    pub post_code_length: usize,
    /// Characters of a forename.
    pub forename_length: usize,
    /// Characters of a surname.
    pub surname_length: usize,
    /// A part that is too long goes on in the next line, between two words.
    pub wrap: bool,
    /// What joins two neighbouring parts on one line where there are more than six; empty: never
    /// joined.
    pub join_with: String,
    /// The line, 1 to 6, on which the city begins, where the installation wants it always on the
    /// same; else it follows.
    pub city_line: Option<usize>,
    /// What happens to what does not fit.
    pub too_long: TooLong,
    /// Word to agreed abbreviation, compared without case; also used for instructions.
    pub abbreviations: BTreeMap<String, String>,
    /// No billing address.
    pub missing_billing: MissingBilling,
    /// Countries (alpha-3) that need no post code.
    pub no_post_code_in: Vec<String>,
    /// The country.
    pub country: CountryRules,
}

impl Default for AddressRules {
    fn default() -> Self {
        use AddressPart::{AdditionalInfo, City, Company, Company2, State, Street1, Street2};
        Self {
            parts: vec![Company, Company2, Street1, Street2, AdditionalInfo, City, State],
            line_length: 35,
            post_code_length: 10,
            forename_length: 30,
            surname_length: 30,
            wrap: true,
            join_with: ", ".to_owned(),
            city_line: None,
            too_long: TooLong::Exception,
            abbreviations: texts(&[
                ("Street", "St"),
                ("Road", "Rd"),
                ("Avenue", "Ave"),
                ("Apartment", "Apt"),
                ("Building", "Bldg"),
                ("Boulevard", "Bd"),
                ("Court", "Ct"),
                ("Crescent", "Cres"),
                ("Gardens", "Gdns"),
                ("Industrial", "Ind"),
                ("Square", "Sq"),
            ]),
            missing_billing: MissingBilling::UseShipping,
            no_post_code_in: ["ARE", "HKG", "IRL", "QAT"].map(str::to_owned).to_vec(),
            country: CountryRules::default(),
        }
    }
}

/// What Prima's `Country` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountryForm {
    /// ISO 3166-1 alpha-2: `GB`.
    #[default]
    Iso2,
    /// ISO 3166-1 alpha-3: `GBR`.
    Iso3,
    /// The installation's own codes, listed in `codes`.
    Table,
}

/// Countries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CountryRules {
    /// What Prima takes.
    pub form: CountryForm,
    /// Alpha-3 code to Prima's own, for `table`; with the other forms, exceptions to them. Codes
    /// that ISO leaves to its users, such as `XKX`, may be listed too.
    pub codes: BTreeMap<String, String>,
    /// Mirakl's country label, compared without case, to its alpha-3 code: for where Mirakl sends
    /// no code.
    pub labels: BTreeMap<String, String>,
    /// What Mirakl sends as a country's code though ISO 3166-1 does not list it, such as `UK`,
    /// compared without case, to its alpha-3 code. A country without one (Kosovo) takes `XKX`, a
    /// code that ISO leaves to its users, and its own entry in `codes`.
    pub aliases: BTreeMap<String, String>,
}

impl Default for CountryRules {
    fn default() -> Self {
        Self {
            form: CountryForm::Iso2,
            codes: BTreeMap::new(),
            labels: texts(&[
                ("United Kingdom", "GBR"),
                ("Great Britain", "GBR"),
                ("Ireland", "IRL"),
                ("France", "FRA"),
                ("France (métropolitaine)", "FRA"),
                ("Germany", "DEU"),
                ("Deutschland", "DEU"),
                ("Sweden", "SWE"),
                ("Sverige", "SWE"),
                ("Poland", "POL"),
                ("Polska", "POL"),
                ("Spain", "ESP"),
                ("España", "ESP"),
                ("Italy", "ITA"),
                ("Italia", "ITA"),
            ]),
            aliases: BTreeMap::new(),
        }
    }
}

/// The e-mail address that Prima gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailChoice {
    /// Mirakl's relay address of the customer; empty where there is none.
    #[default]
    Relay,
    /// Always this one.
    Fixed(String),
    /// None.
    Nothing,
}

/// Where telephone numbers go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneChoice {
    /// Numbers with a mobile prefix to `CustomerMobile`, others to `CustomerPhone`.
    #[default]
    ByPrefix,
    /// The first to `CustomerPhone`, a second one to `CustomerMobile`.
    PhoneFirst,
    /// The first to `CustomerMobile`, a second one to `CustomerPhone`.
    MobileFirst,
}

/// A title that the map does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownTitle {
    /// Sent as it is.
    #[default]
    Keep,
    /// Left out.
    LeaveOut,
    /// The order becomes an exception.
    Exception,
}

/// Titles, telephone, e-mail, pick-up point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContactRules {
    /// Mirakl's civility, compared without case, to Prima's title; to an empty text: no title.
    pub titles: BTreeMap<String, String>,
    /// A civility that `titles` does not list.
    pub unknown_title: UnknownTitle,
    /// Characters of a title.
    pub title_length: usize,
    /// Which number goes where.
    pub phones: PhoneChoice,
    /// Alpha-3 country to the beginnings of its mobile numbers, without spaces.
    pub mobile_prefixes: BTreeMap<String, Vec<String>>,
    /// Characters of a telephone number.
    pub phone_length: usize,
    /// The e-mail address.
    pub email: EmailChoice,
    /// Characters of an e-mail address.
    pub email_length: usize,
    /// Where the id of a pick-up point goes.
    pub pick_up_point: PickUpPointTarget,
    /// How it is written. `{id}`.
    pub pick_up_point_text: Template,
}

impl Default for ContactRules {
    fn default() -> Self {
        let prefixes: [(&str, &[&str]); 5] = [
            (
                "DEU",
                &["015", "016", "017", "+4915", "+4916", "+4917", "004915", "004916", "004917"],
            ),
            ("FRA", &["06", "07", "+336", "+337", "00336", "00337"]),
            ("GBR", &["07", "+447", "00447"]),
            ("IRL", &["08", "+3538", "003538"]),
            ("SWE", &["07", "+467", "00467"]),
        ];
        Self {
            titles: texts(&[
                ("Mr", "Mr"),
                ("Mr.", "Mr"),
                ("M.", "Mr"),
                ("Mrs", "Mrs"),
                ("Mme", "Mrs"),
                ("Mlle", "Miss"),
                ("Miss", "Miss"),
                ("Ms", "Ms"),
                ("Neutral", ""),
            ]),
            unknown_title: UnknownTitle::Keep,
            title_length: 10,
            phones: PhoneChoice::ByPrefix,
            mobile_prefixes: prefixes
                .into_iter()
                .map(|(country, list)| {
                    (country.to_owned(), list.iter().map(|prefix| (*prefix).to_owned()).collect())
                })
                .collect(),
            phone_length: 20,
            email: EmailChoice::Relay,
            email_length: 80,
            pick_up_point: PickUpPointTarget::ShippingInstructions,
            pick_up_point_text: Template::new("Pick-up point {id}"),
        }
    }
}

/// Where the id of a pick-up point goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickUpPointTarget {
    /// `ShippingInstructions`.
    #[default]
    ShippingInstructions,
    /// `SpecialInstructions`.
    SpecialInstructions,
    /// `DeliveryFAO`.
    DeliveryForAttentionOf,
    /// The first address line.
    AddressLine,
    /// Nowhere: such orders become exceptions.
    Exception,
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}
