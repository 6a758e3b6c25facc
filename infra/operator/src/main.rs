//! The operator command. Each command answers with a text, or with an error that names the thing
//! and the remedy.
//!
//! It ends with 0, with 1 where something failed, with 2 where what was given is not fit for use
//! (nothing was stored then), and with 3 where a check found something that needs a person.

mod all_channels;
mod answers;
mod arguments;
mod carriers;
mod check;
mod connector;
mod dead_letters;
mod dispatches;
mod documents;
mod exceptions;
mod keys;
mod orders;
mod payout_acts;
mod payout_cycles;
mod payout_documents;
mod payouts;
mod settling;
mod smoke;
mod status;
mod stock;
mod table;
mod unlisted;

use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;

use crate::arguments::{Arguments, Command, DeadLettersCommand};
use crate::connector::Connector;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    answers::tell(run(arguments).await)
}

async fn run(arguments: Arguments) -> anyhow::Result<String> {
    let connector = Connector::reach(arguments.addresses, Timestamp::now()).await?;
    match arguments.command {
        Command::Installation(command) => documents::installation(&connector, command).await,
        Command::Channels(command) => documents::channels(&connector, command).await,
        Command::Rules(command) => documents::rules(&connector, command).await,
        Command::Skus(command) => documents::skus(&connector, command).await,
        Command::DispatchRules(command) => documents::dispatch_rules(&connector, command).await,
        Command::Carriers(command) => carriers::run(&connector, command).await,
        Command::Dispatches(command) => dispatches::run(&connector, command).await,
        Command::StockRules(command) => documents::stock_rules(&connector, command).await,
        Command::Stock(command) => stock::run(&connector, command).await,
        Command::PayoutRules(command) => payout_documents::rules(&connector, command).await,
        Command::Chart(command) => payout_documents::chart(&connector, command).await,
        Command::Payouts(command) => payouts::run(&connector, command).await,
        Command::Orders(command) => orders::run(&connector, command).await,
        Command::Exceptions(command) => exceptions::run(&connector, command).await,
        Command::DeadLetters(DeadLettersCommand::List) => dead_letters::list(&connector).await,
        Command::Status => status::show(&connector).await,
        Command::Smoke { stack, alert } => smoke::run(&connector, &stack, alert).await,
        Command::Check { channel } => check::run(&connector, &channel).await,
    }
}
