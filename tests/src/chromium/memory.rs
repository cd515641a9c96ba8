//! What a browser has in memory, as whoever runs as the same user reads it.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
};

use anyhow::Context;

/// Reads what a process and all those below it hold, one stretch of pages after the other.
pub(super) fn read(process: u32, mut found: impl FnMut(&[u8])) -> anyhow::Result<()> {
    let mut readable = 0;
    for process in family(process) {
        let file = |name: &str| fs::File::open(format!("/proc/{process}/{name}"));
        // One that has ended meanwhile has no memory.
        let (Ok(maps), Ok(mut pages), Ok(mut memory)) =
            (fs::read_to_string(format!("/proc/{process}/maps")), file("pagemap"), file("mem"))
        else {
            continue;
        };
        readable += 1;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let range = line.split(' ').next().and_then(|range| range.split_once('-')).context("a range")?;
            let (start, end) = (u64::from_str_radix(range.0, 16)?, u64::from_str_radix(range.1, 16)?);
            for (start, length) in stretches(&mut pages, start, end) {
                if let Some(bytes) = bytes(&mut memory, start, length) {
                    found(&bytes);
                }
            }
        }
    }
    anyhow::ensure!(readable > 0, "this user may not read the browser's memory");
    Ok(())
}

/// The pages of a range that hold something, as stretches of bytes: browsers reserve far more than they use.
fn stretches(pages: &mut fs::File, start: u64, end: u64) -> Vec<(u64, u64)> {
    let entries = bytes(pages, start / PAGE * 8, (end - start) / PAGE * 8).unwrap_or_default();
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for (entry, page) in entries.chunks_exact(8).zip(0..) {
        // Bit 63: in memory; bit 62: swapped out.
        if entry[7] & 0b1100_0000 == 0 {
            continue;
        }
        let at = start + page * PAGE;
        match stretches.last_mut() {
            Some((from, length)) if *from + *length == at => *length += PAGE,
            _ => stretches.push((at, PAGE)),
        }
    }
    stretches
}

fn bytes(file: &mut fs::File, at: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
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

const PAGE: u64 = 4_096;
