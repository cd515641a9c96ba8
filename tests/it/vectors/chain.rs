//! The ids and hashes in transcripts are those of a real log: the chain is recomputed from the bytes in the file.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use passkey_accounts::{
    log::{
        ChainHash, Entry, Epoch, EventID,
        head::{self, HeadKey},
    },
    protocol::{AppID, stream::Message},
};

use super::{
    server::SIGNER_SEED,
    transcript::{self, Kind, Transcript},
};

/// Recomputes the chain of a view of all types that began with the first event. Returns how many entries and signed
/// heads there were.
fn recompute(transcript: &Transcript) -> (u64, usize) {
    let signer = Ed25519KeyPair::from_seed_unchecked(&SIGNER_SEED).unwrap();
    let key = HeadKey::from_bytes(signer.public_key().as_ref().try_into().unwrap()).unwrap();
    let epoch: Epoch = "0001".parse().unwrap();
    let app_id = AppID::from_bytes([1; 16]);
    let (mut hash, mut seq, mut heads) = (ChainHash::GENESIS, 0, 0);
    for line in transcript.lines.iter().filter(|line| line.kind == Kind::ServerSends) {
        match Message::decode(line.frame()).unwrap() {
            Some(Message::Event(event)) => {
                let (name, data) = (event.name.as_str(), event.data.as_str());
                let entry = Entry { app_id, epoch, seq: event.seq, time: event.time, name, data };
                (hash, seq) = (hash.followed_by(&entry), seq + 1);
                assert_eq!((event.seq, event.id), (seq, EventID::new(epoch, seq, &hash).to_string()));
            }
            Some(Message::Bookmark(bookmark)) => {
                assert_eq!(bookmark.hash.unwrap().0, hash.0);
                if let Some(signed) = bookmark.head {
                    let head = head::verify(app_id, &signed, std::slice::from_ref(&key)).unwrap();
                    assert_eq!((head.seq, head.hash), (seq, hash));
                    heads += 1;
                }
            }
            _ => {}
        }
    }
    (seq, heads)
}

#[test]
fn the_chain_in_the_transcripts_is_the_one_of_the_protocol() {
    let transcripts = transcript::all();
    let name = "the chain of a log can be recomputed from what a view of all types is sent";
    let transcript = transcripts.iter().find(|transcript| transcript.header.name == name).unwrap();
    assert_eq!(recompute(transcript), (5, 1));
}
