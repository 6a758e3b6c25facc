//! A file of exported transactions (Mirakl seller API, TL05 as NDJSON), read as it arrives: one
//! line after the other, so that its size does not matter.

use super::entry::{Unreadable, unreadable};
use super::transaction::TransactionLine;

/// The longest line that is read, in bytes: Mirakl's own have about 1,500.
const LONGEST_LINE: usize = 64 * 1024;

/// Why a file counts as not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFileError {
    /// It is none of lines.
    #[error("the file is not NDJSON of transactions")]
    NoTransactions,
    /// It ends within this line, counted from 1.
    #[error("the file breaks off in line {0}")]
    BreaksOff(u64),
    /// It has no line.
    #[error("the file is empty")]
    Empty,
}

/// Reads one file, piece by piece.
#[derive(Debug, Default)]
pub struct LineReader {
    /// The beginning of a line whose end has not arrived.
    begun: Vec<u8>,
    /// That line is longer than can be read: the rest of it is passed over.
    is_too_long: bool,
    rows: u64,
    read: u64,
}

impl LineReader {
    /// Takes the next piece of the file, and hands over each line that ends in it.
    ///
    /// # Errors
    /// The file is none of lines.
    pub fn take(
        &mut self,
        mut piece: &[u8],
        each: &mut impl FnMut(Result<TransactionLine, Unreadable>),
    ) -> Result<(), LineFileError> {
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = piece.split_at(end);
            piece = &rest[1..];
            if self.begun.is_empty() {
                self.line(line, each)?;
            } else {
                self.keep(line);
                let begun = std::mem::take(&mut self.begun);
                self.line(&begun, each)?;
            }
        }
        self.keep(piece);
        Ok(())
    }

    /// Ends the file: its last line may lack a line's end.
    ///
    /// # Errors
    /// It is empty, or breaks off: then it counts as not read.
    pub fn end(
        mut self,
        each: &mut impl FnMut(Result<TransactionLine, Unreadable>),
    ) -> Result<(), LineFileError> {
        let begun = std::mem::take(&mut self.begun);
        if !begun.trim_ascii().is_empty() {
            let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(&begun).is_ok();
            if !is_whole || self.is_too_long {
                return Err(LineFileError::BreaksOff(self.rows + 1));
            }
            self.line(&begun, each)?;
        }
        if self.read == 0 {
            return Err(LineFileError::Empty);
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.begun.len() + bytes.len() > LONGEST_LINE {
            self.is_too_long = true;
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }

    fn line(
        &mut self,
        line: &[u8],
        each: &mut impl FnMut(Result<TransactionLine, Unreadable>),
    ) -> Result<(), LineFileError> {
        self.rows += 1;
        let bytes =
            if self.rows == 1 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            return Ok(());
        }
        self.read += 1;
        if std::mem::take(&mut self.is_too_long) || bytes.len() > LONGEST_LINE {
            each(Err(unreadable(self.rows, "", None, "the line is too long")));
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            each(Err(unreadable(self.rows, "", None, "the line is not UTF-8")));
            return Ok(());
        };
        let read = TransactionLine::read(self.rows, text);
        if self.read == 1 && read.is_err() && !text.contains("\"id\"") {
            return Err(LineFileError::NoTransactions);
        }
        each(read);
        Ok(())
    }
}
