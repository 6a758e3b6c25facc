//! How Mirakl writes dates, lists and values, in all the forms that have been seen.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// ISO 8601, with and without milliseconds, with `Z` or an offset of hours alone.
pub(super) mod date {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(moment) => serializer.collect_str(moment),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        match Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => super::parse_date(&text).map(Some).map_err(D::Error::custom),
        }
    }
}

/// A text that is no moment.
#[derive(Debug, thiserror::Error)]
#[error("'{text}' is not an ISO 8601 date-time: {problem}")]
struct NoMoment {
    text: String,
    problem: jiff::Error,
}

/// Reads a moment. One without a zone is UTC, as every date of Mirakl's is; a day is its midnight.
fn parse_date(text: &str) -> Result<Timestamp, NoMoment> {
    let text = text.trim();
    let has_zone = text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-']));
    let moment = if has_zone {
        text.parse::<Timestamp>()
    } else {
        text.parse::<DateTime>()
            .and_then(|moment| moment.to_zoned(TimeZone::UTC))
            .map(|moment| moment.timestamp())
    };
    moment.map_err(|problem| NoMoment { text: text.to_owned(), problem })
}

/// An id: a text, or a bare number, which is taken as its digits.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer)?.ok_or_else(|| D::Error::custom("an id is null"))
}

/// A text, a number or a boolean as its text, or null.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map(Some).map_err(D::Error::custom),
        Some(b'{' | b'[') => Err(D::Error::custom("a list or an object where a text belongs")),
        _ => Ok((raw != "null").then(|| raw.to_owned())),
    }
}

/// A count: a whole number, quoted or not, of whatever scale.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    optional_whole(deserializer)?.ok_or_else(|| D::Error::custom("a quantity is null or empty"))
}

/// A count, or null.
pub(super) fn optional_whole<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let digits = raw.trim_matches('"').trim();
    if matches!(digits, "" | "null") {
        return Ok(None);
    }
    let number = Decimal::from_str_exact(digits)
        .or_else(|_| Decimal::from_scientific(digits))
        .map_err(D::Error::custom)?;
    if number != number.trunc() {
        return Err(D::Error::custom("a quantity is not whole"));
    }
    u32::try_from(number.trunc()).map(Some).map_err(D::Error::custom)
}

/// A list that may be null.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A value that is one text, several, a number or a boolean.
pub(super) fn text_or_texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let texts = match raw.as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(raw).map_err(D::Error::custom)?,
        _ => vec![serde_json::from_str::<&RawValue>(raw).map_err(D::Error::custom)?],
    };
    texts
        .into_iter()
        .filter(|text| text.get() != "null")
        .map(|text| {
            if text.get().starts_with('"') {
                serde_json::from_str(text.get()).map_err(D::Error::custom)
            } else {
                Ok(text.get().to_owned())
            }
        })
        .collect()
}
