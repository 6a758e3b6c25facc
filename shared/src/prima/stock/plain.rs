//! An SKU's element as nearly all of a million are, read at one go from an answer's text while that
//! is still escaped: no reference within a value, nothing within the element. What is in any way
//! different is `None`, and left to the XML reader: nothing is accepted here that it would read
//! otherwise.

/// Attributes of an element that are taken.
const MOST: usize = 12;

/// An element without anything unusual.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain<'t> {
    attributes: [(&'t str, &'t str); MOST],
    count: usize,
    /// Bytes of the escaped text, with the blanks before the element.
    pub(super) length: usize,
    /// Bytes that these are once they are no longer escaped.
    pub(super) unescaped: usize,
}

impl<'t> Plain<'t> {
    /// The element that `text` begins with, blanks apart: `&lt;sku Product=&quot;W1&quot;
    /// .../&gt;`, or the same with an end tag.
    pub(super) fn read(text: &'t str) -> Option<Self> {
        let mut scan = Scan { text, at: 0, saved: 0 };
        scan.line_breaks();
        scan.token(b"&lt;", 1)?;
        let element = scan.name()?;
        if !element.eq_ignore_ascii_case("sku") {
            return None;
        }
        let (mut attributes, mut count) = ([("", ""); MOST], 0);
        loop {
            let before = scan.at;
            scan.blanks();
            if scan.token(b"/&gt;", 2).is_some() {
                break;
            }
            if scan.token(b"&gt;", 1).is_some() {
                scan.token(b"&lt;/", 2)?;
                if scan.name()? != element {
                    return None;
                }
                scan.token(b"&gt;", 1)?;
                break;
            }
            if scan.at == before {
                return None;
            }
            let name = scan.name()?;
            scan.token(b"=", 1)?;
            scan.quote()?;
            let value = scan.value();
            scan.quote()?;
            *attributes.get_mut(count)? = (name, value);
            count += 1;
        }
        Some(Self { attributes, count, length: scan.at, unescaped: scan.at - scan.saved })
    }

    /// Names and values.
    pub(super) fn attributes(&self) -> &[(&'t str, &'t str)] {
        self.attributes.get(..self.count).unwrap_or_default()
    }
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// Bytes that are there because of the escaping.
    saved: usize,
}

impl<'t> Scan<'t> {
    #[inline]
    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Goes on as long as the bytes are such. They are ASCII, so that no character is cut.
    #[inline]
    fn skip(&mut self, is_such: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_such(*byte)).unwrap_or(rest.len());
        let skipped = self.text.get(self.at..self.at + length).unwrap_or_default();
        self.at += length;
        skipped
    }

    #[inline]
    fn blanks(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    }

    /// Blanks of any kind, line breaks as references as well.
    #[inline]
    fn line_breaks(&mut self) {
        self.blanks();
        while [b"&#10;", b"&#13;", b"&#xA;", b"&#xD;"]
            .into_iter()
            .any(|line_break| self.token(line_break, 1).is_some())
        {
            self.blanks();
        }
    }

    /// Goes on behind `token`, which is `unescaped` bytes long in the document.
    #[inline]
    fn token<const N: usize>(&mut self, token: &[u8; N], unescaped: usize) -> Option<()> {
        if self.rest().first_chunk::<N>() != Some(token) {
            return None;
        }
        self.at += N;
        self.saved += N - unescaped;
        Some(())
    }

    #[inline]
    fn name(&mut self) -> Option<&'t str> {
        let name = self.skip(|byte| byte.is_ascii_alphanumeric());
        name.starts_with(|first: char| first.is_ascii_alphabetic()).then_some(name)
    }

    #[inline]
    fn quote(&mut self) -> Option<()> {
        self.token(b"&quot;", 1).or_else(|| self.token(b"\"", 1))
    }

    #[inline]
    fn value(&mut self) -> &'t str {
        self.skip(|byte| byte >= b' ' && !matches!(byte, b'&' | b'"' | b'<' | b'>'))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    fn escaped(document: &str) -> String {
        document
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    }

    #[test]
    fn what_is_plain_is_read_and_what_is_not_is_left() {
        for document in [
            "<sku A=\"1\" B=\"\"/>",
            " \n\r <sku\tA=\"1\"  B=\"\" />",
            "<SKU A=\"1\" B=\"\"></SKU>",
        ] {
            let text = escaped(document).replace('\r', "&#xD;") + "&lt;sku";
            let plain = Plain::read(&text).unwrap();
            assert_eq!(plain.attributes(), [("A", "1"), ("B", "")], "{document}");
            assert_eq!((plain.length, plain.unescaped), (text.len() - 7, document.len()));
        }
        assert_eq!(
            Plain::read("&lt;sku A=\"\u{e9} '\"/&gt;").unwrap().attributes(),
            [("A", "\u{e9} '")],
            "quotes need no escaping in a text"
        );
        for other in [
            "<skus/>",
            "<a:sku/>",
            "<sku a:A=\"\"/>",
            "<sku A='1'/>",
            "<sku A = \"1\"/>",
            "<sku A=\"1\"B=\"2\"/>",
            "<sku A=\"&amp;\"/>",
            "<sku A=\"a\nb\"/>",
            "<sku A=\"<\"/>",
            "<sku A=\"1\"></SKU>",
            "<sku A=\"1\"> </sku>",
            "<sku 1=\"1\"/>",
            "<sku A/>",
            "</sku>",
            "",
            "x<sku/>",
        ] {
            assert!(Plain::read(&escaped(other)).is_none(), "{other}");
        }
        let many: String = (0..=MOST).map(|index| format!(" A{index}=\"\"")).collect();
        assert!(Plain::read(&escaped(&format!("<sku{many}/>"))).is_none());
        assert!(
            Plain::read("&lt;sku A=&quot;1&quot;/>").is_none(),
            "cut, or a tag of the envelope"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_what_the_xml_reader_reads(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["<sku", "<SKU", " ", "\n", " Product", " a", "=", "\"", "\"\"", "'", "/>", ">", "</sku>", "1", "\u{e9}", "&amp;", "&", ":", "x"]),
                0..14,
            ),
        ) {
            let document = pieces.concat();
            let text = escaped(&document);
            let Some(plain) = Plain::read(&text) else { return Ok(()) };
            // All of it is read, in its own words, and what is behind is untouched.
            prop_assert_eq!(escaped(&document[..plain.unescaped]), &text[..plain.length]);
            let mut reader = Reader::from_str(&document[..plain.unescaped]);
            let mut elements = Vec::new();
            loop {
                match reader.read_event().unwrap() {
                    Event::Start(start) | Event::Empty(start) => {
                        let mut attributes = start.attributes();
                        let attributes = attributes.with_checks(false).map(|one| one.unwrap());
                        elements.push(attributes.map(|one| (one.key.into_inner().to_owned(), one.value.into_owned())).collect::<Vec<_>>());
                    }
                    Event::Text(text) => prop_assert!(text.trim().is_empty()),
                    Event::End(_) => {}
                    Event::Eof => break,
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            let read: Vec<_> = plain.attributes().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            prop_assert_eq!(elements, vec![read]);
        }
    }
}
