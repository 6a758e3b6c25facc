#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use proptest::prelude::*;

use super::*;

fn round_trip(text: &str, encoding: WireEncoding) -> Element {
    let mut document = DocumentWriter::new(encoding);
    document.open("Data", "", &[("Name", text)]);
    document.text("", text);
    document.close("Data");
    let bytes = encode(&document.finish().unwrap(), encoding);
    read(&decode(&bytes, None).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn any_text_survives_both_encodings(text in "\\PC*|[\t\n\r -\u{2FF}\u{20A0}-\u{20CF}\u{1F600}]*") {
        for encoding in [WireEncoding::Latin1, WireEncoding::Utf8] {
            let element = round_trip(&text, encoding);
            prop_assert_eq!(element.attribute("name"), Some(text.as_str()));
            prop_assert_eq!(&element.text, &text);
        }
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400), prefix in "(<a b='|<a>&|<?xml |<!DOCTYPE |)") {
        let mut all = prefix.into_bytes();
        all.extend(bytes);
        if let Ok(text) = decode(&all, Some("text/xml; charset=iso-8859-1")) {
            let _ = read(&text);
        }
    }
}

#[test]
fn a_name_is_written_as_data_never_as_markup() {
    let mut document = DocumentWriter::new(WireEncoding::Latin1);
    document.empty("Data", "", &[("Name", "O'Brien & <Søns> \"€\" 5\u{85}\n")]);
    assert_eq!(
        document.finish().unwrap(),
        r#"<?xml version="1.0" encoding="ISO-8859-1"?><Data Name="O&apos;Brien &amp; &lt;Søns&gt; &quot;&#8364;&quot; 5&#133;&#10;"/>"#
    );
}

#[test]
fn characters_that_xml_lacks_are_refused_by_name() {
    for illegal in ["\u{0}", "a\u{7}b", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
        let mut document = DocumentWriter::new(WireEncoding::Utf8);
        document.empty("Data", "Data", &[("Surname", illegal), ("Forename", "Ann")]);
        let problems = document.finish().unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].field, "Data.Surname");
        assert!(problems[0].problem.contains("U+"), "{}", problems[0].problem);
    }
}

#[test]
fn the_declaration_decides_then_the_header() {
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a n='Zo\xEB'/>";
    assert!(decode(latin, Some("text/xml; charset=utf-8")).unwrap().contains("Zoë"));
    assert!(
        decode(b"<a n='Zo\xEB'/>", Some("text/xml; Charset=\"ISO-8859-1\""))
            .unwrap()
            .contains("Zoë")
    );
    assert!(decode(b"<a n='Zo\xEB'/>", None).unwrap().contains("Zoë"), "nothing says what it is");
    assert!(decode("<a n='Zoë'/>".as_bytes(), None).unwrap().contains("Zoë"));
    assert!(
        decode("\u{FEFF}<?xml version='1.0' encoding='ISO-8859-1'?><a n='Zoë'/>".as_bytes(), None)
            .unwrap()
            .contains("Zoë")
    );
    assert!(decode(b"<?xml version='1.0' encoding='UTF-8'?><a n='Zo\xEB'/>", None).is_err());
    assert!(decode(b"<?xml version='1.0' encoding='KLINGON'?><a/>", None).is_err());
}

#[test]
fn nothing_is_expanded() {
    let laughs = r#"<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>"#;
    assert_eq!(read(laughs), Err(XmlProblem::new("has a document type, which is refused")));
    assert!(read("<a>&nbsp;</a>").is_err());
    assert!(read("<a b='&xxe;'/>").is_err());
    let read = read("<a b='&lt;&#65;'>&amp;lt;&#x42;<![CDATA[&c;]]></a>").unwrap();
    assert_eq!((read.attribute("b"), read.text.as_str()), (Some("<A"), "&lt;B&c;"));
}

#[test]
fn broken_documents_are_errors_that_quote_nothing() {
    let deep = "<a>".repeat(100_000);
    for broken in [
        "",
        "  ",
        "plain",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "<a b='1' b='2'/>",
        "<a b=Smith/>",
        "<a Smith",
        &deep,
    ] {
        let problem = read(broken).unwrap_err();
        assert!(!problem.0.contains("Smith"), "{problem}");
    }
    let many = format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS + 1));
    assert!(read(&many).is_err());
}

#[test]
fn names_match_whatever_their_case_and_prefix() {
    let root =
        read("<ns:RESULT requeststatus='OK' xsi:nil='true'><SKU/><x:sku/></ns:RESULT>").unwrap();
    assert!(root.is("result"));
    assert_eq!(
        (root.attribute("RequestStatus"), root.attribute("nil")),
        (Some("OK"), Some("true"))
    );
    assert_eq!(root.children_called("Sku").count(), 2);
}

#[test]
fn a_name_that_is_none_is_refused() {
    for text in ["<a><</></a>", "<a <=\"1\"/>", "<1/>", "<a b!=\"1\"/>", "<-a/>"] {
        assert!(read(text).is_err(), "{text}");
    }
    for text in ["<a-1.b:c _d=\"1\"/>", "<größe/>", "<_/>"] {
        assert!(read(text).is_ok(), "{text}");
    }
}
