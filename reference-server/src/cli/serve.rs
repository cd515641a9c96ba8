//! `passkey-accounts serve`: for real.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use passkey_accounts::protocol::gateway::Policy;
use tokio::net::TcpListener;

use super::{HangUp, Outcome, stop_signal};
use crate::{
    acme::Certificates,
    clock::Clock,
    config::{CertificateSource, Config, FileWatch, Identity, Overrides, server_config},
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
        let identity = Arc::new(Identity::default());
        let tls = config.tls.as_ref().map(|tls| server_config(&identity, tls.min_version)).transpose()?;
        let renewal = match config.certificate()? {
            Some(CertificateSource::Files(files)) => Some(Renewal::Files(files.show_in(&identity)?)),
            Some(CertificateSource::Acme(acme)) => {
                let folder = config.data_dir.join("acme");
                Some(Renewal::Acme(Certificates::new(acme, folder, identity, Clock::System)))
            }
            None => None,
        };
        let settings = Settings {
            data_directory: config.data_dir.clone(),
            clock: Clock::System,
            root_keys: config.root_keys()?,
            mailer: Mailer::Smtp(Smtp::new(&config.mail.smtp_url, &config.mail.from)?),
            authenticators: config.authenticators()?,
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
        if config.authenticators.is_empty()
            && let Some(app) = apps.iter().find(|app| app.policy == Policy::Hardware)
        {
            return Err(format!(
                "the app {} takes passkeys of listed authenticators only, and none is listed: nobody could sign in; add \
                 [[authenticators]] to the settings (docs/operating.md)",
                app.app_id
            )
            .into());
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
        match renewal {
            Some(Renewal::Files(files)) => drop(tokio::spawn(files.keep_renewing(Clock::System))),
            Some(Renewal::Acme(certificates)) => drop(tokio::spawn(certificates.keep_renewing())),
            None => {}
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

/// Who sees to it that the certificate does not expire.
enum Renewal {
    Files(FileWatch),
    Acme(Certificates),
}
