//! CSV with a heading line, as people's spreadsheets write it: a byte order mark or none, comma or
//! semicolon, either line ending.

use std::borrow::Cow;

use csv::StringRecord;

/// What is wrong with a line: its number in the text, from 1, and why.
pub type LineProblem = (usize, String);

/// Why nothing of a text can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// It has no line.
    #[error("the file is empty")]
    Empty,
    /// Its heading line is no CSV.
    #[error("{0}")]
    Unreadable(String),
    /// Its heading line lacks what it needs.
    #[error("the heading line lacks {missing}; it takes {takes}")]
    Lacks {
        /// The headings that are needed and not there.
        missing: String,
        /// All that it may have.
        takes: String,
    },
}

/// What is wrong with a field of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// It needs a value.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// It takes a whole number.
    #[error("{0} is no whole number")]
    NoWholeNumber(&'static str),
    /// It takes a whole number above 0.
    #[error("{0} is no whole number above 0")]
    NoPieces(&'static str),
}

/// A cell of text, such that no spreadsheet takes it for a formula: what begins like one gets an
/// apostrophe before it. Numbers of ours are not texts.
#[must_use]
pub fn defused(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A text, read: its columns by name, and its lines.
#[derive(Clone, Debug)]
pub struct HeadingCsv {
    headings: StringRecord,
    lines: Vec<Result<(usize, StringRecord), LineProblem>>,
}

/// One line, by its columns' names.
#[derive(Clone, Copy, Debug)]
pub struct Line<'c> {
    headings: &'c StringRecord,
    record: &'c StringRecord,
    /// Its number in the text, from 1.
    pub number: usize,
}

impl HeadingCsv {
    /// Reads a text whose heading line has the `needed` of the `known` headings, in any order and
    /// case.
    ///
    /// # Errors
    /// There is no heading line, or it lacks a needed one.
    pub fn read(text: &str, known: &[&str], needed: &[&str]) -> Result<Self, CsvError> {
        // With these, the reader would count lines wrongly.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let heading = text.lines().find(|line| !line.trim().is_empty()).ok_or(CsvError::Empty)?;
        let separator =
            if heading.matches(';').count() > heading.matches(',').count() { b';' } else { b',' };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(text.as_bytes());
        let headings =
            reader.headers().map_err(|problem| CsvError::Unreadable(problem.to_string()))?.clone();
        let missing: Vec<&str> =
            needed.iter().copied().filter(|name| column(&headings, name).is_none()).collect();
        if !missing.is_empty() {
            return Err(CsvError::Lacks { missing: missing.join(", "), takes: known.join(", ") });
        }
        let number = |position: Option<&csv::Position>| {
            position.map_or(0, |at| usize::try_from(at.line()).unwrap_or(0))
        };
        let lines = reader.records().map(|record| match record {
            Ok(record) => Ok((number(record.position()), record)),
            Err(problem) => Err((number(problem.position()), "it is no line of CSV".to_owned())),
        });
        let lines = lines.collect();
        Ok(Self { headings, lines })
    }

    /// Headings that are none of the `known`.
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> Vec<&str> {
        self.headings
            .iter()
            .filter(|heading| !known.iter().any(|name| name.eq_ignore_ascii_case(heading)))
            .collect()
    }

    /// The lines below the heading; blank ones are left out.
    pub fn lines(&self) -> impl Iterator<Item = Result<Line<'_>, LineProblem>> {
        self.lines.iter().map(|line| match line {
            Ok((number, record)) => Ok(Line { headings: &self.headings, record, number: *number }),
            Err(problem) => Err(problem.clone()),
        })
    }
}

impl<'c> Line<'c> {
    /// What stands in a column, without blanks around it; empty where the line or the heading has
    /// none.
    #[must_use]
    pub fn field(&self, name: &str) -> &'c str {
        column(self.headings, name).and_then(|index| self.record.get(index)).unwrap_or_default()
    }
}

fn column(headings: &StringRecord, name: &str) -> Option<usize> {
    headings.iter().position(|heading| heading.eq_ignore_ascii_case(name))
}
