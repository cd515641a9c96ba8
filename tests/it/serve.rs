//! `passkey-accounts serve` as an operator runs it: the binary, a configuration file, TLS, and a real mail server.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{IpAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, UNIX_EPOCH},
};

use mailin_embedded::{Handler, Response, Server, SslConfig, response::OK};
use passkey_accounts_server::clock::Clock;
use passkey_accounts_tests::{BackEnd, Page, SoftwareAuthenticator, build::server_binary};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, version::TLS12};
use tempfile::TempDir;
use tokio_tungstenite::{Connector, connect_async_tls_with_config};

/// A mail server that hands on what it was given.
#[derive(Clone)]
struct Mailbox {
    mails: mpsc::Sender<(String, String)>,
    to: String,
    text: Vec<u8>,
}

impl Handler for Mailbox {
    fn helo(&mut self, _: IpAddr, _: &str) -> Response {
        OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        to.clone_into(&mut self.to);
        OK
    }

    fn data(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.text.extend_from_slice(line);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.text)).into_owned();
        // The test may have ended.
        let _ = self.mails.send((self.to.clone(), text));
        OK
    }
}

pub(crate) fn start_mail_server() -> (u16, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mails, received) = mpsc::channel();
    let mut server = Server::new(Mailbox { mails, to: String::new(), text: Vec::new() });
    server.with_name("localhost").with_ssl(SslConfig::None).unwrap().with_tcp_listener(listener);
    std::thread::spawn(move || server.serve().map_err(|error| error.to_string()));
    (port, received)
}

pub(crate) struct Served {
    process: Child,
    pub(crate) port: u16,
    app_id: String,
    api_key: String,
    folder: TempDir,
    certificate: CertificateDer<'static>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A certificate for 90 days, written where the server looks for it.
fn write_identity(folder: &Path) -> CertificateDer<'static> {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let now = UNIX_EPOCH + Duration::from_millis(Clock::System.now().0);
    wanted.not_before = (now - Duration::from_secs(60 * 60)).into();
    wanted.not_after = (now + Duration::from_secs(89 * 24 * 60 * 60)).into();
    let certificate = wanted.self_signed(&key).unwrap();
    let _ = fs::remove_file(folder.join("key.pem"));
    write_secret(&folder.join("key.pem"), &key.serialize_pem());
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    certificate.der().clone()
}

pub(crate) fn serve(mail_port: u16) -> Served {
    serve_with(mail_port, "")
}

/// `tls`: further lines of that table.
fn serve_with(mail_port: u16, tls: &str) -> Served {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let shown = |name: &str| at(name).display().to_string();
    let certificate = write_identity(folder.path());
    write_secret(&at("root.key"), &"5a".repeat(32));
    let config = format!(
        "listen = '127.0.0.1:0'\npublic_url = 'https://localhost'\ndata_dir = '{}'\nroot_key_file = '{}'\n\
         [tls]\ncert_file = '{}'\nkey_file = '{}'\n{tls}\n\
         [mail]\nsmtp_url = 'smtp://127.0.0.1:{mail_port}'\nfrom = 'Auth <auth@mail.example>'\n",
        shown("data"),
        shown("root.key"),
        shown("cert.pem"),
        shown("key.pem"),
    );
    fs::write(at("server.toml"), config).unwrap();

    let made = Command::new(server_binary())
        .args([
            "app",
            "create",
            "--name",
            "Shop",
            "--rp-id",
            "localhost",
            "--origin",
            "https://localhost",
            "--data-dir",
        ])
        .arg(at("data"))
        .arg("--root-key-file")
        .arg(at("root.key"))
        .output()
        .unwrap();
    let app_id = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let made = Command::new(server_binary())
        .args(["key", "create", "--data-dir"])
        .arg(at("data"))
        .arg("--root-key-file")
        .arg(at("root.key"))
        .output()
        .unwrap();
    let api_key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let mut process = Command::new(server_binary())
        .args(["serve", "--config"])
        .arg(at("server.toml"))
        .env("PASSKEY_ACCOUNTS_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(fs::File::create(at("log.txt")).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next()).unwrap();
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    Served { process, port, app_id, api_key, certificate, folder }
}

fn connector(served: &Served, versions: &[&'static rustls::SupportedProtocolVersion]) -> Connector {
    let mut roots = RootCertStore::empty();
    roots.add(served.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    Connector::Rustls(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_server_signs_people_up_over_tls_with_codes_by_mail() {
    let (mail_port, mails) = start_mail_server();
    let served = serve(mail_port);
    let url = format!("wss://localhost:{}/v1/gateway", served.port);
    let app_id = served.app_id.parse().unwrap();
    let tls = Some(connector(&served, rustls::ALL_VERSIONS));
    let mut page = Page::connect_through(tls, &url, app_id, "https://localhost").await.unwrap();
    let mailed_code = || {
        let (to, text) = mails.recv().unwrap();
        assert_eq!(to, "ada@example.org");
        assert!(
            text.contains("From: Auth <auth@mail.example>")
                || text.contains("From: \"Auth\" <auth@mail.example>"),
            "{text}"
        );
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        Some(subject.split(' ').next().unwrap().to_owned())
    };
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let session = page.sign_up_with("ada@example.org", &mut authenticator, mailed_code).await;
    page.sign_out().await;
    assert_eq!(page.sign_in("ada@example.org", &mut authenticator).await.account_id, session.account_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_talkative_log_holds_no_address_no_code_no_key_and_no_signature() {
    let (mail_port, mails) = start_mail_server();
    let served = serve(mail_port);
    let (app_id, base) = (served.app_id.parse().unwrap(), format!("localhost:{}", served.port));
    let tls = || Some(connector(&served, rustls::ALL_VERSIONS));
    let gateway = format!("wss://{base}/v1/gateway");
    let mut page = Page::connect_through(tls(), &gateway, app_id, "https://localhost").await.unwrap();
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut code = String::new();
    let mailed_code = || {
        let (_, text) = mails.recv().unwrap();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        subject.split(' ').next().unwrap().clone_into(&mut code);
        Some(code.clone())
    };
    page.sign_up_with("canary@example.org", &mut authenticator, mailed_code).await;
    page.sign_out().await;
    let ceremony = page.begin_sign_in("canary@example.org").await;
    let credential = authenticator.sign_in(&ceremony.public_key.0, "https://localhost").unwrap();
    let signature: serde_json::Value = serde_json::from_str(&credential).unwrap();
    let signature = signature["response"]["signature"].as_str().unwrap().to_owned();
    page.finish(&ceremony, credential).await;

    let Some(Connector::Rustls(trusting)) = tls() else { panic!("it is rustls") };
    let back_end = reqwest::Client::builder().tls_backend_preconfigured((*trusting).clone()).build().unwrap();
    let sessions = back_end.get(format!("https://{base}/v1/sessions")).bearer_auth(&served.api_key);
    assert_eq!(sessions.send().await.unwrap().status(), 200);
    let (socket, _) =
        connect_async_tls_with_config(format!("wss://{base}/v1/events"), None, true, tls()).await.unwrap();
    let mut stream = BackEnd::over(socket, format!(r#"{{"apiKey":"{}"}}"#, served.api_key)).await;
    page.sign_out().await;
    assert!(stream.text().await.unwrap().contains("loggedOut"));

    let log = fs::read_to_string(served.folder.path().join("log.txt")).unwrap();
    assert!(log.contains("back end connected"), "the log is one");
    let secret = served.api_key.split('_').nth(3).unwrap();
    for canary in ["canary", "Y2FuYXJ5", secret, &signature, &"5a".repeat(8)] {
        assert!(!log.contains(canary), "{canary} stands in the log");
    }
    let is_digit = |char: char| char.is_ascii_digit();
    assert!(log.split(|char| !is_digit(char)).all(|number| number != code), "the code stands in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_gets_nothing_unless_the_operator_says_so() {
    let (mail_port, _mails) = start_mail_server();
    for (served, is_spoken) in
        [(serve(mail_port), false), (serve_with(mail_port, "min_version = '1.2'"), true)]
    {
        let app_id = served.app_id.parse().unwrap();
        let url = format!("wss://localhost:{}/v1/gateway", served.port);
        let old = Some(connector(&served, &[&TLS12]));
        assert_eq!(Page::connect_through(old, &url, app_id, "https://localhost").await.is_ok(), is_spoken);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_clear_is_refused_and_not_redirected() {
    let (mail_port, _mails) = start_mail_server();
    let served = serve(mail_port);
    for path in ["/", "/v1/gateway", "/v1/sessions", "/login"] {
        let answer = reqwest::get(format!("http://localhost:{}{path}", served.port)).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["cache-control"].to_str().unwrap()),
            (403, "no-store")
        );
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("use https://"), "{problem}");
    }
    let plain = format!("ws://localhost:{}/v1/gateway", served.port);
    assert!(
        Page::connect_through(None, &plain, served.app_id.parse().unwrap(), "https://localhost")
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_without_a_restart_and_a_broken_one_changes_nothing() {
    let (mail_port, _mails) = start_mail_server();
    let mut served = serve(mail_port);
    let (app_id, url) =
        (served.app_id.parse().unwrap(), format!("wss://localhost:{}/v1/gateway", served.port));
    let connect = async |served: &Served| {
        let tls = Some(connector(served, rustls::ALL_VERSIONS));
        Page::connect_through(tls, &url, app_id, "https://localhost").await
    };
    let mut open = connect(&served).await.unwrap();
    let old = std::mem::replace(&mut served.certificate, write_identity(served.folder.path()));
    while connect(&served).await.is_err() {
        tokio::task::yield_now().await;
    }
    let new = std::mem::replace(&mut served.certificate, old);
    assert!(connect(&served).await.is_err(), "the old one is gone");
    open.begin_sign_in("ada@example.org").await;

    served.certificate = new;
    fs::write(served.folder.path().join("cert.pem"), "no certificate").unwrap();
    // A renewal after the broken one is taken: by then the broken one was seen.
    connect(&served).await.unwrap();
    served.certificate = write_identity(served.folder.path());
    while connect(&served).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_server_that_cannot_start_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let output = Command::new(server_binary())
        .args(["serve", "--config"])
        .arg(folder.path().join("missing.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: ") && said.contains("missing.toml"), "{said}");
}
