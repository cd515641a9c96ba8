//! The server's process, and how the others see it.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use passkey_accounts::{
    log::Epoch,
    protocol::{AppID, gateway::Policy},
};
use passkey_accounts_server::{
    apps::App,
    ceremony::Authenticators,
    clock::{Clock, make_random},
    crypto::{RootKeySource, RootKeys},
    log::Retention,
    mail::{Mailer, Outbox},
    rates::Rates,
    routes::{Mode, Site},
    server::{Prepared, Settings},
    sessions::SessionLimits,
};
use passkey_accounts_tests::raw::Identity;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a process of this program is.
pub const ROLE: &str = "PASSKEY_ACCOUNTS_BENCH_ROLE";
/// Certificate and key, as [`Identity::to_text`] writes them.
pub const IDENTITY: &str = "PASSKEY_ACCOUNTS_BENCH_IDENTITY";
/// Where the app's pages are.
pub const ORIGIN: &str = "https://localhost";

/// As many open files as this user may have.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // Where it cannot be raised, fewer connections are made, and that is said.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Serves until it is killed. Its first line says where it is.
pub async fn serve() {
    let identity = Identity::from_text(&env::var(IDENTITY).expect("an identity"));
    let is_limited = env::var(ROLE).as_deref() == Ok("limited");
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        data_directory: folder.path().to_owned(),
        clock: Clock::System,
        root_keys: RootKeySource::Keys(RootKeys::one(&[7; 32])),
        mailer: Mailer::Outbox(Outbox::default()),
        authenticators: Authenticators::default(),
        session_limits: SessionLimits::default(),
        rates: if is_limited { Rates::default() } else { Rates::off() },
        retention: Retention::default(),
        drain_ms: 0,
        tls: Some(Arc::new(identity.server())),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let prepared = Prepared::open(settings).await.expect("a database");
    let app_id = AppID::from_bytes(make_random());
    let origins = vec![ORIGIN.parse().expect("an origin")];
    let app = App::new(app_id, "Bench".into(), "localhost".into(), origins, Policy::Strict).expect("an app");
    prepared.store().create_app(app, Epoch::from_random(1)).await.expect("stored");
    // Mail goes where anybody can read it: whoever misbehaves has an account too.
    let running = prepared.start(listener, Site::new(Mode::Dev, ORIGIN)).await.expect("it starts");
    println!("{}", json!({ "port": port, "appID": app_id.to_string() }));
    std::future::pending::<()>().await;
    drop((running, folder));
}

/// A server as the others see it. Dropping it kills it.
pub struct Server {
    process: Child,
    pub identity: Identity,
    pub port: u16,
    pub app_id: AppID,
}

impl Server {
    /// Starts one, with the limits by address or without.
    pub fn start(is_limited: bool) -> Self {
        let identity = Identity::make();
        let mut process = Command::new(env::current_exe().expect("this program"))
            .env(ROLE, if is_limited { "limited" } else { "unlimited" })
            .env(IDENTITY, identity.to_text())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it is");
        let site: Value = serde_json::from_str(&line).expect("JSON");
        let port = site.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let app_id = site.get("appID").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let (port, app_id) = (port.expect("a port"), app_id.expect("an app"));
        Self { process, identity, port, app_id }
    }

    /// Forgets how large the server has been.
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").expect("it is our process");
    }

    /// How large it has been since, in MiB of resident memory.
    pub fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|text| text.trim().split(' ').next()?.parse::<u64>().ok());
        kib.expect("Linux says so") / 1_024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
