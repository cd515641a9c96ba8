//! What a browser has in memory, as whoever runs as the same user reads it.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
};

use anyhow::Context;

/// Reads what a process and all those below it hold, some megabytes at a time, each with the end of the one before.
pub(super) fn read(process: u32, mut found: impl FnMut(&[u8])) -> anyhow::Result<()> {
    let mut readable = 0;
    for process in family(process) {
        // One that has ended meanwhile has no memory.
        let (Ok(maps), Ok(mut memory)) = (
            fs::read_to_string(format!("/proc/{process}/maps")),
            fs::File::open(format!("/proc/{process}/mem")),
        ) else {
            continue;
        };
        readable += 1;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let range = line.split(' ').next().and_then(|range| range.split_once('-')).context("a range")?;
            let (start, end) = (u64::from_str_radix(range.0, 16)?, u64::from_str_radix(range.1, 16)?);
            let mut at = start;
            while at < end && memory.seek(SeekFrom::Start(at)).is_ok() {
                let mut bytes = Vec::new();
                if memory.by_ref().take((end - at).min(PIECE)).read_to_end(&mut bytes).is_err()
                    || bytes.is_empty()
                {
                    break;
                }
                found(&bytes);
                at += (bytes.len() as u64).saturating_sub(OVERLAP).max(1);
                if bytes.len() as u64 <= OVERLAP {
                    break;
                }
            }
        }
    }
    anyhow::ensure!(readable > 0, "this user may not read the browser's memory");
    Ok(())
}

/// A process, and the processes that it has started, and theirs.
fn family(process: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let child = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
            // The name, in brackets, may hold anything.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((child, parent))
        })
        .collect();
    let mut family = vec![process];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(child, _)| *child));
        next += 1;
    }
    family
}

const PIECE: u64 = 16 * 1024 * 1024;

/// Longer than what anybody looks for.
const OVERLAP: u64 = 4_096;
