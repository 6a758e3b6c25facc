//! What an answer to `ProductAvailableToSell` says, one element after the other.

use std::borrow::Cow;

use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::basis::StockBasis;
use super::cut::Cut;
use super::figure::{Figure, RangeReading, SkuKey, Unusable, WhyNot, trimmed};
use super::plain::Plain;
use super::result_text::{Broken, ResultText};
use crate::prima::connection::PrimaConnection;
use crate::prima::documents::DocumentProblem;
use crate::prima::sku::PrimaSku;
use crate::prima::soap::one_line;
use crate::prima::xml::without_prefix;

/// Units that no SKU has: what is above is a mistake of the figure's. Mirakl takes as many at most.
const MOST_UNITS: i64 = 1_000_000_000;
/// SKUs without a usable figure that are kept by name; of all others the key.
const NAMED: usize = 1000;
/// Products that are kept as places at which a range may be split.
const PRODUCTS: usize = 1024;
/// Elements within each other that are still read.
const DEEPEST: usize = 32;

/// Reads an answer as its chunks arrive.
///
/// # Errors
/// Prima's refusal; or the answer is not complete, or not one.
pub(super) fn read<S, B>(
    chunks: S,
    connection: &PrimaConnection,
    content_type: Option<&str>,
    basis: StockBasis,
    asked_at: Timestamp,
) -> Result<RangeReading, Failed>
where
    S: Iterator<Item = Result<B, Cut>>,
    B: AsRef<[u8]>,
{
    read_into(Growing::new(basis), chunks, connection, content_type, asked_at)
        .map(|(reading, _)| reading)
}

/// The same, with what each SKU is called, in the order of the answer; those without a usable
/// figure too.
///
/// # Errors
/// As [`read`].
pub(super) fn read_with_names<S, B>(
    chunks: S,
    connection: &PrimaConnection,
    content_type: Option<&str>,
    basis: StockBasis,
    asked_at: Timestamp,
) -> Result<(RangeReading, Vec<PrimaSku>), Failed>
where
    S: Iterator<Item = Result<B, Cut>>,
    B: AsRef<[u8]>,
{
    let reading = Growing { names: Some(Vec::new()), ..Growing::new(basis) };
    read_into(reading, chunks, connection, content_type, asked_at)
}

fn read_into<S, B>(
    mut reading: Growing,
    chunks: S,
    connection: &PrimaConnection,
    content_type: Option<&str>,
    asked_at: Timestamp,
) -> Result<(RangeReading, Vec<PrimaSku>), Failed>
where
    S: Iterator<Item = Result<B, Cut>>,
    B: AsRef<[u8]>,
{
    let mut reader = Reader::from_reader(ResultText::new(chunks, connection, content_type));
    let ended = read_to_the_end(&mut reader, &mut reading);
    let length = reader.buffer_position() + reading.passed;
    match ended {
        Ok(()) => {
            let names = reading.names.take().unwrap_or_default();
            Ok((reading.finish(asked_at, length), names))
        }
        Err(problem) => Err(Failed {
            problem,
            skus: (reading.figures.len() + reading.unusable.len()) as u64,
            products: reading.products.sorted(),
            length,
        }),
    }
}

fn read_to_the_end<S, B>(
    reader: &mut Reader<ResultText<'_, S>>,
    reading: &mut Growing,
) -> Result<(), Problem>
where
    S: Iterator<Item = Result<B, Cut>>,
    B: AsRef<[u8]>,
{
    let mut buffer = Vec::new();
    let mut depth = 0_usize;
    let mut has_root = false;
    loop {
        // Past the XML reader, which has taken everything before, and finds what comes next as if
        // that had come at once.
        while (1..DEEPEST).contains(&depth)
            && let Some(element) = reader.get_mut().plain()
        {
            reading.note_plain(&element)?;
        }
        buffer.clear();
        let Ok(event) = reader.read_event_into(&mut buffer) else {
            let at = reader.error_position() + reading.passed;
            let broken = reader.get_mut().broken();
            return Err(broken.map_or_else(
                || unreadable(format!("is not well-formed XML at byte {at}")),
                Problem::Broken,
            ));
        };
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                if depth >= DEEPEST {
                    return Err(unreadable(format!(
                        "has more than {DEEPEST} elements within each other"
                    )));
                }
                if depth == 0 {
                    if std::mem::replace(&mut has_root, true) {
                        return Err(unreadable("has more than one root element"));
                    }
                    check_status(start)?;
                } else if without_prefix(start.name().into_inner()).eq_ignore_ascii_case("sku") {
                    reading.note_element(start)?;
                }
                depth += usize::from(matches!(event, Event::Start(_)));
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::GeneralRef(reference) if !is_harmless(reference) => {
                return Err(unreadable("refers to an entity that XML does not predefine"));
            }
            Event::DocType(_) => return Err(unreadable("has a document type, which is refused")),
            Event::Eof if depth == 0 && has_root => return Ok(()),
            Event::Eof => return Err(unreadable("is cut short")),
            _ => {}
        }
    }
}

/// An answer that is no reading, and what of it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Why it is none.
    pub(super) problem: Problem,
    /// Some of the products, sorted.
    pub(super) products: Vec<String>,
    /// SKUs.
    pub(super) skus: u64,
    /// Characters of the response document.
    pub(super) length: u64,
}

/// Why there is no reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The answer is none.
    Broken(Broken),
    /// The response document is no success.
    Document(DocumentProblem),
}

fn is_harmless(reference: &BytesRef<'_>) -> bool {
    match reference.resolve_char_ref() {
        Ok(Some(_)) => true,
        Ok(None) => resolve_predefined_entity(reference).is_some(),
        Err(_) => false,
    }
}

fn unreadable(message: impl std::fmt::Display) -> Problem {
    Problem::Document(DocumentProblem::Unreadable(format!("the response document {message}")))
}

fn not_well_formed() -> Problem {
    unreadable("has an attribute that is not well-formed")
}

/// As [`crate::prima::documents::read_response`] does it.
fn check_status(root: &BytesStart<'_>) -> Result<(), Problem> {
    let (mut status, mut error) = (None, String::new());
    for attribute in root.attributes() {
        let attribute = attribute.map_err(|_| not_well_formed())?;
        let name = without_prefix(attribute.key.into_inner());
        let value = unescape(&attribute.value).map_err(|_| not_well_formed())?;
        if name.eq_ignore_ascii_case("RequestStatus") {
            status = Some(value.trim().to_ascii_uppercase());
        } else if name.eq_ignore_ascii_case("RequestError") {
            error = one_line(&value);
        }
    }
    match status.as_deref() {
        Some("OK") => Ok(()),
        Some("ERROR") if error.is_empty() => Err(Problem::Document(DocumentProblem::Refused(
            "refused without a RequestError".to_owned(),
        ))),
        Some("ERROR") => Err(Problem::Document(DocumentProblem::Refused(error))),
        Some(_) => Err(unreadable("has a RequestStatus that is neither OK nor ERROR")),
        None => Err(unreadable("has no RequestStatus")),
    }
}

/// A reading that is not complete yet.
struct Growing {
    basis: StockBasis,
    figures: Vec<Figure>,
    unusable: Vec<Unusable>,
    below_zero: usize,
    nameless: usize,
    products: Products,
    /// Bytes of the document that were read past the XML reader.
    passed: u64,
    /// For [`SkuKey::joined`].
    joined: String,
    /// What each SKU is called, where that is wanted.
    names: Option<Vec<PrimaSku>>,
}

impl Growing {
    fn new(basis: StockBasis) -> Self {
        Self {
            basis,
            figures: Vec::new(),
            unusable: Vec::new(),
            below_zero: 0,
            nameless: 0,
            products: Products::default(),
            passed: 0,
            joined: String::new(),
            names: None,
        }
    }

    fn note_plain(&mut self, element: &Plain<'_>) -> Result<(), Problem> {
        self.passed += element.unescaped as u64;
        let (mut values, mut places) = ([None; COLUMNS.len()], Places::default());
        for (name, value) in element.attributes() {
            if let Some(place) = places.of(name)? {
                values[place] = Some(*value);
            }
        }
        self.note(&values);
        Ok(())
    }

    fn note_element(&mut self, element: &BytesStart<'_>) -> Result<(), Problem> {
        let (mut values, mut places) = ([const { None }; COLUMNS.len()], Places::default());
        // The parser's own check for duplicates costs more than all the rest of this.
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| not_well_formed())?;
            if let Some(place) = places.of(without_prefix(attribute.key.into_inner()))? {
                let value = match attribute.value {
                    Cow::Borrowed(value) => unescape(value),
                    Cow::Owned(value) => {
                        unescape(&value).map(|value| Cow::Owned(value.into_owned()))
                    }
                };
                values[place] = Some(value.map_err(|_| not_well_formed())?);
            }
        }
        self.note(&values.each_ref().map(Option::as_deref));
        Ok(())
    }

    /// Notes an element by the values of its [`COLUMNS`].
    fn note(&mut self, values: &[Option<&str>; COLUMNS.len()]) {
        let texts: [&str; 5] =
            std::array::from_fn(|place| trimmed(values[place].unwrap_or_default()));
        let [product, codes @ ..] = texts;
        if product.is_empty() {
            self.nameless += 1;
            return;
        }
        let key = SkuKey::joined(&mut self.joined, product, codes);
        let needed = |place: usize| {
            let figure = values[place].ok_or(WhyNot::Absent(COLUMNS[place]))?;
            units(figure).ok_or(WhyNot::NoNumber(COLUMNS[place]))
        };
        let units = match self.basis {
            StockBasis::Free => needed(FREE),
            StockBasis::AvailableIsFree => needed(AVAILABLE),
            StockBasis::AvailableLessAllocated => {
                needed(AVAILABLE).and_then(|available| Ok(available - needed(ALLOCATED)?.max(0)))
            }
        };
        self.products.note(product);
        if let Some(names) = &mut self.names {
            names.push(PrimaSku {
                product: product.to_owned(),
                matrix_codes: codes.map(str::to_owned),
            });
        }
        match units {
            Ok(units) => {
                self.below_zero += usize::from(units < 0);
                self.figures.push(Figure::new(key, u32::try_from(units).unwrap_or(0)));
            }
            Err(why) => {
                let sku =
                    (self.unusable.len() < NAMED).then(|| texts.join(" ").trim_end().to_owned());
                self.unusable.push(Unusable { key, sku, why });
            }
        }
    }

    fn finish(mut self, asked_at: Timestamp, length: u64) -> RangeReading {
        self.figures.sort_unstable_by_key(|figure| (figure.key(), figure.free()));
        let mut twice = Vec::new();
        self.figures.dedup_by(|later, earlier| {
            let is_same = later.key() == earlier.key();
            if is_same && later.free() != earlier.free() {
                twice.push(earlier.key());
            }
            is_same
        });
        self.unusable.extend(twice.into_iter().map(|key| Unusable {
            key,
            sku: None,
            why: WhyNot::Twice,
        }));
        self.unusable.sort_by_key(|unusable| unusable.key);
        self.unusable.dedup_by_key(|unusable| unusable.key);
        if !self.unusable.is_empty() {
            let unusable = &self.unusable;
            self.figures.retain(|figure| {
                unusable.binary_search_by_key(&figure.key(), |unusable| unusable.key).is_err()
            });
        }
        RangeReading {
            asked_at,
            figures: self.figures,
            unusable: self.unusable,
            below_zero: self.below_zero,
            nameless: self.nameless,
            products: self.products.sorted(),
            length,
        }
    }
}

/// The attributes that are read: the five that name a SKU, and figures.
const COLUMNS: [&str; 8] = [
    "Product",
    "MtrxCode1",
    "MtrxCode2",
    "MtrxCode3",
    "MtrxCode4",
    "AvailableQuantity",
    "AllocatedQuantity",
    "FreeQuantity",
];
const AVAILABLE: usize = 5;
const ALLOCATED: usize = 6;
const FREE: usize = 7;

/// The columns of an element's attributes.
#[derive(Default)]
struct Places {
    seen: [bool; COLUMNS.len()],
    /// Mostly they come in the order of the columns: where the next one is looked for first.
    next: usize,
}

impl Places {
    /// The column of an attribute, its name without a prefix.
    ///
    /// # Errors
    /// The element has it already.
    fn of(&mut self, name: &str) -> Result<Option<usize>, Problem> {
        let is_next = COLUMNS.get(self.next).is_some_and(|next| *next == name);
        let place = if is_next {
            Some(self.next)
        } else {
            COLUMNS.iter().position(|known| name.eq_ignore_ascii_case(known))
        };
        let Some(place) = place else { return Ok(None) };
        if std::mem::replace(&mut self.seen[place], true) {
            return Err(not_well_formed());
        }
        self.next = place + 1;
        Ok(Some(place))
    }
}

/// Whole pieces: `12`, `-3`, and `12.00`, as a decimal field writes it.
fn units(text: &str) -> Option<i64> {
    let text = trimmed(text);
    let whole = match text.split_once('.') {
        Some((whole, fraction))
            if !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0') =>
        {
            whole
        }
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok().filter(|units: &i64| units.abs() <= MOST_UNITS)
}

/// Some of the products, evenly spread: every other is given up whenever there are too many.
struct Products {
    kept: Vec<String>,
    every: usize,
    seen: usize,
    last: String,
}

impl Default for Products {
    fn default() -> Self {
        Self { kept: Vec::new(), every: 1, seen: 0, last: String::new() }
    }
}

impl Products {
    fn note(&mut self, product: &str) {
        if product == self.last {
            return;
        }
        product.clone_into(&mut self.last);
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == PRODUCTS {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.every *= 2;
            }
            if self.seen.is_multiple_of(self.every) {
                self.kept.push(product.to_owned());
            }
        }
        self.seen += 1;
    }

    fn sorted(mut self) -> Vec<String> {
        self.kept.sort_unstable();
        self.kept.dedup();
        self.kept
    }
}

#[cfg(test)]
mod tests;
