//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Watches orders go from a simulated Mirakl marketplace to a simulated Prima, through the
/// connector's own compiled functions, deployed from template.yaml onto a local AWS. Nothing leaves
/// this machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo demo")]
pub(crate) struct Arguments {
    /// What is to be seen.
    #[arg(long, value_enum, default_value_t = Scenario::Orders)]
    pub(crate) scenario: Scenario,
    /// How many orders arrive, over both channels, or customers come to a stock peak; 60, 2,000 for
    /// a dispatch day, 1,500 for a stock peak and 5,000 for a month end where it is left out.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) orders: Option<u32>,
    /// Seed of orders and faults: the same seed brings the same orders.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How badly the two systems behave. A dispatch day knows none and light ones.
    #[arg(long, value_enum, default_value_t = Faults::Light)]
    pub(crate) faults: Faults,
    /// Minutes over which they arrive; three quarters of a minute, or 16 for a stock peak, where it
    /// is left out.
    #[arg(long)]
    pub(crate) minutes: Option<u32>,
    /// What becomes of the last pieces in a stock peak: the rule that the connector is given.
    #[arg(long, value_enum, default_value_t = LastPieces::Divide)]
    pub(crate) last_pieces: LastPieces,
    /// Also write the summary to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Leave everything running afterwards, to explore, until Ctrl-C.
    #[arg(long)]
    pub(crate) stay: bool,
}

/// What is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Orders, from Mirakl to Prima.
    Orders,
    /// A day in the warehouse: parcels, from Prima to Mirakl, with part dispatches, unmapped
    /// carriers and short orders.
    DispatchDay,
    /// A sales peak on two channels that sell the same SKUs, with Prima down in the middle, beside
    /// what a naive rule would oversell.
    StockPeak,
    /// Billing cycles of a month that has gone, from Mirakl's transaction log to Prima's books.
    MonthEnd,
}

impl Arguments {
    /// How many orders arrive.
    pub(crate) fn orders(&self) -> u32 {
        self.orders.unwrap_or(match self.scenario {
            Scenario::Orders => 60,
            Scenario::DispatchDay => 2000,
            Scenario::StockPeak => 1500,
            Scenario::MonthEnd => 5000,
        })
    }

    /// How many orders have arrived by now: evenly, all of them by the end of the span.
    pub(crate) fn orders_due(&self, elapsed: Duration, span: Duration) -> u32 {
        let milliseconds = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
        let passed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).min(milliseconds);
        u32::try_from(u64::from(self.orders()).saturating_mul(passed) / milliseconds)
            .unwrap_or(self.orders())
    }

    /// The time over which orders arrive.
    pub(crate) fn span(&self) -> Duration {
        let usual = if self.scenario == Scenario::StockPeak {
            Duration::from_secs(16 * 60)
        } else {
            Duration::from_secs(45)
        };
        self.minutes.map_or(usual, |minutes| Duration::from_secs(60 * u64::from(minutes.max(1))))
    }
}

/// What becomes of the last pieces of a SKU (`stock.last_pieces`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LastPieces {
    /// They are divided among the channels.
    Divide,
    /// One channel shows them all.
    OneChannel,
    /// Each channel shows all of them.
    Copy,
}

impl LastPieces {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Divide => "divide",
            Self::OneChannel => "one-channel",
            Self::Copy => "copy",
        }
    }
}

/// How badly the two systems behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    /// They answer promptly and rightly.
    None,
    /// Slow answers, a refused call now and then, a lost answer here and there.
    Light,
    /// All of it more often, broken connections, and Prima down for a while.
    Heavy,
}

impl Faults {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Heavy => "heavy",
        }
    }
}
