//! A journal: balanced, its lines numbered, each on one side.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::calendar::BookedOn;
use super::chart::Account;
use super::draft::{Draft, LineKey, LineSum, Role};
use super::key::{CycleKey, JournalKind, JournalName};
use crate::kit::amount::Amount;
use crate::kit::digest::sha256_hex;
use crate::mirakl::finance::TransactionType;

/// What Prima's ledger takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Lines of one journal: two at least, a line and the clearing account's.
    pub max_lines: usize,
    /// Characters of a reference.
    pub reference_length: usize,
    /// Characters of a narrative.
    pub narrative_length: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_lines: 200, reference_length: 20, narrative_length: 60 }
    }
}

/// A line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Its number, from 1.
    pub line: u32,
    /// Where it is booked.
    #[serde(flatten)]
    pub account: Account,
    /// The debit: zero where it is a credit.
    pub debit: Amount,
    /// The credit: zero where it is a debit.
    pub credit: Amount,
    /// The VAT that the ledger books beside it by the tax code, on the line's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_amount: Option<Amount>,
    /// For people.
    pub narrative: String,
    /// The document's number where there is one; else the billing cycle.
    pub reference: String,
    /// The type of transaction; the clearing account's line has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TransactionType>,
    /// What it is.
    pub role: Role,
}

/// A journal, or a part of one that is split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The cycle.
    pub key: CycleKey,
    /// Which journal of it.
    pub name: JournalName,
    /// `JournalRef`.
    pub reference: String,
    /// TPGUID.
    pub guid: String,
    /// `JournalDate`.
    pub date: Date,
    /// Period.
    pub period: String,
    /// Currency.
    pub currency: String,
    /// Narrative.
    pub narrative: String,
    /// Its lines: the clearing account's is the last.
    pub lines: Vec<JournalLine>,
}

/// What is wrong with a journal: such a one is never posted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalProblem {
    /// Debits are not credits.
    #[error("debits of {debits} are not credits of {credits}")]
    Unbalanced {
        /// All debits.
        debits: Amount,
        /// All credits.
        credits: Amount,
    },
    /// A line is on both sides, on none, or negative.
    #[error("line {0} is not on one side")]
    NotOnOneSide(u32),
    /// It has no lines.
    #[error("it has no lines")]
    Empty,
}

/// Whose journal it is, and when.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'h> {
    /// The cycle.
    pub key: &'h CycleKey,
    /// Which journal of it; its part is set here.
    pub name: JournalName,
    /// When it is booked.
    pub booked: &'h BookedOn,
    /// The clearing account.
    pub clearing: &'h Account,
    /// The account of VAT that no fee's line can carry.
    pub input_vat: &'h Account,
    /// What Prima takes.
    pub limits: Limits,
}

/// Makes the journal of a draft, or its parts: none where there is nothing to book. Each part is
/// balanced over the clearing account.
#[must_use]
pub fn journals(draft: &Draft, heading: &Heading<'_>) -> Vec<Journal> {
    let lines: Vec<_> =
        draft.0.iter().flat_map(|(key, sum)| one_sided(key, sum, heading.input_vat)).collect();
    let size = heading.limits.max_lines.saturating_sub(1).max(1);
    let parts = lines.chunks(size);
    let is_split = parts.len() > 1;
    (1..)
        .zip(parts)
        .map(|(part, lines)| {
            let part = is_split.then_some(part);
            journal(lines, heading, JournalName { part, ..heading.name })
        })
        .collect()
}

/// A line whose VAT is not on its own side stands in two: no line is on both.
fn one_sided(key: &LineKey, sum: &LineSum, input_vat: &Account) -> Vec<(LineKey, LineSum)> {
    let is_odd = sum.tax != Amount::ZERO
        && (sum.net == Amount::ZERO || (sum.tax < Amount::ZERO) != (sum.net < Amount::ZERO));
    if !is_odd {
        return vec![(key.clone(), sum.clone())];
    }
    let detached =
        LineKey { role: Role::DetachedTax, account: input_vat.clone(), kind: key.kind.clone() };
    let tax = LineSum {
        net: sum.tax,
        narrative: Some("{type} VAT".to_owned()),
        documents: sum.documents.clone(),
        ..LineSum::default()
    };
    let net = LineSum { tax: Amount::ZERO, ..sum.clone() };
    let both = [(key.clone(), net), (detached, tax)];
    both.into_iter().filter(|(_, sum)| sum.net != Amount::ZERO).collect()
}

fn journal(lines: &[(LineKey, LineSum)], heading: &Heading<'_>, name: JournalName) -> Journal {
    let Heading { key, booked, clearing, limits, .. } = heading;
    let cycle = &key.cycle;
    let side = |net: Amount| {
        if net < Amount::ZERO { (Amount(-net.0), Amount::ZERO) } else { (Amount::ZERO, net) }
    };
    let mut written: Vec<JournalLine> = Vec::with_capacity(lines.len() + 1);
    let mut total = Amount::ZERO;
    for (number, (line, sum)) in (1..).zip(lines) {
        total.0 += sum.net.0 + sum.tax.0;
        let (debit, credit) = side(sum.net);
        let only = (sum.documents.len() == 1).then(|| sum.documents.first()).flatten();
        written.push(JournalLine {
            line: number,
            account: line.account.clone(),
            debit,
            credit,
            tax_amount: (sum.tax != Amount::ZERO).then(|| Amount(sum.tax.0.abs())),
            narrative: cut(&narrative(line, sum), limits.narrative_length),
            reference: cut(only.unwrap_or(cycle), limits.reference_length),
            kind: Some(line.kind.clone()),
            role: line.role,
        });
    }
    if total != Amount::ZERO {
        let (debit, credit) = side(Amount(-total.0));
        written.push(JournalLine {
            line: u32::try_from(written.len() + 1).unwrap_or(u32::MAX),
            account: (*clearing).clone(),
            debit,
            credit,
            tax_amount: None,
            narrative: cut(&format!("net deductions {cycle}"), limits.narrative_length),
            reference: cut(cycle, limits.reference_length),
            kind: None,
            role: Role::Clearing,
        });
    }
    // The true day first: it is what must not be cut off.
    let instead_of = booked.instead_of.map(|day| format!("dated {day}, ")).unwrap_or_default();
    let what = match name.kind {
        JournalKind::Cycle => "marketplace deductions",
        JournalKind::Supplementary(_) => "changes of marketplace deductions",
        JournalKind::Reversal(_) => "reversal of marketplace deductions",
        JournalKind::Reclassification(_) => "marketplace deductions out of suspense",
    };
    Journal {
        key: (*key).clone(),
        name,
        reference: key.reference(&name, limits.reference_length),
        guid: key.guid(&name),
        date: booked.date,
        period: booked.period.clone(),
        currency: key.currency.clone(),
        narrative: cut(&format!("{instead_of}{what} {cycle}"), limits.narrative_length),
        lines: written,
    }
}

fn narrative(line: &LineKey, sum: &LineSum) -> String {
    let lines = match sum.lines {
        1 => "1 line".to_owned(),
        lines => format!("{lines} lines"),
    };
    let documents: Vec<&str> = sum.documents.iter().map(String::as_str).collect();
    sum.narrative
        .as_deref()
        .unwrap_or("{type}")
        .replace("{type}", line.kind.code())
        .replace("{lines}", &lines)
        .replace("{documents}", &documents.join(" "))
        .trim()
        .to_owned()
}

fn cut(text: &str, length: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(length).collect::<String>().trim_end().to_owned()
}

impl Journal {
    /// All debits, and the VAT on their side.
    #[must_use]
    pub fn debits(&self) -> Amount {
        self.side(|line| line.debit)
    }

    /// All credits, and the VAT on their side.
    #[must_use]
    pub fn credits(&self) -> Amount {
        self.side(|line| line.credit)
    }

    fn side(&self, of: fn(&JournalLine) -> Amount) -> Amount {
        let lines = self.lines.iter().filter(|line| of(line) != Amount::ZERO);
        Amount(lines.map(|line| of(line).0 + line.tax_amount.unwrap_or_default().0).sum())
    }

    /// What the clearing account's line comes to: positive is a debit.
    #[must_use]
    pub fn clearing(&self) -> Amount {
        let lines = self.lines.iter().filter(|line| line.role == Role::Clearing);
        Amount(lines.map(|line| line.debit.0 - line.credit.0).sum())
    }

    /// Everything that is wrong; empty where it may be posted.
    #[must_use]
    pub fn problems(&self) -> Vec<JournalProblem> {
        let is_odd = |line: &&JournalLine| {
            line.debit < Amount::ZERO
                || line.credit < Amount::ZERO
                || (line.debit == Amount::ZERO) == (line.credit == Amount::ZERO)
                || line.tax_amount.is_some_and(|tax| tax <= Amount::ZERO)
        };
        let mut problems: Vec<_> = self
            .lines
            .iter()
            .filter(is_odd)
            .map(|line| JournalProblem::NotOnOneSide(line.line))
            .collect();
        if self.lines.is_empty() {
            problems.push(JournalProblem::Empty);
        }
        let (debits, credits) = (self.debits(), self.credits());
        if debits != credits {
            problems.push(JournalProblem::Unbalanced { debits, credits });
        }
        problems
    }

    /// What an approval binds to: another journal has another.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn hash(&self) -> Result<String, serde_json::Error> {
        serde_json::to_vec(self).map(|bytes| sha256_hex(&bytes))
    }

    /// The line that the lines of a type and account are in.
    #[must_use]
    pub fn line_of(&self, key: &LineKey) -> Option<u32> {
        let is_it = |line: &&JournalLine| {
            line.kind.as_ref() == Some(&key.kind)
                && line.role == key.role
                && line.account == key.account
        };
        self.lines.iter().find(is_it).map(|line| line.line)
    }

    /// Its mirror image.
    #[must_use]
    pub fn reversed(&self, name: JournalName, booked: &BookedOn, limits: Limits) -> Self {
        let mut reversal = self.clone();
        for line in &mut reversal.lines {
            std::mem::swap(&mut line.debit, &mut line.credit);
        }
        let name = JournalName { part: self.name.part, ..name };
        reversal.name = name;
        reversal.reference = self.key.reference(&name, limits.reference_length);
        reversal.guid = self.key.guid(&name);
        reversal.date = booked.date;
        reversal.period.clone_from(&booked.period);
        let narrative = format!("reversal of {}: {}", self.reference, self.narrative);
        reversal.narrative = cut(&narrative, limits.narrative_length);
        reversal
    }
}

/// What journals booked already, as a draft: what a supplementary journal is the difference to.
#[must_use]
pub fn booked<'j>(journals: impl IntoIterator<Item = &'j Journal>) -> Draft {
    let mut draft = Draft::default();
    let mut detached = Vec::new();
    for line in journals.into_iter().flat_map(|journal| &journal.lines) {
        let Some(kind) = &line.kind else { continue };
        let net = line.credit.0 - line.debit.0;
        if line.role == Role::DetachedTax {
            detached.push((kind, line, net));
            continue;
        }
        let key = LineKey { kind: kind.clone(), role: line.role, account: line.account.clone() };
        let sum = draft.0.entry(key).or_default();
        let tax = line.tax_amount.unwrap_or_default().0;
        sum.net.0 += net;
        sum.tax.0 += if net.is_sign_negative() { -tax } else { tax };
    }
    for (kind, line, net) in detached {
        let fee = draft.0.iter_mut().find(|(key, _)| key.kind == *kind && key.role == Role::Type);
        if let Some((_, sum)) = fee {
            sum.tax.0 += net;
        } else {
            let (role, account) = (line.role, line.account.clone());
            let key = LineKey { kind: kind.clone(), role, account };
            draft.0.entry(key).or_default().net.0 += net;
        }
    }
    draft
}
