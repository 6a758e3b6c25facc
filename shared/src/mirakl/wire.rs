//! How Mirakl writes dates, lists and values, in all the forms that have been seen.

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::order::Promotion;

/// ISO 8601, with and without milliseconds, with `Z` or an offset of hours alone.
pub(super) mod date {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(moment) => serializer.collect_str(moment),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        match Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => super::parse_date(&text).map(Some).map_err(D::Error::custom),
        }
    }
}

fn parse_date(text: &str) -> Result<Timestamp, String> {
    text.parse::<Timestamp>().map_err(|problem| format!("'{text}' is not an ISO 8601 date-time with a zone: {problem}"))
}

/// A list that may be null.
pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A value that is one text, several, a number or a boolean.
pub(super) fn text_or_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let texts = match raw.as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(raw).map_err(D::Error::custom)?,
        _ => vec![serde_json::from_str::<&RawValue>(raw).map_err(D::Error::custom)?],
    };
    texts
        .into_iter()
        .filter(|text| text.get() != "null")
        .map(|text| {
            if text.get().starts_with('"') { serde_json::from_str(text.get()).map_err(D::Error::custom) } else { Ok(text.get().to_owned()) }
        })
        .collect()
}

/// Promotions of a line: an array, null, or an empty object.
pub(super) fn promotions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Promotion>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    if raw.starts_with('[') { serde_json::from_str(raw).map_err(D::Error::custom) } else { Ok(Vec::new()) }
}
