//! The response document out of a SOAP answer as it arrives: charset, envelope and escaping taken
//! off, without ever holding the whole.
//!
//! The envelope around the result's text is small and is read with the same code as every other
//! answer ([`soap`], [`xml`]); only the text between, which may be hundreds of megabytes, passes
//! through here.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, DecoderResult};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::cut::Cut;
use super::plain::Plain;
use crate::prima::connection::PrimaConnection;
use crate::prima::soap;
use crate::prima::xml::{self, without_prefix};

/// Characters of the envelope before the result, or after it, that are still read.
const LARGEST_ENVELOPE: usize = 64 * 1024;
/// The longest reference, `&#x0010FFFF;`, and then some.
const LONGEST_REFERENCE: usize = 16;
/// Bytes that tell an answer's encoding.
const DECLARATION: usize = 256;
/// How a section begins in which nothing is escaped.
const CDATA: &str = "<![CDATA[";

/// Why a reading came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Its end did not come.
    Cut(Cut),
    /// A SOAP fault, or no answer of the expected kind.
    Soap(soap::SoapProblem),
}

impl Broken {
    fn unreadable(message: impl Into<String>) -> Self {
        Self::Soap(soap::SoapProblem::Unreadable(message.into()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the result's text.
    Before,
    /// In it.
    Text,
    /// In a section of it in which nothing is escaped.
    Section,
    /// Behind it.
    Behind,
    /// At the end of the answer.
    End,
}

/// The result's text, from the chunks of an answer. Once reading has failed, [`ResultText::broken`]
/// says why.
pub(super) struct ResultText<'a, S> {
    chunks: S,
    connection: &'a PrimaConnection,
    content_type: Option<&'a str>,
    /// The first bytes, until they say what encoding they are in.
    head: Vec<u8>,
    decoder: Option<Decoder>,
    /// Decoded and not looked at yet; what stands before `at` is done with.
    text: String,
    at: usize,
    /// All chunks are in it.
    has_ended: bool,
    /// The envelope without the result's text.
    envelope: String,
    place: Place,
    out: Vec<u8>,
    given: usize,
    broken: Option<Broken>,
}

impl<'a, S, B> ResultText<'a, S>
where
    S: Iterator<Item = Result<B, Cut>>,
    B: AsRef<[u8]>,
{
    pub(super) fn new(
        chunks: S,
        connection: &'a PrimaConnection,
        content_type: Option<&'a str>,
    ) -> Self {
        Self {
            chunks,
            connection,
            content_type,
            head: Vec::new(),
            decoder: None,
            text: String::new(),
            at: 0,
            has_ended: false,
            envelope: String::new(),
            place: Place::Before,
            out: Vec::new(),
            given: 0,
            broken: None,
        }
    }

    /// Why reading has failed, if it has.
    pub(super) fn broken(&mut self) -> Option<Broken> {
        self.broken.take()
    }

    /// Takes an SKU's element that is nothing but one and comes next: most are read by this alone.
    /// Nothing, where a part of the text is still to be read otherwise, or where what comes next is
    /// anything else.
    pub(super) fn plain(&mut self) -> Option<Plain<'_>> {
        if self.place != Place::Text || self.given < self.out.len() {
            return None;
        }
        let plain = Plain::read(self.text.get(self.at..)?)?;
        self.at += plain.length;
        Some(plain)
    }

    /// Goes on until there is something to give, or nothing more comes.
    fn advance(&mut self) -> Result<(), Broken> {
        self.out.clear();
        self.given = 0;
        loop {
            self.look()?;
            if !self.out.is_empty() || self.place == Place::End {
                return Ok(());
            }
            if self.has_ended {
                return self.end();
            }
            match self.chunks.next() {
                Some(Ok(chunk)) => self.decode(chunk.as_ref(), false)?,
                Some(Err(cut)) => return Err(Broken::Cut(cut)),
                None => {
                    self.decode(&[], true)?;
                    self.has_ended = true;
                }
            }
        }
    }

    fn decode(&mut self, bytes: &[u8], is_last: bool) -> Result<(), Broken> {
        self.text.drain(..self.at);
        self.at = 0;
        let Some(decoder) = &mut self.decoder else {
            self.head.extend_from_slice(bytes);
            if self.head.len() < DECLARATION && !is_last {
                return Ok(());
            }
            let head = std::mem::take(&mut self.head);
            let encoding = xml::encoding_of(&head, self.content_type)
                .map_err(|problem| Broken::unreadable(format!("the answer {problem}")))?;
            self.decoder = Some(encoding.new_decoder_with_bom_removal());
            return self.decode(&head, is_last);
        };
        let room =
            decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len());
        self.text.reserve(room);
        match decoder.decode_to_string_without_replacement(bytes, &mut self.text, is_last) {
            (DecoderResult::InputEmpty, _) => Ok(()),
            _ => Err(Broken::unreadable("the answer is not in the encoding that it declares")),
        }
    }

    /// Goes through the text that is there, until there is something to give.
    fn look(&mut self) -> Result<(), Broken> {
        while self.out.is_empty() {
            let before = (self.place, self.at);
            match self.place {
                Place::Before => self.find_result()?,
                Place::Text => self.unescape()?,
                Place::Section => self.section(),
                Place::Behind => {
                    self.envelope.push_str(&self.text[self.at..]);
                    self.at = self.text.len();
                    if self.envelope.len() > 2 * LARGEST_ENVELOPE {
                        return Err(Broken::unreadable(
                            "the answer goes on for too long behind its result",
                        ));
                    }
                }
                Place::End => {}
            }
            if before == (self.place, self.at) {
                break;
            }
        }
        Ok(())
    }

    /// Looks for the start tag of the result in what has come so far.
    fn find_result(&mut self) -> Result<(), Broken> {
        let mut reader = Reader::from_str(&self.text);
        let mut in_body = false;
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Start(start) => {
                    let name = without_prefix(start.name().into_inner());
                    if in_body && name.eq_ignore_ascii_case(&self.connection.parts.result) {
                        let end =
                            usize::try_from(reader.buffer_position()).unwrap_or(self.text.len());
                        self.envelope.push_str(&self.text[..end]);
                        self.at = end;
                        self.place = Place::Text;
                        return Ok(());
                    }
                    in_body |= name.eq_ignore_ascii_case("Body");
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if self.text.len() > LARGEST_ENVELOPE { Err(self.no_result()) } else { Ok(()) }
    }

    /// A fault, or what there is instead of the result.
    fn no_result(&self) -> Broken {
        match soap::read_answer(
            self.connection,
            self.text.as_bytes(),
            Some("text/xml; charset=utf-8"),
        ) {
            Err(problem) => Broken::Soap(problem),
            Ok(_) => Broken::unreadable("the answer has no result"),
        }
    }

    /// Up to the end of a tag: what follows may be [`ResultText::plain`].
    fn unescape(&mut self) -> Result<(), Broken> {
        loop {
            let rest = &self.text[self.at..];
            let Some(plain) = rest.bytes().position(|byte| matches!(byte, b'&' | b'<')) else {
                self.out.extend_from_slice(rest.as_bytes());
                self.at = self.text.len();
                return Ok(());
            };
            self.out.extend_from_slice(&rest.as_bytes()[..plain]);
            self.at += plain;
            let rest = &rest[plain..];
            if rest.starts_with('&') {
                // Nearly all of them are these.
                let (byte, length) = match rest.as_bytes() {
                    [b'&', b'q', b'u', b'o', b't', b';', ..] => (b'"', 6),
                    [b'&', b'l', b't', b';', ..] => (b'<', 4),
                    [b'&', b'g', b't', b';', ..] => {
                        self.out.push(b'>');
                        self.at += 4;
                        return Ok(());
                    }
                    [b'&', b'a', b'm', b'p', b';', ..] => (b'&', 5),
                    _ => match self.reference()? {
                        true => continue,
                        false => return Ok(()),
                    },
                };
                self.out.push(byte);
                self.at += length;
            } else if rest.starts_with("</") {
                self.place = Place::Behind;
                return Ok(());
            } else if rest.starts_with(CDATA) {
                self.at += CDATA.len();
                self.place = Place::Section;
                return Ok(());
            } else if CDATA.starts_with(rest) && !self.has_ended {
                return Ok(());
            } else {
                return Err(Broken::unreadable("the answer's result holds elements, not text"));
            }
        }
    }

    /// Any other reference; false where its end is still to come.
    fn reference(&mut self) -> Result<bool, Broken> {
        let rest = &self.text[self.at + 1..];
        let refused =
            || Broken::unreadable("the answer refers to an entity that XML does not predefine");
        let Some(length) = rest.bytes().take(LONGEST_REFERENCE).position(|byte| byte == b';')
        else {
            return if rest.len() < LONGEST_REFERENCE && !self.has_ended {
                Ok(false)
            } else {
                Err(refused())
            };
        };
        let name = &rest[..length];
        let character = match name.strip_prefix('#') {
            Some(number) => {
                let code = match number.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                code.ok().and_then(char::from_u32).ok_or_else(refused)?
            }
            None => resolve_predefined_entity(name)
                .and_then(|text| text.chars().next())
                .ok_or_else(refused)?,
        };
        self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length + 2;
        Ok(true)
    }

    fn section(&mut self) {
        let rest = &self.text[self.at..];
        let (plain, skip) = match rest.find("]]>") {
            Some(end) => {
                self.place = Place::Text;
                (end, 3)
            }
            // The last two may be the beginning of its end.
            None => (
                rest.len()
                    - rest
                        .len()
                        .min(2)
                        .min(rest.bytes().rev().take_while(|byte| *byte == b']').count()),
                0,
            ),
        };
        self.out.extend_from_slice(&rest.as_bytes()[..plain]);
        self.at += plain + skip;
    }

    /// The answer is complete only if its envelope is.
    fn end(&mut self) -> Result<(), Broken> {
        match self.place {
            Place::Before => Err(self.no_result()),
            Place::Text | Place::Section => Err(Broken::unreadable("the answer is cut short")),
            Place::Behind | Place::End => {
                self.place = Place::End;
                xml::read(&self.envelope)
                    .map(drop)
                    .map_err(|problem| Broken::unreadable(format!("the answer {problem}")))
            }
        }
    }
}

impl<S, B> Read for ResultText<'_, S>
where
    S: Iterator<Item = Result<B, Cut>>,
    B: AsRef<[u8]>,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let length = ready.len().min(buffer.len());
        buffer[..length].copy_from_slice(&ready[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<S, B> BufRead for ResultText<'_, S>
where
    S: Iterator<Item = Result<B, Cut>>,
    B: AsRef<[u8]>,
{
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.given == self.out.len()
            && self.broken.is_none()
            && let Err(broken) = self.advance()
        {
            self.broken = Some(broken);
        }
        match self.broken {
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
            None => Ok(&self.out[self.given..]),
        }
    }

    fn consume(&mut self, amount: usize) {
        self.given = (self.given + amount).min(self.out.len());
    }
}
