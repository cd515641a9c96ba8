//! Our verification beside those of others, webauthn-rs and SimpleWebAuthn: what both of them refuse, we refuse. What we take
//! and one of them does not is listed with its reason. Where we alone refuse is printed (`--nocapture`).

mod cbor;
mod json;
mod mutation;
mod others;

use std::{
    collections::{BTreeMap, HashMap},
    env,
};

use passkey_accounts::evidence::Algorithm;
use passkey_accounts_server::ceremony::registration::NewPasskey;
use passkey_accounts_tests::{SoftwareAuthenticator, Stage};
use webauthn_rs_core::proto::Credential;

use crate::verification::{
    ORIGIN, authenticator, creation_options, sign_in_answer, unchanged, verify_new, verify_sign_in,
    wrongly_built::{registrations, sign_ins},
};
use mutation::Mutation;
use others::{SimpleWebAuthn, Verdict, WebauthnRs};

/// How many ceremonies a run without a wish compares.
const CEREMONIES: u64 = 4_000;

/// Ceremonies that go to Node at a time.
const CHUNK: u64 = 1_000;

/// A passkey that all three were shown.
struct Registered {
    authenticator: SoftwareAuthenticator,
    passkey: NewPasskey,
    theirs: Option<Credential>,
}

impl Registered {
    fn new(algorithm: Algorithm, other: &WebauthnRs) -> Self {
        let mut authenticator = authenticator(algorithm);
        let answer = authenticator.register(&creation_options(), ORIGIN).unwrap();
        let passkey = verify_new(&answer).unwrap();
        Self { authenticator, passkey, theirs: other.register(&answer).ok() }
    }
}

/// A ceremony, and what two of three say of it.
struct Compared {
    name: String,
    answer: String,
    ours: Verdict,
    webauthn_rs: Verdict,
    /// Of a sign-in.
    algorithm: Option<Algorithm>,
}

/// How the three verdicts compare.
#[derive(Default)]
struct Tally {
    /// By who accepts: us, webauthn-rs, SimpleWebAuthn.
    by_who: BTreeMap<[bool; 3], usize>,
    /// The reasons where not all agree, and an example of each.
    classes: BTreeMap<([bool; 3], String), (usize, String)>,
    both_refuse: Vec<String>,
    unexplained: Vec<String>,
}

impl Tally {
    fn count(&mut self, compared: &Compared, simple: &Verdict) {
        let Compared { name, answer, ours, webauthn_rs, algorithm } = compared;
        let who = [ours, webauthn_rs, simple].map(Result::is_ok);
        *self.by_who.entry(who).or_default() += 1;
        if who == [true; 3] || who == [false; 3] {
            return;
        }
        // Who refuses says why.
        let said = [("ours", ours), ("webauthn-rs", webauthn_rs), ("SimpleWebAuthn", simple)];
        let reasons: Vec<_> = said
            .iter()
            .filter_map(|(who, said)| Some(format!("{who}: {}", plain(said.as_ref().err()?))))
            .collect();
        let reason = reasons.join("; ");
        if who == [true, false, false] {
            self.both_refuse.push(format!("{name}: {reason}: {answer}"));
        } else if who[0] && !RIGHT.iter().any(|(known, _)| reason.contains(known)) {
            self.unexplained.push(format!("{name} {algorithm:?}: {reason}: {answer}"));
        }
        let class = self.classes.entry((who, reason)).or_insert_with(|| (0, name.clone()));
        class.0 += 1;
    }

    fn print(&self, what: &str) {
        let all: usize = self.by_who.values().sum();
        println!("\n{all} {what}\n  ours  webauthn-rs  SimpleWebAuthn");
        let word = |accepts: bool| if accepts { "accept" } else { "refuse" };
        for (who, count) in &self.by_who {
            let [ours, rs, simple] = who.map(word);
            println!("  {ours}  {rs}       {simple}          {count:>6}");
        }
        for ((who, reason), (count, example)) in &self.classes {
            let accepting: Vec<_> = ["we", "webauthn-rs", "SimpleWebAuthn"]
                .into_iter()
                .zip(who)
                .filter_map(|(name, accepts)| accepts.then_some(name))
                .collect();
            println!("  {count:>6} accepted by {}: {reason} ({example})", accepting.join(" and "));
        }
    }

    /// # Panics
    /// When we accept what both others refuse, or what one refuses for a reason that nobody has looked into.
    fn judge(&self) {
        assert!(self.both_refuse.is_empty(), "we accept, both others refuse: {:#?}", self.both_refuse);
        assert!(self.unexplained.is_empty(), "we accept, one refuses, why? {:#?}", self.unexplained);
    }
}

/// Why one of the others refuses what we accept, and why that is right.
const RIGHT: &[(&str, &str)] = &[
    ("webauthn-rs: it takes no such key", "Ed25519 is one of the algorithms that were offered"),
    ("webauthn-rs: SshPublicKeyEDUnsupported", "Ed25519 is one of the algorithms that were offered"),
    (
        "webauthn-rs: ParseNOMFailure",
        "an extension's output may be any CBOR; one that nobody asked for is ignored",
    ),
    ("webauthn-rs: json: invalid type", "an extension's output that nobody asked for is ignored"),
    (
        "SimpleWebAuthn: Error: Map is not supported",
        "inside of an extension's output, maps may have keys that are neither numbers nor texts",
    ),
];

/// A reason without what differs from one ceremony to the next.
fn plain(reason: &str) -> String {
    let mut plain = String::new();
    let mut is_quoted = false;
    for character in reason.chars() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                plain.push('"');
            }
            _ if is_quoted => {}
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            _ => plain.push(character),
        }
    }
    plain.chars().take(100).collect()
}

#[test]
fn valid_ceremonies_of_all_three_agree() {
    let (rs, mut simple) = (WebauthnRs::new(), SimpleWebAuthn::start());
    for algorithm in Algorithm::ALL {
        let mut registered = Registered::new(algorithm, &rs);
        let answer = sign_in_answer(&mut registered.authenticator, &registered.passkey, &unchanged);
        assert!(verify_sign_in(&answer, &registered.passkey).is_ok());
        // webauthn-rs 0.6 takes no Ed25519 key (`COSEKey::validate`).
        let takes = algorithm != Algorithm::EdDsa;
        assert_eq!(rs.sign_in(&answer, registered.theirs.as_ref()).is_ok(), takes, "{algorithm:?}");
        let judged = simple.judge([(answer.as_str(), Some(&registered.passkey))].into_iter());
        assert_eq!(judged, [Ok(())], "{algorithm:?}");
    }
}

#[test]
fn of_the_wrongly_built_ceremonies_the_others_accept_some_and_we_none() {
    let (rs, mut simple) = (WebauthnRs::new(), SimpleWebAuthn::start());
    let mut compared = Vec::new();
    for group in registrations() {
        for case in &group.cases {
            compared.push(registration(case.name.clone(), group.registration(case), &rs));
        }
    }
    let mut tally = Tally::default();
    judge(&mut tally, &compared, &mut simple, &HashMap::new());
    tally.print("wrongly built registrations");
    tally.judge();

    let mut known = HashMap::new();
    let mut compared = Vec::new();
    for group in sign_ins() {
        let mut registered = Registered::new(group.algorithm, &rs);
        for case in &group.cases {
            let answer = sign_in_answer(&mut registered.authenticator, &registered.passkey, &case.edit);
            compared.push(sign_in(case.name.clone(), answer, group.algorithm, &registered, &rs));
        }
        known.insert(group.algorithm, registered);
    }
    let mut tally = Tally::default();
    judge(&mut tally, &compared, &mut simple, &known);
    tally.print("wrongly built sign-ins");
    tally.judge();
}

#[test]
fn of_thousands_of_mutated_ceremonies_we_accept_none_that_both_others_refuse() {
    let ceremonies = env::var("PASSKEY_ACCOUNTS_CEREMONIES").map_or(CEREMONIES, |wish| wish.parse().unwrap());
    let (rs, mut simple) = (WebauthnRs::new(), SimpleWebAuthn::start());
    let mut known: HashMap<_, _> = Algorithm::ALL.map(|alg| (alg, Registered::new(alg, &rs))).into();
    let (mut registrations, mut sign_ins) = (Tally::default(), Tally::default());
    for start in (0..ceremonies).step_by(usize::try_from(CHUNK).unwrap()) {
        let (mut created, mut asserted) = (Vec::new(), Vec::new());
        for number in start..ceremonies.min(start + CHUNK) {
            let mutation = Mutation::of(number);
            let name = format!("{number}, {:?}", mutation.levels);
            let edit = |stage: Stage<'_>| mutation.apply(stage);
            if mutation.is_registration {
                let made = mutation.authenticator().register_with(&creation_options(), ORIGIN, &edit);
                created.push(registration(name, made.unwrap(), &rs));
            } else {
                let registered = known.get_mut(&mutation.algorithm).unwrap();
                let answer = sign_in_answer(&mut registered.authenticator, &registered.passkey, &edit);
                asserted.push(sign_in(name, answer, mutation.algorithm, registered, &rs));
            }
        }
        judge(&mut registrations, &created, &mut simple, &known);
        judge(&mut sign_ins, &asserted, &mut simple, &known);
    }
    for (tally, what) in [(&registrations, "mutated registrations"), (&sign_ins, "mutated sign-ins")] {
        tally.print(what);
        let share = |who: [bool; 3]| tally.by_who.get(&who).copied().unwrap_or_default() as u64;
        // A corpus of one kind shows nothing.
        assert!(share([true; 3]) > ceremonies / 20 && share([false; 3]) > ceremonies / 20);
    }
    registrations.judge();
    sign_ins.judge();
}

fn registration(name: String, answer: String, rs: &WebauthnRs) -> Compared {
    let ours = verify_new(&answer).map(drop).map_err(|error| error.to_string());
    let webauthn_rs = rs.register(&answer).map(drop);
    Compared { name, answer, ours, webauthn_rs, algorithm: None }
}

fn sign_in(
    name: String,
    answer: String,
    algorithm: Algorithm,
    registered: &Registered,
    rs: &WebauthnRs,
) -> Compared {
    // The stored counter is 0, so that none can be called too low: the one difference by design is that a counter which did
    // not rise is reported here and refused there.
    let ours = verify_sign_in(&answer, &registered.passkey).map(drop).map_err(|error| error.to_string());
    let webauthn_rs = rs.sign_in(&answer, registered.theirs.as_ref());
    Compared { name, answer, ours, webauthn_rs, algorithm: Some(algorithm) }
}

fn judge(
    tally: &mut Tally,
    compared: &[Compared],
    simple: &mut SimpleWebAuthn,
    known: &HashMap<Algorithm, Registered>,
) {
    let answers = compared.iter().map(|ceremony| {
        let passkey = ceremony.algorithm.map(|algorithm| &known[&algorithm].passkey);
        (ceremony.answer.as_str(), passkey)
    });
    let verdicts = simple.judge(answers);
    for (ceremony, verdict) in compared.iter().zip(&verdicts) {
        tally.count(ceremony, verdict);
    }
}
