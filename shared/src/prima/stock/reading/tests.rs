#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use proptest::prelude::*;

use super::*;
use crate::prima::connection::MessageFormat;
use crate::prima::connection::WireEncoding;
use crate::prima::test_support::connection;
use crate::prima::xml::{self, encode, escape};

fn at() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// An answer as it stands on the wire.
fn wire(document: &str, encoding: WireEncoding) -> Vec<u8> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"{}\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\"><SOAP-ENV:Body>\
         <ns1:wsomhandlerResponse xmlns:ns1=\"urn:omlink:OMLink\"><result>0</result><response xsi:type=\"xsd:string\">{}</response>\
         </ns1:wsomhandlerResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>\n",
        xml::declared_name(encoding),
        escape(document, encoding).unwrap()
    );
    encode(&text, encoding)
}

fn read_all(bytes: &[u8], basis: StockBasis) -> Result<RangeReading, Problem> {
    read_in(&[bytes], basis)
}

fn read_in(chunks: &[&[u8]], basis: StockBasis) -> Result<RangeReading, Problem> {
    let chunks = chunks.iter().map(|chunk| Ok(*chunk));
    read(chunks, &connection("http://127.0.0.1:1"), Some("text/xml"), basis, at())
        .map_err(|failed| failed.problem)
}

fn read_document(document: &str, basis: StockBasis) -> Result<RangeReading, Problem> {
    read_all(&wire(document, WireEncoding::Latin1), basis)
}

fn free(reading: &RangeReading, product: &str, codes: &[&str]) -> Option<u32> {
    reading.free(SkuKey::of(product, codes.iter().copied()))
}

const ANSWER: &str = "<?xml version=\"1.0\"?>\n<Response RequestType=\"ProductAvailableToSell\" RequestStatus=\"OK\">
  <sku Product=\"W1\" MtrxCode1=\"NAV\" MtrxCode2=\"10\" MtrxCode3=\"\" MtrxCode4=\"\" AvailableQuantity=\"8\" AllocatedQuantity=\"5\" FreeQuantity=\"2\"/>
  <SKU availablequantity='-3' product=' W1 ' mtrxcode1='NAV' mtrxcode2=\"12\" AllocatedQuantity=\"0.00\" FREEQUANTITY=\"1\"></SKU>
  <Sku Product=\"Caf\u{e9} &amp; Cr\u{e8}me &#x2122;\" AvailableQuantity=\"4.00\"/>
  <other Product=\"W9\" AvailableQuantity=\"9\"/>
  <sku AvailableQuantity=\"7\"/>
</Response>";

#[test]
fn each_basis_takes_its_own_figures() {
    let of = |basis| read_document(ANSWER, basis).unwrap();
    let net = of(StockBasis::AvailableLessAllocated);
    assert_eq!(
        (free(&net, "W1", &["NAV", "10"]), free(&net, "W1", &["NAV", "12"])),
        (Some(3), Some(0)),
        "available 8, allocated 5: 3"
    );
    assert_eq!((net.below_zero, net.nameless), (1, 1));
    let why = net
        .unusable
        .iter()
        .map(|unusable| (unusable.sku.as_deref().unwrap(), unusable.why))
        .collect::<Vec<_>>();
    assert_eq!(why, [("Caf\u{e9} & Cr\u{e8}me \u{2122}", WhyNot::Absent("AllocatedQuantity"))]);
    let given = of(StockBasis::Free);
    assert_eq!(
        (free(&given, "W1", &["NAV", "10"]), free(&given, "W1", &["NAV", "12", "", ""])),
        (Some(2), Some(1))
    );
    let gross = of(StockBasis::AvailableIsFree);
    assert_eq!(
        (free(&gross, "W1", &["NAV", "10"]), free(&gross, "Caf\u{e9} & Cr\u{e8}me \u{2122}", &[])),
        (Some(8), Some(4))
    );
    assert_eq!(free(&gross, "W9", &[]), None, "no SKU element");
    assert_eq!(gross.products, ["Caf\u{e9} & Cr\u{e8}me \u{2122}", "W1"]);
    assert_eq!(gross.asked_at, at());
}

#[test]
fn a_figure_that_is_none_is_reported_and_not_guessed() {
    let of = |quantity: &str| {
        let document = format!(
            "<R RequestStatus=\"OK\"><sku Product=\"A\" {quantity}/><sku Product=\"B\" AvailableQuantity=\"1\"/></R>"
        );
        let reading = read_document(&document, StockBasis::AvailableIsFree).unwrap();
        assert_eq!(free(&reading, "B", &[]), Some(1), "the others go on");
        assert_eq!(free(&reading, "A", &[]), None);
        reading.unusable[0].why
    };
    for quantity in
        ["1.5", "", "many", "1e3", "4000000000", "-4000000000", "99999999999999999999", "1."]
    {
        assert_eq!(
            of(&format!("AvailableQuantity=\"{quantity}\"")),
            WhyNot::NoNumber("AvailableQuantity"),
            "{quantity}"
        );
    }
    assert_eq!(of("FreeQuantity=\"1\""), WhyNot::Absent("AvailableQuantity"));
    let twice = |second: u32| {
        let document = format!(
            "<R RequestStatus=\"OK\"><sku Product=\"A\" AvailableQuantity=\"1\"/><sku Product=\"A\" AvailableQuantity=\"{second}\"/></R>"
        );
        let reading = read_document(&document, StockBasis::AvailableIsFree).unwrap();
        (free(&reading, "A", &[]), reading.unusable.first().map(|unusable| unusable.why))
    };
    assert_eq!(twice(1), (Some(1), None));
    assert_eq!(twice(2), (None, Some(WhyNot::Twice)));
}

#[test]
fn what_is_no_complete_success_yields_nothing() {
    let refused = read_document(
        "<R RequestStatus=\"ERROR\" RequestError=\"Stock is locked\"/>",
        StockBasis::Free,
    )
    .unwrap_err();
    assert_eq!(refused, Problem::Document(DocumentProblem::Refused("Stock is locked".into())));
    for (document, says) in [
        ("<R/>", "no RequestStatus"),
        ("<R RequestStatus=\"MAYBE\"/>", "neither OK nor ERROR"),
        ("<R RequestStatus=\"OK\"><sku Product=\"A\" AvailableQuantity=\"1\"/>", "cut short"),
        ("<R RequestStatus=\"OK\"><sku Product=\"A\" Product=\"B\"/></R>", "not well-formed"),
        ("<R RequestStatus=\"OK\"><sku Product=\"&secret;\"/></R>", "not well-formed"),
        ("<R RequestStatus=\"OK\">&secret;</R>", "entity"),
        ("<!DOCTYPE R><R RequestStatus=\"OK\"/>", "document type"),
        ("<R RequestStatus=\"OK\"/><R RequestStatus=\"OK\"/>", "more than one root"),
        ("<R RequestStatus=\"OK\"><a></b></R>", "not well-formed"),
    ] {
        let problem =
            format!("{:?}", read_document(document, StockBasis::AvailableIsFree).unwrap_err());
        assert!(problem.contains(says), "{document}: {problem}");
    }
    let of_wire =
        |text: &str| format!("{:?}", read_all(text.as_bytes(), StockBasis::Free).unwrap_err());
    assert!(of_wire("<html><body>Bad gateway</body></html>").contains("no SOAP message"));
    let fault = "<E:Envelope xmlns:E=\"e\"><E:Body><E:Fault><faultstring>Out of agents</faultstring></E:Fault></E:Body></E:Envelope>";
    assert!(of_wire(fault).contains("Out of agents"));
    let other = "<E:Envelope xmlns:E=\"e\"><E:Body><w><answer>x</answer></w></E:Body></E:Envelope>";
    assert!(of_wire(other).contains("no part 'response', but 'answer'"));
    let inline = "<E:Envelope xmlns:E=\"e\"><E:Body><w><response><R RequestStatus=\"OK\"/></response></w></E:Body></E:Envelope>";
    assert!(of_wire(inline).contains("elements, not text"));
}

#[test]
fn sections_without_escaping_are_read_as_well() {
    let document = "<R RequestStatus=\"OK\"><sku Product=\"A]]\" AvailableQuantity=\"1\"/></R>";
    let text = format!(
        "<E:Envelope xmlns:E=\"e\"><E:Body><w><response><![CDATA[{document}]]></response></w></E:Body></E:Envelope>"
    );
    for size in [1, 3, 7, 1000] {
        let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        assert_eq!(
            free(&read_in(&chunks, StockBasis::AvailableIsFree).unwrap(), "A]]", &[]),
            Some(1),
            "{size}"
        );
    }
}

#[test]
fn products_are_kept_evenly_as_places_to_split_at() {
    let skus: String = (0..5000)
        .map(|index| format!("<sku Product=\"P{index:05}\" AvailableQuantity=\"1\"/>").repeat(2))
        .collect();
    let reading =
        read_document(&format!("<R RequestStatus=\"OK\">{skus}</R>"), StockBasis::AvailableIsFree)
            .unwrap();
    assert_eq!(reading.figures.len(), 5000);
    assert!((500..=1024).contains(&reading.products.len()), "{}", reading.products.len());
    let numbers: Vec<u32> =
        reading.products.iter().map(|product| product[1..].parse().unwrap()).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] - pair[0] == numbers[1] - numbers[0]),
        "evenly spread"
    );
}

#[derive(Clone, Debug)]
struct Sku {
    element: &'static str,
    attributes: Vec<(String, String)>,
}

fn sku() -> impl Strategy<Value = Sku> {
    let case = |name: &'static str| {
        prop::sample::select(vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()])
    };
    let code = || "[A-Z0-9\u{e0}-\u{ff}&<>\"' \u{20ac}]{0,5}";
    let quantity = || {
        prop::sample::select(vec!["0", "1", "12", "-4", "3.0", "2.5", "x", " 7 ", "5000000000"])
            .prop_map(str::to_owned)
    };
    let attributes = (
        (case("Product"), code()),
        (case("MtrxCode1"), code()),
        (case("MtrxCode2"), code()),
        (case("AvailableQuantity"), quantity()),
        prop::option::of((case("AllocatedQuantity"), quantity())),
        prop::option::of((case("FreeQuantity"), quantity())),
    );
    (prop::sample::select(vec!["sku", "SKU", "Sku", "p:sku", "skus"]), attributes)
        .prop_map(|(element, (a, b, c, d, e, f))| Sku {
            element,
            attributes: [Some(a), Some(b), Some(c), Some(d), e, f].into_iter().flatten().collect(),
        })
        .prop_flat_map(|sku| {
            (Just(sku.element), Just(sku.attributes).prop_shuffle())
                .prop_map(|(element, attributes)| Sku { element, attributes })
        })
}

fn document(skus: &[Sku], encoding: WireEncoding) -> String {
    let mut text = String::from("<Response RequestStatus='ok'>");
    for sku in skus {
        text.push_str(&format!("<{}", sku.element));
        for (name, value) in &sku.attributes {
            text.push_str(&format!(" {name}=\"{}\"", escape(value, encoding).unwrap()));
        }
        text.push_str("/>\n");
    }
    text + "</Response>"
}

/// What the reader of whole documents makes of the same bytes.
fn slowly(bytes: &[u8], basis: StockBasis) -> Vec<(SkuKey, Option<u32>)> {
    let text =
        crate::prima::soap::read_answer(&connection("http://127.0.0.1:1"), bytes, Some("text/xml"))
            .unwrap();
    let root = crate::prima::documents::read_response(&text).unwrap();
    let mut found: std::collections::BTreeMap<SkuKey, Vec<Option<u32>>> =
        std::collections::BTreeMap::new();
    for sku in root.children_called("sku") {
        let text = |name: &str| sku.attribute(name).unwrap_or_default().trim().to_owned();
        if text("Product").is_empty() {
            continue;
        }
        let codes = ["MtrxCode1", "MtrxCode2", "MtrxCode3", "MtrxCode4"].map(text);
        let number = |name: &str| sku.attribute(name).and_then(units);
        let units = match basis {
            StockBasis::Free => number("FreeQuantity"),
            StockBasis::AvailableIsFree => number("AvailableQuantity"),
            StockBasis::AvailableLessAllocated => number("AvailableQuantity")
                .and_then(|available| Some(available - number("AllocatedQuantity")?.max(0))),
        };
        let key = SkuKey::of(&text("Product"), codes.iter().map(String::as_str));
        found.entry(key).or_default().push(units.map(|units| u32::try_from(units).unwrap_or(0)));
    }
    found
        .into_iter()
        .map(|(key, figures)| {
            (key, figures[0].filter(|_| figures.iter().all(|figure| *figure == figures[0])))
        })
        .collect()
}

proptest! {
    /// However the answer is cut into chunks, it reads as the whole does and as the slow reader
    /// reads it.
    #[test]
    fn chunked_reading_equals_whole_and_slow_reading(
        skus in prop::collection::vec(sku(), 0..12),
        basis in prop::sample::select(vec![StockBasis::Free, StockBasis::AvailableIsFree, StockBasis::AvailableLessAllocated]),
        encoding in prop::sample::select(vec![WireEncoding::Latin1, WireEncoding::Utf8]),
        sizes in prop::collection::vec(1..80_usize, 1..8),
    ) {
        let bytes = wire(&document(&skus, encoding), encoding);
        let mut chunks = Vec::new();
        let mut rest = &bytes[..];
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, left) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = left;
        }
        let whole = read_all(&bytes, basis).unwrap();
        prop_assert_eq!(&read_in(&chunks, basis).unwrap(), &whole);
        for (key, figure) in slowly(&bytes, basis) {
            prop_assert_eq!(whole.free(key), figure);
            prop_assert_eq!(figure.is_none(), whole.unusable.iter().any(|unusable| unusable.key == key));
        }
        prop_assert_eq!(whole.figures.len() + whole.unusable.len(), slowly(&bytes, basis).len());
    }

    #[test]
    fn any_cut_is_an_error(skus in prop::collection::vec(sku(), 0..4), share in 0.0..1.0_f64) {
        let bytes = wire(&document(&skus, WireEncoding::Utf8), WireEncoding::Utf8);
        let end = bytes.len() - 2;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short text")]
        let cut = (end as f64 * share) as usize;
        prop_assert!(read_all(&bytes[..cut], StockBasis::AvailableIsFree).is_err());
        let broken = read([Ok(&bytes[..cut]), Err(Cut::Connection)].into_iter(), &connection("http://127.0.0.1:1"), None, StockBasis::Free, at());
        prop_assert_eq!(broken.unwrap_err().problem, Problem::Broken(Broken::Cut(Cut::Connection)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), place in 0..700_usize) {
        let _ = read_all(&bytes, StockBasis::Free);
        let mut bytes_in_place = wire(ANSWER, WireEncoding::Latin1);
        let place = place.min(bytes_in_place.len());
        let end = (place + 8).min(bytes_in_place.len());
        bytes_in_place.splice(place..end, bytes.into_iter().take(8));
        let _ = read_all(&bytes_in_place, StockBasis::AvailableIsFree);
    }
}

#[test]
fn names_are_told_where_they_are_wanted() {
    let bytes = wire(ANSWER, WireEncoding::Latin1);
    let connection = connection("http://127.0.0.1:1");
    let (reading, names) = read_with_names(
        [Ok(&bytes[..])].into_iter(),
        &connection,
        None,
        StockBasis::AvailableLessAllocated,
        at(),
    )
    .unwrap();
    assert_eq!(reading, read_all(&bytes, StockBasis::AvailableLessAllocated).unwrap());
    let shown: Vec<_> = names
        .iter()
        .map(|sku| (sku.product.as_str(), sku.matrix_codes[1].as_str(), reading.free(sku.key())))
        .collect();
    assert_eq!(
        shown,
        [
            ("W1", "10", Some(3)),
            ("W1", "12", Some(0)),
            ("Caf\u{e9} & Cr\u{e8}me \u{2122}", "", None)
        ]
    );
}

#[test]
fn what_came_before_a_cut_is_told() {
    let skus: String = ["A", "B", "C"]
        .map(|product| format!("<sku Product=\"{product}\" AvailableQuantity=\"1\"/>"))
        .concat();
    let bytes = wire(&format!("<R RequestStatus=\"OK\">{skus}</R>"), WireEncoding::Latin1);
    let cut = bytes.windows(9).position(|window| window == b"&quot;C&q").unwrap();
    let chunks = [Ok(&bytes[..cut]), Err(Cut::Connection)];
    let failed = read(
        chunks.into_iter(),
        &connection("http://127.0.0.1:1"),
        None,
        StockBasis::AvailableIsFree,
        at(),
    )
    .unwrap_err();
    assert_eq!(
        (failed.skus, failed.products.as_slice()),
        (2, ["A", "B"].map(str::to_owned).as_slice())
    );
    assert!(failed.length > 0);
}

#[test]
fn the_message_format_does_not_matter() {
    let mut other = connection("http://127.0.0.1:1");
    other.message_format = MessageFormat::DocumentLiteral;
    let bytes = wire(ANSWER, WireEncoding::Utf8);
    let reading =
        read([Ok(&bytes[..])].into_iter(), &other, None, StockBasis::AvailableIsFree, at())
            .unwrap();
    assert_eq!(free(&reading, "W1", &["NAV", "10"]), Some(8));
}
