//! What of stock needs a person: exactly one for each condition, with its reason and remedy, for as
//! long as the condition lasts.

use serde::{Deserialize, Serialize};

use crate::domain::conditions;
use crate::domain::events::{EventKind, Severity};
use crate::domain::exception::{ExceptionRecord, KindOfException};

/// The kinds, each with an owner in the operating handbook.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum StockExceptionKind {
    /// Nothing is published because nobody has agreed which of Prima's figures is free.
    BasisMissing,
    /// Prima does not answer for all or some of the catalogue.
    PrimaUnread,
    /// Prima answers SKUs without a figure that can be used.
    FiguresUnusable,
    /// More offers would go to zero than the guard lets through.
    ZeroesHeld,
    /// Offers whose SKU names no Prima SKU.
    OffersUnmapped,
    /// Offers whose Prima SKU no reading has had.
    OffersUnknownToPrima,
    /// Pieces sold whose SKU names no Prima SKU: no other channel's offer is lowered for them.
    StockUnprotected,
    /// Mirakl refused lines of imports.
    LinesRefused,
    /// An import failed, or its answer was lost.
    ImportFailed,
    /// An import does not end.
    ImportStuck,
    /// The list of the channel's offers cannot be read.
    OffersUnread,
    /// Offers that cannot be named in an import, or not told apart.
    OffersUnusable,
    /// The channel's documents cannot be used.
    DocumentsUnusable,
    /// The marketplace refuses what is asked of it.
    MarketplaceRefuses,
}

impl StockExceptionKind {
    /// All kinds.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in attributes, metrics and the handbook.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl KindOfException for StockExceptionKind {
    fn event(self) -> EventKind {
        EventKind::StockException
    }

    fn severity(self) -> Severity {
        match self {
            Self::ZeroesHeld | Self::ImportStuck | Self::StockUnprotected => Severity::Critical,
            _ => Severity::Warning,
        }
    }
}

/// Something of stock that is so now.
pub type Condition = conditions::Condition<StockExceptionKind>;

/// What of stock a person was told of, or is to be.
pub type StockException = ExceptionRecord<StockExceptionKind>;
