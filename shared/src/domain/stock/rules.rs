//! A channel's stock rules: a document of its own. What is held back stands in it with who asked
//! for it, why, and until when.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kit::field_error::FieldError;

/// The stock rules of one channel. Unknown fields are refused: a misspelt setting must not be
/// ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StockRules {
    /// What is held back. The most specific rule that is in force wins, for each of its settings by
    /// itself; of two of the same kind the later.
    pub rules: Vec<StockRule>,
    /// What becomes of this channel's offers once Prima has been silent for too long.
    pub outage: OutageRule,
    /// How quantities reach the marketplace.
    pub import: ImportKind,
    /// Minutes between two pushes at most rapid: never under 1, the marketplace's own limit.
    pub floor_minutes: u32,
    /// Minutes between two pushes when little is sold.
    pub ceiling_minutes: u32,
    /// Units that may be sold between two pushes: the pace follows the sales.
    pub units_between_pushes: u32,
    /// At or under so many units left to offer, what lowers an offer goes out as soon as the
    /// marketplace allows; above, at the floor.
    pub urgent_units: u32,
    /// Times in which the channel is pushed at the floor, whatever is sold.
    pub promotions: Vec<Promotion>,
    /// Minutes after which an import that has not ended is an alert and its lines are in doubt.
    pub import_stuck_minutes: u32,
}

impl Default for StockRules {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            outage: OutageRule::Keep,
            import: ImportKind::Stock,
            floor_minutes: 2,
            ceiling_minutes: 15,
            units_between_pushes: 10,
            urgent_units: 3,
            promotions: Vec::new(),
            import_stuck_minutes: 60,
        }
    }
}

/// What becomes of offers once Prima has been silent for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutageRule {
    /// They stay as they are, less what is sold.
    #[default]
    Keep,
    /// They go to zero.
    Zero,
}

/// How quantities reach the marketplace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportKind {
    /// STO01: quantities alone.
    #[default]
    Stock,
    /// OF01 in mode NORMAL with the columns sku, quantity and update-delete, where a marketplace
    /// has no STO01.
    Offers,
}

/// Something that is held back, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockRule {
    /// The offer SKU that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Or the Prima product, with all its sizes and colours. With neither it is about the whole
    /// channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Of a hundred free units so many are offered here. 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_percent: Option<u32>,
    /// Units held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<u32>,
    /// Units offered at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<u32>,
    /// Not offered at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<bool>,
    /// Who asked for it.
    pub by: String,
    /// The reason, as the person gave it.
    pub why: String,
    /// It ends at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A time in which the channel is pushed at the floor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// From.
    pub from: Timestamp,
    /// Until.
    pub until: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// The reason, as the person gave it.
    pub why: String,
}

/// A setting with the rule that it comes from; none where it is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sourced<'a, T> {
    /// The setting.
    pub value: T,
    /// The rule.
    pub rule: Option<&'a StockRule>,
}

/// How much of a SKU may be offered on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferLimits<'a> {
    /// Percent of the free units.
    pub share_percent: Sourced<'a, u32>,
    /// Units held back.
    pub buffer: Sourced<'a, u32>,
    /// Units at most.
    pub cap: Sourced<'a, Option<u32>>,
    /// Not offered at all.
    pub excluded: Sourced<'a, bool>,
}

impl StockRules {
    /// Everything that is wrong, one entry a field; empty when they are fit for use.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: String, problem: &str| {
            if !holds {
                problems.push(FieldError::new(field, problem));
            }
        };
        for (index, rule) in self.rules.iter().enumerate() {
            let field = |name: &str| format!("rules[{index}].{name}");
            let blank =
                |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
            require(
                !blank(&rule.sku) && !blank(&rule.product),
                field("sku"),
                "is blank: leave sku and product out for a rule about the whole channel",
            );
            require(
                rule.sku.is_none() || rule.product.is_none(),
                field("product"),
                "stands beside sku: a rule is about one of them",
            );
            require(
                rule.share_percent.is_none_or(|share| share <= 100),
                field("share_percent"),
                "takes 0 to 100",
            );
            require(!rule.by.trim().is_empty(), field("by"), "is blank: name who asked for it");
            require(!rule.why.trim().is_empty(), field("why"), "is blank: say why");
            let sets_something = rule.share_percent.is_some()
                || rule.buffer.is_some()
                || rule.cap.is_some()
                || rule.exclude.is_some();
            require(
                sets_something,
                format!("rules[{index}]"),
                "sets nothing: it takes share_percent, buffer, cap or exclude",
            );
        }
        for (index, promotion) in self.promotions.iter().enumerate() {
            require(
                promotion.from < promotion.until,
                format!("promotions[{index}].until"),
                "must be later than from",
            );
        }
        require(
            (1..=1440).contains(&self.floor_minutes),
            "floor_minutes".to_owned(),
            "takes 1 to 1440",
        );
        require(
            (self.floor_minutes..=1440).contains(&self.ceiling_minutes),
            "ceiling_minutes".to_owned(),
            "takes floor_minutes to 1440",
        );
        require(
            (1..=100_000).contains(&self.units_between_pushes),
            "units_between_pushes".to_owned(),
            "takes 1 to 100000",
        );
        require(
            (5..=1440).contains(&self.import_stuck_minutes),
            "import_stuck_minutes".to_owned(),
            "takes 5 to 1440",
        );
        problems
    }

    /// The limits of an offer whose Prima product is `product`, at `now`. Of many offers:
    /// [`StockRules::in_force`].
    #[must_use]
    pub fn limits_of(&self, sku: &str, product: &str, now: Timestamp) -> OfferLimits<'_> {
        self.in_force(now).limits_of(sku, product)
    }

    /// The rules that have not ended at `now`, to be asked for many offers.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> RulesInForce<'_> {
        let mut sorted = RulesInForce::default();
        for rule in self.rules.iter().filter(|rule| rule.until.is_none_or(|until| now < until)) {
            let of_its_kind = match (&rule.sku, &rule.product) {
                (Some(sku), _) => sorted.of_skus.entry(sku).or_default(),
                (None, Some(product)) => sorted.of_products.entry(product).or_default(),
                (None, None) => &mut sorted.of_the_channel,
            };
            of_its_kind.add(rule);
        }
        sorted
    }
}

/// Stock rules by what they are about.
#[derive(Clone, Debug, Default)]
pub struct RulesInForce<'a> {
    of_skus: HashMap<&'a str, Set<'a>>,
    of_products: HashMap<&'a str, Set<'a>>,
    of_the_channel: Set<'a>,
}

/// What rules about the same thing set: of two the later.
#[derive(Clone, Copy, Debug, Default)]
struct Set<'a> {
    share_percent: Option<Sourced<'a, u32>>,
    buffer: Option<Sourced<'a, u32>>,
    cap: Option<Sourced<'a, u32>>,
    excluded: Option<Sourced<'a, bool>>,
}

impl<'a> Set<'a> {
    fn add(&mut self, rule: &'a StockRule) {
        fn or<'a, T>(
            value: Option<T>,
            rule: &'a StockRule,
            before: Option<Sourced<'a, T>>,
        ) -> Option<Sourced<'a, T>> {
            value.map(|value| Sourced { value, rule: Some(rule) }).or(before)
        }
        self.share_percent = or(rule.share_percent, rule, self.share_percent);
        self.buffer = or(rule.buffer, rule, self.buffer);
        self.cap = or(rule.cap, rule, self.cap);
        self.excluded = or(rule.exclude, rule, self.excluded);
    }
}

impl<'a> RulesInForce<'a> {
    /// The limits of an offer: what is set of the SKU itself, else of its product, else of the
    /// whole channel.
    #[must_use]
    pub fn limits_of(&self, sku: &str, product: &str) -> OfferLimits<'a> {
        let closest =
            [self.of_skus.get(sku), self.of_products.get(product), Some(&self.of_the_channel)];
        fn first<'a, T>(
            closest: [Option<&Set<'a>>; 3],
            of: impl Fn(&Set<'a>) -> Option<Sourced<'a, T>>,
            default: T,
        ) -> Sourced<'a, T> {
            closest
                .into_iter()
                .flatten()
                .find_map(of)
                .unwrap_or(Sourced { value: default, rule: None })
        }
        OfferLimits {
            share_percent: first(closest, |set| set.share_percent, 100),
            buffer: first(closest, |set| set.buffer, 0),
            cap: first(
                closest,
                |set| set.cap.map(|cap| Sourced { value: Some(cap.value), rule: cap.rule }),
                None,
            ),
            excluded: first(closest, |set| set.excluded, false),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn rules() -> StockRules {
        serde_json::from_str(
            r#"{"rules":[
                {"sku":"W1-NAV-10","buffer":5,"by":"Anna","why":"photo shoot","until":"2026-11-30T00:00:00Z"},
                {"product":"W1","buffer":3,"cap":8,"by":"Anna","why":"slow to restock"},
                {"buffer":1,"share_percent":50,"by":"Ben","why":"two marketplaces"},
                {"buffer":2,"by":"Ben","why":"peak"}]}"#,
        )
        .unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_setting_comes_from_the_closest_rule_in_force() {
        let rules = rules();
        assert_eq!(rules.problems(), Vec::new());
        let limits = |sku: &str, product: &str, now: &str| {
            let limits = rules.limits_of(sku, product, at(now));
            (
                limits.share_percent.value,
                limits.buffer.value,
                limits.cap.value,
                limits.excluded.value,
            )
        };
        assert_eq!(limits("W1-NAV-10", "W1", "2026-11-20T00:00:00Z"), (50, 5, Some(8), false));
        assert_eq!(
            limits("W1-NAV-10", "W1", "2026-11-30T00:00:00Z"),
            (50, 3, Some(8), false),
            "it has ended"
        );
        assert_eq!(
            limits("W2-RED-8", "W2", "2026-11-20T00:00:00Z"),
            (50, 2, None, false),
            "of two alike the later"
        );
        assert_eq!(
            rules.limits_of("W1-NAV-10", "W1", at("2026-11-20T00:00:00Z")).buffer.rule.unwrap().why,
            "photo shoot"
        );
    }

    #[test]
    fn a_rule_without_author_reason_or_effect_is_refused() {
        let bad: StockRules = serde_json::from_str(
            r#"{"rules":[{"sku":"A","product":"B","share_percent":120,"by":" ","why":""},{"by":"Anna","why":"nothing"}],"floor_minutes":9,"ceiling_minutes":3}"#,
        )
        .unwrap();
        let fields: Vec<_> = bad.problems().into_iter().map(|problem| problem.field).collect();
        assert_eq!(
            fields,
            [
                "rules[0].product",
                "rules[0].share_percent",
                "rules[0].by",
                "rules[0].why",
                "rules[1]",
                "ceiling_minutes"
            ]
        );
    }
}
