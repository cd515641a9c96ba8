//! A certificate authority of our own: Pebble, which Let's Encrypt tests its clients with, and its name server.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use reqwest::Certificate;
use serde_json::json;
use tempfile::TempDir;

use crate::build::pebble;

/// A running authority. Every name leads to 127.0.0.1.
#[derive(Debug)]
pub struct Pebble {
    processes: [Child; 2],
    port: u16,
    management_port: u16,
    folder: TempDir,
    http: reqwest::Client,
}

impl Pebble {
    /// An authority that looks for proofs on this port.
    pub async fn start(tls_port: u16) -> Self {
        loop {
            // It says nowhere which port it got, so it is given one; if somebody else was faster, another one.
            if let Some(started) = Self::try_start(tls_port, free_port()).await {
                return started;
            }
        }
    }

    /// An authority at the address of one that is gone, which knows nobody.
    ///
    /// # Panics
    /// When the port is taken.
    pub async fn start_again(gone: Self, tls_port: u16) -> Self {
        let (port, folder) = (gone.port, gone.stop());
        Self::start_in(folder, tls_port, port).await.expect("its port is still free")
    }

    async fn try_start(tls_port: u16, port: u16) -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let key = KeyPair::generate().expect("a key can be made");
        let wanted = CertificateParams::new(["localhost".to_owned()]).expect("localhost is a name");
        let certificate = wanted.self_signed(&key).expect("a certificate can be made");
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text);
        write("key.pem", key.serialize_pem()).expect("the folder can be written to");
        write("ca.pem", certificate.pem()).expect("the folder can be written to");
        Self::start_in(folder, tls_port, port).await
    }

    async fn start_in(folder: TempDir, tls_port: u16, port: u16) -> Option<Self> {
        let at = |name: &str| folder.path().join(name);
        let (management_port, names_port) = (free_port(), free_port());
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management_port}"),
            "certificate": at("ca.pem"), "privateKey": at("key.pem"), "httpPort": 1, "tlsPort": tls_port,
            "keyAlgorithm": "ecdsa", "retryAfter": { "authz": 1, "order": 1 },
            "profiles": { "default": { "description": "90 days", "validityPeriod": 7_776_000 } },
        } });
        fs::write(at("pebble.json"), config.to_string()).expect("the folder can be written to");
        let log =
            || Stdio::from(fs::File::options().create(true).append(true).open(at("log.txt")).expect("a log"));
        let names = Command::new(pebble().join("pebble-challtestsrv"))
            .args([
                "-http01=",
                "-https01=",
                "-tlsalpn01=",
                "-doh=",
                "-defaultIPv6=",
                "-management=127.0.0.1:0",
            ])
            .arg(format!("-dnsserver=127.0.0.1:{names_port}"))
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("the name server starts");
        let authority = Command::new(pebble().join("pebble"))
            .args(["-strict", "-dnsserver", &format!("127.0.0.1:{names_port}"), "-config"])
            .arg(at("pebble.json"))
            // No waiting before it looks, and no nonces that are refused by chance.
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")])
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("the authority starts");
        let pem = fs::read(at("ca.pem")).expect("the certificate was made");
        let trusted = Certificate::from_pem(&pem).expect("it is a certificate");
        let http = reqwest::Client::builder().tls_certs_only([trusted]).build().expect("a client");
        let mut started = Self { processes: [authority, names], port, management_port, folder, http };
        started.is_up().await.then_some(started)
    }

    async fn is_up(&mut self) -> bool {
        loop {
            let has_ended = |process: &mut Child| process.try_wait().is_ok_and(|ended| ended.is_some());
            if self.processes.iter_mut().any(has_ended) {
                return false;
            }
            let management = format!("https://localhost:{}/roots/0", self.management_port);
            let answers = [self.directory(), management].map(|url| self.http.get(url).send());
            let [directory, management] = answers;
            if directory.await.is_ok() && management.await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its directory.
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// What its own server is trusted by.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The root of what it issues, as PEM.
    pub async fn root(&self) -> String {
        let url = format!("https://localhost:{}/roots/0", self.management_port);
        self.http.get(url).send().await.expect("it answers").text().await.expect("it is text")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log.txt")).unwrap_or_default()
    }

    /// Its folder, when it is gone.
    fn stop(mut self) -> TempDir {
        self.kill();
        std::mem::replace(&mut self.folder, TempDir::new().expect("a temporary folder can be made"))
    }

    fn kill(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody has at this moment, for TCP and UDP.
pub fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let port = listener.local_addr().expect("it has an address").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
