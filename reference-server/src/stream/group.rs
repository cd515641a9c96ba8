//! Which worker owns which lane of a consumer. Pure.

use std::collections::BTreeMap;

use passkey_accounts::planted;

/// A worker of a group, in the order in which they came.
pub type Member = u64;

/// What a worker is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The lane is this worker's.
    Offer(u32),
    /// The lane is wanted back.
    Revoke(u32),
}

/// The workers of one consumer, and the lanes that they share. A lane has one owner at most, and moves only after its
/// owner has let go of it.
#[derive(Debug)]
pub struct Group {
    lanes: Vec<Lane>,
    /// Each with what it has not been told yet.
    members: BTreeMap<Member, Vec<Change>>,
    next: Member,
}

#[derive(Debug, Clone, Copy, Default)]
struct Lane {
    owner: Option<Member>,
    is_revoked: bool,
}

impl Group {
    /// A consumer with that many lanes and no workers.
    pub fn new(lanes: u32) -> Self {
        Self { lanes: vec![Lane::default(); lanes as usize], members: BTreeMap::new(), next: 1 }
    }

    /// A worker comes.
    pub fn join(&mut self) -> Member {
        let member = self.next;
        self.next += 1;
        self.members.insert(member, Vec::new());
        self.share(None);
        member
    }

    /// A worker's connection has ended: whatever it owned is free.
    pub fn leave(&mut self, member: Member) {
        self.members.remove(&member);
        for lane in &mut self.lanes {
            if lane.owner == Some(member) {
                *lane = Lane::default();
            }
        }
        self.share(None);
    }

    /// A worker has let go of a lane.
    pub fn release(&mut self, member: Member, number: u32) {
        let Some(lane) = self.lanes.get_mut(number as usize).filter(|lane| lane.owner == Some(member)) else {
            return;
        };
        *lane = Lane::default();
        self.share(Some(member));
    }

    /// What a worker has to be told, once.
    pub fn take_changes(&mut self, member: Member) -> Vec<Change> {
        self.members.get_mut(&member).map(std::mem::take).unwrap_or_default()
    }

    /// Whether there is anyone else to take a lane over.
    pub fn is_contested(&self) -> bool {
        self.members.len() > 1
    }

    /// Whether nobody works.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many lanes there are.
    pub fn lanes(&self) -> u32 {
        u32::try_from(self.lanes.len()).unwrap_or(u32::MAX)
    }

    /// The owner of each lane.
    pub fn owners(&self) -> impl Iterator<Item = Option<Member>> {
        self.lanes.iter().map(|lane| lane.owner)
    }

    /// Offers free lanes to whoever has the fewest, and wants lanes back from whoever has two more than another.
    /// `last` comes last: it has just let go.
    fn share(&mut self, last: Option<Member>) {
        while let Some(number) = self.lanes.iter().position(|lane| lane.owner.is_none()) {
            let counts = self.counts();
            let Some((member, _)) =
                counts.iter().min_by_key(|(member, count)| (Some(**member) == last, **count))
            else {
                return;
            };
            if let Some(lane) = self.lanes.get_mut(number) {
                *lane = Lane { owner: Some(*member), is_revoked: false };
            }
            self.tell(*member, Change::Offer(u32::try_from(number).unwrap_or(u32::MAX)));
        }
        loop {
            let mut counts = self.counts();
            // Lanes that were wanted back already will go to those with the fewest.
            for _ in self.lanes.iter().filter(|lane| lane.is_revoked) {
                if let Some((_, count)) = counts.iter_mut().min_by_key(|(_, count)| **count) {
                    *count += 1;
                }
            }
            let (Some(least), Some((richest, most))) =
                (counts.values().min(), counts.iter().max_by_key(|(_, count)| **count))
            else {
                return;
            };
            if *most < least + 2 {
                return;
            }
            let richest = *richest;
            let of_richest = |lane: &Lane| lane.owner == Some(richest) && !lane.is_revoked;
            let Some(number) = self.lanes.iter().rposition(of_richest) else { return };
            if let Some(lane) = self.lanes.get_mut(number) {
                lane.is_revoked = true;
            }
            self.tell(richest, Change::Revoke(u32::try_from(number).unwrap_or(u32::MAX)));
            if planted!(OfferedWhileOwned)
                && let Some(lane) = self.lanes.get_mut(number)
            {
                *lane = Lane::default();
                return self.share(Some(richest));
            }
        }
    }

    /// Lanes of each worker that nobody wants back.
    fn counts(&self) -> BTreeMap<Member, usize> {
        let mut counts: BTreeMap<_, _> = self.members.keys().map(|member| (*member, 0)).collect();
        for lane in self.lanes.iter().filter(|lane| !lane.is_revoked) {
            if let Some(count) = lane.owner.and_then(|owner| counts.get_mut(&owner)) {
                *count += 1;
            }
        }
        counts
    }

    fn tell(&mut self, member: Member, change: Change) {
        if let Some(changes) = self.members.get_mut(&member) {
            changes.push(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Group};

    #[test]
    fn one_lane_has_one_owner_and_the_others_stand_by() {
        let mut group = Group::new(1);
        let (first, second) = (group.join(), group.join());
        assert_eq!(group.take_changes(first), [Change::Offer(0)]);
        assert_eq!(group.take_changes(second), []);
        group.leave(first);
        assert_eq!(group.take_changes(second), [Change::Offer(0)]);
    }

    #[test]
    fn a_newcomer_gets_its_share_once_the_owner_has_let_go() {
        let mut group = Group::new(4);
        let first = group.join();
        assert_eq!(group.take_changes(first).len(), 4);
        let second = group.join();
        assert_eq!(group.take_changes(first), [Change::Revoke(3), Change::Revoke(2)]);
        assert_eq!(group.take_changes(second), []);
        group.release(first, 3);
        assert_eq!(group.take_changes(second), [Change::Offer(3)]);
        group.leave(first);
        assert_eq!(group.take_changes(second), [Change::Offer(0), Change::Offer(1), Change::Offer(2)]);
    }

    #[test]
    fn whatever_happens_lanes_are_owned_and_shared_evenly_in_the_end() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let lanes = random.u32(1..=64);
            let mut group = Group::new(lanes);
            let mut members = vec![group.join()];
            for _ in 0..60 {
                match random.u32(0..4) {
                    0 if members.len() < 8 => members.push(group.join()),
                    1 if members.len() > 1 => group.leave(members.swap_remove(random.usize(..members.len()))),
                    _ => {
                        let member = members[random.usize(..members.len())];
                        group.release(member, random.u32(0..lanes));
                    }
                }
                assert!(group.owners().all(|owner| owner.is_some_and(|owner| members.contains(&owner))));
            }
            // Everybody does as told.
            loop {
                let mut has_changed = false;
                for member in &members {
                    for change in group.take_changes(*member) {
                        if let Change::Revoke(lane) = change {
                            group.release(*member, lane);
                            has_changed = true;
                        }
                    }
                }
                if !has_changed {
                    break;
                }
            }
            let counts = group.counts();
            assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1, "{counts:?}");
        }
    }
}
