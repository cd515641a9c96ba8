//! What a run has met: one that meets nothing proves nothing.

use std::ops::AddAssign;

macro_rules! seen {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// How often things happened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Seen {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl AddAssign for Seen {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

seen! {
    /// Steps of the world.
    steps
    /// Entries appended.
    entries
    /// Events handed to applications.
    events
    /// Snapshots completed.
    snapshots
    /// Pages of snapshots that were not the last.
    pages
    /// Bookmarks handed to applications.
    bookmarks
    /// Gaps because entries were cut off.
    truncated
    /// Gaps because the log ended before the position.
    ahead
    /// Gaps because the log had another entry there.
    diverged
    /// Gaps because the lineage was another.
    epoch
    /// Gaps after which the oldest entry came.
    oldest
    /// Connections that became live.
    connections
    /// Connections that a process resumed.
    resumed
    /// Connections that were reset.
    resets
    /// Connections that went silent.
    half_opens
    /// Peers found dead by either side.
    found_dead
    /// Servers that crashed.
    crashes
    /// Servers that stopped in an orderly way.
    drains
    /// Servers and processes that stood still for a while.
    pauses
    /// Backups restored without a word.
    restores
    /// Backups restored in a new epoch.
    announced
    /// Cuts of the log.
    cuts
    /// Processes that crashed.
    process_crashes
    /// Effects whose process crashed before it could say so.
    unsaid
    /// Handlers that failed.
    failures
    /// Lanes given.
    leases
    /// Lanes wanted back.
    revokes
    /// Lanes given back in an orderly way.
    releases
    /// Effects that were refused because a newer owner had begun.
    fenced
    /// Effects stored with their position.
    effects
    /// Events that another process of the consumer had completed already.
    redeliveries
    /// Workers that took too long.
    ack_timeouts
    /// Edges for shortest clients.
    edges
    /// Shortest clients that fell behind.
    fell_behind
    /// Connections that were told to leave because their key runs out.
    keys_expiring
}
