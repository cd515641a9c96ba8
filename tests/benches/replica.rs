//! What a look-up in the live replica costs, and a session in it, against a bare hash map of the same sessions.
//!
//! `cargo bench -p passkey-accounts-tests --bench replica`. One thread, its CPU time, interleaved rounds, medians.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark stops where something is off")]

use std::{collections::HashMap, hint::black_box, sync::Arc, time::Duration};

use cpu_time::ThreadTime;
use passkey_accounts::{
    Item,
    protocol::{
        AccountID, PasskeyID, SessionID, UnixMillis,
        base64url::Base64Url,
        event::{EventKind, LoggedIn, LoggedOut},
        gateway::{EndReason, SessionKey},
        stream::{OpenSession, Snapshot},
    },
    session::{LiveSession, Moment, Replica},
    stream::Event,
};

const SESSIONS: u32 = 1_000_000;
const PAGE: u32 = 128;
const LOOKUPS: u32 = 200_000;
const ROUNDS: usize = 21;
const NOW: Moment = Moment { elapsed: Duration::from_secs(1), wall: UnixMillis(1_700_000_000_000) };

fn main() {
    let mut replica = Replica::new();
    let view = replica.view();
    let empty = resident_bytes();
    let start = ThreadTime::now();
    for first in (0..SESSIONS).step_by(PAGE as usize) {
        let end = (first + PAGE).min(SESSIONS);
        let sessions = (first..end).map(open).collect();
        replica.apply(&page(sessions, first == 0, end == SESSIONS), NOW);
    }
    let built = start.elapsed();
    let full = resident_bytes();
    assert_eq!(view.len(), SESSIONS as usize);

    // Asked for in an order that the processor cannot guess.
    let mut state = 1_u64;
    let ids: Vec<SessionID> = std::iter::repeat_with(|| {
        state = scramble(state);
        session_id(u32::try_from(state % u64::from(SESSIONS)).unwrap())
    })
    .take(LOOKUPS as usize)
    .collect();
    let accounts: Vec<_> = ids.iter().map(|id| view.get(*id, NOW).unwrap().account_id).collect();
    let bare: HashMap<SessionID, Arc<LiveSession>> =
        (0..SESSIONS).map(session_id).map(|id| (id, view.get(id, NOW).unwrap())).collect();

    let busy: Vec<_> = (0..LOOKUPS as usize).map(|number| ids[number % 1_000]).collect();
    let contenders: [(&str, &dyn Fn() -> Duration); 6] = [
        ("bare HashMap, any session", &|| time(&ids, |id| bare.get(id).cloned())),
        ("get, any session", &|| time(&ids, |id| view.get(*id, NOW))),
        ("is_logged_in", &|| time(&accounts, |id| view.is_logged_in(*id, NOW))),
        ("of_account", &|| time(&accounts, |id| view.of_account(*id, NOW))),
        ("bare HashMap, 1,000 busy", &|| time(&busy, |id| bare.get(id).cloned())),
        ("get, 1,000 busy", &|| time(&busy, |id| view.get(*id, NOW))),
    ];
    let mut rounds = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (round, (_, contender)) in rounds.iter_mut().zip(&contenders) {
            round.push(contender());
        }
    }
    println!(
        "{SESSIONS} sessions; nanoseconds of thread CPU time per look-up, medians of {ROUNDS} interleaved rounds, and as a share of the bare map"
    );
    let medians: Vec<f64> = rounds.into_iter().map(median).collect();
    for (number, ((name, _), nanoseconds)) in contenders.iter().zip(&medians).enumerate() {
        let bare = if number < 4 { medians[0] } else { medians[4] };
        println!("{name:26} {nanoseconds:>7.0} {:>6.2}", nanoseconds / bare);
    }
    println!("the goal: well below 1,000. A look-up through `LiveSessions` also reads two clocks.");

    drop(bare);
    let start = ThreadTime::now();
    for number in 0..LOOKUPS {
        replica.apply(&logged_out(number), NOW);
        replica.apply(&logged_in(number), NOW);
    }
    let event = start.elapsed().as_secs_f64() * 1e9 / (2.0 * f64::from(LOOKUPS));
    println!(
        "{event:.0} ns to apply an event; {:.0} ns a session of a snapshot",
        built.as_secs_f64() * 1e9 / f64::from(SESSIONS)
    );
    if let (Some(empty), Some(full)) = (empty, full) {
        println!("{} bytes of resident memory per session", (full - empty) / u64::from(SESSIONS));
    }
}

fn time<T, R>(asked: &[T], look_up: impl Fn(&T) -> R) -> Duration {
    let start = ThreadTime::now();
    for one in asked {
        black_box(look_up(black_box(one)));
    }
    start.elapsed()
}

/// Nanoseconds per look-up.
fn median(mut rounds: Vec<Duration>) -> f64 {
    rounds.sort_unstable();
    rounds[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(LOOKUPS)
}

fn scramble(state: u64) -> u64 {
    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407).rotate_left(29)
}

fn session_id(number: u32) -> SessionID {
    let (time, rest) = (UnixMillis(1_700_000_000_000 + u64::from(number)), scramble(u64::from(number)));
    SessionID::time_ordered(time, (u128::from(rest) << 64 | u128::from(number)).to_be_bytes())
}

/// Nearly every account has one session, every tenth has two.
fn account_id(number: u32) -> AccountID {
    let number = if number % 10 == 9 { number - 1 } else { number };
    AccountID::from_bytes((u128::from(scramble(u64::from(number))) << 64 | u128::from(number)).to_be_bytes())
}

fn open(number: u32) -> OpenSession {
    let coordinate = || Base64Url(vec![9; 32]);
    OpenSession {
        account_id: account_id(number),
        session_id: session_id(number),
        passkey_id: PasskeyID::from_bytes([1; 16]),
        session_key: SessionKey { kty: "EC".into(), crv: "P-256".into(), x: coordinate(), y: coordinate() },
        since: NOW.wall,
        expires_at: NOW.wall.plus(43_200_000 + u64::from(number)),
    }
}

fn page(sessions: Vec<OpenSession>, first: bool, last: bool) -> Item {
    Item::Snapshot(Snapshot { sessions, first, last, id: "k3f9-1-Q7hB2cX0".into(), hash: None, lane: 0 })
}

fn event(kind: EventKind) -> Item {
    let (id, name) = ("k3f9-2-Q7hB2cX0".to_owned(), kind.name().to_owned());
    Item::Event(Event { id, seq: 2, time: NOW.wall, name, data: String::new(), kind: Some(kind) })
}

fn logged_out(number: u32) -> Item {
    event(EventKind::LoggedOut(LoggedOut {
        account_id: account_id(number),
        session_id: session_id(number),
        reason: EndReason::User,
        account_sessions: 0,
    }))
}

fn logged_in(number: u32) -> Item {
    let OpenSession { account_id, session_id, passkey_id, session_key, expires_at, .. } = open(number);
    event(EventKind::LoggedIn(Box::new(LoggedIn {
        account_id,
        session_id,
        passkey_id,
        origin: "https://shop.example".into(),
        session_key,
        expires_at,
        user_verified: true,
        backed_up: false,
        account_sessions: 1,
        evidence: None,
    })))
}

/// What the process has in memory, where the system tells.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}
