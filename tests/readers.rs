//! The laws of the fuzz targets on the stable toolchain: every seed as it is, and seeds mutated by
//! chance, for a few seconds. `READER_MUTATIONS=n` mutates n times a reader, `READER_SEED=n` begins
//! elsewhere. What fails is written to `target/readers/`, to be run again by its target
//! (docs/testing.md).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

#[path = "../infra/fuzz/src/laws.rs"]
#[expect(unreachable_pub, reason = "a module of the fuzz targets")]
mod laws;

use laws::{LAWS, Law};

/// Mutations of each reader in a normal run.
const MUTATIONS: u64 = 20_000;
/// The longest input: about what a real page of orders has.
const LONGEST: usize = 100_000;
/// No reading of that takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What means something to one of the readers.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "0",
    "-1",
    "1e30",
    "1e-30",
    "1e9999999999",
    "79228162514264337593543950336",
    "0.00",
    "\\u0000",
    "\\ud800",
    "\u{FFFF}",
    "\u{0}",
    "é",
    "\u{1F9E5}",
    "<",
    ">",
    "</",
    "/>",
    "&",
    "&amp;",
    "&#0;",
    "&#x1F9E5;",
    "&#xD800;",
    "&x;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "xmlns:a=\"u\"",
    "\u{FEFF}",
    "RequestStatus=\"OK\"",
    "RequestStatus=\"ERROR\"",
    "2026-02-30T25:61:61Z",
    "2026-11-18T21:04:05.999999999999+23:59",
    "-009999-01-01",
    "TAX_EXCLUDED",
    "REFUSED",
    "{order_id}",
    "{",
    "\r\n",
    "\n",
    ";",
    "\";\"",
    "\t",
    "9223372036854775808",
    "4294967296",
    "\"quantity\":0",
    "\"price\":-0.0",
];

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn seeds(reader: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/fuzz/seeds").join(reader);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{reader} has no seeds");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn mutate(dice: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[dice.random_range(0..seeds.len())].clone();
    for _ in 0..dice.random_range(1..=6) {
        let at = dice.random_range(0..=data.len());
        let end = (at + dice.random_range(0..=24)).min(data.len());
        match dice.random_range(0..10) {
            0 => data.truncate(at),
            1 => drop(data.drain(at..end)),
            2 => data.insert(at, dice.random()),
            3 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << dice.random_range(0..8);
                }
            }
            4 | 5 => drop(
                data.splice(at..end.min(at + 1), WORDS[dice.random_range(0..WORDS.len())].bytes()),
            ),
            6 => {
                let other = &seeds[dice.random_range(0..seeds.len())];
                let from = dice.random_range(0..=other.len());
                let to = (from + dice.random_range(0..=400)).min(other.len());
                data.splice(at..at, other[from..to].iter().copied());
            }
            7 => {
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece.repeat(dice.random_range(1..=200)));
            }
            8 => drop(data.splice(at..at, "x".repeat(dice.random_range(1..=3000)).bytes())),
            _ => {
                let digits = dice.next_u64().to_string();
                data.splice(at..end.min(at + 1), digits.bytes());
            }
        }
        data.truncate(LONGEST);
    }
    data
}

/// Runs one reader on its seeds and mutations of them; names the input that broke it.
fn try_reader(name: &'static str, law: Law, mutations: u64, seed: u64) {
    let current = Arc::new(Mutex::new(Vec::new()));
    let (done, finished) = sync_channel(1);
    let shown = Arc::clone(&current);
    let keep = move |data: &[u8]| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../readers");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, data).unwrap();
        path.canonicalize().unwrap()
    };
    let keep_slow = keep;
    let worker = std::thread::spawn(move || {
        let seeds = seeds(name);
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mutated = (0..mutations).map(|_| mutate(&mut dice, &seeds));
        for data in seeds.iter().cloned().chain(mutated) {
            shown.lock().unwrap().clone_from(&data);
            if catch_unwind(AssertUnwindSafe(|| law(&data))).is_err() {
                panic!("{name} (READER_SEED={seed}) breaks on {}", keep(&data).display());
            }
            let _ = done.try_send(());
        }
    });
    // The worker tells of each input it is through with; it may be late with none.
    loop {
        match finished.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let path = keep_slow(&current.lock().unwrap());
                panic!(
                    "{name} (READER_SEED={seed}) takes more than {PATIENCE:?} for {}",
                    path.display()
                );
            }
        }
    }
    worker.join().unwrap_or_else(|problem| std::panic::resume_unwind(problem));
}

#[test]
fn no_reader_is_thrown_by_anything_from_outside() {
    let (mutations, seed) = (number("READER_MUTATIONS", MUTATIONS), number("READER_SEED", 1));
    println!("READER_SEED={seed} READER_MUTATIONS={mutations}");
    for (name, law) in LAWS {
        try_reader(name, law, mutations, seed);
    }
}

#[test]
fn the_seeds_are_what_they_are_meant_to_be() {
    use shared::mirakl::offer_export::OfferReader;
    use shared::mirakl::{OrderPage, error_report};
    use shared::prima::{documents, wsdl, xml};
    let seed = |path: &str| {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/fuzz/seeds").join(path))
            .unwrap()
    };
    let text = |path: &str| String::from_utf8(seed(path)).unwrap();
    assert_eq!(
        OrderPage::read(&seed("mirakl_page/full.json")).unwrap().orders.len(),
        1,
        "a seed that is refused tests nothing"
    );
    let sparse = OrderPage::read(&seed("mirakl_page/sparse.json")).unwrap();
    assert_eq!((sparse.orders.len(), sparse.unreadable.len()), (1, 3));
    assert!(
        wsdl::probe(&text("prima_wsdl/rpc.xml")).is_ok()
            && wsdl::probe(&text("prima_wsdl/document.xml")).is_ok()
    );
    assert!(documents::read_response(&text("prima_document/status.xml")).is_ok());
    assert!(xml::read(&text("prima_xml/mixed.xml")).is_ok());
    for refused in [
        "prima_xml/bomb.xml",
        "prima_xml/outside.xml",
        "prima_xml/entity.xml",
        "prima_xml/deep.xml",
        "prima_xml/twice.xml",
    ] {
        assert!(xml::read(&text(refused)).is_err(), "{refused} is refused");
    }
    let report = |name: &str| {
        error_report::read_errors("STO03", &seed(&format!("mirakl_error_report/{name}")))
    };
    for (name, lines) in
        [("by-place.csv", 2), ("by-name.csv", 1), ("commas.csv", 2), ("no-heading.csv", 1)]
    {
        assert_eq!(report(name).unwrap().len(), lines, "{name}");
    }
    assert!(report("page.html").is_err());
    for (name, offers) in [("asked.csv", 2), ("quoted.csv", 1), ("other-bytes.csv", 0)] {
        let mut read = 0;
        OfferReader::default()
            .take(&seed(&format!("mirakl_offers/{name}")), &mut |offer| {
                read += usize::from(offer.is_ok())
            })
            .unwrap();
        assert_eq!(read, offers, "{name}");
    }
    for (name, _) in LAWS {
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(format!("../infra/fuzz/targets/{name}.rs"))
                .is_file(),
            "{name} has a target"
        );
    }
}
