//! The stock of a catalogue by the functions' own code, as a process of its own: `cargo benchmarks`
//! starts it, times it, and reads from its last words how much memory it had.
//!
//!     million-skus publish DIRECTORY     what push-stock does with the files there, written to ours.csv
//!     million-skus parse FILE            a bare parser pass: the bound

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use serde_json::json;
use shared::domain::order::mapping::SkuReader;
use shared::domain::order::rules::SkuRules;
use shared::domain::stock::availability::SalesChannel;
use shared::domain::stock::evaluate::evaluate;
use shared::domain::stock::figures::Figures;
use shared::domain::stock::ledger::{Ledger, decode};
use shared::domain::stock::offers_list::OffersList;
use shared::domain::stock::rules::StockRules;
use shared::domain::stock::settings::StockSettings;
use shared::domain::stock::snapshot::availability;
use shared::mirakl::stock_file::{FileLimits, Layout, write_stock};
use shared::prima::connection::PrimaConnection;
use shared::prima::stock::StockBasis;
use shared::prima::stock::{Cut, ProductRange, read_answer};

/// Bytes of a chunk, as an answer comes from the network.
const CHUNK: usize = 64 * 1024;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["publish", directory] => publish(Path::new(directory)),
        ["parse", file] => parse(Path::new(file)),
        _ => bail!("it takes: publish DIRECTORY, or parse FILE"),
    }
}

/// Reads Prima's answer, takes the figures over, evaluates a channel, and writes its import.
fn publish(directory: &Path) -> Result<()> {
    let now = Timestamp::now();
    let connection: PrimaConnection =
        serde_json::from_slice(&std::fs::read(directory.join("connection.json"))?)?;
    let mut watch = Watch { since: Instant::now(), seconds: HashMap::new() };

    let chunks = Chunks(File::open(directory.join("answer.xml"))?);
    let reading = read_answer(
        chunks,
        &connection,
        Some("text/xml"),
        StockBasis::AvailableLessAllocated,
        now,
    )?;
    watch.note("read");
    let memory_of_reading = highest_memory()?;

    let (skus, unusable) = (reading.figures.len(), reading.unusable.len());
    let mut figures = Figures::default();
    figures.take(&[(ProductRange::default(), reading)], true);
    watch.note("take");

    let offers = OffersList::decode(std::fs::read(directory.join("offers.list"))?)
        .map_err(|problem| anyhow!("the list of offers: {problem}"))?;
    let ledger = ledger(&directory.join("ledger.parts"))?;
    watch.note("load");

    let rules: StockRules = serde_json::from_slice(&std::fs::read(directory.join("rules.json"))?)?;
    let (settings, readers) =
        (StockSettings::default(), SkuReader::new(&SkuRules::default(), HashMap::new()));
    let availability = availability(&figures, &settings, &[], &[], false, now);
    let channel = SalesChannel {
        id: "uk",
        rules: &rules,
        skus: &readers,
        ledger: &ledger,
        sold_elsewhere: None,
    };
    let evaluation = evaluate(&availability, &channel, &offers, &HashMap::new(), |_, _| false);
    watch.note("evaluate");

    let quantities = evaluation.lines.into_iter().map(|line| (line.offer_sku, line.quantity));
    let written = write_stock(
        Layout::Stock,
        quantities,
        FileLimits { lines: usize::MAX, bytes: usize::MAX },
    )?;
    let [file] = &written.files[..] else {
        bail!("{} files were written, {} lines refused", written.files.len(), written.refused.len())
    };
    std::fs::write(directory.join("ours.csv"), &file.csv)?;
    watch.note("write");

    let said = json!({
        "skus": skus,
        "unusable": unusable,
        "lines": file.skus().len(),
        "seconds": watch.seconds,
        "processor_seconds": processor_seconds()?,
        "highest_memory_kib": highest_memory()?,
        "highest_memory_of_reading_kib": memory_of_reading,
    });
    println!("{said}");
    Ok(())
}

/// A ledger's parts, each behind its length: four bytes, least first.
fn ledger(file: &Path) -> Result<Ledger> {
    let file = File::open(file)?;
    // An entry takes a little more than eight bytes.
    let mut set = Vec::with_capacity(usize::try_from(file.metadata()?.len())? / 8);
    let mut file = BufReader::new(file);
    let (mut length, mut part) = ([0; 4], Vec::new());
    while !file.fill_buf()?.is_empty() {
        file.read_exact(&mut length)?;
        part.resize(usize::try_from(u32::from_le_bytes(length))?, 0);
        file.read_exact(&mut part)?;
        decode(&part, &mut set).map_err(|problem| anyhow!("the ledger: {problem}"))?;
    }
    Ok(Ledger::from(set))
}

/// Every event of a document, and nothing made of it.
fn parse(file: &Path) -> Result<()> {
    let mut reader =
        quick_xml::Reader::from_reader(BufReader::with_capacity(CHUNK, File::open(file)?));
    let (mut buffer, mut elements) = (Vec::new(), 0_usize);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer)? {
            quick_xml::events::Event::Empty(_) => elements += 1,
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    println!(
        "{}",
        json!({"skus": elements, "processor_seconds": processor_seconds()?, "highest_memory_kib": highest_memory()?})
    );
    Ok(())
}

/// A file in chunks, each a vector of its own as the client hands them on.
struct Chunks(File);

impl Iterator for Chunks {
    type Item = Result<Vec<u8>, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = vec![0; CHUNK];
        match self.0.read(&mut chunk) {
            Ok(0) => None,
            Ok(length) => {
                chunk.truncate(length);
                Some(Ok(chunk))
            }
            Err(_) => Some(Err(Cut::Connection)),
        }
    }
}

/// Seconds by stage.
struct Watch {
    since: Instant,
    seconds: HashMap<&'static str, f64>,
}

impl Watch {
    fn note(&mut self, stage: &'static str) {
        self.seconds.insert(stage, self.since.elapsed().as_secs_f64());
        self.since = Instant::now();
    }
}

/// The most memory that this process ever had resident, in KiB.
fn highest_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("there is no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// What this process has had of a processor, its own and the system's time for it: hardly more on a
/// busy machine than on an idle one.
fn processor_seconds() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the program's name, which may hold anything; Linux tells both in hundredths of a
    // second, whatever it counts in.
    let fields = status
        .rsplit_once(") ")
        .map(|(_, fields)| fields.split(' '))
        .context("/proc/self/stat has no name in it")?;
    let hundredths = fields.skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(hundredths / 100.0)
}
