//! How a shop's flat SKU names a Prima product and its matrix codes.

use serde::{Deserialize, Serialize};

use super::template::{LoneBrace, Piece, pieces};

/// How an offer's SKU is read. Overrides for single SKUs stand apart
/// ([`crate::prima::sku::SkuOverride`]) and come first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SkuRules {
    /// The forms that a SKU may have. `{product}-{matrix1}-{matrix2}`: a part takes what stands up
    /// to the next separator and holds no separator of any form. `{product*}` may hold separators;
    /// `{product:5}{matrix1:3}` are parts of fixed width; `{ignore}` is read over. Parts:
    /// `product`, `matrix1` to `matrix4`, `ignore`. A SKU that fits several forms with different
    /// results is ambiguous.
    pub patterns: Vec<String>,
    /// SKUs are turned into capitals before they are read, where Prima's codes are all capitals.
    pub capitals: bool,
}

impl Default for SkuRules {
    fn default() -> Self {
        Self { patterns: vec!["{product}-{matrix1}-{matrix2}".to_owned()], capitals: false }
    }
}

/// Which code a part of a SKU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain::order) enum Part {
    Product,
    Matrix(usize),
    Ignore,
}

/// One element of a SKU's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domain::order) enum Element {
    Literal(String),
    Field { part: Part, width: Option<usize>, any: bool },
}

/// Why a form of SKU cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::domain::order) enum PatternError {
    #[error(transparent)]
    LoneBrace(#[from] LoneBrace),
    #[error("lacks {{product}}")]
    NoProduct,
    #[error("names a part twice")]
    PartTwice,
    #[error(
        "has two parts with neither a separator between them nor a width: write {{product:5}}{{matrix1}}"
    )]
    NoSeparator,
    #[error("gives {{{0}}} a width that is not 1 to 40")]
    Width(String),
    #[error("does not know {{{0}}}: it takes product, matrix1 to matrix4 and ignore")]
    UnknownPart(String),
}

/// Reads a form such as `{product}-{matrix1}`.
pub(in crate::domain::order) fn parse_pattern(pattern: &str) -> Result<Vec<Element>, PatternError> {
    let elements = pieces(pattern)?.into_iter().map(element).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<Part> = elements
        .iter()
        .filter_map(|element| match element {
            Element::Field { part, .. } if *part != Part::Ignore => Some(*part),
            _ => None,
        })
        .collect();
    if !parts.contains(&Part::Product) {
        return Err(PatternError::NoProduct);
    }
    if parts.iter().enumerate().any(|(index, part)| parts[..index].contains(part)) {
        return Err(PatternError::PartTwice);
    }
    let open = |element: &Element| matches!(element, Element::Field { width: None, .. });
    if elements.windows(2).any(|pair| open(&pair[0]) && open(&pair[1])) {
        return Err(PatternError::NoSeparator);
    }
    Ok(elements)
}

fn element(piece: Piece<'_>) -> Result<Element, PatternError> {
    let inside = match piece {
        Piece::Literal(text) => return Ok(Element::Literal(text.to_owned())),
        Piece::Placeholder(inside) => inside,
    };
    let (name, width) = match inside.split_once(':') {
        Some((name, digits)) => match digits.parse::<usize>() {
            Ok(width) if (1..=40).contains(&width) => (name, Some(width)),
            _ => return Err(PatternError::Width(inside.to_owned())),
        },
        None => (inside, None),
    };
    let (name, any) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
    let part = match name {
        "product" => Part::Product,
        "matrix1" => Part::Matrix(0),
        "matrix2" => Part::Matrix(1),
        "matrix3" => Part::Matrix(2),
        "matrix4" => Part::Matrix(3),
        "ignore" => Part::Ignore,
        _ => return Err(PatternError::UnknownPart(name.to_owned())),
    };
    Ok(Element::Field { part, width, any })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prima::sku::SkuOverride;

    #[test]
    fn an_override_names_a_product_and_up_to_four_codes() {
        let with = |product: &str, codes: usize| SkuOverride {
            product: product.to_owned(),
            matrix_codes: vec!["A".to_owned(); codes],
        };
        assert_eq!(with("W1042", 0).problem(), None);
        assert_eq!(with("W1042", 4).problem(), None);
        assert_eq!(
            with("W1042", 5).problem(),
            Some("has more than four matrix codes; Prima takes four")
        );
        assert_eq!(with(" ", 1).problem(), Some("names no product"));
    }

    #[test]
    fn a_form_that_cannot_be_read_unequivocally_is_refused() {
        for (pattern, why) in [
            ("{matrix1}-{matrix2}", "lacks {product}"),
            ("{product}{matrix1}", "neither a separator"),
            ("{product}-{product}", "twice"),
            ("{product:0}", "width"),
            ("{style}", "does not know {style}"),
            ("{product", "brace"),
        ] {
            let problem =
                parse_pattern(pattern).err().map(|problem| problem.to_string()).unwrap_or_default();
            assert!(problem.contains(why), "{pattern}: {problem}");
        }
        assert!(parse_pattern("{product:5}{matrix1:3}{matrix2}").is_ok());
    }
}
