//! What an app's accounts look like to a stranger: how many passkeys they have, how long the ids are, how each is reached.
//! Decoys are drawn from it, so that an address without an account looks like one with an account of this very app.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest;
use passkey_accounts::{
    planted,
    protocol::{AccountID, AppID, webauthn::Transport},
};

use super::KnownAccount;
use crate::{
    limits::POPULATION_ACCOUNTS,
    store::{Store, StoreError},
};

/// What `allowCredentials` shows of a passkey beside its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The length of its id, 1 to 1023.
    pub id_bytes: usize,
    /// How it is reached.
    pub transports: Vec<Transport>,
}

impl Look {
    fn new(id_bytes: usize, transports: &[Transport]) -> Self {
        Self { id_bytes, transports: transports.to_vec() }
    }

    /// One text for each look, and none that begins another.
    fn name(&self) -> String {
        let words: Vec<_> = self.transports.iter().map(|transport| transport.as_str()).collect();
        format!("{} {};", self.id_bytes, words.join(" "))
    }
}

/// The looks of an app's accounts: of all of them, or of as many as [`POPULATION_ACCOUNTS`], those with the smallest ids,
/// which were drawn at random.
#[derive(Debug)]
pub struct Population {
    sample: BTreeMap<AccountID, Vec<Look>>,
    tree: Tree,
}

impl Default for Population {
    /// Of an app without accounts: passkeys of common platforms, of most people one.
    fn default() -> Self {
        use Transport::{Hybrid, Internal};
        let platforms = [
            Look::new(16, &[Hybrid, Internal]),
            Look::new(20, &[Hybrid, Internal]),
            Look::new(32, &[Internal]),
        ];
        let mut tree = Tree::default();
        for (index, passkeys) in [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3].into_iter().enumerate() {
            let looks: Vec<_> = platforms.iter().cycle().skip(index).take(passkeys).cloned().collect();
            tree.add(&looks);
        }
        Self { sample: BTreeMap::new(), tree }
    }
}

impl Population {
    /// Draws the looks of an account. An address has a secret of its own, so for one address the outcome is the same.
    ///
    /// Each account of the population is as likely as the other. For one address the outcome stays as long as the
    /// *shares* stay, however many accounts come; where accounts get one more passkey, as many decoys get one more. Each
    /// branch of the tree draws a lot with its weight, so that a change of one weight moves nobody between two others.
    pub fn draw(&self, secret: &[u8; 32]) -> Vec<Look> {
        let (mut tree, mut looks) = (&self.tree, Vec::new());
        loop {
            let going_on: u32 = tree.next.iter().map(|branch| branch.tree.accounts).sum();
            let end = (tree.accounts.saturating_sub(going_on), &tree.end, None);
            let branches = tree.next.iter().map(|branch| (branch.tree.accounts, &branch.label, Some(branch)));
            let drawn = iter::once(end)
                .chain(branches)
                .filter(|(accounts, ..)| *accounts > 0)
                .map(|(accounts, label, branch)| (lot(secret, label, accounts), branch))
                .min_by(|(one, _), (other, _)| one.total_cmp(other));
            let Some((_, Some(branch))) = drawn else { return looks };
            looks.push(branch.look.clone());
            tree = &branch.tree;
        }
    }

    /// An account of the sample that has about this name; without a sample, nobody.
    pub fn somebody(&self, about: AccountID) -> AccountID {
        let from_there = self.sample.range(about..).next().or_else(|| self.sample.first_key_value());
        from_there.map_or(about, |(account_id, _)| *account_id)
    }

    /// The population that this one has become. Those that have changed are read again; without a list, all.
    async fn read(
        &self,
        store: &Store,
        app_id: AppID,
        accounts: impl Iterator<Item = AccountID>,
        changed: Option<&HashSet<AccountID>>,
    ) -> Result<Self, StoreError> {
        let (mut sample, mut tree) = (BTreeMap::new(), Tree::default());
        for account_id in accounts.take(POPULATION_ACCOUNTS) {
            let is_known = changed.is_some_and(|changed| !changed.contains(&account_id));
            let looks = match self.sample.get(&account_id).filter(|_| is_known) {
                Some(looks) => looks.clone(),
                None => looks_of(store, app_id, account_id).await?,
            };
            if !looks.is_empty() {
                tree.add(&looks);
                sample.insert(account_id, looks);
            }
        }
        Ok(if sample.is_empty() { Self::default() } else { Self { sample, tree } })
    }
}

/// How the passkeys of an account look, oldest first; none of one that was tampered with.
async fn looks_of(store: &Store, app_id: AppID, account_id: AccountID) -> Result<Vec<Look>, StoreError> {
    let account = match KnownAccount::of(store, app_id, account_id).await {
        Err(StoreError::Tampered) => None,
        account => account?,
    };
    let passkeys = account.into_iter().flat_map(|account| account.passkeys);
    Ok(passkeys.map(|(_, passkey)| Look::new(passkey.credential_id.len(), &passkey.transports)).collect())
}

/// Accounts by their passkeys, the oldest first: how many have gone this way, and where to.
#[derive(Debug)]
struct Tree {
    accounts: u32,
    /// Names the end of the way.
    end: Label,
    next: Vec<Branch>,
}

#[derive(Debug)]
struct Branch {
    /// Names the way up to here.
    label: Label,
    look: Look,
    tree: Tree,
}

type Label = [u8; 8];

impl Default for Tree {
    fn default() -> Self {
        Self::after("")
    }
}

impl Tree {
    fn after(way: &str) -> Self {
        Self { accounts: 0, end: label(&format!("{way}end")), next: Vec::new() }
    }

    fn add(&mut self, looks: &[Look]) {
        self.add_after("", looks);
    }

    fn add_after(&mut self, way: &str, looks: &[Look]) {
        self.accounts = self.accounts.saturating_add(1);
        let Some((look, rest)) = looks.split_first() else { return };
        let way = way.to_owned() + &look.name();
        if let Some(known) = self.next.iter_mut().find(|branch| branch.look == *look) {
            known.tree.add_after(&way, rest);
            return;
        }
        let mut tree = Self::after(&way);
        tree.add_after(&way, rest);
        self.next.push(Branch { label: label(&way), look: look.clone(), tree });
    }
}

fn label(way: &str) -> Label {
    first_bytes(&[way.as_bytes()])
}

/// A lot: the smallest wins, and each wins in proportion to its weight (weighted rendezvous hashing).
#[expect(clippy::cast_precision_loss, reason = "53 bits of a draw are enough")]
fn lot(secret: &[u8; 32], label: &Label, weight: u32) -> f64 {
    let drawn = u64::from_be_bytes(first_bytes(&[secret, label]));
    let unit = (drawn as f64 + 1.0) / (u64::MAX as f64 + 2.0);
    -unit.ln() / f64::from(weight)
}

/// The first bytes of a SHA-256.
fn first_bytes(parts: &[&[u8]]) -> [u8; 8] {
    let mut hash = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| hash.update(part));
    hash.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

/// The populations of all apps.
#[derive(Debug, Default)]
pub struct Populations {
    apps: Mutex<HashMap<AppID, AsOf>>,
}

/// A population, and the number of the log's entry up to which it is right.
#[derive(Debug, Clone)]
struct AsOf {
    seq: u64,
    population: Arc<Population>,
}

impl Populations {
    /// The population of an app as of the end of its log.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn of(&self, store: &Store, app_id: AppID) -> Result<Arc<Population>, StoreError> {
        let Some(tail) = store.logs().tail(app_id) else { return Ok(Arc::default()) };
        if planted!(DecoysOfOneMould) {
            return Ok(Arc::default());
        }
        let known = self.lock().get(&app_id).cloned();
        let state = tail.state();
        let entries = known.as_ref().and_then(|known| tail.entries_after(known.seq, usize::MAX));
        let changed = entries.map(|entries| {
            let about_passkeys = entries.iter().filter(|entry| entry.is_about_passkeys());
            about_passkeys.filter_map(|entry| entry.account_id()).collect::<HashSet<_>>()
        });
        let population = match (known, &changed) {
            (Some(known), Some(changed)) if changed.is_empty() => known.population,
            (known, changed) => {
                let before = known.map(|known| known.population).unwrap_or_default();
                Arc::new(before.read(store, app_id, state.roll().accounts(), changed.as_ref()).await?)
            }
        };
        let now = AsOf { seq: state.seq(), population: Arc::clone(&population) };
        let mut apps = self.lock();
        // Somebody who asked at the same time may have read further.
        if apps.get(&app_id).is_none_or(|known| known.seq < now.seq) {
            apps.insert(app_id, now);
        }
        Ok(population)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppID, AsOf>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, Population, Transport, Tree};

    /// What the decoys of an address with this number are drawn with.
    fn secret(number: u32) -> [u8; 32] {
        std::array::from_fn(|at| number.to_be_bytes()[at % 4])
    }

    fn look(id_bytes: usize) -> Look {
        Look::new(id_bytes, &[Transport::Internal])
    }

    fn population(accounts: &[(u32, &[usize])]) -> Population {
        let mut tree = Tree::default();
        for (count, ids) in accounts {
            let looks: Vec<_> = ids.iter().map(|id_bytes| look(*id_bytes)).collect();
            (0..*count).for_each(|_| tree.add(&looks));
        }
        Population { tree, ..Population::default() }
    }

    fn drawn(population: &Population, number: u32) -> Vec<usize> {
        population.draw(&secret(number)).iter().map(|look| look.id_bytes).collect()
    }

    #[test]
    fn each_look_is_drawn_as_often_as_accounts_have_it() {
        let population = population(&[(50, &[16]), (30, &[32]), (15, &[16, 32]), (5, &[20, 20, 64])]);
        let count =
            |looks: &[usize]| (0..10_000).filter(|number| drawn(&population, *number) == looks).count();
        for (looks, expected) in
            [(&[16][..], 5_000), (&[32], 3_000), (&[16, 32], 1_500), (&[20, 20, 64], 500)]
        {
            assert!(count(looks).abs_diff(expected) < 200, "{looks:?}: {}", count(looks));
        }
    }

    #[test]
    fn a_decoy_stays_while_the_app_grows_and_gets_a_passkey_as_accounts_do() {
        let before = population(&[(60, &[16]), (40, &[32])]);
        let grown = population(&[(600, &[16]), (400, &[32])]);
        let moved = |to: &Population| {
            (0..1_000).filter(|number| drawn(&before, *number) != drawn(to, *number)).count()
        };
        assert_eq!(moved(&grown), 0, "the shares are the same");
        // A tenth of the accounts with 16 bytes get a second passkey.
        let added = population(&[(54, &[16]), (6, &[16, 20]), (40, &[32])]);
        assert!((30..90).contains(&moved(&added)), "{}", moved(&added));
        for number in 0..1_000 {
            let (one, other) = (drawn(&before, number), drawn(&added, number));
            assert!(one == other || other == [16, 20], "what was there stays: {one:?} {other:?}");
        }
    }

    #[test]
    fn an_app_without_accounts_has_decoys_all_the_same() {
        let counts: Vec<_> = (0..200).map(|number| drawn(&Population::default(), number).len()).collect();
        assert!(counts.iter().all(|count| (1..=3).contains(count)) && counts.contains(&2), "{counts:?}");
    }
}
