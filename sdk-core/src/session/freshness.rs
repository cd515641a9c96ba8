//! How old the replica's knowledge is: by what the server said last, and by how far behind that already was.

use std::time::Duration;

use crate::protocol::{Code, UnixMillis};

/// Now, by both clocks of this machine.
///
/// Neither is enough alone: the monotonic one may stand still while the machine is suspended, the wall clock may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since one fixed moment; never goes back.
    pub elapsed: Duration,
    /// The wall clock.
    pub wall: UnixMillis,
}

impl Moment {
    /// How long ago `earlier` was, by the clock that says more.
    fn since(self, earlier: Self) -> Duration {
        let wall = Duration::from_millis(self.wall.since(earlier.wall));
        self.elapsed.saturating_sub(earlier.elapsed).max(wall)
    }

    /// So long ago.
    pub fn minus(self, age: Duration) -> Self {
        let wall = UnixMillis(self.wall.0.saturating_sub(millis(age)));
        Self { elapsed: self.elapsed.saturating_sub(age), wall }
    }
}

/// The replica is not up to date enough to decide anything: refuse, and try again shortly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", Code::Stale.message())]
pub struct Stale {
    /// How old the knowledge is; `None` when there is none, or when events are missing and the state that follows them
    /// has not arrived.
    pub age: Option<Duration>,
}

impl Stale {
    /// The word of the one table of codes.
    pub const fn code(&self) -> Code {
        Code::Stale
    }
}

/// When the server was last known to have nothing newer than what is here.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    as_of: Option<Moment>,
    server: Option<ServerClock>,
}

impl Freshness {
    /// The server has said what its clock shows.
    pub(super) fn handle_clock(&mut self, time: UnixMillis, now: Moment) {
        self.server = Some(ServerClock { time, read_at: now, is_told: true });
    }

    /// The server has nothing newer than what was handled, at this time of its clock.
    pub(super) fn handle_bookmark(&mut self, time: UnixMillis, now: Moment) {
        self.handle_clock(time, now);
        self.as_of = Some(now);
    }

    /// An event of this time has been handled. After an outage the first ones are old: to hear them is not to be up to
    /// date.
    pub(super) fn handle_event(&mut self, time: UnixMillis, now: Moment) {
        let server = self.server.get_or_insert(ServerClock { time, read_at: now, is_told: false });
        // An event is never newer than the server's clock: if so, that clock was read too low.
        if server.now(now) < time {
            (server.time, server.read_at) = (time, now);
        }
        let behind = Duration::from_millis(server.now(now).since(time));
        if self.age(now).is_none_or(|age| behind < age) {
            self.as_of = Some(now.minus(behind));
        }
    }

    /// The state is whole: it is that of a moment not before its first page arrived.
    pub(super) fn handle_state(&mut self, begun: Moment) {
        self.as_of = Some(begun);
    }

    /// How old the knowledge is; `None` when there is none.
    pub(super) fn age(&self, now: Moment) -> Option<Duration> {
        self.as_of.map(|as_of| now.since(as_of))
    }

    /// What sessions expire by: the server's clock. Before it was told, the later of what events say and this machine's.
    pub(super) fn server_time(&self, now: Moment) -> UnixMillis {
        match &self.server {
            Some(server) if server.is_told => server.now(now),
            Some(server) => server.now(now).max(now.wall),
            None => now.wall,
        }
    }
}

/// The server's clock, read once and carried on by this machine's two.
#[derive(Debug)]
struct ServerClock {
    time: UnixMillis,
    read_at: Moment,
    /// The server has said it. Otherwise an event has: then it may be far too low.
    is_told: bool,
}

impl ServerClock {
    fn now(&self, now: Moment) -> UnixMillis {
        self.time.plus(millis(now.since(self.read_at)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Freshness, Moment};
    use crate::protocol::UnixMillis;

    fn at(seconds: u64) -> Moment {
        Moment { elapsed: Duration::from_secs(seconds), wall: server(seconds) }
    }

    fn server(seconds: u64) -> UnixMillis {
        UnixMillis(1_000_000_000 + seconds * 1_000)
    }

    fn age(freshness: &Freshness, seconds: u64) -> Option<u64> {
        freshness.age(at(seconds)).map(|age| age.as_secs())
    }

    #[test]
    fn nothing_heard_is_not_fresh() {
        assert_eq!(Freshness::default().age(at(5)), None);
    }

    #[test]
    fn events_of_a_backlog_do_not_make_it_fresh() {
        let mut freshness = Freshness::default();
        freshness.handle_bookmark(server(10), at(10));
        // Cut off from 10 to 600, then everything that was missed comes at once.
        freshness.handle_event(server(20), at(600));
        assert_eq!(age(&freshness, 600), Some(580));
        freshness.handle_event(server(500), at(601));
        assert_eq!(age(&freshness, 601), Some(101));
        freshness.handle_event(server(602), at(602));
        assert_eq!(age(&freshness, 602), Some(0));
    }

    #[test]
    fn a_state_is_as_old_as_its_first_page() {
        let mut freshness = Freshness::default();
        freshness.handle_state(at(7));
        assert_eq!(age(&freshness, 67), Some(60));
    }

    #[test]
    fn a_suspended_machine_does_not_take_itself_for_fresh() {
        let mut freshness = Freshness::default();
        freshness.handle_bookmark(server(10), at(10));
        let woken = Moment { elapsed: Duration::from_secs(11), wall: server(3_600) };
        assert_eq!(freshness.age(woken).map(|age| age.as_secs()), Some(3_590));
        freshness.handle_event(server(20), woken);
        assert_eq!(freshness.age(woken).map(|age| age.as_secs()), Some(3_580));
    }

    #[test]
    fn a_server_clock_that_was_set_back_is_believed_at_the_next_bookmark() {
        let mut freshness = Freshness::default();
        freshness.handle_bookmark(server(1_000), at(10));
        freshness.handle_event(server(11), at(11));
        assert_eq!(age(&freshness, 11), Some(1));
        freshness.handle_event(server(30), at(30));
        assert_eq!(age(&freshness, 30), Some(20));
        freshness.handle_bookmark(server(31), at(31));
        freshness.handle_event(server(32), at(32));
        assert_eq!(age(&freshness, 32), Some(0));
    }

    #[test]
    fn sessions_expire_by_the_clock_of_the_server() {
        let mut freshness = Freshness::default();
        assert_eq!(freshness.server_time(at(5)), server(5));
        // An event may be old.
        freshness.handle_event(server(2), at(5));
        assert_eq!(freshness.server_time(at(6)), server(6));
        // A clock of this machine that is wrong by hours signs nobody out, and keeps nobody in.
        freshness.handle_clock(server(100_000), at(6));
        assert_eq!(freshness.server_time(at(7)), server(100_001));
        freshness.handle_clock(server(1), at(7));
        assert_eq!(freshness.server_time(at(8)), server(2));
    }
}
