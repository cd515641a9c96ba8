//! `passkey-accounts log`: a copy of an app's log, and whether it is what the server wrote.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::PathBuf,
};

use clap::Subcommand;
use passkey_accounts::{
    Api,
    api::EventsQuery,
    log::{ChainHash, Epoch, EventID, ExportWriter, ExportedEntry, head::HeadKey, verify_export},
    protocol::{AppID, http::MAX_PAGE_ITEMS},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Outcome, app,
    place::{Place, RootKeyPlace, Target, require_database},
    print,
};
use crate::{clock::make_random, limits::READ_ENTRIES, store::Store};

/// Export an app's log into a file, and verify one.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Write the log, as far as it is kept, into a file
    Export {
        #[command(flatten)]
        place: Place,
        /// The app, in a data folder with several
        #[arg(long)]
        app: Option<AppID>,
        /// The file; it must not exist yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that a backup was restored: every log goes on under a new epoch, so that every back end is told
    Restored {
        /// The folder of the database; no server may run on it
        #[arg(long, value_name = "FOLDER")]
        data_dir: PathBuf,
        #[command(flatten)]
        root_key: RootKeyPlace,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check that a file is an unbroken log; name the first entry that is wrong
    Verify {
        /// The file
        file: PathBuf,
        /// The keys that its heads must be signed with: a file with the server's /.well-known/jwks.json
        #[arg(long, value_name = "FILE")]
        jwks: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl LogCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Export { place, app, out, json } => {
                let target = place.target().await?;
                let file = File::create_new(&out)
                    .map_err(|error| format!("{} cannot be made: {error}", out.display()))?;
                let to = BufWriter::new(file);
                let exported = match target {
                    Target::Server(api) => from_server(&api, to).await,
                    Target::Folder(store) => from_folder(&store, app, to).await,
                };
                // Half an export would look like a log that ends there.
                let entries = exported.inspect_err(|_| drop(std::fs::remove_file(&out)))?;
                if json {
                    print::json(&json!({ "file": out, "entries": entries }))?;
                } else {
                    println!("{entries} entries in {}", out.display());
                }
            }
            Self::Restored { data_dir, root_key, json } => restored(&data_dir, &root_key, json).await?,
            Self::Verify { file, jwks, json } => verify(&file, jwks.as_deref(), json)?,
        }
        Ok(())
    }
}

type Exported = Result<u64, Box<dyn std::error::Error>>;

async fn from_server(api: &Api, to: impl Write) -> Exported {
    // The head first: the log goes on behind it.
    let checkpoint = api.checkpoint().await?;
    let mut query = EventsQuery { after: None, limit: Some(MAX_PAGE_ITEMS), types: vec!["*".to_owned()] };
    let mut page = api.events(&query).await?;
    let start: EventID = page.oldest.parse()?;
    let hash = page.oldest_hash.0.as_slice().try_into().map_err(|_| "the server's hash is not 32 bytes")?;
    let mut export = ExportWriter::new(to, checkpoint.app_id, start.epoch, start.seq, ChainHash(hash))?;
    let mut seq = start.seq;
    loop {
        for event in &page.events {
            seq += 1;
            if event.seq != seq {
                return Err(format!("entry {seq} is missing: the log has entries that this API key may not read; use one with audit:read").into());
            }
            let (name, data, id) = (event.name.as_str(), event.data.get(), event.id.parse()?);
            export.entry(&ExportedEntry { seq, time: event.time, name, data, id })?;
            if seq == checkpoint.head.seq {
                export.head(&checkpoint.head)?;
            }
        }
        if !page.more {
            break;
        }
        query.after = Some(page.next);
        page = api.events(&query).await?;
    }
    export.finish()?.flush()?;
    Ok(seq - start.seq)
}

async fn from_folder(store: &Store, app: Option<AppID>, to: impl Write) -> Exported {
    let app_id = app::find(store, app)?.app_id;
    let state = store.logs().tail(app_id).ok_or("this app has no log")?.state();
    let start = state.start();
    let mut export = ExportWriter::new(to, app_id, state.epoch(), start.id.seq, start.hash)?;
    let (mut seq, mut count) = (start.id.seq, 0);
    while seq < state.seq() {
        let entries = store.entries_after(app_id, state.epoch(), seq, READ_ENTRIES).await?;
        let entries = entries.filter(|entries| !entries.is_empty()).ok_or("the log has a hole")?;
        for entry in entries {
            let (name, data) = (&*entry.name, entry.data.as_str());
            export.entry(&ExportedEntry { seq: entry.seq, time: entry.time, name, data, id: entry.id })?;
            seq = entry.seq;
            count += 1;
        }
    }
    export.finish()?.flush()?;
    Ok(count)
}

async fn restored(folder: &std::path::Path, root_key: &RootKeyPlace, json: bool) -> Outcome {
    require_database(folder)?;
    let store = root_key.open(folder).await?;
    let mut epochs = Vec::new();
    for app in store.apps() {
        let epoch = Epoch::from_random(u32::from_be_bytes(make_random()));
        store.begin_epoch(app.app_id, epoch).await?;
        epochs.push(json!({ "appID": app.app_id, "epoch": epoch.as_str() }));
        if !json {
            println!("{}  goes on under epoch {}", app.app_id, epoch.as_str());
        }
    }
    if json {
        print::json(&json!({ "epochs": epochs }))?;
    }
    Ok(())
}

fn verify(file: &std::path::Path, jwks: Option<&std::path::Path>, json: bool) -> Outcome {
    let keys = match jwks {
        Some(jwks) => read_keys(jwks)?,
        None => Vec::new(),
    };
    let export = File::open(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let verified = verify_export(BufReader::new(export), &keys, None)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let (after, entries) = (verified.after, verified.entries);
    if json {
        print::json(&json!({
            "appID": verified.app_id, "after": after, "entries": entries,
            "hash": passkey_accounts::protocol::base64url::encode(verified.hash.0), "signedUpTo": verified.signed_up_to,
        }))?;
        return Ok(());
    }
    println!("{}: {entries} entries after {after}, unbroken", verified.app_id);
    match verified.signed_up_to {
        Some(seq) => println!("signed up to entry {seq}"),
        None => println!("no head in it is signed: whoever holds the file could have written it anew"),
    }
    Ok(())
}

fn read_keys(jwks: &std::path::Path) -> Result<Vec<HeadKey>, Box<dyn std::error::Error>> {
    #[derive(Deserialize)]
    struct Jwks {
        keys: Vec<Jwk>,
    }
    #[derive(Deserialize)]
    struct Jwk {
        kty: String,
        #[serde(default)]
        crv: String,
        #[serde(default)]
        x: String,
    }
    let text = std::fs::read_to_string(jwks)
        .map_err(|error| format!("{} cannot be read: {error}", jwks.display()))?;
    let set: Jwks = serde_json::from_str(&text)?;
    let ours = set.keys.iter().filter(|key| key.kty == "OKP" && key.crv == "Ed25519");
    Ok(ours.map(|key| HeadKey::from_jwk_x(&key.x)).collect::<Result<_, _>>()?)
}
