//! The live sessions: the replica, fed from a stream and read by JavaScript.

use std::time::Duration;

use passkey_accounts::{
    proof::NonceWindow,
    protocol::{AccountID, PasskeyID, SessionID, event::EventKind},
    session::{Ended, Endings, LiveSession, Proven, Replica, View},
    stream::{Greeting, InHand, Item},
};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{
    duration, json, milliseconds, moment,
    proof::{Proof, refusal},
    stream::{Failure, Stream},
};

/// Who is signed in. Every `elapsed` and `wall` are the two clocks of this machine in milliseconds.
#[wasm_bindgen]
pub struct Live {
    replica: Replica,
    /// Where a passkey must have been seen to open each session.
    proven: Option<Proven>,
    view: View,
    endings: Endings,
    greeted: Option<Greeting>,
    nonces: NonceWindow,
    opened: Vec<String>,
}

#[wasm_bindgen]
impl Live {
    /// Knows nothing yet. Its stream is held against pins, or is not.
    #[wasm_bindgen(constructor)]
    pub fn new(has_pins: bool) -> Self {
        let replica = Replica::new();
        let view = replica.view();
        let endings = view.endings();
        let proven = has_pins.then(Proven::new);
        Self { replica, proven, view, endings, greeted: None, nonces: NonceWindow::new(), opened: Vec::new() }
    }

    /// Takes what a second stream has, which has no pins and says where the state is: `true` once that is known, and the
    /// stream not needed any more. Before that, nothing of the other is taken.
    ///
    /// # Errors
    /// A failure as JSON.
    pub fn look(&mut self, state: &mut Stream, elapsed: f64, wall: f64) -> Result<bool, String> {
        let Some(proven) = &mut self.proven else { return Ok(true) };
        while !proven.has_looked() {
            let Some(in_hand) = state.take(elapsed)? else { return Ok(false) };
            let looked = proven.handle_state(&in_hand.item, moment(elapsed, wall));
            looked.map_err(|error| Failure::from(&error).json())?;
            state.conclude(elapsed, in_hand.token, true);
        }
        Ok(true)
    }

    /// Takes what the stream has, at most `most` items: `true` when there may be more. After each call the ends must be
    /// taken, and the opened ones if somebody awaits a session.
    ///
    /// # Errors
    /// A failure as JSON: an event is forged. The stream is over.
    pub fn pump(
        &mut self,
        stream: &mut Stream,
        most: u32,
        is_awaited: bool,
        elapsed: f64,
        wall: f64,
    ) -> Result<bool, String> {
        let now = moment(elapsed, wall);
        if let Some(greeting) = stream.greeting()
            && self.greeted != Some(greeting)
        {
            let age = now.elapsed.saturating_sub(greeting.heard_at);
            self.replica.handle_server_time(greeting.time, now.minus(age));
            self.greeted = Some(greeting);
        }
        if self.proven.as_ref().is_some_and(|proven| !proven.has_looked()) {
            return Ok(false);
        }
        if let Some(proven) = &mut self.proven
            && !proven.is_following()
        {
            proven.begin_at(&mut self.replica, stream.pinned_position(), || stream.pinned_sessions());
            if proven.is_following() && is_awaited {
                self.opened.push("*".to_owned());
            }
        }
        for _ in 0..most {
            let Some(InHand { item, token, .. }) = stream.take(elapsed)? else { return Ok(false) };
            stream.conclude(elapsed, token, true);
            let opened = match &mut self.proven {
                None => {
                    self.replica.apply(&item, now);
                    opened(&item)
                }
                Some(proven) => {
                    let was_following = proven.is_following();
                    proven.apply(&mut self.replica, &item, || stream.pinned_sessions(), now);
                    // What the pins know is shown all at once.
                    let is_shown = proven.is_following() && !was_following;
                    if is_shown { Some("*".to_owned()) } else { opened(&item) }
                }
            };
            if is_awaited {
                self.opened.extend(opened);
            }
        }
        Ok(true)
    }

    /// Ends the sessions whose time is over.
    pub fn tick(&mut self, elapsed: f64, wall: f64) {
        self.replica.handle_tick(moment(elapsed, wall));
    }

    /// How long until a session expires, in milliseconds.
    #[wasm_bindgen(js_name = pollTimeout)]
    pub fn poll_timeout(&self, elapsed: f64, wall: f64) -> Option<f64> {
        self.replica.poll_timeout(moment(elapsed, wall)).map(milliseconds)
    }

    /// The sessions that have ended since the last call, as JSON: an array, or the number of ends that were missed.
    #[wasm_bindgen(js_name = takeEnds)]
    pub fn take_ends(&mut self) -> Option<String> {
        let mut ends = Vec::new();
        loop {
            match self.endings.try_next() {
                Some(Ok(end)) => ends.push(End {
                    session_id: end.session_id,
                    account_id: end.account_id,
                    ended: word(end.ended),
                    account_is_gone: end.account_is_gone,
                }),
                Some(Err(missed)) => return Some(missed.0.to_string()),
                None if ends.is_empty() => return None,
                None => return Some(json(&ends)),
            }
        }
    }

    /// The session as JSON, if it is open.
    pub fn find(&self, session_id: &str, elapsed: f64, wall: f64) -> Option<String> {
        let session = self.view.get(session_id.parse().ok()?, moment(elapsed, wall))?;
        Some(json(&Open::from(&*session)))
    }

    /// Whether the session is open.
    #[wasm_bindgen(js_name = isOpen)]
    pub fn is_open(&self, session_id: &str, elapsed: f64, wall: f64) -> bool {
        let id = session_id.parse::<SessionID>();
        id.is_ok_and(|id| self.view.get(id, moment(elapsed, wall)).is_some())
    }

    /// The ids of the account's open sessions, in no order.
    #[wasm_bindgen(js_name = ofAccount)]
    pub fn of_account(&self, account_id: &str, elapsed: f64, wall: f64) -> Vec<String> {
        let Ok(id) = account_id.parse::<AccountID>() else { return Vec::new() };
        let sessions = self.view.of_account(id, moment(elapsed, wall));
        sessions.iter().map(|session| session.session_id.to_string()).collect()
    }

    /// Whether the account has an open session; `undefined` while that is not known.
    #[wasm_bindgen(js_name = isLoggedIn)]
    pub fn is_logged_in(&self, account_id: &str, elapsed: f64, wall: f64) -> Option<bool> {
        let Ok(id) = account_id.parse::<AccountID>() else { return Some(false) };
        self.view.is_logged_in(id, moment(elapsed, wall))
    }

    /// How many sessions are open.
    pub fn size(&self) -> usize {
        self.view.len()
    }

    /// How old the knowledge is if that is more than `max_age`, infinite when there is none; `undefined` when it is fresh.
    #[wasm_bindgen(js_name = staleFor)]
    pub fn stale_for(&self, max_age: f64, elapsed: f64, wall: f64) -> Option<f64> {
        let stale = self.view.fresh_within(duration(max_age), moment(elapsed, wall)).err()?;
        Some(stale.age.map_or(f64::INFINITY, milliseconds))
    }

    /// That the proof was made about now, by the server's clock.
    ///
    /// # Errors
    /// A refusal as JSON.
    #[wasm_bindgen(js_name = checkTime)]
    pub fn check_time(&self, proof: &Proof, elapsed: f64, wall: f64) -> Result<(), String> {
        proof.0.check_time(self.view.server_time(moment(elapsed, wall))).map_err(refusal)
    }

    /// Lets a proof through whose signature was verified, once.
    ///
    /// # Errors
    /// A refusal as JSON.
    pub fn remember(&self, proof: &Proof, elapsed: f64, wall: f64) -> Result<(), String> {
        self.nonces.remember(&proof.0, self.view.server_time(moment(elapsed, wall))).map_err(refusal)
    }

    /// The server's clock, as far as it is known, in milliseconds since 1970.
    #[wasm_bindgen(js_name = serverTime)]
    pub fn server_time(&self, elapsed: f64, wall: f64) -> f64 {
        milliseconds(Duration::from_millis(self.view.server_time(moment(elapsed, wall)).0))
    }

    /// Whether the state is whole, with every event since.
    #[wasm_bindgen(js_name = isInSync)]
    pub fn is_in_sync(&self, elapsed: f64, wall: f64) -> bool {
        self.view.fresh_within(Duration::MAX, moment(elapsed, wall)).is_ok()
    }

    /// The sessions that were opened in the last [`pump`](Self::pump) of a caller who wanted to know, as a JSON array;
    /// `*` for what a new state may have brought.
    #[wasm_bindgen(js_name = takeOpened)]
    pub fn take_opened(&mut self) -> Option<String> {
        (!self.opened.is_empty()).then(|| json(&std::mem::take(&mut self.opened)))
    }

    /// The stream is over for good.
    pub fn close(&mut self) {
        self.replica.close();
    }
}

fn opened(item: &Item) -> Option<String> {
    match item {
        Item::Event(event) => match &event.kind {
            Some(EventKind::LoggedIn(login)) => Some(login.session_id.to_string()),
            Some(_) | None => None,
        },
        Item::Snapshot(page) => page.last.then(|| "*".to_owned()),
        Item::Gap(_) | Item::Bookmark(_) => None,
    }
}

fn word(ended: Ended) -> &'static str {
    match ended {
        Ended::LoggedOut(reason) => reason.as_str(),
        Ended::Expired => "expired",
        Ended::Vanished => "vanished",
        Ended::Unfollowed => "unfollowed",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct End {
    #[serde(rename = "sessionID")]
    session_id: SessionID,
    #[serde(rename = "accountID")]
    account_id: AccountID,
    ended: &'static str,
    account_is_gone: bool,
}

/// Times are milliseconds since 1970.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    #[serde(rename = "sessionID")]
    session_id: SessionID,
    #[serde(rename = "accountID")]
    account_id: AccountID,
    #[serde(rename = "passkeyID")]
    passkey_id: PasskeyID,
    since: u64,
    expires_at: u64,
    /// An uncompressed point, base64url.
    key_point: Option<String>,
}

impl From<&LiveSession> for Open {
    fn from(session: &LiveSession) -> Self {
        let point = session.key_point().map(|point| data_encoding::BASE64URL_NOPAD.encode(point));
        Self {
            session_id: session.session_id,
            account_id: session.account_id,
            passkey_id: session.passkey_id,
            since: session.since.0,
            expires_at: session.expires_at.0,
            key_point: point,
        }
    }
}
