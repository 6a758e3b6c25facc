//! What Prima has free to sell: `ProductAvailableToSell` by range, read as it arrives, and
//! `MultiAvailableToSell` for a named few.

mod basis;
mod cut;
mod figure;
mod plain;
pub mod ranges;
mod reading;
mod result_text;

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub use basis::StockBasis;
pub use cut::Cut;
pub use figure::{Figure, RangeReading, SkuKey, Unusable, WhyNot};
use reading::{Failed, Problem};
use result_text::Broken;

use super::client::{Effect, PrimaClient, content_type_of, of_document, of_soap};
use super::error::PrimaError;
use super::xml::DocumentWriter;
use crate::kit::clock::Clock;
use crate::prima::connection::{Patience, PrimaConnection};
use crate::prima::sku::PrimaSku;
use crate::prima::sku::SkuOverride;

/// How long Prima may be silent where it is asked for single SKUs.
const NAMED_SILENCE: Duration = Duration::from_secs(20);
/// Chunks that wait to be read.
const WAITING_CHUNKS: usize = 8;

/// A range of product codes, both ends included; an empty one is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProductRange {
    /// `ProductFrom`.
    pub from: String,
    /// `ProductTo`.
    pub to: String,
}

/// A range that was not read, and how far its answer got: where that was far, it is to be asked for
/// in smaller ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct RangeFailure {
    /// Why it was not read whole.
    pub error: PrimaError,
    /// Some of the products that came, sorted.
    pub products: Vec<String>,
    /// SKUs that came.
    pub skus: u64,
    /// Characters of the response document that came.
    pub length: u64,
}

impl From<PrimaError> for RangeFailure {
    /// Nothing came.
    fn from(error: PrimaError) -> Self {
        Self { error, products: Vec::new(), skus: 0, length: 0 }
    }
}

/// Prima's stock.
pub trait PrimaStock {
    /// `ProductAvailableToSell`: the figures of every SKU whose product lies in the range. Safe to
    /// repeat. Only a complete answer is one.
    ///
    /// # Errors
    /// Prima refused, did not answer, or not to the end.
    async fn range(
        &self,
        range: &ProductRange,
        basis: StockBasis,
    ) -> Result<RangeReading, RangeFailure>;

    /// `MultiAvailableToSell`: the figures of these SKUs. Safe to repeat.
    ///
    /// # Errors
    /// As [`PrimaStock::range`].
    async fn named(
        &self,
        skus: &[SkuOverride],
        basis: StockBasis,
    ) -> Result<RangeReading, PrimaError>;
}

impl<C: Clock + Clone> PrimaStock for PrimaClient<C> {
    async fn range(
        &self,
        range: &ProductRange,
        basis: StockBasis,
    ) -> Result<RangeReading, RangeFailure> {
        self.read(
            "ProductAvailableToSell",
            self.of_range(range),
            basis,
            self.patience(),
            reading::read,
        )
        .await
    }

    async fn named(
        &self,
        skus: &[SkuOverride],
        basis: StockBasis,
    ) -> Result<RangeReading, PrimaError> {
        const CODES: [&str; 4] = ["MtrxCode1", "MtrxCode2", "MtrxCode3", "MtrxCode4"];
        let mut document = DocumentWriter::new(self.connection().encoding);
        document.open("Request", "", &[("RequestType", "MultiAvailableToSell")]);
        document.open("Data", "", &[]);
        for (index, sku) in skus.iter().enumerate() {
            let mut attributes = vec![("Product", sku.product.as_str())];
            attributes.extend(CODES.into_iter().zip(sku.matrix_codes.iter().map(String::as_str)));
            document.empty("sku", &format!("sku[{}]", index + 1), &attributes);
        }
        document.close("Data");
        document.close("Request");
        // A few SKUs: whoever is silent for longer does not answer, and everybody else waits.
        let patience =
            Patience { silence: self.patience().silence.min(NAMED_SILENCE), ..self.patience() };
        self.read("MultiAvailableToSell", document, basis, patience, reading::read)
            .await
            .map_err(|failure| failure.error)
    }
}

/// How an answer is read from its chunks.
type ReadAs<T> =
    fn(Chunks, &PrimaConnection, Option<&str>, StockBasis, Timestamp) -> Result<T, Failed>;

impl<C: Clock + Clone> PrimaClient<C> {
    /// As [`PrimaStock::range`], with what each SKU is called: for people, who read names. Holds
    /// them all in memory.
    ///
    /// # Errors
    /// As [`PrimaStock::range`].
    pub async fn range_with_names(
        &self,
        range: &ProductRange,
        basis: StockBasis,
    ) -> Result<(RangeReading, Vec<PrimaSku>), RangeFailure> {
        self.read(
            "ProductAvailableToSell",
            self.of_range(range),
            basis,
            self.patience(),
            reading::read_with_names,
        )
        .await
    }

    fn of_range(&self, range: &ProductRange) -> DocumentWriter {
        let mut document = DocumentWriter::new(self.connection().encoding);
        document.open("Request", "", &[("RequestType", "ProductAvailableToSell")]);
        document.empty("Data", "", &[("ProductFrom", &range.from), ("ProductTo", &range.to)]);
        document.close("Request");
        document
    }

    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        document: DocumentWriter,
        basis: StockBasis,
        patience: Patience,
        read_as: ReadAs<T>,
    ) -> Result<T, RangeFailure> {
        let asked_at = self.now();
        // The whole answer may take as long as the invocation has; that it comes at all is watched
        // from chunk to chunk.
        let (response, _turn) =
            self.send(Effect::None, name, document.finish(), Some(patience.silence)).await?;
        let (status, content_type) = (response.status(), content_type_of(&response));
        let connection = self.connection().clone();
        let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
        let reader = tokio::task::spawn_blocking(move || {
            let chunks = Chunks(receiver);
            read_as(chunks, &connection, content_type.as_deref(), basis, asked_at)
        });
        forward(response, &sender, patience, self.time_left()).await;
        drop(sender);
        let read = reader.await.map_err(|_| {
            PrimaError::unknown(name, "the answer could not be read: its reader failed")
        })?;
        match read {
            Ok(_) if !status.is_success() => {
                Err(PrimaError::unknown(name, format!("answered with HTTP status {status}")).into())
            }
            read => read.map_err(|failed| failure_of(name, failed, status)),
        }
    }
}

/// Reads an answer to `ProductAvailableToSell` from its chunks, without ever holding the whole:
/// what a client does with what Prima sends. `content_type`: of the HTTP answer. `asked_at`: when
/// the request was started.
///
/// # Errors
/// Prima's refusal; or the answer is not complete, or not one.
pub fn read_answer<B: AsRef<[u8]>>(
    chunks: impl Iterator<Item = Result<B, Cut>>,
    connection: &PrimaConnection,
    content_type: Option<&str>,
    basis: StockBasis,
    asked_at: Timestamp,
) -> Result<RangeReading, RangeFailure> {
    let read = reading::read(chunks, connection, content_type, basis, asked_at);
    read.map_err(|failed| failure_of("ProductAvailableToSell", failed, StatusCode::OK))
}

fn failure_of(name: &'static str, failed: Failed, status: StatusCode) -> RangeFailure {
    let Failed { problem, products, skus, length } = failed;
    let error = match problem {
        Problem::Document(problem) => of_document(name, problem),
        Problem::Broken(Broken::Cut(cut)) => PrimaError::unknown(name, cut.to_string()),
        Problem::Broken(Broken::Soap(problem)) => of_soap(name, problem, status),
    };
    RangeFailure { error, products, skus, length }
}

/// What of an answer waits to be read.
struct Chunks(mpsc::Receiver<Result<Bytes, Cut>>);

impl Iterator for Chunks {
    type Item = Result<Bytes, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.blocking_recv()
    }
}

/// Hands on the chunks of an answer until it ends, is too long, or stops coming; or until its
/// reader has given up.
async fn forward(
    mut response: Response,
    to: &mpsc::Sender<Result<Bytes, Cut>>,
    patience: Patience,
    time_left: Duration,
) {
    let until = tokio::time::Instant::now() + time_left;
    let mut length = 0_u64;
    loop {
        let wait = tokio::time::timeout_at(
            until,
            tokio::time::timeout(patience.silence, response.chunk()),
        );
        let chunk = match wait.await {
            Ok(Ok(Ok(Some(chunk)))) => Ok(chunk),
            Ok(Ok(Ok(None))) => return,
            Ok(Ok(Err(_))) => Err(Cut::Connection),
            Ok(Err(_)) => Err(Cut::Silence(patience.silence)),
            Err(_) => Err(Cut::Deadline),
        };
        let chunk = chunk.and_then(|chunk| {
            length += chunk.len() as u64;
            if length > patience.largest_answer {
                Err(Cut::TooLarge(patience.largest_answer))
            } else {
                Ok(chunk)
            }
        });
        let is_cut = chunk.is_err();
        if to.send(chunk).await.is_err() || is_cut {
            return;
        }
    }
}
