//! An app with people in it, whose passkeys differ as people's do.

use std::sync::Arc;

use fastrand::Rng;
use futures_util::future::join_all;
use passkey_accounts::protocol::{
    AccountID, PasskeyID,
    base64url::Base64Url,
    event::{EventKind, PasskeyAdded},
    webauthn::Transport,
};
use passkey_accounts_server::{
    accounts::{Passkey, register, remove_passkey},
    store::{NewPasskeyRow, StoreError, Wanted},
};
use passkey_accounts_tests::{TestServer, made_up};

/// What authenticators of this app's people make, and how many people in a hundred have it first.
const MAKES: [(u32, usize, &[Transport]); 7] = {
    use Transport::{Hybrid, Internal, Nfc, Usb};
    [
        (40, 20, &[Hybrid, Internal]),
        (18, 32, &[Internal]),
        (14, 16, &[Hybrid, Internal]),
        (12, 48, &[Nfc, Usb]),
        (8, 64, &[Usb]),
        (5, 16, &[]),
        (3, 128, &[Internal, Hybrid]),
    ]
};

/// How many in a hundred have one passkey, two, and so on.
const COUNTS: [u32; 5] = [48, 30, 13, 6, 3];

pub(super) struct People<'a> {
    server: &'a TestServer,
    rng: Rng,
    accounts: Vec<AccountID>,
}

fn weighted(rng: &mut Rng, weights: impl Iterator<Item = u32> + Clone) -> usize {
    let mut drawn = rng.u32(..weights.clone().sum::<u32>());
    weights.take_while(|weight| drawn.checked_sub(*weight).map(|left| drawn = left).is_some()).count()
}

impl<'a> People<'a> {
    pub(super) fn of(server: &'a TestServer, seed: u64) -> Self {
        Self { server, rng: Rng::with_seed(seed), accounts: Vec::new() }
    }

    /// Signs so many more people up, `name-NUMBER@example.org`, with one passkey and then the others that they have.
    pub(super) async fn sign_up(&mut self, name: &str, count: usize) {
        let first = self.accounts.len();
        let mut signing_up = Vec::new();
        for number in 0..count {
            let mut registration = made_up::registration(self.server.app_id, number as u64);
            registration.email = format!("{name}-{number}@example.org").parse().unwrap();
            registration.passkey = self.passkey();
            let session = &mut registration.opening.session;
            session.account_id = AccountID::from_bytes(random(&mut self.rng));
            session.passkey_id = PasskeyID::from_bytes(random(&mut self.rng));
            session.session_id = passkey_accounts::protocol::SessionID::from_bytes(random(&mut self.rng));
            self.accounts.push(session.account_id);
            signing_up.push(register(&self.server.context().store, registration));
        }
        for registered in join_all(signing_up).await {
            drop::<Arc<_>>(registered.unwrap());
        }
        let more: Vec<_> = (0..count).map(|_| weighted(&mut self.rng, COUNTS.into_iter())).collect();
        for passkey in 1..COUNTS.len() {
            // One after the other, as they would come: the oldest is named first.
            self.server.clock().advance(1_000);
            let who = (0..count).filter(|number| more[*number] >= passkey);
            let who: Vec<_> = who.map(|number| self.accounts[first + number]).collect();
            self.add_passkeys(&who).await;
        }
    }

    /// Time passes: so many in a hundred get one more passkey, and some with several lose their newest.
    pub(super) async fn live_on(&mut self, percent: u32) {
        self.server.clock().advance(1_000);
        let accounts = self.accounts.clone();
        let who: Vec<_> = accounts.iter().copied().filter(|_| self.rng.u32(..100) < percent).collect();
        self.add_passkeys(&who).await;
        let (store, app_id) = (&self.server.context().store, self.server.app_id);
        for account_id in accounts.into_iter().filter(|account_id| !who.contains(account_id)) {
            if self.rng.u32(..100) < percent {
                let account = store.account(app_id, Wanted::Account(account_id)).await.unwrap().unwrap();
                let newest = account.passkeys.last().unwrap().passkey_id;
                // The last one stays.
                remove_passkey(store, app_id, account_id, newest).await.unwrap();
            }
        }
    }

    fn passkey(&mut self) -> Passkey {
        let make = MAKES[weighted(&mut self.rng, MAKES.iter().map(|(weight, ..)| *weight))];
        let credential_id = std::iter::repeat_with(|| self.rng.u8(..)).take(make.1).collect();
        Passkey { credential_id, transports: make.2.to_vec(), ..made_up::passkey(0) }
    }

    async fn add_passkeys(&mut self, accounts: &[AccountID]) {
        let (store, app_id) = (&self.server.context().store, self.server.app_id);
        let mut adding = Vec::new();
        for account_id in accounts.iter().copied() {
            let (passkey, passkey_id) = (self.passkey(), PasskeyID::from_bytes(random(&mut self.rng)));
            adding.push(store.write::<_, StoreError, _>(move |write| {
                Box::pin(async move {
                    let account = write.account(app_id, Wanted::Account(account_id)).await?;
                    let mut account = account.expect("there is such an account");
                    let index = write.keyring().derive_credential_index(app_id, &passkey.credential_id);
                    let row =
                        NewPasskeyRow { passkey_id, credential_index: index, record: passkey.to_record() };
                    write.insert_passkey(&mut account, &row).await?;
                    let (public_key, aaguid) = (Base64Url(vec![1]), Base64Url(passkey.aaguid.to_vec()));
                    let added = PasskeyAdded {
                        account_id,
                        passkey_id,
                        public_key,
                        aaguid,
                        backed_up: false,
                        evidence: None,
                    };
                    write.append(app_id, &EventKind::PasskeyAdded(added))
                })
            }));
        }
        join_all(adding).await.into_iter().for_each(|added| added.unwrap());
    }
}

fn random(rng: &mut Rng) -> [u8; 16] {
    std::array::from_fn(|_| rng.u8(..))
}
