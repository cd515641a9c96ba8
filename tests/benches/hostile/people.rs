//! People who sign in and out, each from an address of their own, and what they find.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::{
    env,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use passkey_accounts_tests::{SoftwareAuthenticator, raw::Dialer};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    attack::{ATTACK, Attack, connect, sign_up},
    server::{IDENTITY, ROLE, Server},
};

const PEOPLE: u8 = 8;
/// How long each kind of misbehaviour is watched.
const WATCHED: Duration = Duration::from_secs(6);
/// Those who misbehave have that long to take their places.
const GATHERING: Duration = Duration::from_secs(15);
/// Less often than the limit by address allows.
const PAUSE: Duration = Duration::from_millis(200);
/// Longer than that, and the sign-in failed.
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn measure() {
    println!(
        "{PEOPLE} people with an address each, {} s a row; from connecting over TLS to being signed in; the server's \
         largest resident memory.\nThe goal is 500 ms at p99 and 256 MiB.\n",
        WATCHED.as_secs()
    );
    println!(
        "{:<44} {:>8} {:>8} {:>8} {:>7} {:>8} {:>7}",
        "", "places", "sign-ins", "p50 ms", "p99 ms", "failed", "MiB"
    );
    let mut is_kept = true;
    for is_limited in [false, true] {
        println!(
            "{}",
            if is_limited { "limits by address as they are by default" } else { "no limits by address" }
        );
        is_kept &= watch(is_limited, None).await;
        for attack in Attack::ALL {
            is_kept &= watch(is_limited, Some(*attack)).await;
        }
    }
    println!("\nthe goal is {}", if is_kept { "kept" } else { "MISSED" });
}

/// One row. Returns whether the goal was kept.
async fn watch(is_limited: bool, attack: Option<Attack>) -> bool {
    let server = Arc::new(Server::start(is_limited));
    let mut crowd = Vec::new();
    for number in 0..PEOPLE {
        crowd.push(Person::sign_up(Arc::clone(&server), number).await);
    }
    let attacker = attack.map(|attack| Attacker::start(&server, attack));
    let mut places = 0;
    if let (Some(attack), Some(attacker)) = (attack, &attacker) {
        let began = Instant::now();
        let most = if is_limited { attack.places().min(500) } else { attack.places() };
        while attacker.places.load(Relaxed) < most && began.elapsed() < GATHERING {
            sleep(Duration::from_millis(50)).await;
        }
    }
    server.forget_peak();
    let mut tasks = JoinSet::new();
    for person in crowd {
        tasks.spawn(person.come_and_go());
    }
    let (mut waits, mut failed) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (waited, failures) = done.expect("people do not panic");
        waits.extend(waited);
        failed += failures;
    }
    if let Some(attacker) = &attacker {
        places = attacker.places.load(Relaxed);
    }
    waits.sort_unstable();
    let percentile = |share: usize| {
        let index = (waits.len() * share / 100).min(waits.len().saturating_sub(1));
        waits.get(index).map_or(f64::INFINITY, |wait| wait.as_secs_f64() * 1e3)
    };
    let (p50, p99, mib) = (percentile(50), percentile(99), server.peak_mib());
    let name = attack.map_or("   quiet", Attack::name);
    println!("   {name:<41} {places:>8} {:>8} {p50:>8.1} {p99:>7.1} {failed:>8} {mib:>7}", waits.len());
    p99 < 500.0 && mib < 256 && failed == 0
}

struct Person {
    server: Arc<Server>,
    email: String,
    authenticator: SoftwareAuthenticator,
    address: Ipv4Addr,
}

impl Person {
    async fn sign_up(server: Arc<Server>, number: u8) -> Self {
        let authenticator = SoftwareAuthenticator::new([number + 1; 32]);
        let email = format!("person-{number}@example.org");
        let mut person = Self { server, email, authenticator, address: Ipv4Addr::new(127, 0, 1, number + 1) };
        let (dialer, app_id) = (person.dialer(), person.server.app_id);
        sign_up(&dialer, app_id, &person.email, &mut person.authenticator).await;
        person
    }

    fn dialer(&self) -> Dialer {
        let tls = Some(self.server.identity.client(&[]));
        Dialer { port: self.server.port, from: self.address, tls }
    }

    /// Signs in and out for a while. Returns how long each sign-in took, and how many failed.
    async fn come_and_go(mut self) -> (Vec<Duration>, usize) {
        let (mut waits, mut failed) = (Vec::new(), 0);
        let began = Instant::now();
        while began.elapsed() < WATCHED {
            let start = Instant::now();
            let signing_in = async {
                let mut page = connect(&self.dialer(), self.server.app_id).await?;
                page.try_sign_in(&self.email, &mut self.authenticator).await.ok()?;
                Some(page)
            };
            match timeout(PATIENCE, signing_in).await {
                Ok(Some(mut page)) => {
                    waits.push(start.elapsed());
                    page.sign_out().await;
                    page.close().await;
                }
                _ => failed += 1,
            }
            sleep(PAUSE).await;
        }
        (waits, failed)
    }
}

/// Those who misbehave, in a process of their own. Dropping it ends them.
struct Attacker {
    process: Child,
    places: Arc<AtomicUsize>,
}

impl Attacker {
    fn start(server: &Server, attack: Attack) -> Self {
        let mut process = Command::new(env::current_exe().expect("this program"))
            .env(ROLE, "attack")
            .env(IDENTITY, server.identity.to_text())
            .env(ATTACK, format!("{} {} {}", attack.name(), server.port, server.app_id))
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let places = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&places);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                told.store(line.parse().unwrap_or_default(), Relaxed);
            }
        });
        Self { process, places }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
