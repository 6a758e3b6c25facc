//! Reading an answer of which some fields have a form that is not understood: what is not needed is
//! done without.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_path_to_error::{Path, Segment};

use crate::kit::odd_form::OddForm;

/// Fields of one entry that are done without. An entry with more is not what it is taken for.
const MOST: usize = 20;

/// Reads `text` without the fields that cannot be read, where `is_needed` says of none of them that
/// it has to be there. Paths are written as `order_lines[].price`.
///
/// # Errors
/// What is needed cannot be read, or is not there.
pub(super) fn read<T: DeserializeOwned>(
    text: &str,
    is_needed: impl Fn(&str) -> bool,
) -> Result<(T, Vec<OddForm>), serde_json::Error> {
    let first = match serde_json::from_str(text) {
        Ok(read) => return Ok((read, Vec::new())),
        Err(problem) => problem,
    };
    let Ok(raw) = serde_json::from_str(text) else { return Err(first) };
    let mut tree = Node::of(raw, 0);
    let mut odd: Vec<OddForm> = Vec::new();
    for _field in 0..MOST {
        let Ok(written) = serde_json::to_string(&tree) else { return Err(first) };
        let problem = match serde_path_to_error::deserialize::<_, T>(
            &mut serde_json::Deserializer::from_str(&written),
        ) {
            Ok(read) => {
                odd.sort();
                odd.dedup();
                return Ok((read, odd));
            }
            Err(problem) => problem,
        };
        let Some(found) = take_out(&mut tree, problem.path(), &is_needed) else {
            return Err(first);
        };
        odd.push(found);
    }
    Err(first)
}

/// Takes out the innermost part of the path that can be done without.
fn take_out(tree: &mut Node, path: &Path, is_needed: &impl Fn(&str) -> bool) -> Option<OddForm> {
    let segments: Vec<&Segment> = path.iter().collect();
    for length in (1..=segments.len()).rev() {
        let (parents, last) = (segments.get(..length - 1)?, segments.get(length - 1)?);
        let name = named(segments.get(..length)?);
        if is_needed(&name) {
            return None;
        }
        let parent = parents.iter().try_fold(&mut *tree, |node, segment| node.child(segment));
        if let Some(taken) = parent.and_then(|parent| parent.take(last)) {
            return Some(OddForm { field: name, form: taken.form() });
        }
    }
    None
}

fn named(segments: &[&Segment]) -> String {
    let mut name = String::new();
    for segment in segments {
        match segment {
            Segment::Seq { .. } => name.push_str("[]"),
            Segment::Map { key } => {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(key);
            }
            Segment::Enum { .. } | Segment::Unknown => name.push_str(".?"),
        }
    }
    name
}

/// A JSON text as it is written: no number loses a digit.
enum Node {
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    Leaf(Box<RawValue>),
}

impl Node {
    fn child(&mut self, segment: &Segment) -> Option<&mut Self> {
        match (self, segment) {
            (Self::Map(fields), Segment::Map { key }) => {
                fields.iter_mut().rev().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            (Self::List(entries), Segment::Seq { index }) => entries.get_mut(*index),
            _ => None,
        }
    }

    /// Takes a part out: of two fields of one name the later one.
    fn take(&mut self, segment: &Segment) -> Option<Self> {
        match (self, segment) {
            (Self::Map(fields), Segment::Map { key }) => {
                let place = fields.iter().rposition(|(name, _)| name == key)?;
                Some(fields.remove(place).1)
            }
            (Self::List(entries), Segment::Seq { index }) if *index < entries.len() => {
                Some(entries.remove(*index))
            }
            _ => None,
        }
    }

    /// What it is, without its content.
    fn form(&self) -> String {
        match self {
            Self::Map(_) => "an object".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Leaf(raw) => match raw.get().as_bytes().first() {
                Some(b'"') => format!("text {}", OddForm::of("", raw.get().trim_matches('"')).form),
                Some(b't' | b'f') => "true or false".to_owned(),
                Some(b'n') => "null".to_owned(),
                Some(b'{') => "an object".to_owned(),
                Some(b'[') => "a list".to_owned(),
                _ => format!("number {}", OddForm::of("", raw.get()).form),
            },
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Map(fields) => {
                serializer.collect_map(fields.iter().map(|(name, node)| (name, node)))
            }
            Self::List(entries) => serializer.collect_seq(entries),
            Self::Leaf(raw) => raw.serialize(serializer),
        }
    }
}

/// What is nested deeper is taken out as a whole.
const DEEPEST: usize = 16;

impl Node {
    fn of(raw: Box<RawValue>, depth: usize) -> Self {
        let first = raw.get().as_bytes().first().filter(|_| depth < DEEPEST).copied();
        if first == Some(b'{')
            && let Ok(Fields(fields)) = serde_json::from_str(raw.get())
        {
            return Self::Map(
                fields.into_iter().map(|(name, raw)| (name, Self::of(raw, depth + 1))).collect(),
            );
        }
        if first == Some(b'[')
            && let Ok(entries) = serde_json::from_str::<Vec<Box<RawValue>>>(raw.get())
        {
            return Self::List(entries.into_iter().map(|raw| Self::of(raw, depth + 1)).collect());
        }
        Self::Leaf(raw)
    }
}

/// An object's fields in their order, doubled ones too.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}
