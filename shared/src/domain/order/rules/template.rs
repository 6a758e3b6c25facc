//! Texts with placeholders in braces: `MK-{order_id}`.

use serde::{Deserialize, Serialize};

/// A text with placeholders in braces, such as `MK-{order_id}`. Which names it may use, the setting
/// says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub String);

/// A piece of a template or of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain::order) enum Piece<'a> {
    Literal(&'a str),
    Placeholder(&'a str),
}

impl Template {
    /// A template.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text with each placeholder replaced by its value. A name that is not among `values`
    /// stands for nothing; the check of the rules refuses it before.
    #[must_use]
    pub fn render(&self, values: &[(&str, &str)]) -> String {
        let Ok(pieces) = pieces(&self.0) else { return String::new() };
        pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text,
                Piece::Placeholder(name) => {
                    values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value)
                }
            })
            .collect()
    }

    /// It uses the placeholder `name`.
    #[must_use]
    pub fn uses(&self, name: &str) -> bool {
        pieces(&self.0).is_ok_and(|pieces| pieces.contains(&Piece::Placeholder(name)))
    }

    /// What is wrong with it, where it may use only the placeholders `allowed`.
    #[must_use]
    pub fn problem(&self, allowed: &[&str]) -> Option<String> {
        match pieces(&self.0) {
            Err(problem) => Some(problem.to_string()),
            Ok(pieces) => pieces.into_iter().find_map(|piece| match piece {
                Piece::Placeholder(name) if !allowed.contains(&name) => {
                    Some(format!("does not know {{{name}}}: it takes {}", listed(allowed)))
                }
                _ => None,
            }),
        }
    }
}

/// `{a}, {b} and {c}`.
fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
}

/// A text with a brace that opens or ends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has a brace that does not belong to a {{placeholder}}")]
pub(in crate::domain::order) struct LoneBrace;

/// The pieces of `text`, in order.
pub(in crate::domain::order) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, LoneBrace> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, tail) = rest.split_at(brace);
        if !literal.is_empty() {
            found.push(Piece::Literal(literal));
        }
        let placeholder = tail.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((name, after)) =
            placeholder.filter(|(name, _)| !name.is_empty() && !name.contains('{'))
        else {
            return Err(LoneBrace);
        };
        found.push(Piece::Placeholder(name));
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Literal(rest));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Placeholders are replaced, and foreign names or lone braces are refused.
    #[test]
    fn templates_fill_known_placeholders_and_refuse_stray_braces() {
        let template = Template::new("MK-{order_id}/{channel_id}");
        assert_eq!(template.render(&[("order_id", "7-A"), ("channel_id", "uk")]), "MK-7-A/uk");
        assert_eq!(template.problem(&["order_id", "channel_id"]), None);
        assert_eq!(
            template.problem(&["order_id"]).as_deref(),
            Some("does not know {channel_id}: it takes {order_id}")
        );
        for broken in ["{order_id", "order_id}", "{}", "{a{b}"] {
            let problem = Template::new(broken).problem(&["order_id"]);
            assert_eq!(
                problem.as_deref(),
                Some("has a brace that does not belong to a {placeholder}"),
                "{broken}"
            );
        }
    }
}
