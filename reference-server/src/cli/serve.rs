//! `passkey-accounts serve`: for real.

use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;

use super::{HangUp, Outcome, stop_signal};
use crate::{
    clock::Clock,
    config::{Config, Overrides, load_tls},
    mail::{Mailer, Smtp},
    ring_turn::turn_ring,
    routes::{Mode, Site},
    server::{Prepared, Settings},
};

/// Start for real, from a configuration file, the environment and flags.
#[derive(Debug, Args)]
pub struct Serve {
    /// A TOML file with the settings of docs/operating.md; the environment (PASSKEY_ACCOUNTS_SERVER__...) goes before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where people reach the server, for example https://auth.example
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The folder of the database
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
}

impl Serve {
    pub(super) async fn run(self) -> Outcome {
        let flags = Overrides { listen: self.listen, public_url: self.public_url, data_dir: self.data_dir };
        let config = Config::load(self.config.as_deref(), Config::environment(), flags)?;
        let origin = config.origin()?;
        let (tls, identity) = config.tls.as_ref().map(load_tls).transpose()?.unzip();
        let settings = Settings {
            data_directory: config.data_dir.clone(),
            clock: Clock::System,
            root_keys: config.root_keys()?,
            mailer: Mailer::Smtp(Smtp::new(&config.mail.smtp_url, &config.mail.from)?),
            session_limits: config.sessions.limits(),
            rates: config.limits.clone(),
            retention: config.log.retention(),
            drain_ms: config.drain_seconds * 1_000,
            tls,
        };
        let prepared = Prepared::open(settings).await?;
        let apps = prepared.store().apps();
        if apps.is_empty() {
            return Err("there is no app yet; make one with: passkey-accounts app create --help".into());
        }
        let mut site = Site::new(Mode::Serve, origin.as_str()).also_at(config.origins()?);
        if let Some(app_id) = config.site_app {
            let app = apps.iter().find(|app| app.app_id == app_id).ok_or_else(|| {
                format!("site_app {app_id} is not an app of this server; see: passkey-accounts app list")
            })?;
            site = site.with_app(app_id, &app.name);
        }
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("{} cannot be listened on: {error}", config.listen))?;
        let running = prepared.start(listener, site).await?;
        if let Some(identity) = identity {
            tokio::spawn(identity.keep_renewing(Clock::System));
        }
        println!("listening on {} for {origin}", running.address);
        let mut hang_up = HangUp::new()?;
        loop {
            tokio::select! {
                () = stop_signal() => break,
                () = hang_up.received() => match turn_ring(&running.context).await {
                    Ok(key) => tracing::info!(root_key.id = %key, "the root keys were read again; this one seals"),
                    Err(error) => tracing::error!(%error, "the root keys were not read again"),
                },
            }
        }
        running.stop().await;
        Ok(())
    }
}
