//! A certificate from an authority: Pebble, which looks at the server's own port.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use passkey_accounts::{log::Epoch, protocol::AppID, protocol::gateway::Policy};
use passkey_accounts_server::{
    acme::Certificates,
    apps::App,
    ceremony::Authenticators,
    clock::{Clock, make_random},
    config::{Acme, Identity, TlsVersion, server_config},
    crypto::RootKeySource,
    log::Retention,
    mail::{Mailer, Outbox},
    rates::Rates,
    routes::{Mode, Site},
    server::{Prepared, Running, Settings},
    sessions::SessionLimits,
};
use passkey_accounts_tests::{
    Page, SoftwareAuthenticator,
    build::server_binary,
    pebble::{Pebble, free_port},
    root_keys,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_tungstenite::Connector;

use crate::serve::{start_mail_server, write_secret};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn trusting(root: &str) -> Connector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Connector::Rustls(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// A page, once there is a certificate that its browser trusts.
async fn connect(port: u16, app_id: AppID, tls: &Connector) -> Page {
    let url = format!("wss://localhost:{port}/v1/gateway");
    loop {
        match Page::connect_through(Some(tls.clone()), &url, app_id, "https://localhost").await {
            Ok(page) => return page,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Served {
    fn start(config: &Path) -> Self {
        let mut process = Command::new(server_binary())
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        Self(process)
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_server_gets_its_certificate_by_itself_and_keeps_it_over_restarts() {
    let (mail_port, mails) = start_mail_server();
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let pebble = Pebble::start(port).await;
    let at = |name: &str| folder.path().join(name);
    write_secret(&at("root.key"), &"5a".repeat(32));
    let (data, root_key, config) = (at("data"), at("root.key"), at("server.toml"));
    let text = format!(
        "listen = '127.0.0.1:{port}'\npublic_url = 'https://localhost'\ndata_dir = '{}'\nroot_key_file = '{}'\n\
         [tls.acme]\naccept_terms = true\ncontact = ['ops@example.org']\ndirectory = '{}'\nca_file = '{}'\n\
         [mail]\nsmtp_url = 'smtp://127.0.0.1:{mail_port}'\nfrom = 'Auth <auth@mail.example>'\n",
        data.display(),
        root_key.display(),
        pebble.directory(),
        pebble.ca_file().display(),
    );
    fs::write(&config, text).unwrap();
    let mut create = Command::new(server_binary());
    create.args(["app", "create", "--name", "Shop", "--rp-id", "localhost", "--origin", "https://localhost"]);
    create.arg("--data-dir").arg(&data).arg("--root-key-file").arg(&root_key);
    let app_id = String::from_utf8(create.output().unwrap().stdout).unwrap().trim().parse().unwrap();

    let served = Served::start(&config);
    let tls = trusting(&pebble.root().await);
    let mut page = connect(port, app_id, &tls).await;
    let mailed_code = || {
        let (_, text) = mails.recv().unwrap();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        Some(subject.split(' ').next().unwrap().to_owned())
    };
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    page.sign_up_with("ada@example.org", &mut authenticator, mailed_code).await;

    let kept = files(&data.join("acme"));
    assert_eq!(kept.len(), 2, "an account and a certificate: {kept:?}");
    for file in kept {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }

    // Without the authority: what was issued is still there.
    drop((served, pebble));
    let _served = Served::start(&config);
    let mut page = connect(port, app_id, &tls).await;
    page.sign_in("ada@example.org", &mut authenticator).await;
}

/// A server in this process, whose certificate has a clock of its own.
struct Renewed {
    running: Option<Running>,
    port: u16,
    app_id: AppID,
    clock: Clock,
    folder: TempDir,
}

impl Renewed {
    async fn start(listener: TcpListener, pebble: &Pebble) -> Self {
        let (folder, identity) = (TempDir::new().unwrap(), Arc::new(Identity::default()));
        let settings = Settings {
            data_directory: folder.path().join("data"),
            clock: Clock::System,
            root_keys: RootKeySource::Keys(root_keys()),
            mailer: Mailer::Outbox(Outbox::default()),
            authenticators: Authenticators::default(),
            session_limits: SessionLimits::default(),
            rates: Rates::off(),
            retention: Retention::default(),
            drain_ms: 0,
            tls: Some(server_config(&identity, TlsVersion::V1_3).unwrap()),
        };
        let prepared = Prepared::open(settings).await.unwrap();
        let origins = vec!["https://localhost".parse().unwrap()];
        let app_id = AppID::from_bytes(make_random());
        let app = App::new(app_id, "Shop".into(), "localhost".into(), origins, Policy::Strict).unwrap();
        prepared.store().create_app(app, Epoch::from_random(7)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let site = Site::new(Mode::Serve, "https://localhost");
        let running = Some(prepared.start(listener, site).await.unwrap());
        let acme = Acme {
            domains: vec!["localhost".into()],
            contact: Vec::new(),
            directory: pebble.directory(),
            accept_terms: true,
            ca_file: Some(pebble.ca_file()),
        };
        let clock = Clock::manual(Clock::System.now());
        let certificates = Certificates::new(acme, folder.path().join("acme"), identity, clock.clone());
        tokio::spawn(certificates.keep_renewing());
        Self { running, port, app_id, clock, folder }
    }

    /// What is kept of the certificate, once it is another one than this.
    async fn issued_after(&self, old: Option<&str>) -> String {
        loop {
            let files = fs::read_dir(self.folder.path().join("acme")).into_iter().flatten();
            let mut paths = files.map(|entry| entry.unwrap().path());
            let kept = paths.find(|path| path.extension().is_some_and(|extension| extension == "pem"));
            let text = kept.and_then(|path| fs::read_to_string(path).ok());
            match text {
                Some(text) if Some(text.as_str()) != old => return text,
                _ => tokio::task::yield_now().await,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_in_time_and_nobody_is_disconnected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let pebble = Pebble::start(port).await;
    let mut served = Renewed::start(listener, &pebble).await;
    let first = served.issued_after(None).await;
    let tls = trusting(&pebble.root().await);
    let mut open = connect(served.port, served.app_id, &tls).await;

    // The last third of 90 days has begun.
    served.clock.advance(61 * DAY_MS);
    let second = served.issued_after(Some(&first)).await;
    open.begin_sign_in("ada@example.org").await;
    connect(served.port, served.app_id, &tls).await.begin_sign_in("ada@example.org").await;

    // The authority is away, and when it is back it knows nobody: the old certificate is shown until there is another.
    let (old_root, pebble) = (tls, Pebble::start_again(pebble, port).await);
    served.clock.advance(61 * DAY_MS);
    connect(served.port, served.app_id, &old_root).await.begin_sign_in("ada@example.org").await;
    let third = async { served.issued_after(Some(&second)).await };
    let later = async {
        loop {
            // Each failure is followed by a longer wait.
            served.clock.advance(DAY_MS / 4);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = third => {}
        () = later => {}
    }
    let tls = trusting(&pebble.root().await);
    connect(served.port, served.app_id, &tls).await.begin_sign_in("ada@example.org").await;
    open.begin_sign_in("ada@example.org").await;
    served.running.take().unwrap().stop().await;
}
