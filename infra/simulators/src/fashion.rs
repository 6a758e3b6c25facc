//! A made-up fashion house: its catalogue and its customers, the same for the same seed.

use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A piece of clothing in one colour and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueSku {
    /// The style: `W1042`.
    pub product: String,
    /// The colour: `NAV`.
    pub colour: String,
    /// The size: `12`.
    pub size: String,
}

impl CatalogueSku {
    /// The shop's flat SKU: `W1042-NAV-12`.
    #[must_use]
    pub fn offer_sku(&self) -> String {
        format!("{}-{}-{}", self.product, self.colour, self.size)
    }
}

const COLOURS: [&str; 8] = ["BLK", "NAV", "IVO", "RED", "OLV", "GRY", "PNK", "TAN"];
const SIZES: [&str; 7] = ["6", "8", "10", "12", "14", "16", "18"];

/// The first `size` SKUs of the catalogue with this seed.
#[must_use]
pub fn catalogue(seed: u64, size: usize) -> Vec<CatalogueSku> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut skus = Vec::with_capacity(size);
    let mut number = 1000;
    while skus.len() < size {
        number += rng.random_range(1..4);
        let letter = *['W', 'M', 'K'].choose(&mut rng).unwrap_or(&'W');
        let colours = rng.random_range(1..4_usize);
        let first = rng.random_range(0..COLOURS.len());
        for colour in COLOURS.iter().cycle().skip(first).take(colours) {
            for size_code in SIZES {
                skus.push(CatalogueSku {
                    product: format!("{letter}{number}"),
                    colour: (*colour).to_owned(),
                    size: size_code.to_owned(),
                });
            }
        }
    }
    skus.truncate(size);
    skus
}

/// A customer, as a marketplace hands one over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// "Mrs", "Mr" or none.
    pub title: Option<&'static str>,
    /// First name.
    pub first: String,
    /// Last name.
    pub last: String,
    /// Company, on a business order.
    pub company: Option<String>,
    /// First address line.
    pub street: String,
    /// Second address line.
    pub street_2: Option<String>,
    /// Post code.
    pub post_code: String,
    /// Town.
    pub town: String,
    /// ISO alpha-3 country.
    pub country: &'static str,
    /// The country's label, as the marketplace writes it.
    pub country_label: &'static str,
    /// Telephone.
    pub phone: String,
}

/// First names, last names, streets and towns of a region.
type Names = ([&'static str; 8], [&'static str; 8], [&'static str; 7], [&'static str; 6]);

const BRITISH: Names = (
    ["Amelia", "Oliver", "Zoë", "Siân", "Mohammed", "Priya", "Jack", "Ellen-Mary"],
    [
        "O'Neill",
        "Smith",
        "Llewellyn-Jones",
        "Khan",
        "Brontë",
        "Mac & Sons",
        "Featherstonehaugh",
        "Li",
    ],
    [
        "Hawthorn Close",
        "St Mary's Road",
        "The Old Rectory, Church Lane",
        "Long Acre",
        "Llanfair Street",
        "King William Avenue",
        "Saint Bartholomew-the-Great Almshouses, Little Featherstonehaugh Lane (rear entrance – ring twice)",
    ],
    ["Leeds", "Aberystwyth", "London", "Newcastle upon Tyne", "Bath", "Edinburgh"],
);
const EUROPEAN: Names = (
    ["François", "Łucja", "Jürgen", "Søren", "Élodie", "María José", "Bjørn", "Anaïs"],
    ["Müller", "Wałęsa", "D'Hondt", "Øster", "Lefèvre", "Nuñez y García", "Strauß", "van der Berg"],
    [
        "rue de l'Église",
        "Hauptstraße",
        "ulica Żółta",
        "Søndergade",
        "Calle Mayor",
        "Königsallee",
        "résidence Les Jardins de l'Abbaye – bâtiment C, escalier 4, avenue du Maréchal-de-Lattre-de-Tassigny",
    ],
    ["Montpellier", "Köln", "Łódź", "Århus", "Málaga", "Liège"],
);

const COMPANIES: [&str; 4] = [
    "Häberle & Sons Ltd",
    "Ateliers Réunis \"Chic\" S.à r.l.",
    "O'Malley <Interiors> plc",
    "Łódź Design Sp. z o.o.",
];

/// A customer of a British or a continental shop.
pub fn person(rng: &mut impl Rng, british: bool) -> Person {
    let (firsts, lasts, streets, towns) = if british { BRITISH } else { EUROPEAN };
    let pick = |rng: &mut dyn FnMut(usize) -> usize, list: &[&str]| {
        list.get(rng(list.len())).copied().unwrap_or_default().to_owned()
    };
    let mut index = |length: usize| rng.random_range(0..length);
    let first = pick(&mut index, &firsts);
    let last = pick(&mut index, &lasts);
    let street = format!("{} {}", index(180) + 1, pick(&mut index, &streets));
    let town = pick(&mut index, &towns);
    let (country, country_label) = if british {
        ("GBR", "United Kingdom")
    } else {
        [("FRA", "France (métropolitaine)"), ("DEU", "Deutschland"), ("POL", "Polska")]
            .get(index(3))
            .copied()
            .unwrap_or(("FRA", "France"))
    };
    Person {
        title: [None, Some("Mrs"), Some("Mr")].get(index(3)).copied().flatten(),
        first,
        last,
        company: (index(12) == 0).then(|| pick(&mut index, &COMPANIES)),
        street,
        street_2: (index(4) == 0).then(|| format!("Flat {}", index(40) + 1)),
        post_code: if british {
            format!("LS{} {}AB", index(28) + 1, index(9))
        } else {
            format!("{:05}", index(89_999) + 10_000)
        },
        town,
        country,
        country_label,
        phone: if british {
            format!("07700 9{:05}", index(100_000))
        } else {
            format!("+33 6 {:08}", index(100_000_000))
        },
    }
}
