//! The database's own seals: the root of its keyed indexes, and the signature of the roll. They are made with the
//! database, checked when it is opened, and the signature is renewed with every commit.

use std::collections::HashMap;

use passkey_accounts::{
    defended, planted,
    protocol::{AccountID, AppID},
};
use sqlx::SqliteConnection;
use zeroize::Zeroizing;

use super::{
    AccountRow, OpenError, StoreError, Suspect, Wanted, apps, keys,
    roll::add,
    rows::{bytes, unsigned},
    sessions,
};
use crate::{
    clock::{Clock, Uptime, make_random},
    crypto::{Keyring, Ring, RootKeyID, RootKeys, Sealed, Tampered},
    log::LogState,
};

const INDEX: Sealed<'_> = Sealed { label: "index", owner: &[] };

/// The keyring of the database: its index root is read, or made where the database is new.
pub(super) async fn load_keyring(
    connection: &mut SqliteConnection,
    root_keys: &RootKeys,
) -> Result<Keyring, OpenError> {
    let ring = Ring::new(root_keys);
    if let Some(wrapped) = read(connection, "index").await? {
        let index_root = ring.unwrap(INDEX, &wrapped).map_err(|Tampered| match Ring::id_of(&wrapped) {
            Some(id) if ring.ids().all(|known| known != id) => OpenError::RootKeyMissing(id),
            _ => OpenError::Tampered,
        })?;
        return Ok(Keyring::new(ring, &index_root));
    }
    let has_apps: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM apps)").fetch_one(&mut *connection).await?;
    if has_apps {
        return Err(OpenError::Unsealed);
    }
    let index_root = Zeroizing::new(make_random());
    write(connection, "index", &ring.wrap(INDEX, &index_root)).await?;
    let keyring = Keyring::new(ring, &index_root);
    sign_roll(connection, &keyring, &[0; 32]).await?;
    Ok(keyring)
}

/// Everything that is in memory of the database: each app's log, and what is suspect of it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) logs: HashMap<AppID, LogState>,
    pub(super) suspects: Vec<(AppID, Suspect)>,
    pub(super) total: [u8; 32],
}

/// An account, as far as it is on the roll: app, name, version, keyed index of its address.
type OnRoll = (Vec<u8>, Vec<u8>, i64, Vec<u8>);

/// Reads which rows there are, without a word on whether they are the right ones.
pub(super) async fn load_roll(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    mut logs: HashMap<AppID, LogState>,
    clock: &Clock,
) -> Result<Loaded, StoreError> {
    for row in apps::load(connection).await? {
        log(&mut logs, row.app.app_id)?.roll_mut().set_app(row);
    }
    let rows: Vec<OnRoll> = sqlx::query_as("SELECT app_id, account_id, version, email_index FROM accounts")
        .fetch_all(&mut *connection)
        .await?;
    for (app_id, account_id, version, email_index) in rows {
        let account_id = AccountID::from_bytes(bytes(&account_id, "account")?);
        let version = unsigned(version, "account")?;
        let email_index = bytes(&email_index, "account")?;
        log(&mut logs, AppID::from_bytes(bytes(&app_id, "account")?))?.roll_mut().set_account(
            keyring,
            account_id,
            version,
            &email_index,
        );
    }
    let mut suspects = Vec::new();
    for found in keys::load(connection, &keyring.ring()).await? {
        let roll = log(&mut logs, found.app_id)?.roll_mut();
        roll.toggle_key(keyring, &found.key_id, found.version);
        match found.row {
            Ok(row) => roll.show_key(row),
            Err(Tampered) => suspects.push((found.app_id, Suspect::ApiKey(found.key_id))),
        }
    }
    for session in sessions::load(connection, clock.now(), clock.uptime()).await? {
        let log = log(&mut logs, session.app_id)?;
        log.roll_mut().toggle_session(keyring, &session);
        log.open_session(std::sync::Arc::new(session));
    }
    let mut total = [0; 32];
    for log in logs.values() {
        add(&mut total, log.roll().tag(keyring, log.start(), log.head()));
    }
    Ok(Loaded { logs, suspects, total })
}

/// Reads which recoveries run. They are counted on from `uptime`.
pub(super) async fn load_recoveries(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    loaded: &mut Loaded,
    uptime: Uptime,
) -> Result<(), StoreError> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT app_id, account_id FROM accounts WHERE recovery_runs <> 0")
            .fetch_all(&mut *connection)
            .await?;
    for (app_id, account_id) in rows {
        let app_id = AppID::from_bytes(bytes(&app_id, "account")?);
        let account_id = AccountID::from_bytes(bytes(&account_id, "account")?);
        let wanted = Wanted::Account(account_id);
        let found = wanted.fetch(app_id, &mut *connection).await?;
        let log = log(&mut loaded.logs, app_id)?;
        let account = AccountRow::check(&found, app_id, wanted, keyring, log.roll());
        let recovery = account.map(|account| account.map(|account| account.recovery(uptime)));
        match recovery {
            Ok(Some(Ok(recovery))) => log.set_running(account_id, recovery.running().cloned()),
            Ok(None) => {}
            Ok(Some(Err(_))) | Err(Tampered) => {
                loaded.suspects.push((app_id, Suspect::Account(account_id)));
            }
        }
    }
    Ok(())
}

/// Checks that the rows are those of the last commit.
pub(super) async fn check_roll(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    total: &[u8; 32],
) -> Result<(), OpenError> {
    let signature = read(connection, "roll").await?.unwrap_or_default();
    let checked = keyring.ring().verify("roll", &[total], &signature);
    let is_checked = defended!(RowsSealed) && !planted!(TotalNotChecked);
    if checked.is_err() && is_checked { Err(OpenError::Tampered) } else { Ok(()) }
}

/// Signs the roll with the key that seals.
pub(super) async fn sign_roll(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    total: &[u8; 32],
) -> Result<(), StoreError> {
    write(connection, "roll", &keyring.ring().sign("roll", &[total])).await
}

/// Wraps the index root again, if another root key wrapped it; says whether it did.
pub(super) async fn wrap_index_again(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
) -> Result<bool, StoreError> {
    let ring = keyring.ring();
    let wrapped = read(connection, "index").await?.ok_or(StoreError::Corrupt("index root"))?;
    if Ring::id_of(&wrapped) == Some(ring.sealing()) {
        return Ok(false);
    }
    let index_root = ring.unwrap(INDEX, &wrapped).map_err(|Tampered| StoreError::Tampered)?;
    write(connection, "index", &ring.wrap(INDEX, &index_root)).await?;
    Ok(true)
}

/// How many values of the database each root key has sealed.
pub(super) async fn count_by_root_key(
    connection: &mut SqliteConnection,
) -> Result<HashMap<RootKeyID, u64>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
        "SELECT id, sum(count) FROM
            (SELECT substr(wrapped, 1, 4) AS id, count(*) AS count FROM account_keys GROUP BY 1
             UNION ALL SELECT substr(seal, 1, 4), count(*) FROM api_keys GROUP BY 1
             UNION ALL SELECT substr(sealed, 1, 4), count(*) FROM seals GROUP BY 1) GROUP BY 1",
    )
    .fetch_all(connection)
    .await?;
    let counted = rows.into_iter().filter_map(|(id, count)| Some((Ring::id_of(&id)?, count)));
    counted.map(|(id, count)| Ok((id, unsigned(count, "count")?))).collect()
}

/// The keyring of a database from before rows were sealed. Its keyed indexes came from the root key itself: they stay, and
/// so does the key that signs heads.
pub(super) fn adopt_keyring(root_keys: &RootKeys) -> Keyring {
    Keyring::new(Ring::new(root_keys), &Zeroizing::new(root_keys.sealing()))
}

/// Writes the index root of such a database.
pub(super) async fn adopt_index(
    connection: &mut SqliteConnection,
    root_keys: &RootKeys,
) -> Result<(), StoreError> {
    let wrapped = Ring::new(root_keys).wrap(INDEX, &Zeroizing::new(root_keys.sealing()));
    write(connection, "index", &wrapped).await
}

/// Whether the database has seals.
pub(super) async fn is_sealed(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    Ok(read(connection, "index").await?.is_some())
}

fn log(logs: &mut HashMap<AppID, LogState>, app_id: AppID) -> Result<&mut LogState, StoreError> {
    logs.get_mut(&app_id).ok_or(StoreError::Corrupt("app id"))
}

async fn read(connection: &mut SqliteConnection, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let query = sqlx::query_scalar("SELECT sealed FROM seals WHERE name = ?").bind(name);
    Ok(query.fetch_optional(connection).await?)
}

async fn write(connection: &mut SqliteConnection, name: &str, sealed: &[u8]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO seals (name, sealed) VALUES (?, ?) ON CONFLICT DO UPDATE SET sealed = excluded.sealed",
    )
    .bind(name)
    .bind(sealed)
    .execute(connection)
    .await?;
    Ok(())
}
