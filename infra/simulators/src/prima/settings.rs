//! What differs from one Prima installation to the next.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::books::BookRules;
pub use super::repeated::RepeatedNumber;

/// The settings of the simulated installation and of the adapter in front of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The environment in the service's path: `live` is served at `/wsalive/wsalive`.
    pub environment: String,
    /// The one message format that the namespace serves.
    pub style: Style,
    /// The encoding of answers, declared by both the envelope and the document inside.
    pub encoding: Encoding,
    /// The namespace of the operations.
    pub namespace: String,
    /// The `SOAPAction` that every operation requires, without quotation marks.
    pub soap_action: String,
    /// The names of the message parts.
    pub parts: Parts,
    /// The companies that `comwsomhandler` knows; empty if the installation has one company and
    /// `wsomhandler` alone.
    pub companies: BTreeSet<String>,
    /// The element names of response documents, taken in turn.
    pub response_roots: Vec<String>,
    /// The case of the elements inside response documents.
    pub element_case: ElementCase,
    /// Whether the adapter's service is disabled: a fault with Progress message 10921.
    pub disabled: bool,
    /// How many calls are worked on at once; 0 for no limit.
    pub concurrent_calls: usize,
    /// How many further calls may wait before the adapter answers with a fault.
    pub waiting_calls: usize,
    /// Milliseconds between the effect of a call and its answer.
    pub answer_after_effect_ms: u64,
    /// Milliseconds between the end of the connection, which gets no answer, and the effect of
    /// `NewOrder` and `CancelOrder`; 0 for effects in time.
    pub effect_delay_ms: u64,
    /// For how many calls [`Self::effect_delay_ms`] still holds; none means for ever.
    pub late_effects_remaining: Option<u32>,
    /// The largest request, in bytes.
    pub largest_request: usize,
    /// How orders are judged.
    pub orders: OrderRules,
    /// What is told of stock.
    pub stock: StockRules,
    /// How the nominal ledger is kept.
    pub books: BookRules,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: "live".to_owned(),
            style: Style::RpcEncoded,
            encoding: Encoding::Latin1,
            namespace: "urn:omlink:omhandler".to_owned(),
            soap_action: String::new(),
            parts: Parts::default(),
            companies: BTreeSet::new(),
            response_roots: vec![
                "Response".to_owned(),
                "OMResponse".to_owned(),
                "response".to_owned(),
            ],
            element_case: ElementCase::Mixed,
            disabled: false,
            concurrent_calls: 4,
            waiting_calls: 16,
            answer_after_effect_ms: 0,
            effect_delay_ms: 0,
            late_effects_remaining: None,
            largest_request: 4 << 20,
            orders: OrderRules::default(),
            stock: StockRules::default(),
            books: BookRules::default(),
        }
    }
}

/// The message formats of the Web Services Adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// RPC with SOAP encoding.
    RpcEncoded,
    /// RPC with literal parts.
    RpcLiteral,
    /// Document/literal, wrapped.
    DocumentLiteral,
}

/// The encoding of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// ISO-8859-1; other characters become numeric references.
    #[serde(rename = "ISO-8859-1")]
    Latin1,
    /// UTF-8.
    #[serde(rename = "UTF-8")]
    Utf8,
}

impl Encoding {
    /// The name in declarations and headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latin1 => "ISO-8859-1",
            Self::Utf8 => "UTF-8",
        }
    }
}

/// The case of element names in response documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementCase {
    /// As documented.
    Documented,
    /// All lower case.
    Lower,
    /// All upper case.
    Upper,
    /// Another of the three with every response.
    Mixed,
}

/// The names of the message parts: each installation's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Parts {
    /// The company of `comwsomhandler`.
    pub company: String,
    /// The request document.
    pub request: String,
    /// The response document.
    pub response: String,
    /// A further, empty part before the response, as the adapter makes of a procedure's return
    /// value; none if there is none.
    pub return_value: Option<String>,
    /// Whether the parts of document/literal messages carry the namespace (`elementFormDefault` in
    /// the WSDL).
    pub qualified: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            company: "company".to_owned(),
            request: "request".to_owned(),
            response: "response".to_owned(),
            return_value: None,
            qualified: true,
        }
    }
}

/// How an installation judges orders.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderRules {
    /// The `RequestError` of an order that Prima does not know.
    pub unknown_order_text: String,
    /// What becomes of an `OrderNumber` or `TPGUID` that Prima has already.
    pub repeated_number: RepeatedNumber,
    /// Whether the installation has `CancelOrder`.
    pub cancel_order: bool,
    /// Whether `OrderStatus` answers parcels (assumed); sites where it does not write dispatch
    /// files.
    pub dispatch_data: bool,
    /// The longest `OrderNumber`, in characters.
    pub longest_order_number: usize,
    /// The longest value of an attribute, in characters, by its name; of every other,
    /// [`Self::longest_text`].
    pub longest: BTreeMap<String, usize>,
    /// The longest value of an attribute that [`Self::longest`] does not name.
    pub longest_text: usize,
    /// The charge codes that exist; none accepts every code.
    pub charge_codes: Option<BTreeSet<String>>,
    /// The SKUs that exist.
    pub catalogue: Catalogue,
    /// The session's code page is UTF-8; else it is ISO-8859-1, and whatever is not in it is kept
    /// as a question mark.
    pub keeps_any_character: bool,
}

impl Default for OrderRules {
    fn default() -> Self {
        let mut longest: BTreeMap<String, usize> = (1..=6)
            .flat_map(|line| {
                [(format!("AddrLine{line}"), 40), (format!("InvoiceAddrLine{line}"), 40)]
            })
            .collect();
        for (name, length) in [
            ("TPGUID", 40),
            ("PostCode", 12),
            ("InvoicePostCode", 12),
            ("Currency", 3),
            ("CustomerPhone", 30),
            ("CustomerMobile", 30),
            ("InvoicePhone", 30),
            ("LineReference", 50),
            ("Product", 30),
            ("Charge", 12),
        ] {
            longest.insert(name.to_owned(), length);
        }
        Self {
            unknown_order_text: "Order not found".to_owned(),
            repeated_number: RepeatedNumber::Twice,
            cancel_order: true,
            dispatch_data: true,
            longest_order_number: 20,
            longest,
            longest_text: 255,
            charge_codes: None,
            catalogue: Catalogue::Any,
            keeps_any_character: false,
        }
    }
}

/// What an installation tells of its stock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StockRules {
    /// Which figures it sends.
    pub figures: ShownFigures,
    /// When an order lowers them.
    pub lowered: Lowered,
    /// Milliseconds that `ProductAvailableToSell` takes for a thousand SKUs. The figures are those
    /// of the request's beginning.
    pub milliseconds_per_thousand: u64,
    /// The stock at the start; none: it is set by hand, and what is not set is not kept in stock.
    pub generated: Option<GeneratedStock>,
}

/// Stock that is made up, the same for the same seed: of the first SKUs of
/// [`crate::fashion::catalogue`], with colour and size as the first two matrix codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GeneratedStock {
    /// The seed of the generator.
    pub seed: u64,
    /// The number of SKUs.
    pub size: usize,
    /// The share of SKUs with odd figures, from 0 (none) to 1 (all).
    pub odd_share: f64,
}

/// The figures that an installation sends of a SKU. Which of these a real one does is to be found
/// out on site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownFigures {
    /// `AvailableQuantity` alone: what lies in the warehouse.
    Gross,
    /// `AvailableQuantity` alone: less what is set aside.
    Net,
    /// `AvailableQuantity` is what lies in the warehouse, with `AllocatedQuantity`.
    WithAllocated,
    /// `AvailableQuantity` is what lies in the warehouse, with `FreeQuantity`.
    #[default]
    WithFree,
}

/// When an order lowers the figures that count as free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lowered {
    /// As soon as it is created: pieces are set aside at once.
    #[default]
    AtCreation,
    /// When the warehouse allocates it.
    AtAllocation,
    /// When its goods leave: nothing is ever set aside.
    AtDispatch,
}

/// The SKUs that an installation sells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Catalogue {
    /// Every product and matrix exists.
    Any,
    /// Every matrix of every product exists but those of these products.
    AllBut(Vec<String>),
    /// These exist and no other.
    Listed(Vec<Sku>),
    /// The SKUs of [`crate::fashion::catalogue`] exist, with colour and size as the first two
    /// matrix codes.
    Generated {
        /// The seed of the generator.
        seed: u64,
        /// The number of SKUs.
        size: usize,
    },
}

/// A style in one colour, size and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sku {
    /// `Product`.
    pub product: String,
    /// `MtrxCode1` to `MtrxCode4`; an unused one is empty.
    #[serde(default)]
    pub matrix: [String; 4],
}

/// A catalogue prepared for looking up.
#[derive(Debug)]
pub(super) struct KnownSkus {
    /// The matrices of each product; none if every SKU exists but those of the absent products.
    matrices: Option<HashMap<String, HashSet<[String; 4]>>>,
    absent: Vec<String>,
}

/// What is wrong with a SKU.
pub(super) enum UnknownSku {
    Product,
    Matrix,
}

impl KnownSkus {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let skus: Vec<Sku> = match catalogue {
            Catalogue::Any => return Self { matrices: None, absent: Vec::new() },
            Catalogue::AllBut(absent) => {
                return Self { matrices: None, absent: absent.clone() };
            }
            Catalogue::Listed(skus) => skus.clone(),
            Catalogue::Generated { seed, size } => crate::fashion::catalogue(*seed, *size)
                .into_iter()
                .map(|sku| Sku {
                    product: sku.product,
                    matrix: [sku.colour, sku.size, String::new(), String::new()],
                })
                .collect(),
        };
        let mut matrices: HashMap<String, HashSet<[String; 4]>> = HashMap::new();
        for sku in skus {
            matrices.entry(sku.product).or_default().insert(sku.matrix);
        }
        Self { matrices: Some(matrices), absent: Vec::new() }
    }

    pub(super) fn check(&self, product: &str, matrix: &[String; 4]) -> Result<(), UnknownSku> {
        let Some(matrices) = &self.matrices else {
            let is_absent = self.absent.iter().any(|absent| absent == product);
            return if is_absent { Err(UnknownSku::Product) } else { Ok(()) };
        };
        let product = matrices.get(product).ok_or(UnknownSku::Product)?;
        if product.contains(matrix) { Ok(()) } else { Err(UnknownSku::Matrix) }
    }
}
