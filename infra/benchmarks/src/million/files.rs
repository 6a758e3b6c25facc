//! A made-up catalogue in the forms that its readers take: Prima's answer as it stands on the wire,
//! the list of offers, the ledger; and for the peer what was published as CSV. The same for the
//! same number of SKUs.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::domain::stock::ledger::{Change, encode as parts, sku_hash};
use shared::domain::stock::offer::Shown;
use shared::domain::stock::offers_list::OffersList;
use shared::prima::connection::WireEncoding;
use shared::prima::xml::{encode, escape};
use simulators::fashion::{CatalogueSku, catalogue};

/// The catalogue's seed.
const SEED: u64 = 1;
/// What is held back on the whole channel: percent of what is free, units after that, units at
/// most.
const HELD: (i64, i64, i64) = (90, 1, 25);
/// Of one product in so many, as many units more.
const CAREFUL: (usize, i64) = (5_000, 4);
/// Of one hundred offers one differs from what is to be shown.
const DIFFERS: usize = 100;
/// One SKU in so many is offered nowhere, and one offer in so many names a SKU that Prima does not
/// have.
const APART: usize = 1_000;

/// Where everything lies, and what is to come of it.
pub(super) struct Files {
    /// All of it.
    pub(super) directory: PathBuf,
    /// Prima's answer, as it stands on the wire.
    pub(super) answer: PathBuf,
    /// Bytes of it.
    pub(super) answer_bytes: u64,
    /// The document that the answer holds, in UTF-8.
    pub(super) document: PathBuf,
    /// Bytes of it.
    pub(super) document_bytes: u64,
    /// Lines of the import.
    pub(super) lines: usize,
}

/// The figures of a SKU.
struct Figures {
    available: i64,
    allocated: i64,
}

impl Files {
    /// Writes a catalogue of so many SKUs.
    pub(super) fn write(skus: usize) -> Result<Self> {
        let directory = local_world::paths::target().join(format!("benchmarks/{skus}-skus"));
        std::fs::create_dir_all(&directory)?;
        let place = |name: &str| directory.join(name);
        let mut catalogue = catalogue(SEED, skus);
        // As Prima answers: by product.
        catalogue.sort_by(|one, other| one.product.cmp(&other.product));

        let installation =
            std::fs::read(local_world::paths::workspace().join("infra/seed/installation.json"))?;
        let installation: Value = serde_json::from_slice(&installation)?;
        let connection =
            installation.get("prima").context("the seed has no connection to Prima")?;
        std::fs::write(place("connection.json"), serde_json::to_vec(connection)?)?;
        let result = connection
            .pointer("/parts/result")
            .and_then(Value::as_str)
            .context("the seed names no result")?;
        let (answer_bytes, document_bytes) =
            write_answer(&catalogue, result, &place("answer.xml"), &place("document.xml"))?;

        let careful: Vec<&str> = catalogue
            .chunk_by(|one, other| one.product == other.product)
            .step_by(CAREFUL.0)
            .filter_map(|skus| Some(skus.first()?.product.as_str()))
            .collect();
        std::fs::write(place("rules.json"), serde_json::to_vec_pretty(&rules(&careful))?)?;
        let lines = write_published(&catalogue, &careful, &directory)?;
        Ok(Self {
            answer: place("answer.xml"),
            answer_bytes,
            document: place("document.xml"),
            document_bytes,
            lines,
            directory,
        })
    }
}

/// Figures that follow from the place alone, mixed: one in ten sold out, a few below zero,
/// something set aside of every third.
fn figures(index: usize) -> Figures {
    // A multiplicative hash, so that neighbours have different ones.
    let chance = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    let available = match chance % 1000 {
        0..100 => 0,
        100..103 => -1,
        _ => i64::try_from(chance / 1000 % 60).unwrap_or(0) + 1,
    };
    let allocated = if chance.is_multiple_of(3) { available.clamp(0, 3) } else { 0 };
    Figures { available, allocated }
}

fn write_answer(
    catalogue: &[CatalogueSku],
    result: &str,
    answer: &Path,
    document: &Path,
) -> Result<(u64, u64)> {
    let (mut answer, mut document) = (Counting::create(answer)?, Counting::create(document)?);
    answer.write(
        format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><SOAP-ENV:Body>\
             <ns0:wsomhandlerResponse xmlns:ns0=\"urn:omlink:OMLink\"><{result} xsi:type=\"xsd:string\">"
        )
        .as_bytes(),
    )?;
    let mut both = |text: &str| -> Result<()> {
        // Line breaks as they are, as a serializer leaves them in a text.
        for (index, line) in text.split('\n').enumerate() {
            let escaped = escape(line, WireEncoding::Latin1)
                .map_err(|character| anyhow!("character {character} stands in no XML"))?;
            answer.write(if index > 0 { b"\n" } else { b"" })?;
            answer.write(&encode(&escaped, WireEncoding::Latin1))?;
        }
        document.write(text.as_bytes())
    };
    both(
        "<?xml version=\"1.0\"?>\n<Response RequestType=\"ProductAvailableToSell\" RequestStatus=\"OK\">\n",
    )?;
    for (index, CatalogueSku { product, colour, size }) in catalogue.iter().enumerate() {
        let Figures { available, allocated } = figures(index);
        let free = available - allocated;
        both(&format!(
            "<sku Product=\"{product}\" MtrxCode1=\"{colour}\" MtrxCode2=\"{size}\" MtrxCode3=\"\" MtrxCode4=\"\" \
             AvailableQuantity=\"{available}\" AllocatedQuantity=\"{allocated}\" FreeQuantity=\"{free}\"/>\n"
        ))?;
    }
    both("</Response>")?;
    answer.write(
        format!("</{result}></ns0:wsomhandlerResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>\n")
            .as_bytes(),
    )?;
    Ok((answer.end()?, document.end()?))
}

fn rules(careful: &[&str]) -> Value {
    let (share, buffer, cap) = HELD;
    let rule = |of: Value| {
        let mut rule = json!({"by": "Anna", "why": "the benchmark"});
        if let (Some(rule), Value::Object(of)) = (rule.as_object_mut(), of) {
            rule.extend(of);
        }
        rule
    };
    let mut rules = vec![rule(json!({"share_percent": share, "buffer": buffer, "cap": cap}))];
    rules.extend(
        careful
            .iter()
            .map(|product| rule(json!({"product": product, "buffer": buffer + CAREFUL.1}))),
    );
    json!({ "rules": rules })
}

/// Writes the list of offers and what they show; answers how many of them differ from what they are
/// to show.
fn write_published(
    catalogue: &[CatalogueSku],
    careful: &[&str],
    directory: &Path,
) -> Result<usize> {
    let (share, buffer, cap) = HELD;
    let mut offers = OffersList::new(Timestamp::UNIX_EPOCH);
    let mut published = Counting::create(&directory.join("published.csv"))?;
    let mut changes = Vec::with_capacity(catalogue.len());
    let mut lines = 0;
    for (index, sku) in catalogue.iter().enumerate() {
        let offer_sku = match index % APART {
            7 => continue,
            8 => format!("{}X", sku.offer_sku()),
            _ => sku.offer_sku(),
        };
        let Figures { available, allocated } = figures(index);
        let buffer =
            if careful.contains(&sku.product.as_str()) { buffer + CAREFUL.1 } else { buffer };
        let wanted = ((available - allocated).max(0) * share / 100 - buffer).clamp(0, cap);
        // Too low, too high, never published.
        let shown = match index % (3 * DIFFERS) {
            10 if wanted > 0 => Some(wanted - 1),
            110 => Some(wanted + 2),
            210 => None,
            _ => Some(wanted),
        };
        if index % APART != 8 && shown != Some(wanted) {
            lines += 1;
        }
        anyhow::ensure!(offers.add(&offer_sku), "{offer_sku} cannot be offered");
        if let Some(shown) = shown {
            changes.push(Change {
                sku_hash: sku_hash(&offer_sku),
                value: Shown::Known(u32::try_from(shown)?),
            });
        }
        published.write(
            format!("{offer_sku};{}\n", shown.map(|shown| shown.to_string()).unwrap_or_default())
                .as_bytes(),
        )?;
    }
    published.end()?;
    std::fs::write(directory.join("offers.list"), offers.encode())?;
    changes.sort_unstable_by_key(|change| change.sku_hash);
    let mut ledger = Counting::create(&directory.join("ledger.parts"))?;
    for part in parts(changes) {
        ledger.write(&u32::try_from(part.len())?.to_le_bytes())?;
        ledger.write(&part)?;
    }
    ledger.end()?;
    Ok(lines)
}

/// A file, and how long it is.
struct Counting {
    file: BufWriter<File>,
    bytes: u64,
}

impl Counting {
    fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            file: BufWriter::new(
                File::create(path).with_context(|| format!("writing {}", path.display()))?,
            ),
            bytes: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        Ok(self.file.write_all(bytes)?)
    }

    fn end(mut self) -> Result<u64> {
        self.file.flush()?;
        Ok(self.bytes)
    }
}
