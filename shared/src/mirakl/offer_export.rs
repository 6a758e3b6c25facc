//! A file of an offers' export (OF54), read as it arrives: CSV, because its rows need no memory of
//! what came before them.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::error_report::separator;
use super::stock::{ListedOffer, UnreadableOffer};

/// What is asked for of each offer (OF52 `include_fields`), and read of it.
pub(super) const FIELDS: [&str; 4] = ["shop-sku", "quantity", "active", "deleted"];
/// The longest row that is read, in bytes: longer ones are told as unreadable.
const LONGEST_ROW: usize = 16 * 1024;
/// The most columns: all of Mirakl's, where it does not keep to what was asked for.
const MOST_COLUMNS: usize = 1024;

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadingError {
    /// Its first line is none.
    #[error("the export's first line is no heading")]
    None,
    /// It lacks a field that is needed.
    #[error("the export's first line lacks {0}")]
    Lacks(&'static str),
}

/// Reads one file, piece by piece.
pub struct OfferReader {
    state: State,
    row: Row,
}

enum State {
    /// The beginning of the file, up to the end of its heading.
    Heading(Vec<u8>),
    Rows {
        reader: Box<Reader>,
        heading: Heading,
    },
}

/// Where the fields stand, in the order of [`FIELDS`].
struct Heading {
    places: [Option<usize>; 4],
    columns: usize,
    separator: u8,
}

/// The row that is being read.
struct Row {
    number: u64,
    bytes: Vec<u8>,
    length: usize,
    ends: Vec<usize>,
    columns: usize,
    too_long: bool,
    quotes: Quotes,
}

/// How the quotes of a row stand: a marketplace that writes `\"` for a quote within a field, and
/// does not double it, has the field end there, and what follows would be taken for something else.
#[derive(Clone, Copy, Default)]
struct Quotes {
    place: Place,
    before: u8,
    /// A quote that ends a field, or a part of one, stands behind a backslash.
    is_behind_backslash: bool,
    /// And something follows that shows that it ended nothing.
    is_odd: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Place {
    #[default]
    Start,
    Plain,
    Quoted,
    Closed,
}

impl Quotes {
    fn take(&mut self, separator: u8, bytes: &[u8]) {
        for &byte in bytes {
            let ends = byte == separator || byte == b'\n' || byte == b'\r';
            self.place = match self.place {
                Place::Quoted if byte == b'"' => {
                    self.is_behind_backslash |= self.before == b'\\';
                    Place::Closed
                }
                Place::Quoted => Place::Quoted,
                Place::Start | Place::Closed if byte == b'"' => Place::Quoted,
                _ if ends => Place::Start,
                Place::Start => Place::Plain,
                Place::Plain | Place::Closed => {
                    self.is_odd |=
                        self.is_behind_backslash && (self.place == Place::Closed || byte == b'"');
                    Place::Plain
                }
            };
            self.before = byte;
        }
    }
}

impl Default for OfferReader {
    fn default() -> Self {
        let row = Row {
            number: 1,
            bytes: vec![0; LONGEST_ROW],
            length: 0,
            ends: vec![0; MOST_COLUMNS],
            columns: 0,
            too_long: false,
            quotes: Quotes::default(),
        };
        Self { state: State::Heading(Vec::new()), row }
    }
}

impl OfferReader {
    /// Takes the next piece of the file, and hands over each offer that ends in it.
    ///
    /// # Errors
    /// The file's heading lacks the SKU or the quantity, or is none.
    pub fn take(
        &mut self,
        piece: &[u8],
        each: &mut impl FnMut(Result<ListedOffer, UnreadableOffer>),
    ) -> Result<(), HeadingError> {
        let State::Heading(beginning) = &mut self.state else {
            self.rows(piece, false, each);
            return Ok(());
        };
        beginning.extend_from_slice(piece);
        let Some(end) = beginning.iter().position(|&byte| byte == b'\n') else {
            return if beginning.len() > LONGEST_ROW { Err(HeadingError::None) } else { Ok(()) };
        };
        let rows = beginning.split_off(end + 1);
        self.state = rows_below(beginning)?;
        self.rows(&rows, false, each);
        Ok(())
    }

    /// Ends the file: its last row may lack a line's end.
    ///
    /// # Errors
    /// As of [`Self::take`].
    pub fn end(
        mut self,
        each: &mut impl FnMut(Result<ListedOffer, UnreadableOffer>),
    ) -> Result<(), HeadingError> {
        match &self.state {
            // No offers at all.
            State::Heading(beginning) if beginning.trim_ascii().is_empty() => Ok(()),
            State::Heading(beginning) => rows_below(beginning).map(drop),
            State::Rows { .. } => {
                self.rows(b"", true, each);
                Ok(())
            }
        }
    }

    /// An empty input tells the reader of the end of the file, and is given to it for nothing else.
    fn rows(
        &mut self,
        mut input: &[u8],
        is_end: bool,
        each: &mut impl FnMut(Result<ListedOffer, UnreadableOffer>),
    ) {
        let State::Rows { reader, heading } = &mut self.state else { return };
        let row = &mut self.row;
        while is_end || !input.is_empty() {
            let (result, read, written, ended) = reader.read_record(
                input,
                &mut row.bytes[row.length..],
                &mut row.ends[row.columns..],
            );
            row.quotes.take(heading.separator, &input[..read]);
            input = &input[read..];
            row.length += written;
            row.columns += ended;
            match result {
                ReadRecordResult::OutputFull => (row.too_long, row.length) = (true, 0),
                ReadRecordResult::OutputEndsFull => (row.too_long, row.columns) = (true, 0),
                ReadRecordResult::Record => {
                    each(row.offer(heading));
                    row.number += 1;
                    (row.length, row.columns, row.too_long, row.quotes) =
                        (0, 0, false, Quotes::default());
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return,
            }
        }
    }
}

/// Reads the heading.
fn rows_below(line: &[u8]) -> Result<State, HeadingError> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    let separator = separator(line);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator).has_headers(false).from_reader(line);
    let names = reader.byte_records().next().and_then(Result::ok).unwrap_or_default();
    let names: Vec<String> = names
        .iter()
        .map(|name| {
            String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase().replace('_', "-")
        })
        .collect();
    let places = FIELDS.map(|field| names.iter().position(|name| name == field));
    if let Some((field, _)) = FIELDS.iter().zip(places).take(2).find(|(_, place)| place.is_none()) {
        return Err(HeadingError::Lacks(field));
    }
    let mut reader = Box::new(ReaderBuilder::new().delimiter(separator).build());
    // It looks for a byte order mark where it begins, which is not where the file does.
    reader.read_record(b"\n", &mut [], &mut []);
    Ok(State::Rows { reader, heading: Heading { places, columns: names.len(), separator } })
}

impl Row {
    fn offer(&self, heading: &Heading) -> Result<ListedOffer, UnreadableOffer> {
        let unreadable = |offer_sku: Option<&str>, problem: &str| UnreadableOffer {
            row: self.number,
            offer_sku: offer_sku.map(str::to_owned),
            problem: problem.to_owned(),
        };
        if self.too_long {
            return Err(unreadable(None, "the row is too long"));
        }
        if self.quotes.is_odd {
            return Err(unreadable(
                None,
                "a quote stands behind a backslash and is not doubled: where the field ends cannot be told",
            ));
        }
        let [offer_sku, quantity, active, deleted] = heading.places.map(|place| self.field(place?));
        let Some(offer_sku) = offer_sku.filter(|sku| !sku.is_empty()) else {
            return Err(unreadable(None, "the row has no SKU that can be read"));
        };
        if self.columns != heading.columns {
            return Err(unreadable(
                Some(offer_sku),
                "the row has not as many columns as the heading",
            ));
        }
        let quantity = match quantity {
            Some("") => None,
            Some(digits) => Some(
                digits
                    .parse()
                    .map_err(|_| unreadable(Some(offer_sku), "the quantity is no whole number"))?,
            ),
            None => return Err(unreadable(Some(offer_sku), "the quantity cannot be read")),
        };
        let truth =
            |word: Option<&str>| word.and_then(|word| word.to_ascii_lowercase().parse().ok());
        Ok(ListedOffer {
            offer_sku: offer_sku.to_owned(),
            quantity,
            active: truth(active),
            deleted: truth(deleted),
        })
    }

    fn field(&self, place: usize) -> Option<&str> {
        let start = place
            .checked_sub(1)
            .map_or(Some(0), |before| self.ends[..self.columns].get(before).copied())?;
        let end = *self.ends[..self.columns].get(place)?;
        std::str::from_utf8(self.bytes.get(start..end)?).ok().map(str::trim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entries = Vec<Result<ListedOffer, UnreadableOffer>>;

    /// Reads a file in pieces of `length` bytes.
    fn read(file: &[u8], length: usize) -> (Entries, Result<(), HeadingError>) {
        let mut entries = Vec::new();
        let mut reader = OfferReader::default();
        let mut each = |entry| entries.push(entry);
        let outcome = file.chunks(length).try_for_each(|piece| reader.take(piece, &mut each));
        let outcome = outcome.and_then(|()| reader.end(&mut each));
        (entries, outcome)
    }

    fn offer(
        sku: &str,
        quantity: Option<u32>,
        active: Option<bool>,
        deleted: Option<bool>,
    ) -> Result<ListedOffer, UnreadableOffer> {
        Ok(ListedOffer { offer_sku: sku.to_owned(), quantity, active, deleted })
    }

    #[test]
    fn a_file_reads_the_same_in_pieces_of_any_length() {
        let files = [
            "shop-sku;quantity;active;deleted\n\"A;\"\"1\"\"\";5;true;false\nB;;FALSE;\n",
            "\u{feff}\"deleted\",\"Quantity\",\"active\",\"shop_sku\"\r\nfalse,5,true,\"A;\"\"1\"\"\"\r\n\r\n,,false,B",
        ];
        let wanted = vec![
            offer("A;\"1\"", Some(5), Some(true), Some(false)),
            offer("B", None, Some(false), None),
        ];
        for file in files {
            for length in [1, 2, 3, 7, 1000] {
                assert_eq!(
                    read(file.as_bytes(), length),
                    (wanted.clone(), Ok(())),
                    "{file} by {length}"
                );
            }
        }
        for length in [1, 2, 1000] {
            let marked = read("shop-sku;quantity\n\u{feff}A;1\n".as_bytes(), length);
            assert_eq!(
                marked,
                (vec![offer("\u{feff}A", Some(1), None, None)], Ok(())),
                "by {length}"
            );
        }
        let sparse = read(b"quantity;shop-sku;description\n7;A;\"two\nlines\"\n", 4);
        assert_eq!(sparse, (vec![offer("A", Some(7), None, None)], Ok(())));
    }

    /// A backslash escapes nothing, and a quote behind one that is not doubled is told.
    #[test]
    fn backslashes_escape_nothing_and_an_undoubled_quote_is_told() {
        let file = b"\"shop-sku\";\"quantity\";\"active\";\"deleted\"\n\"A\\\";\"3\";\"true\";\"false\"\n\"B\"\"1\";\"4\";\"true\";\"false\"\n\"C\\\"\"2\";\"5\";\"true\";\"false\"\n";
        let wanted = vec![
            offer("A\\", Some(3), Some(true), Some(false)),
            offer("B\"1", Some(4), Some(true), Some(false)),
            offer("C\\\"2", Some(5), Some(true), Some(false)),
        ];
        for length in 1..60 {
            assert_eq!(read(file, length), (wanted.clone(), Ok(())), "by {length}");
        }
        // Escaped, and not doubled: within the SKU, and at its end.
        let file = b"\"shop-sku\";\"quantity\"\n\"6\\\" pipe\";\"3\"\n\"A\";\"1\"\n\"7\\\"\";\"2\"\n\"B\";\"1\"\n";
        for length in [1, 3, 1000] {
            let (entries, _) = read(file, length);
            let told: Vec<_> = entries
                .iter()
                .map(|entry| entry.as_ref().map_or("?", |offer| offer.offer_sku.as_str()))
                .collect();
            assert_eq!(told, ["?", "A", "?", "B"], "by {length}");
            assert!(
                entries[0]
                    .as_ref()
                    .is_err_and(|unreadable| unreadable.problem.contains("backslash")),
                "{entries:?}"
            );
        }
    }

    #[test]
    fn an_odd_row_is_told_and_takes_none_of_its_neighbours() {
        let long = "x".repeat(3 * LONGEST_ROW);
        let wide = ";".repeat(2 * MOST_COLUMNS);
        let file =
            format!("shop-sku;quantity\n{long};1\nA;1\n{wide}\nB;many\n;2\nC\nD;-1\nE;1;2\nF;3\n");
        let (entries, outcome) = read(file.as_bytes(), 1000);
        let told: Vec<_> = entries
            .iter()
            .map(|entry| match entry {
                Ok(offer) => (0, offer.offer_sku.as_str()),
                Err(unreadable) => (unreadable.row, unreadable.offer_sku.as_deref().unwrap_or("?")),
            })
            .collect();
        assert_eq!(
            told,
            [
                (1, "?"),
                (0, "A"),
                (3, "?"),
                (4, "B"),
                (5, "?"),
                (6, "C"),
                (7, "D"),
                (8, "E"),
                (0, "F")
            ]
        );
        assert_eq!(outcome, Ok(()));
        let (entries, _) = read(b"shop-sku;quantity\ncaf\xE9;1\nA;1\n", 5);
        assert!(entries[0].is_err() && entries[1].is_ok());
    }

    /// A file without the columns is no offer export, and an empty one with them has no offers.
    #[test]
    fn an_export_needs_its_columns_but_may_be_empty() {
        for file in [
            &b"<html>"[..],
            b"shop-sku;price\nA;1\n",
            b"[{\"shop_sku\":\"A\"}]",
            &[b'x'; 2 * LONGEST_ROW],
        ] {
            let (entries, outcome) = read(file, 1000);
            assert!(entries.is_empty() && outcome.is_err(), "{outcome:?}");
        }
        for file in [&b""[..], b"\n", b"shop-sku;quantity", b"shop-sku;quantity\n"] {
            let (entries, _) = read(file, 1000);
            assert!(entries.is_empty());
        }
        assert_eq!((read(b"", 1).1, read(b"shop-sku;quantity", 3).1), (Ok(()), Ok(())));
    }
}
