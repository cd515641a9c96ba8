//! The replica's promises, one at a time. Also the parts that the seeded walk is made of.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures_util::{FutureExt, poll};

use super::Replica;
use crate::{
    protocol::{
        AccountID, PasskeyID, SessionID, UnixMillis,
        base64url::Base64Url,
        event::{EventKind, LoggedIn, LoggedOut},
        gateway::{EndReason, SessionKey},
        stream::{Gap, GapNext, GapReason, OpenSession, Snapshot},
    },
    session::{Ended, Missed, Moment, NotLive, SessionEnd, waiting::MAX_WAITERS},
    stream::{Bookmark, Event, Item},
};

/// A session of an account, open for an hour from the second 0.
pub(in crate::session) fn open(session: u64, account: u64) -> OpenSession {
    expiring(session, account, 3_600)
}

pub(super) fn expiring(session: u64, account: u64, second: u64) -> OpenSession {
    let coordinate = || Base64Url(vec![u8::try_from(session % 251).unwrap(); 32]);
    OpenSession {
        account_id: account_id(account),
        session_id: session_id(session),
        passkey_id: PasskeyID::from_bytes([1; 16]),
        session_key: SessionKey { kty: "EC".into(), crv: "P-256".into(), x: coordinate(), y: coordinate() },
        since: server(0),
        expires_at: server(second),
    }
}

pub(in crate::session) fn session_id(number: u64) -> SessionID {
    SessionID::from_bytes((u128::from(number) << 64 | 7).to_be_bytes())
}

pub(super) fn account_id(number: u64) -> AccountID {
    AccountID::from_bytes(u128::from(number).to_be_bytes())
}

pub(super) fn server(second: u64) -> UnixMillis {
    UnixMillis(1_700_000_000_000 + second * 1_000)
}

pub(in crate::session) fn at(second: u64) -> Moment {
    Moment { elapsed: Duration::from_secs(second), wall: server(second) }
}

pub(super) fn page(sessions: Vec<OpenSession>, first: bool, last: bool) -> Item {
    Item::Snapshot(Snapshot { sessions, first, last, id: "e-1-a".into(), hash: None, lane: 0 })
}

pub(super) fn logged_in(session: &OpenSession, second: u64) -> Item {
    let session = session.clone();
    event(
        EventKind::LoggedIn(Box::new(LoggedIn {
            account_id: session.account_id,
            session_id: session.session_id,
            passkey_id: session.passkey_id,
            origin: "https://shop.example".into(),
            session_key: session.session_key,
            expires_at: session.expires_at,
            user_verified: true,
            backed_up: false,
            account_sessions: 1,
            evidence: None,
        })),
        second,
    )
}

pub(super) fn logged_out(session: u64, account: u64, second: u64) -> Item {
    event(
        EventKind::LoggedOut(LoggedOut {
            account_id: account_id(account),
            session_id: session_id(session),
            reason: EndReason::User,
            account_sessions: 0,
        }),
        second,
    )
}

fn event(kind: EventKind, second: u64) -> Item {
    let (name, data) = (kind.name().to_owned(), kind.data_json());
    Item::Event(Event { id: "e-2-a".into(), seq: 2, time: server(second), name, data, kind: Some(kind) })
}

pub(super) fn bookmark(second: u64) -> Item {
    Item::Bookmark(Bookmark { id: "e-2-a".into(), time: server(second), hash: None, head: None })
}

pub(super) fn gap() -> Item {
    let (reason, next) = (GapReason::Truncated, GapNext::Snapshot);
    Item::Gap(Gap { reason, after: "e-1-a".into(), next, oldest: None, lane: 0 })
}

fn replica_with(sessions: Vec<OpenSession>) -> Replica {
    let mut replica = Replica::new();
    replica.apply(&page(sessions, true, true), at(0));
    replica
}

fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    future.now_or_never()
}

#[test]
fn a_half_built_snapshot_is_never_visible() {
    let mut replica = Replica::new();
    let view = replica.view();
    replica.apply(&page(vec![open(1, 1)], true, false), at(0));
    assert_eq!((view.len(), view.is_logged_in(account_id(1), at(0))), (0, None));
    replica.apply(&page(vec![open(2, 2)], false, true), at(0));
    assert_eq!((view.len(), view.is_logged_in(account_id(1), at(0))), (2, Some(true)));

    // After a gap the old state stays until the new one is whole, and the view says that it does not know.
    replica.apply(&gap(), at(1));
    assert_eq!(view.is_logged_in(account_id(1), at(1)), None);
    replica.apply(&page(vec![open(3, 3)], true, false), at(1));
    assert!(view.get(session_id(1), at(1)).is_some() && view.get(session_id(3), at(1)).is_none());
    assert!(view.fresh_within(Duration::MAX, at(1)).is_err());
    replica.apply(&page(vec![], false, true), at(1));
    assert!(view.get(session_id(1), at(1)).is_none() && view.get(session_id(3), at(1)).is_some());
    assert_eq!(view.is_logged_in(account_id(1), at(1)), Some(false));
}

#[test]
fn a_snapshot_that_starts_again_forgets_its_first_try() {
    let mut replica = Replica::new();
    replica.apply(&page(vec![open(1, 1)], true, false), at(0));
    replica.apply(&page(vec![open(2, 2)], true, true), at(0));
    assert!(replica.view().get(session_id(1), at(0)).is_none());
    assert!(replica.view().get(session_id(2), at(0)).is_some());
}

#[test]
fn pages_that_something_came_between_are_not_taken_for_a_state() {
    let mut replica = Replica::new();
    replica.apply(&page(vec![open(1, 1)], true, false), at(0));
    replica.apply(&logged_out(1, 1, 0), at(0));
    replica.apply(&page(vec![], false, true), at(0));
    assert_eq!(replica.view().is_logged_in(account_id(1), at(0)), None);
}

#[test]
fn an_account_is_logged_in_while_any_of_its_sessions_is() {
    let mut replica = replica_with(vec![open(1, 1), open(2, 1)]);
    let view = replica.view();
    replica.apply(&logged_in(&open(3, 1), 1), at(1));
    assert_eq!(view.of_account(account_id(1), at(1)).len(), 3);
    for session in [1, 3, 2] {
        assert_eq!(view.is_logged_in(account_id(1), at(1)), Some(true));
        replica.apply(&logged_out(session, 1, 1), at(1));
    }
    assert_eq!(view.is_logged_in(account_id(1), at(1)), Some(false));
    assert!(view.of_account(account_id(1), at(1)).is_empty());
}

#[test]
fn an_expired_session_is_not_live_before_its_logged_out() {
    let mut replica = replica_with(vec![expiring(1, 1, 10)]);
    let view = replica.view();
    let session = view.get(session_id(1), at(9)).unwrap();
    assert_eq!(replica.poll_timeout(at(4)), Some(Duration::from_secs(6)));
    assert!(view.get(session_id(1), at(10)).is_none());
    assert_eq!(view.is_logged_in(account_id(1), at(10)), Some(false));
    assert!(view.of_account(account_id(1), at(10)).is_empty());
    replica.handle_tick(at(9));
    assert_eq!(session.end(), None);
    let mut endings = view.endings();
    replica.handle_tick(at(10));
    assert_eq!(session.end(), Some(Ended::Expired));
    replica.apply(&logged_out(1, 1, 11), at(11));
    drop(replica);
    let told = now_or_never(endings.next()).unwrap().unwrap().unwrap();
    assert_eq!((told.ended, told.account_is_gone), (Ended::Expired, true));
    assert_eq!(now_or_never(endings.next()), Some(None), "told once");
}

#[test]
fn a_slow_clock_of_this_machine_does_not_keep_a_session_alive() {
    let mut replica = replica_with(vec![expiring(1, 1, 10)]);
    replica.apply(&bookmark(12), at(3));
    assert!(replica.view().get(session_id(1), at(3)).is_none());
}

#[test]
fn silence_makes_it_stale_and_a_bookmark_fresh_again() {
    let mut replica = replica_with(vec![]);
    let view = replica.view();
    let limit = Duration::from_secs(30);
    assert_eq!(view.fresh_within(limit, at(30)), Ok(()));
    let stale = view.fresh_within(limit, at(31)).unwrap_err();
    assert_eq!((stale.age, stale.code().as_str()), (Some(Duration::from_secs(31)), "stale"));
    replica.apply(&bookmark(31), at(31));
    assert_eq!(view.fresh_within(limit, at(31)), Ok(()));
    assert_eq!(Replica::new().view().fresh_within(Duration::MAX, at(0)).unwrap_err().age, None);
}

#[tokio::test]
async fn waiting_ends_as_soon_as_the_session_appears() {
    let mut replica = replica_with(vec![]);
    let view = replica.view();
    let mut waiting = pin!(view.wait_for(session_id(1)));
    assert!(poll!(&mut waiting).is_pending());
    replica.apply(&logged_in(&open(2, 2), 1), at(1));
    assert!(poll!(&mut waiting).is_pending());
    replica.apply(&logged_in(&open(1, 1), 1), at(1));
    let Poll::Ready(Ok(session)) = poll!(&mut waiting) else { panic!("still waiting") };
    assert_eq!(session.account_id, account_id(1));
    // It may as well come with a snapshot.
    let mut waiting = pin!(view.wait_for(session_id(3)));
    assert!(poll!(&mut waiting).is_pending());
    replica.apply(&page(vec![open(3, 3)], true, true), at(1));
    assert!(poll!(&mut waiting).is_ready());
}

#[tokio::test]
async fn those_who_give_up_waiting_leave_nothing_behind_and_there_is_room_for_so_many() {
    let replica = replica_with(vec![]);
    let view = replica.view();
    let wait = |number| {
        let mut waiting = Box::pin(view.wait_for(session_id(number)));
        assert!((&mut waiting).now_or_never().is_none());
        waiting
    };
    let waiting: Vec<_> = (0..MAX_WAITERS as u64).map(|number| wait(number / 2)).collect();
    assert_eq!(view.shared.waiting.len(), MAX_WAITERS);
    assert_eq!(now_or_never(view.wait_for(session_id(1))).unwrap().unwrap_err(), NotLive::TooManyWaiting);
    drop(waiting);
    assert_eq!(view.shared.waiting.len(), 0);
    drop(wait(1));
    assert_eq!(view.shared.waiting.len(), 0);
}

#[tokio::test]
async fn whoever_holds_a_session_is_told_of_its_end() {
    let mut replica = replica_with(vec![open(1, 1), open(2, 1)]);
    let view = replica.view();
    let session = view.get(session_id(1), at(0)).unwrap();
    let mut endings = view.endings();
    let (mut one, mut other) = (pin!(session.ended()), pin!(session.ended()));
    assert!(poll!(&mut one).is_pending() && poll!(&mut other).is_pending());
    replica.apply(&logged_out(1, 1, 1), at(1));
    let ended = Ended::LoggedOut(EndReason::User);
    assert_eq!((poll!(&mut one), poll!(&mut other)), (Poll::Ready(ended), Poll::Ready(ended)));
    assert_eq!(now_or_never(session.ended()), Some(ended), "also who asks late");
    replica.apply(&logged_out(2, 1, 1), at(1));
    let mut told = || now_or_never(endings.next()).unwrap().unwrap().unwrap();
    let (first, last) = (told(), told());
    assert_eq!((first.session_id, first.account_is_gone), (session_id(1), false));
    assert_eq!((last.session_id, last.account_is_gone), (session_id(2), true));
}

#[test]
fn a_session_that_vanished_over_a_gap_has_ended() {
    let mut replica = replica_with(vec![open(1, 1), open(2, 1), open(3, 3)]);
    let view = replica.view();
    let held: Vec<_> = [1, 2, 3].map(|id| view.get(session_id(id), at(0)).unwrap()).into();
    let mut endings = view.endings();
    replica.apply(&gap(), at(1));
    replica.apply(&page(vec![open(2, 1)], true, true), at(1));
    let ends: Vec<_> = held.iter().map(|session| session.end()).collect();
    assert_eq!(ends, [Some(Ended::Vanished), None, Some(Ended::Vanished)]);
    let mut told = || now_or_never(endings.next()).unwrap().unwrap().unwrap();
    let end = |session, account, account_is_gone| SessionEnd {
        session_id: session_id(session),
        account_id: account_id(account),
        ended: Ended::Vanished,
        account_is_gone,
    };
    assert_eq!([told(), told()], [end(1, 1, false), end(3, 3, true)]);
    // Whoever held the survivor from before the gap hears of its end after it.
    replica.apply(&logged_out(2, 1, 2), at(2));
    assert_eq!(held[1].end(), Some(Ended::LoggedOut(EndReason::User)));
}

#[test]
fn another_session_under_the_same_id_does_not_inherit_the_trust_in_the_first() {
    let mut replica = replica_with(vec![open(1, 1)]);
    let view = replica.view();
    let held = view.get(session_id(1), at(0)).unwrap();
    replica.apply(&logged_in(&open(1, 1), 0), at(0));
    assert_eq!(held.end(), None, "the same again is nothing new");
    replica.apply(&page(vec![open(1, 2)], true, true), at(0));
    assert_eq!(held.end(), Some(Ended::Vanished));
    assert_eq!(view.get(session_id(1), at(0)).unwrap().account_id, account_id(2));
    assert_eq!(view.is_logged_in(account_id(1), at(0)), Some(false));
}

#[test]
fn a_reader_that_fell_behind_is_told_so() {
    let mut replica = replica_with((0..5_000).map(|number| open(number, number)).collect());
    let mut endings = replica.view().endings();
    replica.apply(&page(vec![], true, true), at(1));
    assert_eq!(now_or_never(endings.next()), Some(Some(Err(Missed(5_000 - 4_096)))));
    assert_eq!(now_or_never(endings.next()).unwrap().unwrap().unwrap().session_id, session_id(904));
}

#[tokio::test]
async fn the_end_of_the_stream_leaves_nobody_signed_in_and_nobody_waiting() {
    let replica = replica_with(vec![open(1, 1)]);
    let view = replica.view();
    let session = view.get(session_id(1), at(0)).unwrap();
    let mut endings = view.endings();
    let mut waiting = pin!(view.wait_for(session_id(2)));
    assert!(poll!(&mut waiting).is_pending());
    drop(replica);
    assert_eq!(session.end(), Some(Ended::Unfollowed));
    assert!(matches!(poll!(&mut waiting), Poll::Ready(Err(NotLive::Unfollowed))));
    assert_eq!(now_or_never(endings.next()), Some(None));
    assert_eq!(now_or_never(view.endings().next()), Some(None));
    assert!(view.get(session_id(1), at(0)).is_none());
    assert_eq!(view.is_logged_in(account_id(1), at(0)), None);
    assert!(view.fresh_within(Duration::MAX, at(0)).is_err());
}

#[test]
fn a_key_of_an_unknown_kind_is_no_key_and_the_session_is_there() {
    let mut ours = open(1, 1);
    ours.session_key.crv = "P-521".into();
    let replica = replica_with(vec![ours, open(2, 2)]);
    let view = replica.view();
    assert_eq!(view.get(session_id(1), at(0)).unwrap().key_point(), None);
    let known = view.get(session_id(2), at(0)).unwrap();
    let point = known.key_point().unwrap();
    assert_eq!((point[0], point[1], point[64]), (4, 2, 2));
    assert_eq!(Arc::strong_count(&known), 4, "one pointer in each index, and this one");
}
