//! From an offer's SKU to a Prima product and its matrix codes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::problems::Problems;
use crate::domain::order::rules::SkuRules;
use crate::domain::order::rules::sku::{Element, Part, parse_pattern};
use crate::prima::sku::{PrimaSku, SkuOverride};

/// A SKU longer than this is not read: Mirakl takes 40 characters.
const LONGEST: usize = 100;

impl From<PrimaSku> for SkuOverride {
    /// Codes at the end that are empty are left out.
    fn from(sku: PrimaSku) -> Self {
        let mut matrix_codes = Vec::from(sku.matrix_codes);
        matrix_codes.truncate(
            matrix_codes.iter().rposition(|code| !code.is_empty()).map_or(0, |last| last + 1),
        );
        Self { product: sku.product, matrix_codes }
    }
}

impl From<&SkuOverride> for PrimaSku {
    fn from(known: &SkuOverride) -> Self {
        SkuParts::from(known).into()
    }
}

/// A product with its matrix codes as they stand in an offer's SKU, or in an override: nothing is
/// copied, because there may be a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SkuParts<'s> {
    /// The product.
    pub(crate) product: &'s str,
    /// The matrix codes; an unused one is empty.
    pub(crate) matrix_codes: [&'s str; 4],
}

impl<'s> From<&'s SkuOverride> for SkuParts<'s> {
    fn from(known: &'s SkuOverride) -> Self {
        let mut codes = known.matrix_codes.iter().map(String::as_str);
        Self {
            product: &known.product,
            matrix_codes: std::array::from_fn(|_| codes.next().unwrap_or_default()),
        }
    }
}

impl From<SkuParts<'_>> for PrimaSku {
    fn from(parts: SkuParts<'_>) -> Self {
        Self {
            product: parts.product.to_owned(),
            matrix_codes: parts.matrix_codes.map(str::to_owned),
        }
    }
}

/// Reads the SKUs of a channel's offers, many of them by the same rules.
#[derive(Clone, Debug)]
pub struct SkuReader {
    forms: Forms,
    overrides: HashMap<String, SkuOverride>,
}

/// Why an offer's SKU names no Prima SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkuProblem {
    /// It has none of the forms.
    Unknown,
    /// It has several meanings.
    Ambiguous,
    /// Its override cannot be used.
    WrongOverride,
}

impl SkuProblem {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ambiguous => "ambiguous",
            Self::WrongOverride => "wrong override",
        }
    }
}

impl SkuReader {
    /// By these rules; an override comes first.
    #[must_use]
    pub fn new(rules: &SkuRules, overrides: HashMap<String, SkuOverride>) -> Self {
        Self { forms: Forms::new(rules), overrides }
    }

    /// What an offer's SKU means: the same as where its order is mapped.
    ///
    /// # Errors
    /// Nothing, or more than one thing.
    pub fn read(&self, offer_sku: &str) -> Result<PrimaSku, SkuProblem> {
        self.read_as(offer_sku, |parts| PrimaSku::from(parts))
    }

    /// What `then` makes of an offer's SKU.
    ///
    /// # Errors
    /// As [`SkuReader::read`].
    pub(crate) fn read_as<R>(
        &self,
        offer_sku: &str,
        then: impl FnOnce(SkuParts<'_>) -> R,
    ) -> Result<R, SkuProblem> {
        if let Some(known) =
            self.overrides.get(offer_sku).or_else(|| self.overrides.get(offer_sku.trim()))
        {
            return if known.problem().is_some() {
                Err(SkuProblem::WrongOverride)
            } else {
                Ok(then(known.into()))
            };
        }
        match self.forms.read(&self.forms.normal(offer_sku)) {
            [None, _] => Err(SkuProblem::Unknown),
            [Some(one), None] => Ok(then(one)),
            [Some(_), Some(_)] => Err(SkuProblem::Ambiguous),
        }
    }
}

/// What `sku` means; a problem of the line `line_id` if it means nothing, or more than one thing.
pub(super) fn resolve(
    problems: &mut Problems,
    line_id: &str,
    sku: Option<&str>,
    rules: &SkuRules,
    overrides: &HashMap<String, SkuOverride>,
) -> Option<PrimaSku> {
    let Some(raw) = sku.filter(|sku| !sku.trim().is_empty()) else {
        problems.add_sku(
            format!("line {line_id} has no SKU"),
            "Ask the marketplace which offer was sold, and key the order into Prima by hand.",
        );
        return None;
    };
    if let Some(known) = overrides.get(raw).or_else(|| overrides.get(raw.trim())) {
        if let Some(problem) = known.problem() {
            problems.add_sku(
                format!("line {line_id}: the override of SKU {raw} {problem}"),
                "Correct the override and retry the order.",
            );
            return None;
        }
        return Some(PrimaSku::from(known));
    }
    let forms = Forms::new(rules);
    match forms.read(&forms.normal(raw)) {
        [Some(one), None] => Some(one.into()),
        [None, _] => {
            problems.add_sku(
                format!("line {line_id}: SKU {raw} is unknown: it has none of the forms {}", rules.patterns.join(", ")),
                format!("Correct the offer's SKU in Mirakl, or add an override of {raw} that names Prima's product and matrix codes; then retry the order."),
            );
            None
        }
        [Some(first), Some(second)] => {
            problems.add_sku(
                format!("line {line_id}: SKU {raw} is ambiguous: it may be {} or {}", shown(first), shown(second)),
                format!("Add an override of {raw} that names the right product and matrix codes, then retry the order."),
            );
            None
        }
    }
}

fn shown(sku: SkuParts<'_>) -> String {
    let codes = sku.matrix_codes.into_iter().filter(|code| !code.is_empty()).collect::<Vec<_>>();
    if codes.is_empty() {
        sku.product.to_owned()
    } else {
        format!("{} ({})", sku.product, codes.join(", "))
    }
}

/// The forms that a channel's SKUs may have.
#[derive(Clone, Debug)]
struct Forms {
    forms: Vec<Vec<Element>>,
    /// Of all forms: with `{product}-{matrix1}` beside `{product}`, a SKU with a separator fits the
    /// first one only.
    separators: Vec<String>,
    capitals: bool,
}

impl Forms {
    fn new(rules: &SkuRules) -> Self {
        let forms: Vec<Vec<Element>> =
            rules.patterns.iter().filter_map(|pattern| parse_pattern(pattern).ok()).collect();
        let inner = forms.iter().flat_map(|form| form.iter().skip(1));
        let separators = inner.filter_map(|element| match element {
            Element::Literal(text) => Some(text.clone()),
            Element::Field { .. } => None,
        });
        Self { separators: separators.collect(), capitals: rules.capitals, forms }
    }

    /// A SKU as its parts are to be read.
    fn normal<'r>(&self, raw: &'r str) -> Cow<'r, str> {
        if self.capitals {
            Cow::Owned(raw.trim().to_uppercase())
        } else {
            Cow::Borrowed(raw.trim())
        }
    }

    /// The different results of all forms; at most two, as a second one settles that the SKU is
    /// ambiguous.
    fn read<'s>(&self, sku: &'s str) -> Found<'s> {
        let mut found = Found::default();
        if sku.len() > LONGEST || sku.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return found;
        }
        for form in &self.forms {
            read(sku, form, &self.separators, SkuParts::default(), &mut found);
        }
        found
    }
}

/// No result, one, or more than one.
type Found<'s> = [Option<SkuParts<'s>>; 2];

fn read<'s>(
    rest: &'s str,
    elements: &[Element],
    separators: &[String],
    so_far: SkuParts<'s>,
    found: &mut Found<'s>,
) {
    if found[1].is_some() {
        return;
    }
    let Some((element, following)) = elements.split_first() else {
        if rest.is_empty() && !found.contains(&Some(so_far)) {
            found[usize::from(found[0].is_some())] = Some(so_far);
        }
        return;
    };
    match element {
        Element::Literal(text) => {
            if let Some(rest) = rest.strip_prefix(text.as_str()) {
                read(rest, following, separators, so_far, found);
            }
        }
        Element::Field { part, width, any } => {
            // A part that holds no separator ends before the first one does.
            let is_free = width.is_some() || *any;
            let most = if is_free {
                rest.len()
            } else {
                separators
                    .iter()
                    .filter_map(|one| last_without(rest, one))
                    .min()
                    .unwrap_or(rest.len())
            };
            let ends = rest.char_indices().skip(1).map(|(end, _)| end).chain([rest.len()]);
            for end in ends.take_while(|end| *end <= most) {
                let (taken, rest) = rest.split_at(end);
                let fits = match width {
                    Some(width) => taken.chars().count() == *width,
                    None => !taken.is_empty(),
                };
                if !fits {
                    continue;
                }
                let mut next = so_far;
                match part {
                    Part::Product => next.product = taken,
                    Part::Matrix(index) => next.matrix_codes[*index] = taken,
                    Part::Ignore => {}
                }
                read(rest, following, separators, next, found);
            }
        }
    }
}

/// How far a text goes without holding the separator, where it holds it at all. The separator has a
/// character at least.
fn last_without(text: &str, separator: &str) -> Option<usize> {
    let at = text
        .as_bytes()
        .windows(separator.len().max(1))
        .position(|window| window == separator.as_bytes())?;
    Some((at + separator.len()).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::domain::order::ExceptionKind;

    fn with(patterns: &[&str]) -> SkuRules {
        SkuRules {
            patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            capitals: false,
        }
    }

    fn resolved(
        sku: &str,
        rules: &SkuRules,
    ) -> Result<(String, Vec<String>), super::super::MappingFailure> {
        let mut problems = Problems::default();
        let result = resolve(&mut problems, "1", Some(sku), rules, &HashMap::new());
        problems.into_result()?;
        let sku = result.unwrap();
        Ok((sku.product, sku.matrix_codes.into_iter().filter(|code| !code.is_empty()).collect()))
    }

    fn codes(product: &str, codes: &[&str]) -> (String, Vec<String>) {
        (product.to_owned(), codes.iter().map(|code| (*code).to_owned()).collect())
    }

    #[test]
    fn by_default_separators_part_a_product_its_colour_and_its_size() {
        assert_eq!(
            resolved("W1042-NAV-12", &SkuRules::default()).unwrap(),
            codes("W1042", &["NAV", "12"])
        );
    }

    #[test]
    fn fixed_widths_prefixes_and_ignored_parts_are_read() {
        assert_eq!(
            resolved("W1042NAV12", &with(&["{product:5}{matrix1:3}{matrix2}"])).unwrap(),
            codes("W1042", &["NAV", "12"])
        );
        assert_eq!(
            resolved("W10420NAV12", &with(&["{product}{matrix1:3}{matrix2:2}"])).unwrap(),
            codes("W10420", &["NAV", "12"])
        );
        assert_eq!(
            resolved("MK-W1042_AW26", &with(&["MK-{product}_{ignore}"])).unwrap(),
            codes("W1042", &[])
        );
        assert_eq!(
            resolved("W-10-42-NAV-12", &with(&["{product*}-{matrix1}-{matrix2}"])).unwrap(),
            codes("W-10-42", &["NAV", "12"])
        );
        let four = with(&["{ignore}/{product}-{matrix1}-{matrix2}-{matrix3}-{matrix4}/{ignore}"]);
        assert_eq!(
            resolved("UK/W1042-NAV-12-L-TALL/AW26", &four).unwrap(),
            codes("W1042", &["NAV", "12", "L", "TALL"])
        );
        assert_eq!(
            resolved("w1-nav-é", &SkuRules { capitals: true, ..SkuRules::default() }).unwrap(),
            codes("W1", &["NAV", "É"])
        );
    }

    #[test]
    fn alternatives_are_tried_and_the_same_result_twice_is_one() {
        let rules = with(&["{product}-{matrix1}-{matrix2}", "{product}-{matrix1}", "{product}"]);
        assert_eq!(resolved("W1042-NAV", &rules).unwrap(), codes("W1042", &["NAV"]));
        assert_eq!(resolved("W1042", &rules).unwrap(), codes("W1042", &[]));
        let same = with(&["{product}-{matrix1}", "{product:5}-{matrix1}"]);
        assert_eq!(resolved("W1042-NAV", &same).unwrap(), codes("W1042", &["NAV"]));
    }

    #[test]
    fn an_unknown_and_an_ambiguous_sku_say_so_with_a_remedy() {
        for sku in ["W1042", "W1042-NAV-12-L", "W1042--12", "W1042 NAV 12", "-", &"W".repeat(200)] {
            let failure = resolved(sku, &SkuRules::default()).unwrap_err();
            assert_eq!(failure.kind, ExceptionKind::UnknownSku);
            assert!(
                failure.reason.contains("is unknown") && failure.remedy.contains("override"),
                "{failure:?}"
            );
        }
        let any = with(&["{product*}"]);
        for sku in ["W1042 NAV", "W1042\u{7}NAV", &"W".repeat(LONGEST + 1)] {
            assert!(resolved(sku, &any).unwrap_err().reason.contains("is unknown"), "{sku}");
        }
        assert!(resolved(&"W".repeat(LONGEST), &any).is_ok());
        let failure =
            resolved("W1042-NAV", &with(&["{product}-{matrix1}", "{product*}"])).unwrap_err();
        assert_eq!(failure.kind, ExceptionKind::UnknownSku);
        assert_eq!(
            failure.reason,
            "line 1: SKU W1042-NAV is ambiguous: it may be W1042 (NAV) or W1042-NAV"
        );
    }

    /// A SKU is written as an override without the empty codes at its end.
    #[test]
    fn an_override_is_written_without_trailing_empty_codes() {
        let written = |codes: [&str; 4]| {
            let sku = PrimaSku { product: "W1042".into(), matrix_codes: codes.map(str::to_owned) };
            let written = SkuOverride::from(sku.clone());
            assert_eq!(PrimaSku::from(&written), sku);
            (written.product, written.matrix_codes)
        };
        assert_eq!(written(["NAV", "12", "", ""]), codes("W1042", &["NAV", "12"]));
        assert_eq!(written(["", "12", "", ""]), codes("W1042", &["", "12"]));
        assert_eq!(written(["", "", "", ""]), codes("W1042", &[]));
    }

    /// An offer's SKU is read as that of an order, and its problem has a name.
    #[test]
    fn offer_skus_read_like_order_skus_with_named_problems() {
        let overrides = HashMap::from([
            (
                "ODD 1".to_owned(),
                SkuOverride { product: "W1".into(), matrix_codes: vec!["RED".into()] },
            ),
            ("BAD".to_owned(), SkuOverride::default()),
        ]);
        let reader = SkuReader::new(&with(&["{product}-{matrix1}", "{product*}-X"]), overrides);
        let read =
            |sku: &str| reader.read(sku).map(|sku| (sku.product, sku.matrix_codes[0].clone()));
        assert_eq!(read("W1042-NAV"), Ok(("W1042".to_owned(), "NAV".to_owned())));
        assert_eq!(read(" ODD 1 "), Ok(("W1".to_owned(), "RED".to_owned())));
        for (sku, name) in
            [("W1042", "unknown"), ("W1042-X", "ambiguous"), ("BAD", "wrong override")]
        {
            assert_eq!(read(sku).map_err(SkuProblem::name), Err(name), "{sku}");
        }
    }

    #[test]
    fn an_override_comes_first_and_a_missing_sku_is_a_problem() {
        let overrides = HashMap::from([
            (
                "ODD 1".to_owned(),
                SkuOverride { product: "W1".into(), matrix_codes: vec!["RED".into()] },
            ),
            ("W1-A-1".to_owned(), SkuOverride { product: "X9".into(), matrix_codes: vec![] }),
            ("BAD".to_owned(), SkuOverride::default()),
        ]);
        let mut problems = Problems::default();
        let rules = SkuRules::default();
        let odd = resolve(&mut problems, "1", Some("ODD 1"), &rules, &overrides).unwrap();
        assert_eq!(
            (odd.product.as_str(), odd.matrix_codes[0].as_str(), odd.matrix_codes[1].as_str()),
            ("W1", "RED", "")
        );
        assert_eq!(
            resolve(&mut problems, "1", Some("W1-A-1"), &rules, &overrides).unwrap().product,
            "X9"
        );
        assert!(problems.is_empty());
        assert_eq!(resolve(&mut problems, "1", Some("BAD"), &rules, &overrides), None);
        assert_eq!(resolve(&mut problems, "2", None, &rules, &overrides), None);
        let failure = problems.into_result().unwrap_err();
        assert_eq!(
            failure.reason,
            "line 1: the override of SKU BAD names no product\nline 2 has no SKU"
        );
    }
}
