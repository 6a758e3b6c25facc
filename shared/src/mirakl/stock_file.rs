//! The files of a stock import (STO01, and OF01 where an instance lacks it): CSV, written in parts
//! that Mirakl takes, each with a memory of which line is which SKU.

use csv::{QuoteStyle, WriterBuilder};

/// Mirakl's longest offer SKU, in characters.
const LONGEST_SKU: usize = 40;
/// Mirakl's largest quantity.
const LARGEST_QUANTITY: u32 = 1_000_000_000;
/// What a line has beside its SKU at most: the digits of a quantity, and the quotes and separators
/// of either layout.
const LINE_OVERHEAD: usize = 40;

/// The columns of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// STO01's.
    Stock,
    /// Those of OF01 that carry a quantity alone: what has no column is left as it is.
    Offers,
}

/// How large a file may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Lines below the heading.
    pub lines: usize,
    /// Bytes; a single line may exceed it.
    pub bytes: usize,
}

/// One file, for one import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockFile {
    /// What is sent.
    pub csv: Vec<u8>,
    skus: Vec<String>,
}

/// A quantity that no file can carry: others are written all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLine {
    /// The offer's SKU.
    pub offer_sku: String,
    /// Its quantity.
    pub quantity: u32,
    /// What is wrong, and the remedy.
    pub reason: String,
}

/// Quantities, written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StockFiles {
    /// The files, in the order of the quantities: none without lines.
    pub files: Vec<StockFile>,
    /// What stands in none of them.
    pub refused: Vec<RefusedLine>,
}

impl StockFile {
    /// The SKU of a line as Mirakl counts them: the heading is line 1.
    #[must_use]
    pub fn sku_of_line(&self, line: u64) -> Option<&str> {
        let index = usize::try_from(line.checked_sub(2)?).ok()?;
        self.skus.get(index).map(String::as_str)
    }

    /// The SKUs of its lines, in their order.
    #[must_use]
    pub fn skus(&self) -> &[String] {
        &self.skus
    }
}

impl Layout {
    fn heading(self) -> &'static [&'static str] {
        match self {
            Self::Stock => &["offer-sku", "quantity", "warehouse-code", "update-delete"],
            Self::Offers => &["sku", "quantity", "update-delete"],
        }
    }
}

/// Writes the quantities of offers: absolute, for all warehouses together, each SKU once.
///
/// # Errors
/// The writer fails, which in memory it does not.
pub fn write_stock(
    layout: Layout,
    quantities: impl IntoIterator<Item = (String, u32)>,
    limits: FileLimits,
) -> std::io::Result<StockFiles> {
    let mut written = StockFiles::default();
    let mut open = Part::begin(layout)?;
    for (offer_sku, quantity) in quantities {
        if let Some(reason) = problem(&offer_sku, quantity) {
            written.refused.push(RefusedLine { offer_sku, quantity, reason });
            continue;
        }
        let bytes = offer_sku.len() + offer_sku.matches('"').count() + LINE_OVERHEAD;
        if !open.skus.is_empty()
            && (open.skus.len() >= limits.lines || open.bytes + bytes > limits.bytes)
        {
            written.files.push(std::mem::replace(&mut open, Part::begin(layout)?).end()?);
        }
        let digits = quantity.to_string();
        match layout {
            Layout::Stock => {
                open.writer.write_record([offer_sku.as_str(), &digits, "", "update"])?
            }
            Layout::Offers => open.writer.write_record([offer_sku.as_str(), &digits, "update"])?,
        }
        open.bytes += bytes;
        open.skus.push(offer_sku);
    }
    if !open.skus.is_empty() {
        written.files.push(open.end()?);
    }
    Ok(written)
}

/// A file that is being written.
struct Part {
    writer: csv::Writer<Vec<u8>>,
    bytes: usize,
    skus: Vec<String>,
}

impl Part {
    fn begin(layout: Layout) -> std::io::Result<Self> {
        let mut writer = WriterBuilder::new()
            .delimiter(b';')
            .quote_style(QuoteStyle::Always)
            .from_writer(Vec::new());
        writer.write_record(layout.heading())?;
        Ok(Self {
            writer,
            bytes: layout.heading().iter().map(|name| name.len() + 3).sum(),
            skus: Vec::new(),
        })
    }

    fn end(self) -> std::io::Result<StockFile> {
        let csv = self.writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(StockFile { csv, skus: self.skus })
    }
}

/// Why Mirakl would refuse a line, or take it for another.
fn problem(offer_sku: &str, quantity: u32) -> Option<String> {
    let length = offer_sku.chars().count();
    if offer_sku.trim().is_empty() {
        Some("the offer has no SKU: give it one in Mirakl".to_owned())
    } else if length > LONGEST_SKU {
        Some(format!(
            "the SKU has {length} characters, Mirakl takes {LONGEST_SKU}: correct it where it is kept"
        ))
    } else if offer_sku.contains(|character: char| character == '/' || character.is_control()) {
        Some("the SKU holds a \"/\" or a control character, which Mirakl does not take: correct it where it is kept".to_owned())
    } else if quantity > LARGEST_QUANTITY {
        Some(format!(
            "the quantity {quantity} is over one billion: correct the figure in Prima, or cap it by a rule"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use proptest::prelude::*;

    use super::*;

    const NO_LIMITS: FileLimits = FileLimits { lines: usize::MAX, bytes: usize::MAX };

    fn write(layout: Layout, quantities: &[(&str, u32)], limits: FileLimits) -> StockFiles {
        write_stock(
            layout,
            quantities.iter().map(|&(sku, quantity)| (sku.to_owned(), quantity)),
            limits,
        )
        .unwrap()
    }

    fn text(file: &StockFile) -> &str {
        std::str::from_utf8(&file.csv).unwrap()
    }

    #[test]
    fn both_layouts_are_quoted_and_begin_with_mirakls_heading() {
        let quantities = [("ABC-RED-M", 12), ("6\";x", 0), ("Größe 5", 1_000_000_000)];
        let stock = write(Layout::Stock, &quantities, NO_LIMITS);
        assert_eq!(
            text(&stock.files[0]),
            "\"offer-sku\";\"quantity\";\"warehouse-code\";\"update-delete\"\n\"ABC-RED-M\";\"12\";\"\";\"update\"\n\
             \"6\"\";x\";\"0\";\"\";\"update\"\n\"Größe 5\";\"1000000000\";\"\";\"update\"\n"
        );
        let offers = write(Layout::Offers, &quantities[..1], NO_LIMITS);
        assert_eq!(
            text(&offers.files[0]),
            "\"sku\";\"quantity\";\"update-delete\"\n\"ABC-RED-M\";\"12\";\"update\"\n"
        );
        assert_eq!((stock.files.len(), stock.refused.len()), (1, 0));
        assert_eq!(write(Layout::Stock, &[], NO_LIMITS), StockFiles::default());
    }

    /// A line that Mirakl would not take is told, and the others go on.
    #[test]
    fn a_line_unfit_for_mirakl_is_told_without_stopping_others() {
        let forty = "é".repeat(40);
        let long = "x".repeat(41);
        let quantities = [
            ("", 1),
            (" ", 1),
            (long.as_str(), 1),
            ("A/B", 1),
            ("A\nB", 1),
            ("A", 1_000_000_001),
            (forty.as_str(), 1),
            ("B", 2),
        ];
        let written = write(Layout::Stock, &quantities, NO_LIMITS);
        let refused: Vec<_> = written.refused.iter().map(|line| line.offer_sku.as_str()).collect();
        assert_eq!(refused, ["", " ", &long, "A/B", "A\nB", "A"]);
        assert!(written.refused[2].reason.contains("41 characters"), "{:?}", written.refused[2]);
        assert_eq!(written.files[0].skus(), [forty.as_str(), "B"]);
        assert_eq!(write(Layout::Stock, &quantities[..6], NO_LIMITS).files, []);
    }

    #[test]
    fn lines_are_counted_as_mirakl_counts_them() {
        let written = write(Layout::Stock, &[("A", 1), ("B", 2)], NO_LIMITS);
        let skus = [0, 1, 2, 3, 4, u64::MAX].map(|line| written.files[0].sku_of_line(line));
        assert_eq!(skus, [None, None, Some("A"), Some("B"), None, None]);
    }

    proptest! {
        #[test]
        fn every_line_stands_in_one_file_and_no_file_is_too_large(
            skus in prop::collection::vec("[A-Z\";é]{1,40}", 0..60), lines in 0..9_usize, bytes in 0..900_usize
        ) {
            let written = write_stock(Layout::Stock, skus.iter().cloned().zip(0..), FileLimits { lines, bytes }).unwrap();
            let mut read = Vec::new();
            for file in &written.files {
                prop_assert!(file.skus().len() <= lines.max(1));
                prop_assert!(file.csv.len() <= bytes || file.skus().len() == 1);
                let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(file.csv.as_slice());
                let in_file: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
                prop_assert_eq!(file.skus(), in_file.as_slice());
                read.extend(in_file);
            }
            prop_assert_eq!(read, skus);
        }
    }
}
