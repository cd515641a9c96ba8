//! The live half of the machine: messages taken, lanes kept, acknowledgements sent, and leaving when asked to.

use std::time::Duration;

use super::{
    super::{
        Bookmark, Greeting, Item, Status, StreamError,
        cursor::{Cursor, Resume},
        lane::{Lane, Offer},
    },
    Machine, NORMAL_CLOSURE, Output, Refusal, State, VIEW,
};
use crate::protocol::{
    Code,
    stream::{Ack, Drain, MAX_LANES, Message, PROTOCOL, Read, Ready, Reply},
};

#[derive(Debug)]
pub(super) struct Live {
    pub(super) since: Duration,
    /// When the server was last heard.
    pub(super) heard: Duration,
    /// Silence for this long means that it is gone.
    pub(super) patience: Duration,
    /// Items that may await acknowledgement; 0: none are acknowledged.
    pub(super) window: u32,
    /// A frame holds a message a line.
    pub(super) is_ndjson: bool,
    /// The server goes down: our turn to leave, and when to leave whatever is in hand.
    pub(super) leave: Option<(Duration, Duration)>,
    /// Nothing is handed over any more: what is in hand is awaited.
    pub(super) is_leaving: bool,
    /// The status that was told last.
    pub(super) is_standby: bool,
}

impl Machine {
    pub(super) fn greet(&mut self, now: Duration, ready: &Ready, resume: &Resume) {
        if ready.protocol != PROTOCOL {
            let code = Code::UnsupportedProtocol;
            self.outputs.push_back(Output::Close { code: code.close_code(), reason: code.as_str() });
            self.end(StreamError::refused(code, None));
            return;
        }
        let Ready { app_id, time, .. } = *ready;
        self.greeting = Some(Greeting { app_id, time, heard_at: now });
        // A server that promises a beat every millisecond or every year is not taken at its word.
        let beat = Duration::from_millis(ready.idle_ms).clamp(SHORTEST_BEAT, LONGEST_BEAT);
        let is_worker = self.subscription.is_worker();
        self.state = State::Live(Live {
            since: now,
            heard: now,
            patience: beat.saturating_add(GRACE),
            window: ready.window,
            is_ndjson: ready.ndjson,
            leave: None,
            is_leaving: false,
            is_standby: is_worker,
        });
        if is_worker {
            let window = usize::try_from(ready.window).unwrap_or(usize::MAX);
            self.done_events = window.saturating_mul(2).clamp(DONE_EVENTS_MIN, DONE_EVENTS_MAX);
        } else if let Some(lane) = self.lanes.get_mut(&VIEW) {
            lane.subscribe(resume, self.subscription.expecting(resume));
        }
        self.outputs.push_back(Output::Status(if is_worker { Status::Standby } else { Status::Live }));
    }

    /// Takes a message.
    pub(super) fn take(&mut self, now: Duration, read: Read<'_>) -> Result<(), Refusal> {
        let message = match read {
            Read::Event(event) => {
                return self.receive(now, event.lane, |cursor| {
                    cursor.advance(event.prev, event.id)?;
                    Ok(Item::Event(event.into()))
                });
            }
            Read::Other(message) => message,
        };
        let lane = match &message {
            Message::Event(event) => event.lane,
            Message::Snapshot(page) => page.lane,
            Message::Bookmark(bookmark) => bookmark.lane,
            Message::Gap(gap) => gap.lane,
            Message::Drain(drain) => {
                self.drain(now, drain);
                return Ok(());
            }
            Message::Assigned(assigned) => {
                let (lease, id) = (assigned.lease, assigned.id.clone());
                return self.offer(now, assigned.lane, Offer { lease, id });
            }
            Message::Revoked(revoked) => {
                let ack = self.lanes.get_mut(&revoked.lane).and_then(Lane::revoke);
                if let Some(ack) = ack {
                    self.say(ack);
                }
                self.proceed(now, revoked.lane);
                return Ok(());
            }
            // A second `ready` changes nothing; an `error` is remembered by the caller.
            Message::Challenge(_) | Message::Ready(_) | Message::Error(_) => return Ok(()),
        };
        self.receive(now, lane, |cursor| {
            Ok(match message {
                Message::Event(raw) => {
                    // The position first: what an event says that does not belong here is of no interest.
                    cursor.advance(&raw.prev, &raw.id)?;
                    Item::Event(raw.try_into()?)
                }
                Message::Snapshot(page) => {
                    cursor.take_page(&page)?;
                    Item::Snapshot(page)
                }
                Message::Bookmark(bookmark) => {
                    cursor.advance(&bookmark.prev, &bookmark.id)?;
                    Item::Bookmark(Bookmark::from(bookmark))
                }
                Message::Gap(gap) => {
                    cursor.skip(gap.next);
                    Item::Gap(gap)
                }
                Message::Challenge(_)
                | Message::Ready(_)
                | Message::Drain(_)
                | Message::Assigned(_)
                | Message::Revoked(_)
                | Message::Error(_) => return Err(Refusal::Mismatch),
            })
        })
    }

    /// Takes an item of a lane, which `check` makes once it has compared it with what may come next.
    fn receive(
        &mut self,
        now: Duration,
        lane: u32,
        check: impl FnOnce(&mut Cursor) -> Result<Item, Refusal>,
    ) -> Result<(), Refusal> {
        let Some(found) = self.lanes.get_mut(&lane) else { return Err(Refusal::Mismatch) };
        if !found.is_started() {
            // On its way when the lane was given back, or when it was offered anew. It comes again.
            return Ok(());
        }
        found.receive(check)?;
        found.pass_done(now);
        self.gather(now);
        Ok(())
    }

    fn drain(&mut self, now: Duration, drain: &Drain) {
        let within = Duration::from_millis(drain.within_ms);
        let turn = self.backoff.drain_delay(within);
        self.elsewhere.clone_from(&drain.url);
        if let State::Live(live) = &mut self.state {
            live.leave = Some((now.saturating_add(turn), now.saturating_add(within)));
        }
    }

    fn offer(&mut self, now: Duration, lane: u32, offer: Offer) -> Result<(), Refusal> {
        // A view has no lanes to be offered; a newer server may think otherwise.
        if !self.subscription.is_worker() {
            return Ok(());
        }
        if lane >= MAX_LANES {
            return Err(Refusal::Mismatch);
        }
        self.lanes.entry(lane).or_insert_with(|| Lane::new(lane, Resume::Beginning)).offer(offer);
        self.proceed(now, lane);
        Ok(())
    }

    /// Whatever follows from something being settled, offered or wanted back.
    pub(super) fn proceed(&mut self, now: Duration, lane: u32) {
        if !matches!(self.state, State::Live(_)) {
            return;
        }
        let Some(found) = self.lanes.get_mut(&lane) else { return };
        found.pass_done(now);
        if let Some(lease) = found.try_ask() {
            self.outputs.push_back(Output::Start { lane, lease });
        } else if let Some(ack) = found.try_release(now) {
            self.say(ack);
        }
        self.gather(now);
        self.tell_status();
        self.try_to_leave(now);
    }

    /// Acknowledges once half the window is settled: the server should not have to wait for it.
    fn gather(&mut self, now: Duration) {
        let State::Live(live) = &self.state else { return };
        let unsent: u32 = self.lanes.values().map(|lane| lane.acks().unsent()).sum();
        if live.window > 0 && unsent >= (live.window / 2).max(1) {
            self.flush(now);
        }
    }

    pub(super) fn flush(&mut self, now: Duration) {
        if !matches!(&self.state, State::Live(live) if live.window > 0) {
            return;
        }
        let acks: Vec<_> = self.lanes.values_mut().filter_map(|lane| lane.flush(now)).collect();
        for ack in acks {
            self.say(ack);
        }
    }

    pub(super) fn say(&mut self, ack: Ack) {
        self.outputs.push_back(Output::Send(Reply::Ack(ack).encode()));
    }

    pub(super) fn tick_live(&mut self, now: Duration) {
        let is_full = self.is_full();
        let State::Live(live) = &mut self.state else { return };
        if !is_full && now >= live.heard.saturating_add(live.patience) {
            self.leave(now, Code::Idle.close_code(), "idle", "the server fell silent");
            return;
        }
        if let Some((turn, at_latest)) = live.leave
            && now >= turn
        {
            live.is_leaving = true;
            if now >= at_latest {
                self.leave(now, NORMAL_CLOSURE, "drain", GOING_DOWN);
                return;
            }
            self.try_to_leave(now);
        }
        let State::Live(live) = &self.state else { return };
        if live.window == 0 {
            return;
        }
        let ack_timeout_ms = self.subscription.ack_timeout_ms();
        let is_worker = self.subscription.is_worker();
        let mut due = Vec::new();
        for lane in self.lanes.values_mut() {
            if lane.acks().due_at().is_some_and(|due_at| now >= due_at) {
                due.extend(lane.flush(now));
            } else if is_worker && lane.is_working() && now >= lane.acks().still_working_at(ack_timeout_ms) {
                due.push(lane.still_working(now));
            }
        }
        for ack in due {
            self.say(ack);
        }
    }

    pub(super) fn live_deadlines(&self, live: &Live) -> impl Iterator<Item = Duration> {
        let silence = (!self.is_full()).then(|| live.heard.saturating_add(live.patience));
        let leave = live.leave.map(|(turn, at_latest)| if live.is_leaving { at_latest } else { turn });
        let ack_timeout_ms = self.subscription.ack_timeout_ms();
        let is_worker = self.subscription.is_worker();
        let acks = self.lanes.values().filter(|_| live.window > 0).flat_map(move |lane| {
            let working = is_worker && lane.is_working();
            [lane.acks().due_at(), working.then(|| lane.acks().still_working_at(ack_timeout_ms))]
        });
        // While nothing is read and nothing is due, there still is a time to look again.
        let at_the_latest = live.heard.saturating_add(LONGEST_BEAT);
        let fallback = silence.is_none().then_some(at_the_latest);
        [silence, leave, fallback].into_iter().chain(acks).flatten()
    }

    /// A worker that is to leave does so when nothing is in hand; a view at once, because it resumes behind it.
    fn try_to_leave(&mut self, now: Duration) {
        let may_leave = !self.subscription.is_worker() || self.lanes.values().all(Lane::has_nothing_in_hand);
        if may_leave && matches!(&self.state, State::Live(live) if live.is_leaving) {
            self.leave(now, NORMAL_CLOSURE, "drain", GOING_DOWN);
        }
    }

    pub(super) fn tell_status(&mut self) {
        let has_lane = !self.subscription.is_worker() || self.lanes.values().any(Lane::is_ours);
        if let State::Live(live) = &mut self.state
            && live.is_standby == has_lane
        {
            live.is_standby = !has_lane;
            self.outputs.push_back(Output::Status(if has_lane { Status::Live } else { Status::Standby }));
        }
    }

    /// The socket was not read for a while, by our own choice: the silence starts now.
    pub(super) fn may_read_again(&mut self, now: Duration, was_full: bool) {
        if was_full && !self.is_full() {
            self.handle_heard(now);
        }
    }
}

/// One missed beat plus the tail of a retransmission.
const GRACE: Duration = Duration::from_secs(10);

const SHORTEST_BEAT: Duration = Duration::from_secs(1);

const LONGEST_BEAT: Duration = Duration::from_secs(120);

/// The server writes acknowledgements down a quarter of a second later: one that crashes forgets as many.
const DONE_EVENTS_MIN: usize = 512;

const DONE_EVENTS_MAX: usize = 8_192;

const GOING_DOWN: &str = "the server is going down";
