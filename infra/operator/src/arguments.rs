//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs the Prima-Mirakl connector: channels and their keys, orders, exceptions.
///
/// It reaches the connector through AWS, with the credentials and region of the usual variables or
/// profile. Which tables and queues are meant stands in the stack's outputs; each has an option and
/// a variable, so that one file of variables serves every command of a shell.
#[derive(Debug, Parser)]
#[command(name = "prima-mirakl", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) addresses: Addresses,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the connector is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Where the connector is")]
pub(crate) struct Addresses {
    /// The orders table: output `OrdersTableName`.
    #[arg(long, global = true, env = "ORDERS_TABLE", value_name = "NAME")]
    pub(crate) orders_table: Option<String>,
    /// The channels table: output `ChannelsTableName`.
    #[arg(long, global = true, env = "CHANNELS_TABLE", value_name = "NAME")]
    pub(crate) channels_table: Option<String>,
    /// The rules table: output `RulesTableName`.
    #[arg(long, global = true, env = "RULES_TABLE", value_name = "NAME")]
    pub(crate) rules_table: Option<String>,
    /// The orders queue: output `OrdersQueueUrl`.
    #[arg(long, global = true, env = "ORDERS_QUEUE_URL", value_name = "URL")]
    pub(crate) orders_queue_url: Option<String>,
    /// Its dead-letter queue: output `OrdersDeadLetterQueueUrl`.
    #[arg(long, global = true, env = "DEAD_LETTER_QUEUE_URL", value_name = "URL")]
    pub(crate) dead_letter_queue_url: Option<String>,
    /// The dispatches queue: output `DispatchesQueueUrl`.
    #[arg(long, global = true, env = "DISPATCHES_QUEUE_URL", value_name = "URL")]
    pub(crate) dispatches_queue_url: Option<String>,
    /// Its dead-letter queue: output `DispatchesDeadLetterQueueUrl`.
    #[arg(long, global = true, env = "DISPATCHES_DEAD_LETTER_QUEUE_URL", value_name = "URL")]
    pub(crate) dispatches_dead_letter_queue_url: Option<String>,
    /// The table of the stock's memory: output `StockTableName`.
    #[arg(long, global = true, env = "STOCK_TABLE", value_name = "NAME")]
    pub(crate) stock_table: Option<String>,
    /// The queue of stock imports: output `StockImportsQueueUrl`.
    #[arg(long, global = true, env = "STOCK_IMPORTS_QUEUE_URL", value_name = "URL")]
    pub(crate) stock_imports_queue_url: Option<String>,
    /// Its dead-letter queue: output `StockImportsDeadLetterQueueUrl`.
    #[arg(long, global = true, env = "STOCK_IMPORTS_DEAD_LETTER_QUEUE_URL", value_name = "URL")]
    pub(crate) stock_imports_dead_letter_queue_url: Option<String>,
    /// The bucket of stock files: output `StockFilesBucketName`.
    #[arg(long, global = true, env = "STOCK_FILES_BUCKET", value_name = "NAME")]
    pub(crate) stock_files_bucket: Option<String>,
    /// The table of payouts: output `PayoutsTableName`.
    #[arg(long, global = true, env = "PAYOUTS_TABLE", value_name = "NAME")]
    pub(crate) payouts_table: Option<String>,
    /// The bucket of payouts' files: output `PayoutFilesBucketName`.
    #[arg(long, global = true, env = "PAYOUT_FILES_BUCKET", value_name = "NAME")]
    pub(crate) payout_files_bucket: Option<String>,
    /// The queue of journals: output `JournalsQueueUrl`.
    #[arg(long, global = true, env = "JOURNALS_QUEUE_URL", value_name = "URL")]
    pub(crate) journals_queue_url: Option<String>,
    /// Its dead-letter queue: output `JournalsDeadLetterQueueUrl`.
    #[arg(long, global = true, env = "JOURNALS_DEAD_LETTER_QUEUE_URL", value_name = "URL")]
    pub(crate) journals_dead_letter_queue_url: Option<String>,
    /// What stands before a channel's id in its secret's name: output `SecretPrefix`.
    #[arg(long, global = true, env = "SECRET_PREFIX", value_name = "PREFIX")]
    pub(crate) secret_prefix: Option<String>,
    /// Another address than AWS's own, for a local AWS.
    #[arg(long, global = true, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Who you are, for histories; your user name where it is left out.
    #[arg(long, global = true, env = "PRIMA_MIRAKL_AUTHOR", value_name = "NAME")]
    pub(crate) author: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The installation document: how Prima is reached and how long it may take.
    #[command(subcommand)]
    Installation(InstallationCommand),
    /// Channel definitions and API keys.
    #[command(subcommand)]
    Channels(ChannelsCommand),
    /// A channel's order rules: how its orders become Prima's.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// A channel's overrides for single SKUs.
    #[command(subcommand)]
    Skus(SkusCommand),
    /// A channel's dispatch rules: what becomes of short lines, when a part is shipped, when to
    /// warn.
    #[command(subcommand)]
    DispatchRules(DispatchRulesCommand),
    /// A channel's carrier map: from Prima's descriptions to the marketplace's codes.
    #[command(subcommand)]
    Carriers(CarriersCommand),
    /// What has left Prima and is not shipped in Mirakl, and what will not be sent.
    #[command(subcommand)]
    Dispatches(DispatchesCommand),
    /// A channel's stock rules: what is held back, and how often it is pushed.
    #[command(subcommand)]
    StockRules(StockRulesCommand),
    /// What is offered and why, imports, and what of stock needs a person.
    #[command(subcommand)]
    Stock(StockCommand),
    /// A channel's payout rules: from when it is booked, how journals are dated, approved and sent.
    #[command(subcommand)]
    PayoutRules(PayoutRulesCommand),
    /// A channel's chart: where each type of transaction is booked. The accountant's document.
    #[command(subcommand)]
    Chart(ChartCommand),
    /// Billing cycles and their journals: what ties, what is to be approved, what is in Prima.
    #[command(subcommand)]
    Payouts(PayoutsCommand),
    /// "Where is order X?"
    #[command(subcommand)]
    Orders(OrdersCommand),
    /// Orders that need a person.
    #[command(subcommand)]
    Exceptions(ExceptionsCommand),
    /// The dead-letter queue.
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Everything at a glance: orders by stage, queues, whether Prima takes orders.
    Status,
    /// Tries the deployed stack: tables, queues, bus and functions are there, and can be written,
    /// read and sent to.
    ///
    /// For a new installation, and after changes to permissions. What it writes is marked, stands
    /// apart from orders and documents, and is removed again. Each thing is told as ok or failed,
    /// with the remedy.
    Smoke {
        /// The stack's name.
        #[arg(long, default_value = "prima-mirakl")]
        stack: String,
        /// Also sends an alert, marked as a test, to everybody whom alerts reach: ask whether it
        /// arrived.
        #[arg(long)]
        alert: bool,
    },
    /// Tries a channel's connections: marketplace, key, shop, order rules, Prima's web service.
    Check {
        /// The channel's id.
        channel: String,
    },
}

/// `installation`
#[derive(Debug, Subcommand)]
pub(crate) enum InstallationCommand {
    /// Validates and stores a document.
    Put {
        /// The document, JSON.
        file: PathBuf,
    },
    /// Shows the stored document.
    Show,
    /// Shows who changed it when.
    History,
}

/// `channels`
#[derive(Debug, Subcommand)]
pub(crate) enum ChannelsCommand {
    /// Validates and stores definitions: all of the files, or none.
    Put {
        /// The definitions, JSON, one channel a file.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Changes a live channel without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Lists all channels.
    List,
    /// Shows a channel's definition.
    Show {
        /// The channel's id.
        channel: String,
    },
    /// Shows who changed a definition when, and every version.
    History {
        /// The channel's id.
        channel: String,
    },
    /// Stores the channel's API key, read from standard input, in Secrets Manager; tries it first.
    Key {
        /// The channel's id.
        channel: String,
        /// Stores it even if the marketplace refuses it, or cannot be asked.
        #[arg(long)]
        force: bool,
    },
}

/// `rules`
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Validates and stores a channel's order rules.
    Put {
        /// The channel's id.
        channel: String,
        /// The rules, JSON.
        file: PathBuf,
    },
    /// Shows them.
    Show {
        /// The channel's id.
        channel: String,
    },
    /// Shows who changed them when, and every version.
    History {
        /// The channel's id.
        channel: String,
    },
}

/// `skus`
#[derive(Debug, Subcommand)]
pub(crate) enum SkusCommand {
    /// Validates and stores overrides.
    Put {
        /// The channel's id.
        channel: String,
        /// JSON: one object, from offer SKU to override.
        file: PathBuf,
    },
    /// Shows the override of one SKU.
    Show {
        /// The channel's id.
        channel: String,
        /// The offer's SKU.
        sku: String,
    },
}

/// `stock-rules`
#[derive(Debug, Subcommand)]
pub(crate) enum StockRulesCommand {
    /// Validates and stores a channel's stock rules.
    Put {
        /// The channel's id.
        channel: String,
        /// The rules, JSON.
        file: PathBuf,
    },
    /// Shows a channel's stock rules.
    Show {
        /// The channel's id.
        channel: String,
    },
    /// Shows who changed them when.
    History {
        /// The channel's id.
        channel: String,
    },
}

/// `stock`
#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// Why a channel shows what it shows of a SKU: every term of it, where it comes from, and since
    /// when.
    Explain {
        /// The channel's id.
        channel: String,
        /// The offer's SKU, as the marketplace has it.
        sku: String,
    },
    /// Each channel's offers, pushes and imports; Prima's figures; what needs a person.
    Status {
        /// One channel alone.
        channel: Option<String>,
    },
    /// Prima's SKUs that no channel offers, by name; asks Prima, so it has to be reached from here.
    Unlisted {
        /// Writes all of them to this file as CSV; else the first are shown.
        #[arg(long, value_name = "FILE")]
        csv: Option<std::path::PathBuf>,
    },
    /// Has everything published again, whatever Mirakl is known to show.
    Republish {
        /// The channel's id.
        channel: String,
    },
    /// Lets any number of offers go to zero for a while: after a look into Prima.
    AllowZeroes {
        /// The channel's id.
        channel: String,
        /// For so many minutes.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: u32,
    },
    /// What buffer would have avoided oversell: the most that was sold, over all channels, within
    /// the time that a sale takes to lower the other channels' offers.
    Buffer {
        /// The channel's id.
        channel: String,
        /// One offer's SKU alone; else those that need the largest.
        #[arg(long)]
        sku: Option<String>,
    },
}

/// `payout-rules`
#[derive(Debug, Subcommand)]
pub(crate) enum PayoutRulesCommand {
    /// Validates and stores a channel's payout rules.
    Put {
        /// The channel's id.
        channel: String,
        /// The rules, JSON.
        file: PathBuf,
    },
    /// Shows them.
    Show {
        /// The channel's id.
        channel: String,
    },
    /// Shows who changed them when, and every version.
    History {
        /// The channel's id.
        channel: String,
    },
}

/// `chart`
#[derive(Debug, Subcommand)]
pub(crate) enum ChartCommand {
    /// Validates and stores a channel's chart: every type has its place, and every currency that
    /// the shop is paid in its bank account.
    Put {
        /// The channel's id.
        channel: String,
        /// The chart, JSON.
        file: PathBuf,
    },
    /// Holds the stored chart against the types and the currencies that there are now.
    Check {
        /// The channel's id.
        channel: String,
    },
    /// Shows it.
    Show {
        /// The channel's id.
        channel: String,
    },
    /// Shows who changed it when, and every version.
    History {
        /// The channel's id.
        channel: String,
    },
    /// Shows where each type is booked, by the version that holds today.
    Types {
        /// The channel's id.
        channel: String,
    },
}

/// Which cycle.
#[derive(Args, Clone, Debug)]
pub(crate) struct CycleName {
    /// The cycle's id, its whole key as `payouts show` has it, or the reference of a journal of it.
    pub(crate) cycle: String,
    /// Only of this channel's shop.
    #[arg(long)]
    pub(crate) channel: Option<String>,
    /// Only in this currency.
    #[arg(long)]
    pub(crate) currency: Option<String>,
    /// As JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a person does with journals of a cycle.
#[derive(Args, Clone, Debug)]
pub(crate) struct JournalAct {
    #[command(flatten)]
    pub(crate) cycle: CycleName,
    /// The journal of this reference alone; else every one of the cycle that it is possible of.
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) journal: Option<String>,
    /// Does it without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `payouts`
#[derive(Debug, Subcommand)]
pub(crate) enum PayoutsCommand {
    /// Lists the billing cycles, newest first: transfer, stage, journals, what needs a person.
    List {
        /// Only of this channel's shop.
        #[arg(long)]
        channel: Option<String>,
        /// All of them; else those that need something, and the latest of each currency.
        #[arg(long)]
        all: bool,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Shows a cycle: how it ties, its documents and journals, what was found and who did what.
    Show(CycleName),
    /// Says where the difference of a cycle that does not tie may come from.
    Explain(CycleName),
    /// Shows the journals of a cycle line by line, as they are sent.
    Preview(CycleName),
    /// Writes the report of a cycle to a file: one page that explains itself.
    Report {
        #[command(flatten)]
        cycle: CycleName,
        /// The file; else the cycle's id with its ending, here.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// The CSV of all lines instead of the page.
        #[arg(long)]
        csv: bool,
    },
    /// Approves journals: what was looked at, and nothing else. Also sends one again that Prima
    /// refused.
    Approve {
        #[command(flatten)]
        act: JournalAct,
        /// Why, where it is worth telling. Nothing of a customer: this is kept.
        #[arg(long, default_value = "")]
        note: String,
        /// Only if its hash begins so, as `payouts preview` shows it.
        #[arg(long)]
        hash: Option<String>,
    },
    /// Holds journals back.
    Hold {
        #[command(flatten)]
        act: JournalAct,
        /// Why. Nothing of a customer: this is kept.
        #[arg(long)]
        note: String,
    },
    /// Lets journals go on that were held back: they wait for approval.
    Release {
        #[command(flatten)]
        act: JournalAct,
        /// Why. Nothing of a customer: this is kept.
        #[arg(long)]
        note: String,
    },
    /// Says of journals in doubt whether they are in Prima, after a look into it.
    Settle {
        #[command(flatten)]
        act: JournalAct,
        /// What you found.
        #[arg(long = "as", value_enum)]
        outcome: JournalFound,
        /// How you know. Nothing of a customer: this is kept.
        #[arg(long)]
        note: String,
    },
    /// Says that the files of journals were imported into Prima.
    Imported {
        #[command(flatten)]
        act: JournalAct,
        /// What is worth telling of it. Nothing of a customer: this is kept.
        #[arg(long, default_value = "")]
        note: String,
    },
}

/// What a person found in Prima.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum JournalFound {
    /// The journal is there.
    Posted,
    /// It is not there: it is sent again.
    NotPosted,
}

/// `dispatch-rules`
#[derive(Debug, Subcommand)]
pub(crate) enum DispatchRulesCommand {
    /// Validates and stores a channel's dispatch rules.
    Put {
        /// The channel's id.
        channel: String,
        /// The rules, JSON.
        file: PathBuf,
    },
    /// Shows them.
    Show {
        /// The channel's id.
        channel: String,
    },
    /// Shows who changed them when, and every version.
    History {
        /// The channel's id.
        channel: String,
    },
}

/// `carriers`
#[derive(Debug, Subcommand)]
pub(crate) enum CarriersCommand {
    /// Shows the map.
    List {
        /// The channel's id.
        channel: String,
    },
    /// Adds an entry, or replaces the one about the same description.
    Set {
        /// The channel's id.
        channel: String,
        /// Prima's carrier description; a pattern where it holds `*`.
        carrier: String,
        /// Prima's service description; any service where it is left out.
        #[arg(long)]
        service: Option<String>,
        /// The marketplace's carrier code, in exactly its spelling.
        #[arg(long, required_unless_present = "name", conflicts_with = "name")]
        code: Option<String>,
        /// The name of a carrier that the marketplace does not list, where it takes such.
        #[arg(long)]
        name: Option<String>,
        /// That carrier's tracking page, with `{tracking_number}` where the number goes.
        #[arg(long, requires = "name")]
        url: Option<String>,
        /// Among patterns the highest counts.
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        priority: i32,
        /// Stores a code that the marketplace does not list.
        #[arg(long)]
        force: bool,
    },
    /// Removes an entry.
    Remove {
        /// The channel's id.
        channel: String,
        /// Prima's carrier description, as the entry has it.
        carrier: String,
        /// The service, as the entry has it.
        #[arg(long)]
        service: Option<String>,
    },
    /// Puts a whole map in place of what is there: CSV with the headings that `export` writes.
    Import {
        /// The channel's id.
        channel: String,
        /// The map, CSV.
        file: PathBuf,
        /// Stores codes that the marketplace does not list.
        #[arg(long)]
        force: bool,
    },
    /// Prints the map as CSV.
    Export {
        /// The channel's id.
        channel: String,
    },
    /// Shows who changed the map when, and every version.
    History {
        /// The channel's id.
        channel: String,
    },
    /// Compares the map with the marketplace's list and with what was seen on dispatches, with
    /// proposals.
    Check {
        /// The channel's id.
        channel: String,
    },
}

/// `dispatches`
#[derive(Debug, Subcommand)]
pub(crate) enum DispatchesCommand {
    /// Lists everything dispatched in Prima and not shipped in Mirakl: age, time left, payout held
    /// back.
    List {
        /// Only this channel's.
        #[arg(long)]
        channel: Option<String>,
    },
    /// Lists orders that Prima holds for long, with its word for them and their deadline.
    Waiting {
        /// Only this channel's.
        #[arg(long)]
        channel: Option<String>,
        /// In Prima for at least so many hours.
        #[arg(long, default_value_t = 48)]
        hours: u32,
    },
    /// Cancels or refunds pieces in Mirakl that will not be sent. Without --send it only shows what
    /// it would do.
    Settle {
        /// The channel's id.
        channel: String,
        /// Mirakl's order id.
        order: String,
        /// Cancel or refund.
        #[arg(long, value_enum)]
        how: SettleHow,
        /// A line and its pieces: ID=PIECES. Left out: all that has not left Prima.
        #[arg(long = "line", value_name = "ID=PIECES")]
        lines: Vec<String>,
        /// The marketplace's reason code; that of the dispatch rules where it is left out.
        #[arg(long)]
        reason_code: Option<String>,
        /// Do it.
        #[arg(long)]
        send: bool,
    },
}

/// How pieces are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SettleHow {
    /// OR30.
    Cancel,
    /// OR28.
    Refund,
}

/// `orders`
#[derive(Debug, Subcommand)]
pub(crate) enum OrdersCommand {
    /// Shows where an order stands, and its history.
    Show {
        /// The channel's id.
        channel: String,
        /// Mirakl's order id, or Prima's order number.
        order: String,
    },
    /// Lists a channel's orders, oldest first.
    List {
        /// The channel's id.
        channel: String,
        /// Only this stage, such as `firm`; all that are not finished where it is left out.
        #[arg(long)]
        stage: Option<String>,
        /// At most so many of each stage.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Has an order created in Prima that was taken for keyed by hand.
    Adopt {
        /// The channel's id.
        channel: String,
        /// Mirakl's order id.
        order: String,
    },
}

/// `exceptions`
#[derive(Debug, Subcommand)]
pub(crate) enum ExceptionsCommand {
    /// Lists them, oldest first, with reason and remedy.
    List {
        /// Only this channel's.
        #[arg(long)]
        channel: Option<String>,
    },
    /// Tries an order again, once its cause is removed.
    Retry {
        /// The channel's id.
        channel: String,
        /// Mirakl's order id.
        order: String,
    },
    /// Records that a person settled an order outside the connector. Mirakl and Prima are asked
    /// first.
    Settle {
        /// The channel's id.
        channel: String,
        /// Mirakl's order id.
        order: String,
        /// How it ended.
        #[arg(long = "as", value_enum)]
        outcome: Settlement,
        /// What was done. Nothing of the customer: this is kept in the order's history.
        #[arg(long)]
        note: String,
        /// Records it although Mirakl or Prima says otherwise, or cannot be asked.
        #[arg(long)]
        force: bool,
    },
    /// Takes a settling back: the order is the exception again that it was.
    Reopen {
        /// The channel's id.
        channel: String,
        /// Mirakl's order id.
        order: String,
        /// Why. Nothing of the customer: this is kept in the order's history.
        #[arg(long)]
        note: String,
    },
}

/// How a person settled an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Settlement {
    /// The order is in Prima under its reserved number: the connector looks for it there, and goes
    /// on only once it has found it.
    Created,
    /// The order is cancelled on both sides.
    Cancelled,
    /// Somebody keyed it, under a number of their own.
    KeyedByHand,
    /// It is shipped in Mirakl, and nothing more is to be told.
    Shipped,
}

/// `dead-letters`
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Lists what is in the dead-letter queues, without any content.
    List,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use clap::CommandFactory;
    use shared::domain::order::OrderKey;
    use shared::domain::order::remedy::{self, SettledAs};
    use shared::mirakl::shipping::How;

    use super::*;

    fn parsed(line: &str) -> Command {
        Arguments::try_parse_from(line.split_whitespace())
            .unwrap_or_else(|problem| panic!("{line}: {problem}"))
            .command
    }

    /// The workspace's files under a folder whose names end so, each with its text.
    fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (mut folders, mut found) = (vec![root.join(folder)], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(ending) {
                    found.push((
                        path.display().to_string(),
                        std::fs::read_to_string(&path).unwrap(),
                    ));
                }
            }
        }
        assert!(!found.is_empty(), "{folder}");
        found
    }

    #[test]
    fn the_commands_of_remedies_are_whole() {
        let order = OrderKey::new("outfitter-uk", "W-1-A");
        for &settled_as in SettledAs::ALL {
            let Command::Exceptions(ExceptionsCommand::Settle {
                channel,
                order: id,
                outcome,
                note,
                force: false,
            }) = parsed(&remedy::settle(&order, settled_as))
            else {
                panic!("{settled_as:?}")
            };
            assert_eq!(
                (channel.as_str(), id.as_str(), note.as_str()),
                ("outfitter-uk", "W-1-A", "TEXT")
            );
            assert_eq!(outcome.to_possible_value().unwrap().get_name(), settled_as.name());
        }
        assert_eq!(Settlement::value_variants().len(), SettledAs::ALL.len());
        assert!(matches!(
            parsed(&remedy::retry(&order)),
            Command::Exceptions(ExceptionsCommand::Retry { .. })
        ));
        for how in [How::Cancel, How::Refund] {
            let command = parsed(&remedy::settle_pieces(&order, how));
            assert!(
                matches!(
                    command,
                    Command::Dispatches(DispatchesCommand::Settle { send: false, .. })
                ),
                "{command:?}"
            );
        }
    }

    #[test]
    fn no_remedy_writes_such_a_command_itself() {
        for (path, text) in
            ["shared/src", "functions"].into_iter().flat_map(|folder| files(folder, ".rs"))
        {
            let writes = |command: &str| text.contains(&format!("prima-mirakl {command}"));
            let its_own = writes("exceptions settle")
                || writes("exceptions retry")
                || writes("dispatches settle {");
            assert!(
                !its_own || path.ends_with("/remedy.rs"),
                "{path}: the commands of remedies stand in order/remedy.rs"
            );
        }
    }

    #[test]
    fn the_documents_name_exceptions_commands_whole() {
        let readme = include_str!("../../../README.md").to_owned();
        let mut seen = 0;
        for (path, text) in
            files("docs", ".md").into_iter().chain([("README.md".to_owned(), readme)])
        {
            for line in text.lines() {
                // A code block's line, or the code spans of a paragraph.
                let commands: Vec<&str> = match line.strip_prefix("    ") {
                    Some(code) => vec![code.split(" #").next().unwrap_or_default()],
                    None => line.split('`').skip(1).step_by(2).collect(),
                };
                for command in commands {
                    let command = command.trim().trim_start_matches("prima-mirakl ");
                    if ["settle", "reopen", "retry"]
                        .iter()
                        .any(|verb| command.starts_with(&format!("exceptions {verb}")))
                    {
                        let problem = Arguments::try_parse_from(
                            format!("prima-mirakl {command}").split_whitespace(),
                        )
                        .err();
                        assert!(problem.is_none(), "{path}: {command}: {problem:?}");
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 5, "the commands are not found: {seen}");
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_commands_of_the_handbook_are_understood() {
        for line in [
            "installation put installation.json",
            "channels put a.json b.json --author Ann",
            "channels key outfitter-uk --secret-prefix prima-mirakl/channels/",
            "rules put outfitter-uk rules.json",
            "skus put outfitter-uk skus.json",
            "orders show outfitter-uk W-1-A",
            "orders list outfitter-uk --stage firm --limit 5",
            "orders adopt outfitter-uk W-1-A",
            "exceptions list --channel outfitter-uk",
            "exceptions retry outfitter-uk W-1-A",
            "exceptions settle outfitter-uk W-1-A --as keyed-by-hand --note done",
            "dead-letters list",
            "dispatch-rules put outfitter-uk rules.json",
            "carriers list outfitter-uk",
            "carriers set outfitter-uk DPD* --code DPD_UK --priority -2",
            "carriers set outfitter-uk Van --service Own --name Ours --url https://v.example/{tracking_number}",
            "carriers remove outfitter-uk Van --service Own",
            "carriers import outfitter-uk map.csv",
            "carriers export outfitter-uk",
            "carriers check outfitter-uk",
            "dispatches list --channel outfitter-uk",
            "dispatches waiting --hours 24",
            "dispatches settle outfitter-uk W-1-A --how refund --line W-1-A-1=2 --reason-code OOS --send",
            "exceptions settle outfitter-uk W-1-A --as shipped --note done --force",
            "exceptions reopen outfitter-uk W-1-A --note mistaken",
            "payout-rules put outfitter-uk rules.json",
            "chart put outfitter-uk chart.json",
            "chart check outfitter-uk",
            "chart types outfitter-uk",
            "payouts list --channel outfitter-uk --all --json",
            "payouts show BC-1 --currency GBP",
            "payouts explain BC-1 --json",
            "payouts preview BC-1",
            "payouts report BC-1 --to report.html",
            "payouts approve BC-1 --yes --hash 1a2b",
            "payouts hold BC-1 --note later --journal MK1/A1",
            "payouts release BC-1 --note now --yes",
            "payouts settle BC-1 --as not-posted --note looked --yes",
            "payouts imported BC-1 --yes",
            "status --orders-table orders",
            "check outfitter-uk",
            "smoke --stack prima-mirakl --alert",
        ] {
            let words = std::iter::once("prima-mirakl").chain(line.split(' '));
            Arguments::try_parse_from(words).unwrap();
        }
    }
}
