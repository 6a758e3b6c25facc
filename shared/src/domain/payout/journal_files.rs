//! A journal's content, and what is written of it: files in the bucket.
//!
//! | file | what |
//! | --- | --- |
//! | `journals/<hash>.json` | what is sent, by its hash ([`super::store::journal_file`]) |
//! | `import/<reference>.csv`, `import/<reference>.control.json` | a journal that a person imports: written once, never overwritten with anything else |
//! | `evidence/<reference>.csv` | the same CSV of a journal that was sent to Prima |

use super::journal::Journal;
use super::key::CycleKey;
use super::posting::JournalRow;
use super::store::{PayoutFiles, journal_file};
use crate::domain::state::StoreError;
use crate::kit::digest::sha256_hex;

/// Why a journal's content cannot be used: nothing is sent then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableJournal {
    /// There is no file.
    #[error("its content is not there: the bucket has no file {0}")]
    Missing(String),
    /// The file is not what its name says.
    #[error("the file {0} is not what was approved: its hash is another")]
    AnotherHash(String),
    /// It cannot be read.
    #[error("the file {0} is no journal")]
    Unreadable(String),
    /// It is another journal's.
    #[error("the file {0} is of another journal")]
    AnotherJournal(String),
    /// It does not balance, or has a line that is not on one side.
    #[error("it cannot be posted: {0}")]
    Wrong(String),
}

/// Keeps a journal's content, and answers its hash: what an approval is of.
///
/// # Errors
/// The bucket does not answer.
pub async fn keep(files: &impl PayoutFiles, journal: &Journal) -> Result<String, StoreError> {
    let bytes = serde_json::to_vec(journal)
        .map_err(|problem| StoreError::Unavailable(problem.to_string()))?;
    let hash = sha256_hex(&bytes);
    files.write(&journal_file(&hash), bytes).await?;
    Ok(hash)
}

/// The content of a journal, exactly as it was approved. `Err` of the answer: why there is none.
///
/// # Errors
/// The bucket does not answer.
pub async fn content(
    files: &impl PayoutFiles,
    key: &CycleKey,
    row: &JournalRow,
) -> Result<Result<Journal, UnusableJournal>, StoreError> {
    let name = journal_file(&row.hash);
    let bytes = files.read(&name).await?;
    Ok(match bytes {
        Some(bytes) => checked(&bytes, name, key, row),
        None => Err(UnusableJournal::Missing(name)),
    })
}

fn checked(
    bytes: &[u8],
    name: String,
    key: &CycleKey,
    row: &JournalRow,
) -> Result<Journal, UnusableJournal> {
    if sha256_hex(bytes) != row.hash {
        return Err(UnusableJournal::AnotherHash(name));
    }
    let Ok(journal) = serde_json::from_slice::<Journal>(bytes) else {
        return Err(UnusableJournal::Unreadable(name));
    };
    let is_its_own = journal.key == *key
        && journal.name == row.name
        && journal.reference == row.reference
        && journal.guid == row.guid;
    if !is_its_own {
        return Err(UnusableJournal::AnotherJournal(name));
    }
    let problems: Vec<_> = journal.problems().iter().map(ToString::to_string).collect();
    if problems.is_empty() { Ok(journal) } else { Err(UnusableJournal::Wrong(problems.join("; "))) }
}

/// The CSV that a person imports.
#[must_use]
pub fn import_file(reference: &str) -> String {
    format!("import/{}.csv", file_name(reference))
}

/// What an import is checked against.
#[must_use]
pub fn control_file(reference: &str) -> String {
    format!("import/{}.control.json", file_name(reference))
}

/// The CSV of what was sent to Prima.
#[must_use]
pub fn evidence_file(reference: &str) -> String {
    format!("evidence/{}.csv", file_name(reference))
}

/// A reference as the name of a file. No reference has an underscore: two stay two.
fn file_name(reference: &str) -> String {
    reference.replace('/', "_")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::domain::payout::in_memory::MemoryPayouts;
    use crate::domain::payout::tests::journal;
    use jiff::Timestamp;

    fn row(journal: &Journal, hash: &str) -> JournalRow {
        let (guid, reference) = (journal.guid.clone(), journal.reference.clone());
        JournalRow::new(
            journal.name,
            guid,
            reference,
            hash.to_owned(),
            false,
            Timestamp::UNIX_EPOCH,
        )
    }

    #[tokio::test]
    async fn a_kept_journal_is_read_as_it_was() {
        let (files, journal) = (MemoryPayouts::default(), journal());
        let hash = keep(&files, &journal).await.unwrap();
        assert_eq!(hash, journal.hash().unwrap());
        let row = row(&journal, &hash);
        assert_eq!(content(&files, &journal.key, &row).await.unwrap(), Ok(journal));
    }

    /// Whatever stands there instead of what was approved is not sent.
    #[tokio::test]
    async fn anything_else_than_what_was_approved_is_refused() {
        let (files, first) = (MemoryPayouts::default(), journal());
        let unusable =
            async |row: &JournalRow| content(&files, &first.key, row).await.unwrap().unwrap_err();
        let missing = row(&first, "0");
        assert_eq!(unusable(&missing).await, UnusableJournal::Missing("journals/0.json".into()));
        files.write("journals/0.json", b"{}".to_vec()).await.unwrap();
        assert_eq!(
            unusable(&missing).await,
            UnusableJournal::AnotherHash("journals/0.json".into())
        );

        let mut other = first.clone();
        other.guid.push('0');
        let hash = keep(&files, &other).await.unwrap();
        let found = unusable(&row(&first, &hash)).await;
        assert_eq!(found, UnusableJournal::AnotherJournal(journal_file(&hash)));

        let mut odd = first.clone();
        odd.lines.pop();
        let hash = keep(&files, &odd).await.unwrap();
        assert!(matches!(unusable(&row(&first, &hash)).await, UnusableJournal::Wrong(_)));

        let hash = sha256_hex(b"no journal");
        files.write(&journal_file(&hash), b"no journal".to_vec()).await.unwrap();
        let found = unusable(&row(&first, &hash)).await;
        assert_eq!(found, UnusableJournal::Unreadable(journal_file(&hash)));
    }

    #[test]
    fn the_parts_of_a_journal_are_files_of_their_own() {
        assert_eq!(import_file("MK1/A1/2"), "import/MK1_A1_2.csv");
        assert_eq!(control_file("MK1"), "import/MK1.control.json");
        assert_eq!(evidence_file("MK1-2"), "evidence/MK1-2.csv");
    }
}
