//! What a run has come to.

/// A run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each channel with payouts, whatever became of it.
    pub channels: Vec<ChannelReport>,
    /// Exceptions that people were told of.
    pub announced: usize,
    /// Shops that another run was at work on.
    pub overlapped: usize,
    /// Shops whose run failed, and is tried again.
    pub failed: usize,
}

/// A channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelReport {
    /// Its id.
    pub channel: String,
    /// Pages of the transaction log that were read.
    pub pages: usize,
    /// Lines that were read, readable or not.
    pub lines: usize,
    /// Lines whose `amount` contradicts their sides.
    pub contradicting: usize,
    /// A reading of the transaction log goes on in the next run.
    pub unfinished: bool,
    /// Seconds since the transaction log was last read whole; none before the first time.
    pub reading_age: Option<i64>,
    /// Cycles by stage: listed.
    pub listed: usize,
    /// Being read.
    pub reading: usize,
    /// Tied, with what has nothing to post.
    pub tied: usize,
    /// Untied.
    pub untied: usize,
    /// Journals that wait for a person's approval.
    pub awaiting_approval: usize,
    /// Journals that were queued by this run.
    pub queued: usize,
    /// Journals that are on their way into Prima.
    pub posting: usize,
    /// Seconds since the oldest cycle closed that is not final.
    pub oldest_open: Option<i64>,
    /// Exceptions that last.
    pub exceptions: usize,
    /// Seconds since the oldest exception was seen that no person was told of.
    pub oldest_untold: Option<i64>,
}
