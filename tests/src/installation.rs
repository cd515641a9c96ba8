//! A server as an operator runs it, the real binary on plain loopback: started, killed and started again.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use passkey_accounts::protocol::AppID;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{build::server_binary, crowd::Entrance};

/// Where the pages of the installation's app are.
const ORIGIN: &str = "http://localhost";

/// The folder of a server, with everything that outlives the process.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
    /// The app that people sign in to.
    pub app_id: AppID,
    /// A key of that app.
    pub api_key: String,
}

impl Installation {
    /// A new one, with one app and one key. Mail goes to this port.
    pub async fn create(mail_port: u16) -> Self {
        Self::create_in(TempDir::new().expect("a temporary folder can be made"), None, mail_port).await
    }

    /// A new one in this folder; its data may be kept in another.
    pub async fn create_in(folder: TempDir, data: Option<&Path>, mail_port: u16) -> Self {
        let at = |name: &str| folder.path().join(name);
        let data = data.map_or_else(|| at("data"), Path::to_owned);
        let mut key = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(at("root.key"))
            .expect("a file");
        key.write_all("5a".repeat(32).as_bytes()).expect("a file takes bytes");
        let config = format!(
            "listen = '127.0.0.1:0'\npublic_url = '{ORIGIN}'\ndata_dir = '{}'\nroot_key_file = '{}'\ndrain_seconds = 0\n\
             {NO_LIMITS}\n[mail]\nsmtp_url = 'smtp://127.0.0.1:{mail_port}'\nfrom = 'Auth <auth@mail.example>'\n",
            data.display(),
            at("root.key").display(),
        );
        fs::write(at("server.toml"), config).expect("a file takes bytes");
        let app_id = run(
            &["app", "create", "--name", "Shop", "--rp-id", "localhost", "--origin", ORIGIN],
            folder.path(),
            &data,
        );
        let app_id = app_id.await;
        let api_key = run(&["key", "create", "--app", &app_id], folder.path(), &data).await;
        Self { folder, app_id: app_id.parse().expect("an app id"), api_key }
    }

    /// The folder of the database, unless it is elsewhere.
    pub fn data_directory(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The configuration.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("server.toml")
    }

    /// The file of the root keys.
    pub fn root_key_file(&self) -> PathBuf {
        self.folder.path().join("root.key")
    }

    /// Starts the server and does not wait for it.
    pub fn spawn(&self, grace_seconds: u64) -> Child {
        self.command(&mut Command::new(server_binary()), grace_seconds)
    }

    /// Starts the server by `shell`, in which `$0` is its binary and `$@` its arguments.
    pub fn spawn_by(&self, shell: &str, grace_seconds: u64) -> Child {
        self.command(Command::new("sh").args(["-c", shell]).arg(server_binary()), grace_seconds)
    }

    /// Starts the server by another program, which gets `arguments`, the server's binary and then its arguments.
    pub fn spawn_under(&self, program: &Path, arguments: &[&Path], grace_seconds: u64) -> Child {
        self.command(Command::new(program).args(arguments).arg(server_binary()), grace_seconds)
    }

    fn command(&self, command: &mut Command, grace_seconds: u64) -> Child {
        let path = self.folder.path().join("server.log");
        let log = fs::OpenOptions::new().append(true).create(true).open(path).expect("a file");
        command
            .args(["serve", "--config"])
            .arg(self.folder.path().join("server.toml"))
            .env("PASSKEY_ACCOUNTS_SERVER__SESSIONS__GRACE_SECONDS", grace_seconds.to_string())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the server's binary can be started")
    }

    /// Starts the server and waits until it listens.
    pub async fn start(&self, grace_seconds: u64) -> Process {
        self.listening(self.spawn(grace_seconds)).await
    }

    /// Waits until a server that was started listens.
    ///
    /// # Panics
    /// With what the server said, when it does not.
    pub async fn listening(&self, mut child: Child) -> Process {
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).await.expect("it writes text");
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next());
        let port = address.and_then(|address| address.rsplit(':').next()).and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("the server does not listen: {}", self.log()));
        Process { child, port, app_id: self.app_id }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

/// Runs a command that prints one line.
async fn run(arguments: &[&str], folder: &Path, data: &Path) -> String {
    let mut command = Command::new(server_binary());
    command.args(arguments).arg("--data-dir").arg(data).arg("--root-key-file").arg(folder.join("root.key"));
    let output = command.output().await.expect("the server's binary can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A server that listens. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Where it listens.
    pub port: u16,
    app_id: AppID,
}

impl Process {
    /// Where its pages connect.
    pub fn entrance(&self) -> Entrance {
        let gateway_url = format!("ws://127.0.0.1:{}/v1/gateway", self.port);
        Entrance { gateway_url, app_id: self.app_id, origin: ORIGIN.to_owned() }
    }

    /// Where its back ends connect.
    pub fn events_url(&self) -> String {
        format!("ws://127.0.0.1:{}/v1/events", self.port)
    }

    /// Its number.
    ///
    /// # Panics
    /// When it has ended.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Has it read its root keys again (SIGHUP).
    ///
    /// # Panics
    /// When it has ended.
    pub async fn hang_up(&self) {
        let done = Command::new("kill").args(["-HUP", &self.id().to_string()]).status().await;
        assert!(done.expect("there is such a command").success(), "the server runs");
    }

    /// Kills it as nothing can be caught (SIGKILL), and waits until it is gone.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub async fn kill(mut self) {
        let ended = self.child.try_wait().expect("it can be waited for");
        assert_eq!(ended, None, "the server ended by itself");
        self.child.kill().await.expect("it can be killed");
    }
}

/// A crowd of tests has one address.
const NO_LIMITS: &str = "[limits]\nconnections_per_address = 0\n\
    connections_per_minute_per_address = 0\npage_sockets_per_address = 0\nsign_ins_per_minute_per_address = 0\n\
    codes_per_hour_per_address = 0\ncodes_per_hour_per_email = 0\nsign_ins_per_second = 0";
