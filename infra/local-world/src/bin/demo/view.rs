//! The live view: a table that is drawn anew in place on a terminal, and a line now and then
//! elsewhere.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use local_world::verdict::{Seconds, is_firm};
use local_world::{Observation, World, WorldOptions};

/// Without a terminal, a line so often.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// While the world starts, nothing is silent for longer than this.
const SIGN_OF_LIFE: Duration = Duration::from_secs(8);

/// Orders of a channel by where they stand.
#[derive(Default)]
struct Counts {
    arrived: usize,
    waiting: usize,
    unpaid: usize,
    firm: usize,
    created: usize,
    exceptions: usize,
    closed: usize,
    waits: Vec<f64>,
}

/// What is on the screen.
pub(crate) struct View {
    begun: Instant,
    terminal: bool,
    drawn_lines: usize,
    last_line: Option<Instant>,
    last_said: Instant,
    shown_exceptions: BTreeSet<String>,
}

impl View {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            terminal: std::io::stdout().is_terminal(),
            drawn_lines: 0,
            last_line: None,
            last_said: Instant::now(),
            shown_exceptions: BTreeSet::new(),
        }
    }

    /// Says something that stays on the screen.
    pub(crate) fn say(&mut self, text: &str) {
        self.erase();
        println!("{:>5.1} s  {text}", self.begun.elapsed().as_secs_f64());
        self.last_said = Instant::now();
    }

    /// Starts a world; says each step, and every few seconds that the step still goes on.
    pub(crate) async fn start(&mut self, options: &WorldOptions) -> Result<World> {
        let view = RefCell::new(self);
        let mut starting =
            std::pin::pin!(World::start(options, |step| view.borrow_mut().say(step)));
        let mut looks = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                world = &mut starting => return world,
                _ = looks.tick() => {
                    let mut view = view.borrow_mut();
                    if view.last_said.elapsed() >= SIGN_OF_LIFE {
                        view.say("    still at it");
                    }
                }
            }
        }
    }

    /// Shows how things stand; exceptions are said once each.
    pub(crate) fn show(&mut self, seen: &Observation) {
        for message in &seen.exceptions {
            if self.shown_exceptions.insert(message.body.clone()) {
                let text = |name: &str| message.attributes.get(name).map_or("?", String::as_str);
                let (channel, order) = (text("channel"), text("order"));
                self.say(&format!(
                    "EXCEPTION {channel} {order}: {}. {}",
                    text("reason").trim_end_matches('.'),
                    text("remedy")
                ));
            }
        }
        let counts = count(seen);
        if self.terminal {
            self.erase();
            let drawn = format!("{}\n{}", table(&counts), self.footer(seen));
            self.drawn_lines = drawn.lines().count();
            println!("{drawn}");
        } else if self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            self.last_line = Some(Instant::now());
            let channels: Vec<String> =
                counts.iter().map(|(channel, counts)| line(channel, counts)).collect();
            println!(
                "{:>5.1} s  {} | {}",
                self.begun.elapsed().as_secs_f64(),
                channels.join(" | "),
                queues(seen)
            );
        }
    }

    /// Removes the table, so that nothing is written under it.
    pub(crate) fn erase(&mut self) {
        if self.drawn_lines > 0 {
            print!("\x1b[{}A\x1b[J", self.drawn_lines);
            let _ = std::io::stdout().flush();
            self.drawn_lines = 0;
        }
    }

    fn footer(&self, seen: &Observation) -> String {
        format!("{:>5.1} s  {}", self.begun.elapsed().as_secs_f64(), queues(seen))
    }
}

fn count(seen: &Observation) -> BTreeMap<&str, Counts> {
    let mut channels: BTreeMap<&str, Counts> = BTreeMap::new();
    let created: BTreeSet<_> =
        seen.prima.iter().filter_map(|order| order.made_for.as_ref()).collect();
    for order in &seen.mirakl {
        let counts = channels.entry(&order.channel).or_default();
        counts.arrived += 1;
        if let Some(accepted_at) = order.accepted_at {
            counts.waits.push(accepted_at.duration_since(order.created_at).as_secs_f64());
        }
        let key = (order.channel.clone(), order.order_id.clone());
        let place = match order.state.as_str() {
            _ if created.contains(&key) => &mut counts.created,
            _ if seen.is_exception(&key) => &mut counts.exceptions,
            "STAGING" | "WAITING_ACCEPTANCE" => &mut counts.waiting,
            "CANCELED" | "REFUSED" => &mut counts.closed,
            state if is_firm(state) => &mut counts.firm,
            _ => &mut counts.unpaid,
        };
        *place += 1;
    }
    channels
}

fn acknowledgement(counts: &Counts) -> String {
    Seconds::of(counts.waits.clone())
        .map_or_else(|| "-".to_owned(), |s| format!("{:.1} / {:.1}", s.p50, s.max))
}

fn line(channel: &str, counts: &Counts) -> String {
    format!(
        "{channel}: {} arrived, {} to accept, {} unpaid, {} firm, {} in Prima, {} exceptions, acknowledged in {} s",
        counts.arrived,
        counts.waiting,
        counts.unpaid,
        counts.firm,
        counts.created,
        counts.exceptions,
        acknowledgement(counts)
    )
}

fn table(channels: &BTreeMap<&str, Counts>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "channel",
        "arrived",
        "to accept",
        "awaiting payment",
        "firm, on its way",
        "in Prima",
        "exceptions",
        "cancelled",
        "seconds to acknowledge (half / slowest)",
    ]);
    for (channel, counts) in channels {
        let numbers = [
            counts.arrived,
            counts.waiting,
            counts.unpaid,
            counts.firm,
            counts.created,
            counts.exceptions,
            counts.closed,
        ];
        let mut row = vec![(*channel).to_owned()];
        row.extend(numbers.iter().map(ToString::to_string));
        row.push(acknowledgement(counts));
        table.add_row(row);
    }
    table
        .column_iter_mut()
        .skip(1)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn queues(seen: &Observation) -> String {
    let depths = seen.depths;
    format!(
        "orders queue: {} waiting, {} in work, {} delayed; dead-letter queue: {}",
        depths.waiting, depths.in_flight, depths.delayed, depths.exceptions
    )
}
